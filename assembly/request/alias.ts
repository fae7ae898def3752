/**
 * Trust domains that were renamed: an ID of an old one is the same ID of the new one (`trust.aliases`). Everything after this
 * file sees the new one alone: rules, limits, bindings, the caches. The record has both.
 */
import { copyBytes, sameBytes } from "../bytes/span";
import { spiffe_id_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { head, Policy, textAt, textSize, textStart } from "../policy/policy";
import { request } from "./request";
import { trust_domain_offset, trustDomainBytes } from "./spiffe";

/** A gateway's ID, then that of the caller it tells of: both are kept to the end of the request. */
const ids: usize = memory.data(2 * spiffe_id_bytes_max);

// @inline
export function hasAliases(policy: Policy): bool {
  return load<u32>(head(policy), layout.policy_aliases_at + 4) != 0;
}

/**
 * Makes the ID in the request's slot the one that it is an alias of, and keeps what was presented; an ID of no alias stays. False
 * where the other would be too long to be one.
 */
export function resolveAlias(policy: Policy): bool {
  const start = request.callerStart;
  const size = request.callerSize;
  const domain = trustDomainBytes(start, size);
  const target: usize = domain == 0 ? 0 : targetOf(policy, start + trust_domain_offset, domain);
  if (target == 0) return true;
  request.presentedStart = start;
  request.presentedSize = size;
  const path = size - trust_domain_offset - domain;
  const newDomain = textSize(target);
  const newSize = trust_domain_offset + newDomain + path;
  if (newSize > spiffe_id_bytes_max) return false;
  const id = request.forwarderStart == ids ? ids + <usize>spiffe_id_bytes_max : ids;
  copyBytes(id, start, trust_domain_offset);
  copyBytes(id + trust_domain_offset, textStart(policy, target), newDomain);
  copyBytes(id + trust_domain_offset + newDomain, start + trust_domain_offset + domain, path);
  request.callerStart = id;
  request.callerSize = newSize;
  return true;
}

/** Whether a text is the ID in the request's slot, as it is or by an alias. */
export function isCallerId(policy: Policy, start: usize, size: u32): bool {
  if (size == request.callerSize && sameBytes(start, request.callerStart, size)) return true;
  if (!hasAliases(policy)) return false;
  const domain = trustDomainBytes(start, size);
  const target: usize = domain == 0 ? 0 : targetOf(policy, start + trust_domain_offset, domain);
  if (target == 0) return false;
  const newDomain = textSize(target);
  const path = size - trust_domain_offset - domain;
  const caller = request.callerStart + trust_domain_offset;
  return (
    request.callerSize == trust_domain_offset + newDomain + path &&
    sameBytes(textStart(policy, target), caller, newDomain) &&
    sameBytes(start + trust_domain_offset + domain, caller + newDomain, path)
  );
}

/** The text of the trust domain that another one is an alias of; 0 where it is none. */
function targetOf(policy: Policy, start: usize, size: u32): usize {
  const run = head(policy) + layout.policy_aliases_at;
  const first = load<u32>(run);
  const count = load<u32>(run, 4);
  for (let index: u32 = 0; index < count; index += 2) {
    const alias = textAt(policy, first + index);
    if (textSize(alias) == size && sameBytes(textStart(policy, alias), start, size)) {
      return textAt(policy, first + index + 1);
    }
  }
  return 0;
}
