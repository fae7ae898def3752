/**
 * The key sets of a policy in force: the keys that verify at this moment, embedded or fetched, and the tokens they verified
 * already. They lie in one region that is taken when the policy is configured:
 *
 *   +----------------------+------------------------+------------------------+------- ... -+
 *   | KeySet for each set  | known tokens of set 0  | known tokens of set 1  |             |
 *   +----------------------+------------------------+------------------------+------- ... -+
 */
import { giveRegion, takeRegion } from "../host/region";
import { known_tokens_bytes, least_known_tokens_bytes } from "../limits";
import * as layout from "../policy/layout";
import { Policy, recordAt, sectionCount } from "../policy/policy";

@unmanaged
export class KeySet {
  /** The set's record in KEY_SETS, and the image that has it. */
  record: usize;
  image: usize;
  /** What the offsets in its keys' records count from, the first record, and how many there are. */
  base: usize;
  keys: usize;
  keyCount: u32;
  /** The region of keys that were fetched; 0 for those of the image. */
  region: usize;
  /** The attempt that fetched them, by which all workers call the set; 0 for those of the image. */
  generation: u32;
  /** When this worker first looked after the set, in nanoseconds since 1970. */
  since: u64;
  /** The callout under way: whether there is one, its number, and the attempt it belongs to. */
  calling: bool;
  call: u32;
  attempt: u32;
  /** When a token last named a key that is not in the set, in nanoseconds since 1970. */
  wantedAt: u64;
  /** How often in a row the set that another worker fetched could not be taken over. */
  missed: u32;
  /** Changes with the keys: what others verified is not known any more. */
  epoch: u32;
  /** Room for the tokens that its keys verified (token/cache.ts), 16-aligned. */
  tokens: usize;
  tokensBytes: u32;
}

/** A policy's key set. */
export function keySetAt(policy: Policy, index: u32): KeySet {
  return changetype<KeySet>(policy.keySets + <usize>index * offsetof<KeySet>());
}

/** Whether a set is fetched, or only embedded. */
export function isFetched(set: KeySet): bool {
  return load<u32>(set.record + layout.key_set_url, 4) != 0;
}

/** Sets up the key sets of a policy, each with the keys of the image. False where there is no memory. */
export function openKeySets(policy: Policy): bool {
  const count = sectionCount(policy, layout.section_key_sets);
  if (count == 0) return true;
  const structs = (count * <u32>offsetof<KeySet>() + 15) & ~15;
  let share = known_tokens_bytes;
  for (let sharing: u32 = 1; sharing < count; sharing *= 2) share /= 2;
  share = max(share, least_known_tokens_bytes);
  const region = takeRegion(structs + count * share);
  if (region == 0) return false;
  policy.keySetsRegion = region;
  policy.keySets = region;
  for (let index: u32 = 0; index < count; index++) {
    const set = keySetAt(policy, index);
    set.record = recordAt(policy, layout.section_key_sets, index);
    set.image = policy.image;
    const run = set.record + layout.key_set_keys;
    set.base = policy.image;
    set.keys = recordAt(policy, layout.section_keys, load<u32>(run));
    set.keyCount = load<u32>(run, 4);
    set.epoch = 1;
    set.tokens = region + structs + index * share;
    set.tokensBytes = share;
  }
  return true;
}

/** Gives back what the key sets of a policy hold. */
export function closeKeySets(policy: Policy): void {
  if (policy.keySetsRegion == 0) return;
  const count = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < count; index++) giveRegion(keySetAt(policy, index).region);
  giveRegion(policy.keySetsRegion);
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
