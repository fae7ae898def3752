/** What a policy asks of the host, asked for before the policy comes in force. */

import { refuse, refuseStanding, refuseWithout, warn } from "./announce";
import { defineCounters } from "./audit/metrics";
import { takesSigned } from "./chosen";
import { setTickPeriod } from "./host/host";
import { missingCall, missingFetchCall, missingFleetCall, missingHeaderCall, missingHoldCall } from "./host/probe";
import { openSecret, secretProblem } from "./host/secret";
import { fetchesKeys } from "./keys/refresh";
import { holdsRequests } from "./keys/waiting";
import { key_tick_milliseconds } from "./limits";
import * as layout from "./policy/layout";
import { hasFleet, needs, Policy, placeAt, sectionCount } from "./policy/policy";
import { areContextsAnnounced } from "./policy/root";
import { hostCanVerify } from "./token/signature";
import { keepVersion, Standing } from "./trust/version";

/** Whether the host can do what the policy will ask of it. */
export function isServed(policy: Policy, isTicking: bool): bool {
  if (!areContextsAnnounced()) return refuseWithout("proxy_on_context_create");
  let missing = missingCall();
  if (missing.length == 0 && changesHeaders(policy)) missing = missingHeaderCall();
  const fetches = fetchesKeys(policy);
  const isHolding = holdsRequests(policy);
  if (missing.length == 0 && isHolding) missing = missingHoldCall(policy.rootContext);
  if (missing.length == 0 && fetches) missing = missingFetchCall();
  if (missing.length == 0 && hasFleet(policy)) missing = missingFleetCall();
  if (missing.length != 0) return refuseWithout(missing);
  if (!openSecret()) return refuse(secretProblem);
  if (!defineCounters(policy)) return refuse("the host refused a metric: is proxy_define_metric allowed?");
  policy.isTicking = isHolding && (isTicking || setTickPeriod(key_tick_milliseconds));
  if (isHolding && !policy.isTicking) {
    return refuse("the host will not tick, which the policy needs: is proxy_set_tick_period_milliseconds allowed?");
  }
  if (sectionCount(policy, layout.section_issuers) != 0) chooseVerifier(policy);
  if (!takesSigned()) return true;
  const standing = keepVersion(policy.image);
  if (standing == Standing.CURRENT) return true;
  setTickPeriod(0);
  return refuseStanding(standing);
}

/** Whether requests may go on with other headers than they came with. */
function changesHeaders(policy: Policy): bool {
  if (sectionCount(policy, layout.section_forwards) != 0 || needs(policy, layout.needs_hops)) return true;
  const places = sectionCount(policy, layout.section_places);
  for (let index: u32 = 0; index < places; index++) {
    if (load<u32>(placeAt(policy, index), layout.place_strip_at) != 0) return true;
  }
  return false;
}

/** One choice for all signatures of a policy, so that the log tells by whom they were verified. */
function chooseVerifier(policy: Policy): void {
  policy.hostVerifies = hostCanVerify();
  if (policy.hostVerifies) return;
  warn("the host does not verify signatures (verify_signature): the module verifies all of them, at a higher cost");
}
