/**
 * The token a rule asks for. It is looked at only when a rule that could admit the request names an
 * issuer, parsed once, and held once against each issuer asked for; what was found stays in the request's slot.
 */

import * as json from "../bytes/tape";
import { Detail } from "../detail";
import { detailOf, Finding, finding, good, goodAt, internal, isGood, placeOf, reasonOf } from "../finding";
import { inspecting, reportSignature, Signature } from "../inspect";
import { isFetched, keySetAt } from "../keys/keyset";
import { token_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { issuerAt, Policy, placeAt, sectionCount, textSize, textStart, wordAt } from "../policy/policy";
import { Reason } from "../reason";
import { issuerFinding, not_checked, request, setIssuerFinding } from "../request/request";
import { RuleResult } from "../request/result";
import { checkBinding } from "./binding";
import { knowsToken, recallToken, rememberToken, tokenHash } from "./cache";
import { checkClaims, issuerClaim } from "./claims";
import { decodeParts, parseJws, scanClaims } from "./jws";
import { findToken } from "./places";
import { takeEvictions } from "./ring";
import { verifySignature } from "./signature";
import { Token, tokenSlot } from "./slot";

/**
 * Whether the request has a token that is good for one of a rule's issuers, which `result` is told of; else what the issuer found that
 * came closest.
 */
export function checkToken(policy: Policy, rule: usize, result: RuleResult): Finding {
  const first = load<u32>(rule, layout.rule_issuers_at);
  const count = load<u32>(rule, layout.rule_issuers_at + 4);
  if (count == 0) return good;
  let closest: Finding = Reason.NO_RULE;
  for (let index: u32 = 0; index < count; index++) {
    const issuer = wordAt(policy, first + index);
    const found = checkIssuer(policy, issuer);
    if (isGood(found)) setVerified(result, issuer, found);
    if (isGood(found) || found == internal) return found;
    if (reasonOf(found) > reasonOf(closest)) closest = found;
  }
  return closest;
}

function setVerified(result: RuleResult, issuer: u32, found: Finding): void {
  result.verifiedIssuer = issuer + 1;
  result.verifiedPlace = placeOf(found);
}

/** Has a result without a token tell of one that was found good for another rule, of several that of the first issuer. */
export function adoptToken(policy: Policy, result: RuleResult): void {
  const count = sectionCount(policy, layout.section_issuers);
  for (let issuer: u32 = 0; issuer < count && result.verifiedIssuer == 0; issuer++) {
    const found = issuerFinding(issuer);
    if (isGood(found)) setVerified(result, issuer, found);
  }
}

function checkIssuer(policy: Policy, issuer: u32): Finding {
  let found = issuerFinding(issuer);
  if (found == not_checked) {
    found = evaluateToken(policy, issuer);
    setIssuerFinding(issuer, found);
  }
  return found;
}

function evaluateToken(policy: Policy, issuer: u32): Finding {
  const record = issuerAt(policy, issuer);
  const chosen = chooseToken(policy, record, true);
  if (!isGood(chosen)) return chosen;
  const token = tokenSlot(placeOf(chosen));
  const verified = verifyToken(policy, record, token);
  if (!isGood(verified)) return verified;
  const claims = checkClaims(policy, issuer, token);
  if (!isGood(claims)) return claims;
  const bound = checkBinding(record, token);
  return isGood(bound) ? chosen : bound;
}

/**
 * Chooses the one token at the places of an issuer. Several are told apart by their `iss`, if asked to:
 * exactly one must name the issuer, and one that cannot be read names nobody. TOKEN_MISSING, TOKEN_ISSUER, another reason
 * against the token, or a good one and its place.
 */
export function chooseToken(policy: Policy, issuer: usize, byIssuer: bool): Finding {
  const first = load<u32>(issuer, layout.issuer_places_at);
  const count = load<u32>(issuer, layout.issuer_places_at + 4);
  let bad = good;
  let missing: Finding = Reason.TOKEN_MISSING;
  let chosen = good;
  let tokens: u32 = 0;
  let named: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const place = wordAt(policy, first + index);
    const token = lookForToken(policy, place);
    const found = token.found;
    if (found == internal) return found;
    if (reasonOf(found) == Reason.TOKEN_MISSING) {
      if (detailOf(found) != Detail.NONE) missing = found;
      continue;
    }
    tokens++;
    if (!isGood(found)) {
      bad = found;
      continue;
    }
    if (byIssuer && !namesIssuer(policy, issuer, token)) continue;
    named++;
    chosen = goodAt(place);
  }
  if (tokens == 0) return missing;
  if (!isGood(bad)) return bad;
  if (named > 1) return finding(Reason.TOKEN_MALFORMED, Detail.SEVERAL_TOKENS);
  if (named == 0) return finding(Reason.TOKEN_ISSUER, Detail.NONE);
  return chosen;
}

/** Compared exactly (RFC 7519 §4.1.1). */
function namesIssuer(policy: Policy, issuer: usize, token: Token): bool {
  const claim = issuerClaim(token);
  const text = issuer + layout.issuer_iss_at;
  return claim != json.absent && json.isString(claim, textStart(policy, text), textSize(text));
}

/** The slot of a place, filled: from what a key set knows, or by taking the token apart. */
function lookForToken(policy: Policy, place: u32): Token {
  const token = tokenSlot(place);
  if (token.isLooked) return token;
  token.isLooked = true;
  let found = findToken(policy, placeAt(policy, place), token);
  if (isGood(found)) {
    token.hash = tokenHash(token.start, token.size);
    if (!recall(policy, token)) found = parseJws(token);
  }
  token.found = found;
  if (inspecting && !isGood(found)) reportSignature(signatureOf(found));
  return token;
}

/** Whether any key set is known to have verified the token, which then has its claims. */
function recall(policy: Policy, token: Token): bool {
  const sets = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < sets; index++) {
    if (!recallToken(keySetAt(policy, index), token)) continue;
    token.verifiedBy = (<u64>1) << index;
    request.cacheHits++;
    return true;
  }
  request.cacheMisses++;
  return false;
}

/** The signature of a token, by a key and an algorithm that the issuer is known for. */
export function verifyToken(policy: Policy, issuer: usize, token: Token): Finding {
  const found = verify(policy, issuer, token);
  if (inspecting) reportSignature(signatureOf(found));
  return found;
}

function verify(policy: Policy, issuer: usize, token: Token): Finding {
  if (((load<u32>(issuer, layout.issuer_algorithms_at) >> token.algorithm) & 1) == 0) {
    return finding(Reason.TOKEN_ALGORITHM, Detail.ALG_REFUSED);
  }
  const setIndex = load<u32>(issuer, layout.issuer_key_set_at);
  const bit = (<u64>1) << setIndex;
  const set = keySetAt(policy, setIndex);
  if ((token.verifiedBy & bit) == 0 && token.verifiedBy != 0 && knowsToken(set, token)) token.verifiedBy |= bit;
  if ((token.verifiedBy & bit) != 0) return good;
  if (!token.isDecoded) {
    // Its claims came out of another set's cache, which keeps no signature.
    const parsed = parseJws(token);
    if (!isGood(parsed)) return parsed;
  }
  const found = verifySignature(policy, set, setIndex, token);
  if (isGood(found)) {
    token.verifiedBy |= bit;
    token.newlyBy |= bit;
  } else if (found == finding(Reason.TOKEN_KEY_UNKNOWN, Detail.KEY_ABSENT) && isFetched(set)) {
    request.unknownKeySets |= bit;
  }
  return found;
}

/** Keeps the tokens that were verified just now, and says how many others gave way. */
export function rememberTokens(policy: Policy): u32 {
  const places = sectionCount(policy, layout.section_places);
  for (let place: u32 = 0; place < places; place++) {
    const token = tokenSlot(place);
    for (let sets = token.newlyBy; sets != 0; sets &= sets - 1) {
      rememberToken(keySetAt(policy, <u32>ctz(sets)), token);
    }
  }
  return takeEvictions();
}

function signatureOf(found: Finding): Signature {
  switch (reasonOf(found)) {
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
export function inspectToken(policy: Policy, issuer: u32, start: usize, size: u32): Finding {
  const record = issuerAt(policy, issuer);
  const token = tokenSlot(0);
  token.start = start;
  token.size = size;
  const decoded = size > token_bytes_max ? finding(Reason.TOKEN_TOO_LARGE, Detail.NONE) : decodeParts(token);
  if (!isGood(decoded)) {
    reportSignature(signatureOf(decoded));
    return decoded;
  }
  token.isDecoded = true;
  const verified = verifyToken(policy, record, token);
  const scanned = scanClaims(token);
  if (!isGood(scanned)) return scanned;
  if (!namesIssuer(policy, record, token)) return finding(Reason.TOKEN_ISSUER, Detail.NONE);
  if (!isGood(verified)) return verified;
  const claims = checkClaims(policy, issuer, token);
  // What a token is bound to other than a key of the caller's cannot be checked without the caller.
  const isUnbound = load<u32>(record, layout.issuer_bind_at) == layout.bind_none;
  return isGood(claims) && isUnbound ? checkBinding(record, token) : claims;
}
