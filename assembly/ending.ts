/** The end of a configuration: what belonged to it is given back, and another may decide in its place. */

import { announceLostCounts } from "./announce";
import { gatheredCounts, handOverCounts } from "./audit/counts";
import { lowerInfo } from "./audit/metrics";
import { isContextGone, setContext, setTickPeriod } from "./host/host";
import { giveRegion } from "./host/region";
import { closeKeySets } from "./keys/keyset";
import { endFetches } from "./keys/refresh";
import { moveWaiting } from "./keys/waiting";
import { key_tick_milliseconds, shortages_max } from "./limits";
import { Policy } from "./policy/policy";
import {
  addPolicy,
  goneRoot,
  isHeir,
  isStream,
  newestPolicy,
  policyOfRoot,
  removePolicy,
  setHeir,
} from "./policy/root";
import { endShortage, hasShortages, shortageAt, shortageOf } from "./shortage/shortage";

/** How many configurations have ended, whose memory others may have since. */
let endings: u32 = 0;

/** How many configurations have ended in this VM: where there are more than before, others may have their memory. */
export function endedConfigurations(): u32 {
  return endings;
}

/** A context ends: if it is a root context, what belonged to it is given back, and its timer ends. */
export function endConfiguration(context: u32): void {
  if (isStream(context)) return;
  const shortage = shortageOf(context);
  if (shortage != null) {
    if (shortage.ticks) setTickPeriod(0);
    endShortage(shortage);
  }
  const policy = policyOfRoot(context);
  if (policy == null) return;
  if (policy.isTicking) setTickPeriod(0);
  end(context);
}

/** Gives back what belonged to root contexts that are gone, before more is taken. Another context is in hand afterwards. */
export function forgetGone(): void {
  for (let gone = goneRoot(); gone != 0; gone = goneRoot()) end(gone);
  if (!hasShortages()) return;
  for (let index: u32 = 0; index < shortages_max; index++) {
    const shortage = shortageAt(index);
    if (shortage.rootContext != 0 && isContextGone(shortage.rootContext)) endShortage(shortage);
  }
}

/**
 * A root context that has a policy ends. If that decides for others too, one with the same image does so from now on. Where there is none,
 * but one with an older image, the policy is that root context's from now on, in place of its own.
 */
export function end(context: u32): void {
  if (isHeir(context)) {
    const policy = policyOfRoot(context)!;
    let heir: u32 = 0;
    let isSame = false;
    for (let each = newestPolicy(); each != 0 && !isSame; each = changetype<Policy>(each).next) {
      const other = changetype<Policy>(each);
      if (other == policy) continue;
      isSame = other.identity == policy.identity;
      if (isSame || heir == 0) heir = other.rootContext;
    }
    setHeir(heir);
    if (heir != 0 && !isSame) {
      forget(heir);
      removePolicy(context);
      moveWaiting(context, heir);
      policy.rootContext = heir;
      addPolicy(policy);
      if (policy.isTicking && setContext(heir)) setTickPeriod(key_tick_milliseconds);
      return;
    }
  }
  forget(context);
}

/** Gives back what belonged to a root context. */
export function forget(context: u32): void {
  const policy = removePolicy(context);
  if (policy == null) return;
  lowerInfo(policy);
  if (!handOverCounts(policy)) announceLostCounts(policy, gatheredCounts(policy));
  endFetches(policy);
  closeKeySets(policy);
  giveRegion(policy.keySetsRegion);
  giveRegion(policy.configurationRegion);
  giveRegion(changetype<usize>(policy));
  endings++;
}
