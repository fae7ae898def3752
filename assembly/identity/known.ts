/**
 * Callers that were seen before: what follows from an ID's bytes and the policy alone need not be found again. Each policy has
 * a table of places in sets of four, and a hash of the ID under a secret (host/secret.ts) names its set, so that nobody can choose whom
 * to meet there. An ID has one place at the most, and all its bytes are compared. A newcomer takes a place of its set that is free, or
 * its turn among the four.
 *
 *   place   0         4        8               12           16             20          72     80    256         512
 *           +---------+--------+---------------+------------+--------------+-----------+------+-----+-----------+
 *           | ID size | reason | domain size   | groups     | forwarded    | 13 groups | hash | ID  | forwarded |
 *           |         |        |               | + 1, or 0  | size         |           | u64  |     |           |
 *           +---------+--------+---------------+------------+--------------+-----------+------+-----+-----------+
 *
 * `forwarded` is an x-forwarded-client-cert that told nothing but what the connection did: it need not be read again either.
 */
import { copyBytes, sameBytes } from "../bytes/span";
import { keyedHash } from "../host/secret";
import { known_callers_max } from "../limits";
import { Policy } from "../policy/policy";
import { Reason } from "../reason";
import { group, request, setGroups } from "../request/request";

const place_bytes: u32 = 512;
const place_groups: u32 = 13;
const groups_at: u32 = 20;
const hash_at: u32 = 72;
const id_at: u32 = 80;
const forwarded_at: u32 = 256;
const id_bytes: u32 = forwarded_at - id_at;
const forwarded_bytes: u32 = place_bytes - forwarded_at;
const set_places: u32 = 4;
const kind_known: u64 = 0x200;

if (!(known_callers_max == 64))
  ERROR("known_callers_max is sixteen sets of four, which four bits of a hash choose among");

/** The bytes of a policy's table. */
export const known_callers_bytes: u32 = known_callers_max * place_bytes;

/** Whose turn it is to give way in a set that is full. */
let turn: u32 = 0;

/** The place of an ID, or the one that it may take; 0 for IDs that are not kept. */
export function placeOfCaller(policy: Policy, start: usize, size: u32): usize {
  if (size == 0 || size > id_bytes) return 0;
  const hash = keyedHash(0, kind_known, start, size);
  const set = policy.knownCallers + <usize>(<u32>(hash >> 60) * set_places) * place_bytes;
  let free: usize = 0;
  for (let place = set; place < set + set_places * place_bytes; place += place_bytes) {
    if (load<u32>(place) == 0) free = place;
    else if (load<u64>(place, hash_at) == hash) return place;
  }
  if (free == 0) free = set + <usize>(turn++ & (set_places - 1)) * place_bytes;
  // Nobody's until the newcomer has it.
  store<u32>(free, 0);
  store<u64>(free, hash, hash_at);
  return free;
}

/** Takes what is known of the caller in the request's slot from a place; false where another has it. */
export function recallCaller(place: usize): bool {
  const size = request.callerSize;
  if (load<u32>(place) != size || !sameBytes(place + id_at, request.callerStart, size)) return false;
  request.callerReason = <Reason>load<u32>(place, 4);
  request.callerDomainSize = load<u32>(place, 8);
  return true;
}

/** Gives a place to the caller in the request's slot. */
export function rememberCaller(place: usize): void {
  store<u32>(place, request.callerSize);
  store<u32>(place, request.callerReason, 4);
  store<u32>(place, request.callerDomainSize, 8);
  store<u64>(place, 0, 12);
  copyBytes(place + id_at, request.callerStart, request.callerSize);
}

/** Takes the caller's groups from its place; false where they are not kept there, or were those of an ID that fared otherwise. */
export function recallGroups(place: usize): bool {
  const count = load<u32>(place, 12);
  if (count == 0 || load<u32>(place, 4) != <u32>request.callerReason) return false;
  setGroups(place + groups_at, count - 1);
  return true;
}

/** Keeps the groups in the request's slot, if they are not too many. */
export function rememberGroups(place: usize): void {
  const count = request.groupCount;
  if (count > place_groups || load<u32>(place, 4) != <u32>request.callerReason) return;
  for (let index: u32 = 0; index < count; index++) {
    store<u32>(place + groups_at + ((<usize>index) << 2), group(index));
  }
  store<u32>(place, count + 1, 12);
}

/** Whether the request's x-forwarded-client-cert is known to add nothing. */
export function isForwardedKnown(place: usize): bool {
  const size = load<u32>(place, 16);
  return size != 0 && size == request.forwardedSize && sameBytes(place + forwarded_at, request.forwardedStart, size);
}

/** Keeps it as one that adds nothing. */
export function rememberForwarded(place: usize): void {
  const size = request.forwardedSize;
  if (size > forwarded_bytes) return;
  store<u32>(place, size, 16);
  copyBytes(place + forwarded_at, request.forwardedStart, size);
}
