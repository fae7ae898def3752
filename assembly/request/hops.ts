/**
 * How many hops a request has made on its way here, by the header of a limit. A caller of a trusted domain is believed; what anybody else
 * says counts as nothing. What cannot be read, or stands twice, is more than any limit.
 */
import { absent, ambiguous, spanSize, spanStart } from "../bytes/span";
import { limit_hops_max } from "../limits";
import * as layout from "../policy/layout";
import { Policy, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { findHeader } from "./headers";
import { request } from "./request";

/** The hops before this one; more than `limit_hops_max` where nobody can tell. */
export function hopsBefore(policy: Policy, limit: usize): u32 {
  if (request.callerReason != Reason.ALLOWED) return 0;
  const name = limit + layout.limit_header_at;
  const said = findHeader(textStart(policy, name), textSize(name));
  if (said == absent) return 0;
  let hops: u32 = said == ambiguous || spanSize(said) - 1 > 4 ? limit_hops_max + 1 : 0;
  if (hops != 0) return hops;
  for (let index: u32 = 0; index < spanSize(said); index++) {
    const digit = <u32>load<u8>(spanStart(said) + index) - 0x30;
    if (digit >= 10) return limit_hops_max + 1;
    hops = hops * 10 + digit;
  }
  return hops;
}
