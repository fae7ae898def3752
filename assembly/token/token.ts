/**
 * The second door: the token a rule asks for. It is looked at only when a rule that could admit the request names an
 * issuer, parsed once, and held once against each issuer asked for; what was found stays in the request's slot.
 */

import { inspecting, reportSignature, Signature } from "../audit/inspect";
import * as json from "../bytes/json";
import { Kind } from "../bytes/json";
import { token_bytes } from "../limits";
import * as layout from "../policy/layout";
import { issuerAt, Policy, textSize, textStart, wordAt } from "../policy/policy";
import { Reason } from "../reason";
import { not_judged, request, setTokenReasonFor, tokenReasonFor } from "../request/request";
import { bearerSize, bearerStart, findBearer } from "./bearer";
import { checkClaims, issuerClaim } from "./claims";
import { jws, parseJws } from "./jws";
import { findKey, keyRecord } from "./keys";
import { verifySignature } from "./signature";

/** Whether the request's token is good for one of a rule's issuers: ALLOWED, or the reason of the issuer that came closest. */
export function checkToken(policy: Policy, rule: usize): Reason {
  const first = load<u32>(rule, layout.rule_issuers);
  const count = load<u32>(rule, layout.rule_issuers + 4);
  if (count == 0) return Reason.ALLOWED;
  if (!request.tokenParsed) {
    request.tokenParsed = true;
    request.tokenReason = parseToken();
  }
  if (request.tokenReason != Reason.ALLOWED) return request.tokenReason;
  let closest = Reason.TOKEN_ISSUER;
  for (let index: u32 = 0; index < count; index++) {
    const reason = checkIssuer(policy, wordAt(policy, first + index));
    if (reason == Reason.ALLOWED || reason == Reason.INTERNAL) return reason;
    if (reason > closest) closest = reason;
  }
  return closest;
}

/** Finds the token, takes it apart and leaves its claims on the tape. */
function parseToken(): Reason {
  let reason = findBearer();
  if (reason == Reason.ALLOWED) reason = parseJws(bearerStart, bearerSize);
  if (reason == Reason.ALLOWED && !scanClaims()) reason = Reason.TOKEN_MALFORMED;
  if (inspecting && reason != Reason.ALLOWED) reportSignature(signatureOf(reason));
  return reason;
}

function scanClaims(): bool {
  return json.scanJson(jws.payloadStart, jws.payloadSize) && json.kindOf(0) == Kind.OBJECT;
}

function checkIssuer(policy: Policy, issuer: u32): Reason {
  const known = tokenReasonFor(issuer);
  if (known != not_judged) return known;
  let reason = isIssuer(policy, issuer) ? verify(policy, issuer) : Reason.TOKEN_ISSUER;
  if (reason == Reason.ALLOWED) reason = checkClaims(policy, issuer);
  if (reason == Reason.ALLOWED) request.verifiedIssuer = issuer + 1;
  setTokenReasonFor(issuer, reason);
  return reason;
}

/** Compared exactly (RFC 7519 §4.1.1). */
function isIssuer(policy: Policy, issuer: u32): bool {
  const claim = issuerClaim();
  const text = issuerAt(policy, issuer) + layout.issuer_iss;
  return claim != json.absent && json.isString(claim, textStart(policy, text), textSize(text));
}

/** The signature, by a key and an algorithm that the issuer is known for. */
function verify(policy: Policy, issuer: u32): Reason {
  const algorithms = load<u32>(issuerAt(policy, issuer), layout.issuer_algorithms);
  let reason = (algorithms & ((<u32>1) << jws.algorithm)) == 0 ? Reason.TOKEN_ALGORITHM : findKey(policy, issuer);
  if (reason == Reason.ALLOWED) reason = verifySignature(policy, keyRecord);
  if (inspecting) reportSignature(signatureOf(reason));
  return reason;
}

function signatureOf(reason: Reason): Signature {
  switch (reason) {
    case Reason.ALLOWED:
      return Signature.VALID;
    case Reason.TOKEN_ALGORITHM:
      return Signature.UNSUPPORTED;
    case Reason.TOKEN_KEY_UNKNOWN:
      return Signature.KEY_UNKNOWN;
    case Reason.TOKEN_SIGNATURE:
      return Signature.INVALID;
    default:
      return Signature.MALFORMED;
  }
}

/**
 * For tools: holds the token at `start` against one issuer, and its signature even where its claims are no JSON object,
 * which the filter would not come to.
 */
export function inspectToken(policy: Policy, issuer: u32, start: usize, size: u32): Reason {
  let reason = size > token_bytes ? Reason.TOKEN_TOO_LARGE : parseJws(start, size);
  if (reason != Reason.ALLOWED) {
    reportSignature(signatureOf(reason));
    return reason;
  }
  reason = verify(policy, issuer);
  if (!scanClaims()) return Reason.TOKEN_MALFORMED;
  if (!isIssuer(policy, issuer)) return Reason.TOKEN_ISSUER;
  return reason == Reason.ALLOWED ? checkClaims(policy, issuer) : reason;
}
