/**
 * The key sets of a policy in force: the keys that verify at this moment, embedded or fetched, and the tokens they verified
 * already. The sets lie beside the policy, or many of them in a region; the tokens in a region of their own, which an older policy gives up for a newer one:
 *
 *   +------------------------+------------------------+------- ... -+
 *   | known tokens of set 0  | known tokens of set 1  |             |
 *   +------------------------+------------------------+------- ... -+
 */
import { giveRegion, takeRegion } from "../host/region";
import { known_tokens_bytes_max, known_tokens_bytes_min } from "../limits";
import * as layout from "../policy/layout";
import { Policy, recordAt, sectionCount } from "../policy/policy";
import { View } from "./state";

@unmanaged
export class KeySet extends View {
  /** The set's record in KEY_SETS, and the image that has it. */
  record: usize;
  image: usize;
  /** What the offsets in its keys' records count from, the first record, and how many there are. */
  base: usize;
  keys: usize;
  keyCount: u32;
  /** The region of keys that were fetched; 0 for those of the image. */
  region: usize;
  /** When this worker first looked after the set, in nanoseconds since 1970. */
  since: u64;
  /** The number of the callout under way, and what it asks for (keys/discovery.ts). */
  call: u32;
  stage: u32;
  /** How often in a row the set that another worker fetched could not be taken over. */
  missed: u32;
  /** Changes with the keys: what others verified is not known any more. */
  epoch: u32;
  /** Room for the tokens that its keys verified (token/cache.ts), 16-aligned; 0 where none are kept. */
  tokens: usize;
  tokensBytes: u32;
}

/** So many key sets lie in the page of a policy's tables; more of them take a region of their own. */
const paged_key_sets: u32 = 64;
export const paged_key_sets_bytes: u32 = paged_key_sets * <u32>offsetof<KeySet>();

/** The bytes of the region that the key sets of a policy take; 0 where its page has room for them. */
export function keySetsRegionBytes(policy: Policy): u32 {
  const count = sectionCount(policy, layout.section_key_sets);
  return count > paged_key_sets ? count * <u32>offsetof<KeySet>() : 0;
}

/** A policy's key set. */
export function keySetAt(policy: Policy, index: u32): KeySet {
  return changetype<KeySet>(policy.keySets + <usize>index * offsetof<KeySet>());
}

/** Whether a set is fetched, or only embedded. */
export function isFetched(set: KeySet): bool {
  return load<u32>(set.record + layout.key_set_url_at, 4) != 0;
}

/** Whether a fetched set has no keys yet: it never came, or could not be taken over, and none are embedded. */
export function isAwaited(set: KeySet): bool {
  return set.keyCount == 0 && set.region == 0 && isFetched(set);
}

/** Sets up the key sets of a policy, each with the keys of the image and no token known. */
export function openKeySets(policy: Policy): void {
  const count = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < count; index++) {
    const set = keySetAt(policy, index);
    set.record = recordAt(policy, layout.section_key_sets, index);
    set.image = policy.image;
    const run = set.record + layout.key_set_keys_at;
    set.base = policy.image;
    set.keys = recordAt(policy, layout.section_keys, load<u32>(run));
    set.keyCount = load<u32>(run, 4);
    set.epoch = 1;
  }
}

/** Has a policy keep what tokens its keys verify. False where it has no key set, or there is no memory. */
export function holdTokens(policy: Policy): bool {
  if (policy.tokensRegion != 0) return true;
  const count = sectionCount(policy, layout.section_key_sets);
  if (count == 0) return false;
  let share = known_tokens_bytes_max;
  for (let sharing: u32 = 1; sharing < count; sharing *= 2) share /= 2;
  share = max(share, known_tokens_bytes_min);
  const region = takeRegion(count * share);
  policy.tokensRegion = region;
  if (region == 0) return false;
  for (let index: u32 = 0; index < count; index++) {
    const set = keySetAt(policy, index);
    set.tokens = region + index * share;
    set.tokensBytes = share;
  }
  return true;
}

/** Has a policy keep none: from now on each token is verified anew. */
export function giveUpTokens(policy: Policy): void {
  if (policy.tokensRegion == 0) return;
  const count = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < count; index++) keySetAt(policy, index).tokens = 0;
  giveRegion(policy.tokensRegion);
  policy.tokensRegion = 0;
}

/** Gives back what the key sets of a policy hold. */
export function closeKeySets(policy: Policy): void {
  giveUpTokens(policy);
  const count = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < count; index++) giveRegion(keySetAt(policy, index).region);
}

/** Takes all keys from a set, and what they verified. */
export function dropKeys(set: KeySet): void {
  giveRegion(set.region);
  set.region = 0;
  set.keyCount = 0;
  set.epoch++;
}

/**
 * Puts fetched keys in place of those a set has: `region` holds a count and so many records of KEYS, with offsets from the
 * region's first byte. What the old keys verified is no longer known.
 */
export function replaceKeys(set: KeySet, region: usize): void {
  giveRegion(set.region);
  set.region = region;
  set.base = region;
  set.keyCount = load<u32>(region);
  set.keys = region + 8;
  set.epoch++;
}
