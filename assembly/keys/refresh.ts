/**
 * Keeping key sets fresh. Every worker looks at the shared state on each tick; the one that finds a set due, and wins the
 * compare-and-swap for the lease, fetches it, and shares what it got:
 *
 *           due, lease won               answer good: a new generation if it differs
 *   idle ─────────────────────► leased ───────────────────────────────────────────► idle, due after `refresh`
 *                                  │
 *                                  └── answer bad, none, or the lease ran out ───────► idle, due after a backoff
 *
 * A set is due when its time has come, or when a token named a key it lacks, the latter at most every few seconds, and
 * less often while its server fails. What is not a key set changes nothing: the last good one stays.
 */
import { countKeySet, KeySetMetric, recordKeySet } from "../audit/metrics";
import { hash32 } from "../bytes/hash";
import { sipHash } from "../bytes/siphash";
import { openWriter, Writer, writeBytes, writeDecimal, writeText } from "../bytes/writer";
import { LogLevel } from "../host/abi";
import { lendArena, resetArena } from "../host/arena";
import { log, Read, readClock, readResponseBody, valueSize, valueStart } from "../host/host";
import { giveRegion, takeRegion } from "../host/region";
import * as limits from "../limits";
import * as layout from "../policy/layout";
import { Policy, recordAt, sectionCount, textSize } from "../policy/policy";
import { readResponse, requestKeySet, responseEtag, responseEtagSize, responseMaxAge, responseStatus } from "./fetch";
import { readKeySet } from "./jwks";
import { dropKeys, isFetched, KeySet, keySetAt, replaceKeys } from "./keyset";
import { etagStart, readSharedSet, readState, set_head_bytes, state, writeSharedSet, writeState } from "./state";

const second: u64 = 1000000000;

const backoff_doublings: u32 = 6;
if (!(limits.most_backoff_seconds == limits.least_backoff_seconds << 6))
  ERROR("the longest backoff is so many doublings away");

const writer = changetype<Writer>(memory.data(32, 8));
const line: usize = memory.data(limits.log_bytes);
const entropy: usize = memory.data(16, 8);

/** Whether any set of a policy is fetched, so that its root context needs ticks. */
export function fetchesKeys(policy: Policy): bool {
  const count = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < count; index++) {
    if (textSize(recordAt(policy, layout.section_key_sets, index) + layout.key_set_url) != 0) return true;
  }
  return false;
}

/** Looks after the key sets of a policy: takes over what another worker fetched, and fetches what is due. */
export function refreshKeySets(policy: Policy): void {
  const now = readClock();
  const count = sectionCount(policy, layout.section_key_sets);
  if (now == 0) return;
  for (let index: u32 = 0; index < count; index++) {
    const set = keySetAt(policy, index);
    resetArena();
    if (!isFetched(set) || !readState(set)) continue;
    if (state.generation != set.generation) adoptShared(policy, set, index);
    if (set.since == 0) set.since = now;
    const since = state.fetchedAt != 0 ? state.fetchedAt : set.since;
    recordKeySet(policy, index, KeySetMetric.AGE_SECONDS, now > since ? (now - since) / second : 0);
    recordKeySet(policy, index, KeySetMetric.KEYS, set.keyCount);
    if (isDue(set, now) && !isLeased(now)) beginFetch(policy, set, index, now);
  }
}

/** Takes over what was fetched before this policy came into force, for sets that are there. */
export function adoptKeySets(policy: Policy): void {
  const count = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < count; index++) {
    const set = keySetAt(policy, index);
    resetArena();
    if (isFetched(set) && readState(set) && state.generation != 0) adoptShared(policy, set, index);
  }
}

/** When the next attempt may begin that a token's unknown key asks for, by the state in hand. */
export function nextWantedAt(now: u64): u64 {
  // An attempt of the future is one before the clock stepped back.
  const before = min(state.attemptAt, now);
  const floor = before + <u64>limits.key_floor_seconds * second;
  if (state.failures == 0) return floor;
  // A server that fails is asked less often, but one that is there again should not wait for the end of a long backoff.
  return max(floor, min(state.nextAt, before + <u64>limits.key_failing_floor_seconds * second));
}

function isDue(set: KeySet, now: u64): bool {
  // A clock that stepped back must not have it asked for again and again until it has caught up.
  if (set.wantedAt > now) set.wantedAt = now;
  if ((set.wantedAt > state.attemptAt || (set.wantedAt != 0 && state.attemptAt > now)) && now >= nextWantedAt(now))
    return true;
  // Nor must it put off the next fetch for as long.
  const furthest = <u64>max(load<u32>(set.record, layout.key_set_refresh_seconds), limits.most_backoff_seconds);
  return now >= state.nextAt || state.nextAt - now > furthest * second;
}

function isLeased(now: u64): bool {
  return state.leaseUntil > now && state.leaseUntil - now <= <u64>limits.key_lease_seconds * second;
}

function beginFetch(policy: Policy, set: KeySet, index: u32, now: u64): void {
  state.started++;
  state.attemptAt = now;
  state.leaseUntil = now + <u64>limits.key_lease_seconds * second;
  if (!writeState(set)) return;
  set.attempt = state.started;
  const call = requestKeySet(set);
  set.calling = call >= 0;
  set.call = <u32>call;
  if (call < 0)
    finishFailed(
      policy,
      set,
      index,
      "the host began no callout: is the cluster there, and proxy_http_call allowed?",
      0,
    );
}

/** Takes the answer to a callout of a policy's root context, whose body has so many bytes. */
export function takeAnswer(policy: Policy, call: u32, bodyBytes: u32): void {
  const count = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < count; index++) {
    const set = keySetAt(policy, index);
    if (!set.calling || set.call != call) continue;
    set.calling = false;
    takeAnswerFor(policy, set, index, bodyBytes);
    return;
  }
}

function takeAnswerFor(policy: Policy, set: KeySet, index: u32, bodyBytes: u32): void {
  readResponse();
  if (!readState(set) || state.started != set.attempt) return;
  if (responseStatus == 304 && state.etagSize != 0 && set.generation == state.generation) {
    finishFetched(policy, set, index);
    return;
  }
  if (responseStatus != 200) {
    finishFailed(policy, set, index, statusWords(responseStatus), responseStatus);
  } else if (bodyBytes > limits.jwks_bytes) {
    finishFailed(policy, set, index, "it is larger than 1 MiB", 0);
  } else {
    takeBody(policy, set, index, bodyBytes);
  }
}

/** Envoy answers itself, with 503 or 504, where it has no answer to hand over. */
function statusWords(status: u32): string {
  switch (status) {
    case 0:
      return "the answer broke off";
    case 503:
      return "it could not be reached, or its certificate is not trusted, or its server says so";
    case 504:
      return "no answer came in time";
    default:
      return "its server did not answer 200";
  }
}

/** The body is kept as it came, for the other workers, and read from a copy, which reading changes. */
function takeBody(policy: Policy, set: KeySet, index: u32, bytes: u32): void {
  const original = takeRegion(set_head_bytes + bytes + 16);
  const copy = takeRegion(bytes + 16);
  let trouble = "";
  let region: usize = 0;
  if (original == 0 || copy == 0) {
    trouble = "there is no memory for it";
  } else {
    // The answer's ETag lies in the arena, which is lent out for the time of one call.
    keepEtag();
    lendArena(original + set_head_bytes, bytes + 16);
    const read = readResponseBody(bytes);
    const isThere = read == Read.PRESENT && valueSize == bytes && valueStart == original + set_head_bytes;
    resetArena();
    if (!isThere) trouble = "the host did not hand it over";
    else {
      memory.copy(copy, valueStart, bytes);
      region = readKeySet(copy, bytes, load<u32>(set.record, layout.key_set_use));
      if (region == 0) trouble = "it is no JSON Web Key Set";
    }
  }
  giveRegion(copy);
  if (region == 0) finishFailed(policy, set, index, trouble, 0);
  else share(policy, set, index, region, original, bytes);
  giveRegion(original);
}

/** The set is written before the state that tells of it. */
function share(policy: Policy, set: KeySet, index: u32, region: usize, original: usize, bytes: u32): void {
  const hash = sipHash(bytes, 0, original + set_head_bytes, bytes);
  if (state.generation == 0 || state.hash != hash || set.generation != state.generation) {
    // No other attempt has this number, also where one took the lease from this.
    const generation = set.attempt;
    if (!writeSharedSet(set, original, set_head_bytes + bytes, generation)) {
      giveRegion(region);
      finishFailed(policy, set, index, "the host did not share it", 0);
      return;
    }
    state.generation = generation;
    state.hash = hash;
    state.size = bytes;
    set.generation = generation;
    replaceKeys(set, region);
    announce(set);
  } else {
    giveRegion(region);
  }
  finishFetched(policy, set, index);
}

function keepEtag(): void {
  state.etagSize = responseEtagSize;
  memory.copy(etagStart(), responseEtag, responseEtagSize);
}

function finishFetched(policy: Policy, set: KeySet, index: u32): void {
  const now = readClock();
  const refresh = load<u32>(set.record, layout.key_set_refresh_seconds);
  const fresh = responseMaxAge < 0 ? <i64>refresh : max(responseMaxAge, <i64>limits.least_max_age_seconds);
  state.finished = state.started;
  state.failures = 0;
  state.leaseUntil = 0;
  state.fetchedAt = now;
  state.nextAt = now + jittered(<u64>min(fresh, <i64>refresh) * second, now, policy);
  // Nobody else writes while the lease lasts; where it did not, the other worker's attempt is as good.
  writeState(set);
  countKeySet(policy, index, KeySetMetric.REFRESHES);
  recordKeySet(policy, index, KeySetMetric.AGE_SECONDS, 0);
  recordKeySet(policy, index, KeySetMetric.KEYS, set.keyCount);
}

/** `status` is what was answered in place of the set, 0 where that is not to blame. */
function finishFailed(policy: Policy, set: KeySet, index: u32, trouble: string, status: u32): void {
  const now = readClock();
  set.calling = false;
  // What this attempt put into the state, an ETag perhaps, is not what is shared.
  if (!readState(set) || state.started != set.attempt) return;
  const refresh = load<u32>(set.record, layout.key_set_refresh_seconds);
  const doubled = limits.least_backoff_seconds << min(state.failures, backoff_doublings);
  state.finished = state.started;
  state.failures = min(state.failures + 1, 1000);
  state.leaseUntil = 0;
  state.nextAt = now + jittered(<u64>min(doubled, max(refresh, limits.least_backoff_seconds)) * second, now, policy);
  writeState(set);
  countKeySet(policy, index, KeySetMetric.FAILURES);
  openLine(set);
  writeText(writer, " not fetched: ");
  writeText(writer, trouble);
  if (status != 0) {
    writeText(writer, ", status ");
    writeDecimal(writer, status);
  }
  log(LogLevel.WARN, line, writer.size);
}

/** Up to a tenth less, so that the proxies of a fleet do not all ask at once; never more. */
function jittered(period_nanoseconds: u64, now: u64, policy: Policy): u64 {
  store<u64>(entropy, now);
  const chance = <u64>hash32(policy.rootContext, entropy, 8);
  return period_nanoseconds - ((period_nanoseconds / 10) >> 16) * (chance >> 16);
}

/**
 * Takes over the set another worker fetched; what fails is tried again on the next tick. A key may have been removed, so the
 * old ones do not serve for long meanwhile.
 */
function adoptShared(policy: Policy, set: KeySet, index: u32): void {
  // Another set, a larger one, may come between: then it is taken over on the next tick.
  const room = min(state.size, limits.jwks_bytes) + set_head_bytes + 16;
  const shared = takeRegion(room);
  let region: usize = 0;
  if (shared != 0) {
    lendArena(shared, room);
    if (readSharedSet(set)) {
      const size = valueSize - set_head_bytes;
      region = readKeySet(valueStart + set_head_bytes, size, load<u32>(set.record, layout.key_set_use));
      if (region != 0) set.generation = state.generation;
    }
    resetArena();
    giveRegion(shared);
  }
  if (region != 0) {
    set.missed = 0;
    replaceKeys(set, region);
    return;
  }
  if (++set.missed != limits.key_takeover_attempts) return;
  set.wantedAt = readClock();
  dropKeys(set);
  countKeySet(policy, index, KeySetMetric.FAILURES);
  openLine(set);
  writeText(writer, " could not be taken over from another worker: until it is, no token of it is good here");
  log(LogLevel.ERROR, line, writer.size);
}

function announce(set: KeySet): void {
  openLine(set);
  writeText(writer, " fetched: ");
  writeDecimal(writer, set.keyCount);
  writeText(writer, set.keyCount == 1 ? " key" : " keys");
  log(LogLevel.INFO, line, writer.size);
}

function openLine(set: KeySet): void {
  openWriter(writer, line, limits.log_bytes);
  writeText(writer, "sallyport: key set ");
  const name = set.record + layout.key_set_name;
  writeBytes(writer, set.image + load<u32>(name), load<u32>(name, 4));
}
