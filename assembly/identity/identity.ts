/**
 * Who the caller is: by the certificate it proved to own in the TLS handshake, or by filter state that a listener in front has
 * written of that. The policy has the name of the host's property: `connection.uri_san_peer_certificate`, the first URI among the
 * subject alternative names, whose chain Envoy's TLS context has validated; or one of `filter_state`.
 */
import { absent, failed, sameBytes, spanSize, spanStart } from "../bytes/span";
import { readPropertyAt } from "../host/host";
import * as layout from "../policy/layout";
import { head, Policy, textAt, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { hasAliases, resolveAlias } from "../request/alias";
import { request } from "../request/request";
import { trust_domain_offset, trustDomainBytes } from "../request/spiffe";
import { placeOfCaller, recallCaller, rememberCaller } from "./known";

/**
 * Reads the caller's SPIFFE ID into the request's slot. An identity that is missing or does not count is kept as such: a
 * rule for `anonymous` may still admit. INTERNAL, or ALLOWED.
 */
export function readIdentity(policy: Policy): Reason {
  const path = head(policy) + layout.policy_identity_at;
  const id = textSize(path) == 0 ? absent : readPropertyAt(textStart(policy, path), textSize(path));
  if (id == failed) return Reason.INTERNAL;
  if (spanSize(id) == 0) {
    request.callerReason = Reason.IDENTITY_MISSING;
    return Reason.ALLOWED;
  }
  takeCaller(policy, spanStart(id), spanSize(id));
  return Reason.ALLOWED;
}

/** Puts an ID that was told of the caller into the request's slot, with why it does not count, if it does not. */
export function takeCaller(policy: Policy, start: usize, size: u32): void {
  request.callerStart = start;
  request.callerSize = size;
  request.presentedSize = 0;
  if (hasAliases(policy) && !resolveAlias(policy)) {
    request.callerPlace = 0;
    request.callerDomainSize = 0;
    request.callerReason = Reason.IDENTITY_MALFORMED;
    return;
  }
  const place = placeOfCaller(policy, request.callerStart, request.callerSize);
  request.callerPlace = place;
  if (place != 0 && recallCaller(place)) return;
  judgeCaller(policy, request.callerStart, request.callerSize);
  if (place != 0) rememberCaller(place);
}

function judgeCaller(policy: Policy, start: usize, size: u32): void {
  request.callerReason = Reason.ALLOWED;
  const domain = trustDomainBytes(start, size);
  request.callerDomainSize = domain;
  if (domain == 0) {
    request.callerReason = Reason.IDENTITY_MALFORMED;
  } else if (!isTrusted(policy, start + trust_domain_offset, domain)) {
    request.callerReason = Reason.IDENTITY_UNTRUSTED;
  }
}

function isTrusted(policy: Policy, start: usize, size: u32): bool {
  const record = head(policy);
  const first = load<u32>(record, layout.policy_domains_at);
  const count = load<u32>(record, layout.policy_domains_at + 4);
  for (let index: u32 = 0; index < count; index++) {
    const text = textAt(policy, first + index);
    if (textSize(text) == size && sameBytes(textStart(policy, text), start, size)) return true;
  }
  return false;
}
