/**
 * Who has the memory that policies can do without: the tokens they know. Nothing here runs on a request's path, but that of one
 * that has no policy.
 */
import { takeRegion } from "../host/region";
import { giveUpTokens, holdTokens } from "../keys/keyset";
import { policies_with_known_tokens_max } from "../limits";
import * as layout from "../policy/layout";
import { Policy, sectionCount } from "../policy/policy";
import { newestPolicy } from "../policy/root";

/** Takes a region; where there is no memory, and others may be asked, policies give up what tokens they know. 0 for none. */
export function takeRoom(size_bytes: usize, mayAskOthers: bool): usize {
  const region = takeRegion(size_bytes);
  if (region != 0 || !mayAskOthers) return region;
  giveUpTokensFrom(newestPolicy());
  return takeRegion(size_bytes);
}

function giveUpTokensFrom(policy: usize): void {
  for (let each = policy; each != 0; each = changetype<Policy>(each).next) giveUpTokens(changetype<Policy>(each));
}

/** Has the newest policies that verify tokens keep them, and no others. Where memory is short, the newest of those goes first. */
export function shareTokenRoom(): void {
  let holders: u32 = 0;
  let last = newestPolicy();
  for (; last != 0 && holders < policies_with_known_tokens_max; last = changetype<Policy>(last).next) {
    if (verifiesTokens(changetype<Policy>(last))) holders++;
  }
  giveUpTokensFrom(last);
  for (let each = newestPolicy(); each != last; each = changetype<Policy>(each).next) {
    const policy = changetype<Policy>(each);
    if (!verifiesTokens(policy) || holdTokens(policy)) continue;
    giveUpTokensFrom(policy.next);
    holdTokens(policy);
  }
}

function verifiesTokens(policy: Policy): bool {
  return sectionCount(policy, layout.section_key_sets) != 0;
}
