/**
 * Keeping key sets fresh. Every worker looks at the shared state on each tick, takes over what another one fetched, and does what
 * keys/machine.ts says: the one that wins the compare-and-swap for the lease fetches, and shares what it got. What is not a key set
 * changes nothing: the last good one stays.
 */
import { countKeySet, KeySetMetric, recordKeySet } from "../audit/metrics";
import { hash32 } from "../bytes/hash";
import { sipHash } from "../bytes/siphash";
import { isRun, spanOf, spanSize, spanStart } from "../bytes/span";
import { lendArena, resetArena } from "../host/arena";
import { readClock, readResponseBody } from "../host/host";
import { giveRegion, takeRegion } from "../host/region";
import * as limits from "../limits";
import * as layout from "../policy/layout";
import { Policy, recordAt, sectionCount, textSize } from "../policy/policy";
import { firstStage, foundSize, foundStart, isDiscovered, locateKeys, Stage, setTarget, Target } from "./discovery";
import { Answer, readAnswer, requestFrom } from "./fetch";
import { readKeySet } from "./jwks";
import { dropKeys, isFetched, KeySet, keySetAt, replaceKeys } from "./keyset";
import { tellLeftOut } from "./leftout";
import { likeness, likenessOfKeys } from "./likeness";
import { Action, age, backoffSeconds, Event, isBehind, never, nextAttempt, second, step } from "./machine";
import { readSharedSet, readState, set_head_bytes, writeSharedSet, writeState } from "./shared";
import { etagStart, State } from "./state";
import { blame, statusWords, tellFailed, tellFetched, tellLost } from "./tell";

/** The state that a callback works on, read anew for each set. */
const current = changetype<State>(memory.data(200, 8));
/** What the answer in hand says. */
const answered = changetype<Answer>(memory.data(48, 8));
if (!(offsetof<Answer>() <= 48)) ERROR("the slot holds what an answer says");

/** Where the callout that is begun goes. */
const target = changetype<Target>(memory.data(32, 8));
if (!(offsetof<Target>() <= 32)) ERROR("the slot holds a target");

const entropy: usize = memory.data(16, 8);

/** Whether any set of a policy is fetched, so that its root context needs ticks. */
export function fetchesKeys(policy: Policy): bool {
  const count = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < count; index++) {
    if (textSize(recordAt(policy, layout.section_key_sets, index) + layout.key_set_url_at) != 0) return true;
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
    if (isFetched(set) && readState(set, current)) refresh(policy, set, index, current, now);
  }
}

function refresh(policy: Policy, set: KeySet, index: u32, state: State, now: u64): void {
  blame(0, 0);
  if (isBehind(state, set)) adoptShared(policy, set, index, state);
  if (set.since == 0) set.since = now;
  const since = state.fetchedAt != 0 ? state.fetchedAt : set.since;
  recordKeySet(policy, index, KeySetMetric.AGE_SECONDS, now > since ? (now - since) / second : 0);
  recordKeySet(policy, index, KeySetMetric.KEYS, set.keyCount);
  const wasCalling = set.calling;
  const retry = jittered(backoffSeconds(state.failures, refreshSeconds(set)), now, policy);
  const action = step(state, set, Event.TICK, now, refreshSeconds(set), retry);
  if (action == Action.NOTHING || !writeState(set, state)) return;
  if (action == Action.FETCH) beginFetch(policy, set, index, state);
  else if (wasCalling && !set.calling)
    fail(policy, set, index, "the host has lost its answer: is proxy_on_http_call_response allowed?", 0);
}

/** How often a set is fetched: as the policy says, or sooner where the set in force says so. */
function refreshSeconds(set: KeySet): u32 {
  const own = load<u32>(set.record, layout.key_set_refresh_seconds_at);
  const told: u32 = set.region == 0 ? 0 : load<u32>(set.region, 4);
  return told == 0 ? own : min(own, max(told, limits.max_age_seconds_min));
}

/** Takes over what was fetched before this policy came into force, for sets that are there. */
export function adoptKeySets(policy: Policy): void {
  const count = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < count; index++) {
    const set = keySetAt(policy, index);
    resetArena();
    if (isFetched(set) && readState(set, current) && current.generation != 0) adoptShared(policy, set, index, current);
  }
}

/** Gives back the leases that a policy holds, as its root context ends: nobody waits for what it began. */
export function endFetches(policy: Policy): void {
  const count = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < count; index++) {
    const set = keySetAt(policy, index);
    if (!set.calling) continue;
    resetArena();
    if (!readState(set, current)) continue;
    if (step(current, set, Event.ENDED, readClock(), 0, 0) == Action.WRITE) writeState(set, current);
  }
}

function beginFetch(policy: Policy, set: KeySet, index: u32, state: State): void {
  set.attempt = state.started;
  set.calling = true;
  const stage = firstStage(set);
  setTarget(target, set, stage);
  ask(policy, set, index, state, stage, limits.key_fetch_milliseconds_max);
}

/** Asks the target for what a stage wants. */
function ask(policy: Policy, set: KeySet, index: u32, state: State, stage: Stage, milliseconds: u32): void {
  set.stage = stage;
  const call = requestFrom(target, set, state, milliseconds);
  set.call = <u32>call;
  if (call >= 0) return;
  blame(target.clusterStart, target.clusterSize);
  finishFailed(
    policy,
    set,
    index,
    state,
    "the host began no callout: has Envoy no such cluster, or does it not allow proxy_http_call?",
    0,
  );
}

/** Asks for what comes after a document; all of an attempt together has the time that one answer has. */
function askOn(policy: Policy, set: KeySet, index: u32, state: State, stage: Stage): void {
  const taken = age(state.attemptAt, readClock());
  const elapsed = taken == never ? 0 : taken / 1000000;
  if (elapsed < <u64>limits.key_fetch_milliseconds_max) {
    ask(policy, set, index, state, stage, limits.key_fetch_milliseconds_max - <u32>elapsed);
  } else {
    finishFailed(policy, set, index, state, statusWords(504), 0);
  }
}

/** Takes the answer to a callout of a policy's root context, whose body has so many bytes. */
export function takeAnswer(policy: Policy, call: u32, bodyBytes: u32): void {
  const count = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < count; index++) {
    const set = keySetAt(policy, index);
    if (!set.calling || set.call != call) continue;
    readAnswer(answered);
    takeAnswerFor(policy, set, index, current, answered, bodyBytes);
    return;
  }
}

function takeAnswerFor(policy: Policy, set: KeySet, index: u32, state: State, answer: Answer, bodyBytes: u32): void {
  blame(0, 0);
  if (!readState(set, state) || state.started != set.attempt) {
    // Another worker took over.
    set.calling = false;
    return;
  }
  if (set.stage == Stage.OPENID && answer.status >= 400 && answer.status < 500) {
    setTarget(target, set, Stage.OAUTH);
    askOn(policy, set, index, state, Stage.OAUTH);
    return;
  }
  if (answer.status == 304 && state.etagSize != 0 && !isBehind(state, set)) {
    finishFetched(policy, set, index, state, answer);
    return;
  }
  if (answer.status != 200) {
    if (answer.status >= 300 && answer.status < 400) blame(answer.locationStart, answer.locationSize);
    finishFailed(policy, set, index, state, statusWords(answer.status), answer.status);
  } else if (answer.encodingSize != 0) {
    blame(answer.encodingStart, answer.encodingSize);
    finishFailed(policy, set, index, state, "it is compressed, which nobody asked for", 0);
  } else if (set.stage != Stage.KEYS) {
    takeDocument(policy, set, index, state, bodyBytes);
  } else if (bodyBytes > limits.jwks_bytes_max) {
    finishFailed(policy, set, index, state, "it is larger than 1 MiB", 0);
  } else {
    takeBody(policy, set, index, state, answer, bodyBytes);
  }
}

/** A discovery document: asks for the set where it says that is. */
function takeDocument(policy: Policy, set: KeySet, index: u32, state: State, bytes: u32): void {
  if (bytes > limits.discovery_bytes_max) {
    finishFailed(policy, set, index, state, "it is too large", 0);
    return;
  }
  const region = takeRegion(bytes + 16);
  let trouble = "there is no memory for it";
  if (region != 0) {
    trouble = "the host did not hand it over";
    if (readBody(region, bytes)) {
      trouble = likeness(region, bytes);
      if (trouble.length == 0) {
        trouble = locateKeys(set, region, bytes, target);
        if (foundSize != 0) blame(foundStart, foundSize);
      }
    }
  }
  if (trouble.length != 0) finishFailed(policy, set, index, state, trouble, 0);
  else askOn(policy, set, index, state, Stage.KEYS);
  giveRegion(region);
}

/** Reads the body of the answer in hand to `start`, which has room for 16 bytes more. Of an empty one there is nothing to hand over. */
function readBody(start: usize, bytes: u32): bool {
  if (bytes == 0) return true;
  lendArena(start, bytes + 16);
  const body = readResponseBody(bytes);
  resetArena();
  return body == spanOf(start, bytes);
}

/** The body is kept as it came, for the other workers, and read from a copy, which reading changes. */
function takeBody(policy: Policy, set: KeySet, index: u32, state: State, answer: Answer, bytes: u32): void {
  const original = takeRegion(set_head_bytes + bytes + 16);
  const copy = takeRegion(bytes + 16);
  let trouble = "";
  let region: usize = 0;
  if (original == 0 || copy == 0) {
    trouble = "there is no memory for it";
  } else {
    // The answer's ETag lies in the arena, which is lent out for the time of one call.
    state.etagSize = isDiscovered(set) ? 0 : answer.etagSize;
    memory.copy(etagStart(state), answer.etagStart, state.etagSize);
    if (!readBody(original + set_head_bytes, bytes)) trouble = "the host did not hand it over";
    else {
      memory.copy(copy, original + set_head_bytes, bytes);
      region = readKeySet(copy, bytes, load<u32>(set.record, layout.key_set_use_at));
      if (region == 0) trouble = likenessOfKeys(original + set_head_bytes, bytes);
    }
  }
  if (region != 0 && !share(policy, set, index, state, region, original, bytes)) trouble = "the host did not share it";
  giveRegion(copy);
  giveRegion(original);
  if (trouble.length != 0) finishFailed(policy, set, index, state, trouble, 0);
  else finishFetched(policy, set, index, state, answer);
}

/**
 * The set, its keys in `region`, is written before the state that tells of it, and what it leaves out is told where it is another than
 * before. False where the host does not take it.
 */
function share(
  policy: Policy,
  set: KeySet,
  index: u32,
  state: State,
  region: usize,
  original: usize,
  bytes: u32,
): bool {
  const hash = sipHash(bytes, 0, original + set_head_bytes, bytes);
  if (state.generation != 0 && state.hash == hash && !isBehind(state, set)) {
    giveRegion(region);
    return true;
  }
  // No other attempt has this number, also where one took the lease from this.
  const generation = set.attempt;
  if (!writeSharedSet(set, original, set_head_bytes + bytes, generation)) {
    giveRegion(region);
    return false;
  }
  state.generation = generation;
  state.hash = hash;
  state.size = bytes;
  set.generation = generation;
  replaceKeys(set, region);
  tellFetched(set);
  tellLeftOut(policy, set, index);
  return true;
}

function finishFetched(policy: Policy, set: KeySet, index: u32, state: State, answer: Answer): void {
  const now = readClock();
  const refresh_seconds = refreshSeconds(set);
  const told = answer.maxAgeSeconds;
  const fresh = told < 0 ? <i64>refresh_seconds : max(told, <i64>limits.max_age_seconds_min);
  const next = jittered(<u32>min(fresh, <i64>refresh_seconds), now, policy);
  // Nobody else writes while the lease lasts; where it did not, the other worker's attempt is as good.
  if (step(state, set, Event.FETCHED, now, refresh_seconds, next) == Action.WRITE) writeState(set, state);
  countKeySet(policy, index, KeySetMetric.REFRESHES);
  recordKeySet(policy, index, KeySetMetric.AGE_SECONDS, 0);
  recordKeySet(policy, index, KeySetMetric.KEYS, set.keyCount);
}

/** `status` is what was answered in place of the set, 0 where that is not to blame. */
function finishFailed(policy: Policy, set: KeySet, index: u32, state: State, trouble: string, status: u32): void {
  const now = readClock();
  // What this attempt put into the state, an ETag perhaps, is not what is shared.
  if (!readState(set, state)) {
    set.calling = false;
    return;
  }
  const retry = jittered(backoffSeconds(state.failures, refreshSeconds(set)), now, policy);
  if (step(state, set, Event.FAILED, now, 0, retry) == Action.NOTHING) return;
  writeState(set, state);
  fail(policy, set, index, trouble, status);
}

function fail(policy: Policy, set: KeySet, index: u32, trouble: string, status: u32): void {
  countKeySet(policy, index, KeySetMetric.FAILURES);
  tellFailed(set, trouble, status);
}

/** A period in nanoseconds, less up to a tenth of it, so that the proxies of a fleet do not all ask at once; never more. */
function jittered(period_seconds: u32, now: u64, policy: Policy): u64 {
  store<u64>(entropy, now);
  const chance = <u64>hash32(policy.rootContext, entropy, 8);
  const period = <u64>period_seconds * second;
  return period - ((period / 10) >> 16) * (chance >> 16);
}

/**
 * Takes over the set another worker fetched; what fails is tried again on the next tick. A key may have been removed, so the
 * old ones do not serve for long meanwhile.
 */
function adoptShared(policy: Policy, set: KeySet, index: u32, state: State): void {
  // Another set, a larger one, may come between: then it is taken over on the next tick.
  const room = min(state.size, limits.jwks_bytes_max) + set_head_bytes + 16;
  const shared = takeRegion(room);
  let region: usize = 0;
  if (shared != 0) {
    lendArena(shared, room);
    const json = readSharedSet(set, state.generation);
    if (isRun(json)) {
      region = readKeySet(spanStart(json), spanSize(json), load<u32>(set.record, layout.key_set_use_at));
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
  if (++set.missed != limits.key_takeover_attempts_max) return;
  set.wanted = nextAttempt(state);
  dropKeys(set);
  countKeySet(policy, index, KeySetMetric.FAILURES);
  tellLost(set);
}
