/**
 * The token a rule asks for. It is looked at only when a rule that could admit the request names an
 * issuer, parsed once, and held once against each issuer asked for; what was found stays in the request's slot.
 */

import * as json from "../bytes/tape";
import { Detail } from "../detail";
import { detailOf, Finding, finding, good, goodAt, internal, isGood, placeOf, reasonOf } from "../finding";
import { inspecting, reportSignature, Signature } from "../inspect";
import { hasKeyNamed } from "../keys/find";
import { isAwaited, isFetched, KeySet, keySetAt } from "../keys/keyset";
import { json_nodes_max, policy_key_sets_max, usual_token_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { issuerAt, Policy, placeAt, sectionCount, textSize, textStart, wordAt } from "../policy/policy";
import { Reason } from "../reason";
import { issuerFinding, not_checked, request, setIssuerFinding } from "../request/request";
import { RuleResult } from "../request/result";
import { checkBinding } from "./binding";
import { knowsToken, recallToken, rememberToken, tokenHash } from "./cache";
import { checkClaims, issuerClaim } from "./claims";
import { checkTypes } from "./declared";
import { decodeParts, parseJws, scanClaims } from "./jws";
import { findToken, tokenBytes, tooLarge } from "./places";
import { takeEvictions } from "./ring";
import { verifySignature } from "./signature";
import { isVerifiedBy, newlyVerifiedBy, setVerifiedBy, Token, tokenSlot } from "./slot";
import { matchTemplate } from "./template";
import { checkType, nameType } from "./type";

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
  const type = checkType(record, token);
  if (!isGood(type)) return type;
  const claims = checkClaims(policy, issuer, token);
  if (!isGood(claims)) return claims;
  const types = checkTypes(policy, record, token.claims);
  if (!isGood(types)) return types;
  const bound = checkBinding(policy, record, token);
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
  let other = finding(Reason.TOKEN_ISSUER, Detail.NONE);
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
    const isNamed = byIssuer ? namesIssuer(policy, issuer, token) : good;
    if (!isGood(isNamed)) {
      if (detailOf(isNamed) != Detail.NONE) other = isNamed;
      continue;
    }
    named++;
    chosen = goodAt(place);
  }
  if (tokens == 0) return missing;
  if (!isGood(bad)) return bad;
  if (named > 1) return finding(Reason.TOKEN_MALFORMED, Detail.SEVERAL_TOKENS);
  if (named == 0) return other;
  return chosen;
}

/** Compared exactly (RFC 7519 §4.1.1). */
function namesIssuer(policy: Policy, issuer: usize, token: Token): Finding {
  const claim = issuerClaim(token);
  const text = issuer + layout.issuer_iss_at;
  if (claim == json.absent) return finding(Reason.TOKEN_ISSUER, Detail.NONE);
  if (load<u32>(issuer, layout.issuer_template_at + 4) != 0) {
    return matchTemplate(policy, issuer, token.claims, claim);
  }
  const isNamed = json.isString(claim, textStart(policy, text), textSize(text));
  return isNamed ? good : finding(Reason.TOKEN_ISSUER, Detail.NONE);
}

/** The slot of a place, filled: from what a key set knows, or by taking the token apart. */
function lookForToken(policy: Policy, place: u32): Token {
  const token = tokenSlot(place);
  if (token.isLooked) return token;
  token.isLooked = true;
  let found = findToken(policy, placeAt(policy, place), token);
  if (isGood(found)) {
    token.hash = tokenHash(token.start, token.size);
    if (!recall(policy, token)) found = parse(policy, token);
  }
  token.found = found;
  if (inspecting && !isGood(found)) reportSignature(signatureOf(found));
  return token;
}

/** How many values the claims of a token may have: more where it may be larger. */
function claimsNodes(policy: Policy): u32 {
  return json_nodes_max * ((tokenBytes(policy) + usual_token_bytes_max - 1) / usual_token_bytes_max);
}

/** Takes a token apart, and sees what its `typ` is to the policy. */
function parse(policy: Policy, token: Token): Finding {
  const found = parseJws(token, claimsNodes(policy));
  nameType(policy, token);
  return found;
}

/** Whether any key set is known to have verified the token, which then has its claims. */
function recall(policy: Policy, token: Token): bool {
  const sets = sectionCount(policy, layout.section_key_sets);
  for (let index: u32 = 0; index < sets; index++) {
    if (!recallToken(keySetAt(policy, index), token)) continue;
    setVerifiedBy(token, index, false);
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
  const set = keySetAt(policy, setIndex);
  if (isVerifiedBy(token, setIndex)) return good;
  if (token.isVerified && knowsToken(set, token)) {
    setVerifiedBy(token, setIndex, false);
    return good;
  }
  if (!token.isDecoded) {
    // Its claims came out of another set's cache, which keeps no signature.
    const parsed = parse(policy, token);
    if (!isGood(parsed)) return parsed;
  }
  const found = verifySignature(policy, set, setIndex, token);
  if (isGood(found)) {
    setVerifiedBy(token, setIndex, true);
  } else if (isFetched(set)) {
    noteUnknownKey(set, (<u64>1) << setIndex, token, found);
    if (isAwaited(set) && found == finding(Reason.TOKEN_KEY_UNKNOWN, Detail.KEY_ABSENT))
      return finding(Reason.KEYS_UNAVAILABLE, Detail.NONE);
  }
  return found;
}

/**
 * A key that a fetched set lacks may have been published a moment ago. A token that names no key of the set waits for it. One without an
 * ID that keys were tried on has the set fetched, but is not held up, nor tried again, so that it costs no more than it did.
 */
function noteUnknownKey(set: KeySet, bit: u64, token: Token, found: Finding): void {
  const isWrong = found == finding(Reason.TOKEN_SIGNATURE, Detail.SIGNATURE_WRONG);
  if (!isWrong && reasonOf(found) != Reason.TOKEN_KEY_UNKNOWN) return;
  if (token.kidSize == 0 && isWrong) request.doubtedKeySets |= bit;
  else if (token.kidSize == 0 ? detailOf(found) == Detail.KEY_ABSENT : !hasKeyNamed(set, token.kidStart, token.kidSize))
    request.unknownKeySets |= bit;
}

/** Keeps the tokens that were verified just now, and says how many others gave way. */
export function rememberTokens(policy: Policy): u32 {
  const places = sectionCount(policy, layout.section_places);
  for (let place: u32 = 0; place < places; place++) {
    const token = tokenSlot(place);
    if (!token.isVerified) continue;
    for (let first: u32 = 0; first < policy_key_sets_max; first += 64) {
      for (let sets = newlyVerifiedBy(token, first); sets != 0; sets &= sets - 1) {
        rememberToken(keySetAt(policy, first + <u32>ctz(sets)), token);
      }
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
    case Reason.KEYS_UNAVAILABLE:
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
  const decoded = size > tokenBytes(policy) ? tooLarge : decodeParts(token);
  if (!isGood(decoded)) {
    reportSignature(signatureOf(decoded));
    return decoded;
  }
  token.isDecoded = true;
  nameType(policy, token);
  const verified = verifyToken(policy, record, token);
  const scanned = scanClaims(token, claimsNodes(policy));
  if (!isGood(scanned)) return scanned;
  const isNamed = namesIssuer(policy, record, token);
  if (!isGood(isNamed)) return isNamed;
  if (!isGood(verified)) return verified;
  const type = checkType(record, token);
  if (!isGood(type)) return type;
  const claims = checkClaims(policy, issuer, token);
  if (!isGood(claims)) return claims;
  const types = checkTypes(policy, record, token.claims);
  // What a token is bound to other than a key of the caller's cannot be checked without the caller.
  const isUnbound = load<u32>(record, layout.issuer_bind_at) == layout.bind_none;
  return isGood(types) && isUnbound ? checkBinding(policy, record, token) : types;
}
