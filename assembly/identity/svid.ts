/**
 * Callers told of by a token: JWT-SVIDs (SPIFFE JWT-SVID §2 to §4). The subject is the caller's SPIFFE ID, and only the keys
 * of its own trust domain's bundle can say so. Where the connection has a certificate with a name in it, good or bad, that
 * decides: a token that was stolen gives its bearer no other name.
 */

import { sameBytes } from "../bytes/span";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import { Detail } from "../detail";
import { detailOf, Finding, finding, isGood, placeOf, reasonOf } from "../finding";
import * as layout from "../policy/layout";
import { head, issuerAt, Policy, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { request } from "../request/request";
import { trust_domain_offset, trustDomainBytes } from "../request/spiffe";
import { checkClaims, subjectClaim } from "../token/claims";
import { tokenSlot } from "../token/slot";
import { chooseToken, verifyToken } from "../token/token";
import { takeCaller } from "./identity";

/**
 * Puts the subject of the request's JWT-SVID into the slot as the caller, where the policy believes such tokens and the
 * connection has named nobody. INTERNAL, or ALLOWED; what is wrong with the token is why the caller does not count.
 */
export function readSvid(policy: Policy): Reason {
  const record = head(policy);
  const count = load<u32>(record, layout.policy_svids_at + 4);
  if (count == 0 || request.callerReason != Reason.IDENTITY_MISSING) return Reason.ALLOWED;
  const found = judgeSvid(policy, load<u32>(record, layout.policy_svids_at), count);
  const reason = reasonOf(found);
  if (reason == Reason.INTERNAL) return reason;
  if (reason == Reason.ALLOWED) {
    const subject = subjectClaim(tokenSlot(placeOf(found)));
    takeCaller(policy, json.startOf(subject), json.sizeOf(subject));
    request.isBySvid = true;
    return Reason.ALLOWED;
  }
  request.callerReason = reason == Reason.TOKEN_MISSING ? Reason.IDENTITY_MISSING : reason;
  request.callerDetail = detailOf(found);
  return Reason.ALLOWED;
}

/** All trust domains take their tokens from the same places. */
function judgeSvid(policy: Policy, first: u32, count: u32): Finding {
  const found = chooseToken(policy, issuerAt(policy, first), false);
  if (!isGood(found)) return found;
  const token = tokenSlot(placeOf(found));
  if (!token.isSvidType) return finding(Reason.TOKEN_MALFORMED, Detail.TYP);
  const subject = subjectClaim(token);
  if (subject == json.absent || json.kindOf(subject) != Kind.STRING)
    return finding(Reason.IDENTITY_MALFORMED, Detail.SUB);
  const domainBytes = trustDomainBytes(json.startOf(subject), json.sizeOf(subject));
  if (domainBytes == 0) return finding(Reason.IDENTITY_MALFORMED, Detail.SUB);
  const domain = json.startOf(subject) + trust_domain_offset;
  for (let index = first; index < first + count; index++) {
    const issuer = issuerAt(policy, index);
    const text = issuer + layout.issuer_iss_at;
    if (textSize(text) != domainBytes || !sameBytes(textStart(policy, text), domain, domainBytes)) continue;
    const verified = verifyToken(policy, issuer, token);
    if (!isGood(verified)) return verified;
    const claims = checkClaims(policy, index, token);
    return isGood(claims) ? found : claims;
  }
  return finding(Reason.IDENTITY_UNTRUSTED, Detail.NONE);
}
