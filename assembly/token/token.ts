/**
 * The second door: the token a rule asks for. It is looked at only when a rule that could admit the request names an
 * issuer, parsed once, and held once against each issuer asked for; what was found stays in the request's slot.
 */

import * as json from "../bytes/tape";
import { Flaw } from "../detail";
import { inspecting, reportSignature, Signature } from "../inspect";
import { isFetched, keySetAt } from "../keys/keyset";
import { token_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { issuerAt, Policy, placeAt, sectionCount, textSize, textStart, wordAt } from "../policy/policy";
import { Reason } from "../reason";
import { judgedIssuer, not_judged, request, setJudgedIssuer } from "../request/request";
import { checkBinding } from "./binding";
import { knowsToken, recallToken, rememberToken, tokenHash } from "./cache";
import { checkClaims, issuerClaim } from "./claims";
import { decodeParts, parseJws, scanClaims } from "./jws";
import { findToken, foundSize, foundStart } from "./places";
import { verifySignature } from "./signature";
import { lastFlaw, note, openClaims, Token, tokenSlot } from "./slot";

/**
 * Whether the request has a token that is good for one of a rule's issuers: ALLOWED, with its claims open, or the reason of
 * the issuer that came closest.
 */
export function checkToken(policy: Policy, rule: usize): Reason {
  const first = load<u32>(rule, layout.rule_issuers_at);
  const count = load<u32>(rule, layout.rule_issuers_at + 4);
  request.tokenFlaw = Flaw.NONE;
  if (count == 0) return Reason.ALLOWED;
  let closest = Reason.NO_RULE;
  for (let index: u32 = 0; index < count; index++) {
    const reason = checkIssuer(policy, wordAt(policy, first + index));
    if (reason == Reason.ALLOWED || reason == Reason.INTERNAL) return reason;
    if (reason <= closest) continue;
    closest = reason;
    request.tokenFlaw = lastFlaw;
  }
  return closest;
}

/** Makes the claims of the token that satisfied an issuer those of the request. */
export function selectToken(place: u32, issuer: u32): void {
  request.verifiedIssuer = issuer + 1;
  request.verifiedPlace = place;
  openClaims(tokenSlot(place));
}

function checkIssuer(policy: Policy, issuer: u32): Reason {
  const judged = judgedIssuer(issuer);
  if (judged.reason != not_judged) {
    if (judged.reason == Reason.ALLOWED) selectToken(judged.place, issuer);
    return note(judged.flaw, judged.reason);
  }
  note(Flaw.NONE, Reason.ALLOWED);
  const reason = judgeToken(policy, issuer);
  if (reason == Reason.ALLOWED) selectToken(chosenPlace, issuer);
  setJudgedIssuer(issuer, reason, lastFlaw, chosenPlace);
  return reason;
}

function judgeToken(policy: Policy, issuer: u32): Reason {
  const record = issuerAt(policy, issuer);
  const found = chooseToken(policy, record, true);
  if (found != Reason.ALLOWED) return found;
  const reason = verifyToken(policy, record, tokenSlot(chosenPlace));
  if (reason != Reason.ALLOWED) return reason;
  const claims = checkClaims(policy, issuer);
  return claims == Reason.ALLOWED ? checkBinding(record) : claims;
}

/** The place of the token chosen last. */
export let chosenPlace: u32 = 0;

/**
 * Chooses the one token at the places of an issuer, and opens its claims. Several are told apart by their `iss`, if asked to:
 * exactly one must name the issuer, and one that cannot be read names nobody. TOKEN_MISSING, TOKEN_ISSUER, another reason
 * against the token, or ALLOWED.
 */
export function chooseToken(policy: Policy, issuer: usize, byIssuer: bool): Reason {
  const first = load<u32>(issuer, layout.issuer_places_at);
  const count = load<u32>(issuer, layout.issuer_places_at + 4);
  let bad = Reason.ALLOWED;
  let flaw = Flaw.NONE;
  let tokens: u32 = 0;
  let named: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const place = wordAt(policy, first + index);
    const token = lookForToken(policy, place);
    if (token.reason == Reason.INTERNAL) return token.reason;
    if (token.reason == Reason.TOKEN_MISSING) {
      if (tokens == 0 && token.flaw != Flaw.NONE) flaw = token.flaw;
      continue;
    }
    tokens++;
    if (token.reason != Reason.ALLOWED) {
      bad = token.reason;
      flaw = token.flaw;
      continue;
    }
    openClaims(token);
    if (byIssuer && !namesIssuer(policy, issuer)) continue;
    named++;
    chosenPlace = place;
  }
  if (tokens == 0) return note(flaw, Reason.TOKEN_MISSING);
  if (bad != Reason.ALLOWED) return note(flaw, bad);
  if (named > 1) return note(Flaw.SEVERAL_TOKENS, Reason.TOKEN_MALFORMED);
  if (named == 0) return note(Flaw.NONE, Reason.TOKEN_ISSUER);
  openClaims(tokenSlot(chosenPlace));
  return Reason.ALLOWED;
}

/** Compared exactly (RFC 7519 §4.1.1). */
function namesIssuer(policy: Policy, issuer: usize): bool {
  const claim = issuerClaim();
  const text = issuer + layout.issuer_iss_at;
  return claim != json.absent && json.isString(claim, textStart(policy, text), textSize(text));
}

/** The slot of a place, filled: from what a key set knows, or by taking the token apart. */
function lookForToken(policy: Policy, place: u32): Token {
  const token = tokenSlot(place);
  if (token.isLooked) return token;
  token.isLooked = true;
  note(Flaw.NONE, Reason.ALLOWED);
  token.reason = findToken(policy, placeAt(policy, place));
  if (token.reason == Reason.ALLOWED) {
    token.start = foundStart;
    token.size = foundSize;
    token.hash = tokenHash(foundStart, foundSize);
    if (!recall(policy, token)) token.reason = parseJws(token);
  }
  token.flaw = lastFlaw;
  if (inspecting && token.reason != Reason.ALLOWED) reportSignature(signatureOf(token.reason));
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

/** The signature of a token, by a key and an algorithm that the issuer is known for. Its claims stay open. */
export function verifyToken(policy: Policy, issuer: usize, token: Token): Reason {
  const reason = verify(policy, issuer, token);
  if (inspecting) reportSignature(signatureOf(reason));
  return reason;
}

function verify(policy: Policy, issuer: usize, token: Token): Reason {
  if (((load<u32>(issuer, layout.issuer_algorithms_at) >> token.algorithm) & 1) == 0) {
    return note(Flaw.ALG_REFUSED, Reason.TOKEN_ALGORITHM);
  }
  const setIndex = load<u32>(issuer, layout.issuer_key_set_at);
  const bit = (<u64>1) << setIndex;
  const set = keySetAt(policy, setIndex);
  if ((token.verifiedBy & bit) == 0 && token.verifiedBy != 0 && knowsToken(set, token)) token.verifiedBy |= bit;
  if ((token.verifiedBy & bit) != 0) return Reason.ALLOWED;
  if (!token.isDecoded) {
    // Its claims came out of another set's cache, which may push them out when tokens of this request are kept: they are
    // taken from the token itself, so that they stay until it is kept too.
    const reason = parseJws(token);
    if (reason != Reason.ALLOWED) return reason;
  }
  const reason = verifySignature(policy, set, setIndex, token);
  if (reason == Reason.ALLOWED) {
    token.verifiedBy |= bit;
    token.newlyBy |= bit;
  } else if (reason == Reason.TOKEN_KEY_UNKNOWN && lastFlaw == Flaw.KEY_ABSENT && isFetched(set)) {
    request.unknownKeySets |= bit;
  }
  return openAgain(token, reason);
}

/** The header's scan, or another cache, may have left another tape open. */
function openAgain(token: Token, reason: Reason): Reason {
  openClaims(token);
  return reason;
}

/**
 * Keeps the tokens that were verified just now. It comes last of all: what a cache pushes out for them may be the claims of
 * another token of this request.
 */
export function rememberTokens(policy: Policy): void {
  const places = sectionCount(policy, layout.section_places);
  for (let place: u32 = 0; place < places; place++) {
    const token = tokenSlot(place);
    for (let sets = token.newlyBy; sets != 0; sets &= sets - 1) {
      rememberToken(keySetAt(policy, <u32>ctz(sets)), token);
    }
  }
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
  const record = issuerAt(policy, issuer);
  const token = tokenSlot(0);
  token.start = start;
  token.size = size;
  note(Flaw.NONE, Reason.ALLOWED);
  let reason = size > token_bytes_max ? Reason.TOKEN_TOO_LARGE : decodeParts(token);
  if (reason != Reason.ALLOWED) {
    reportSignature(signatureOf(reason));
    return reason;
  }
  token.isDecoded = true;
  reason = verify(policy, record, token);
  const flaw = lastFlaw;
  reportSignature(signatureOf(reason));
  const scanned = scanClaims(token);
  if (scanned != Reason.ALLOWED) return scanned;
  if (!namesIssuer(policy, record)) return note(Flaw.NONE, Reason.TOKEN_ISSUER);
  if (reason != Reason.ALLOWED) return note(flaw, reason);
  reason = checkClaims(policy, issuer);
  // What a token is bound to other than a key of the caller's cannot be judged without the caller.
  const isUnbound = load<u32>(record, layout.issuer_bind_at) == layout.bind_none;
  return reason == Reason.ALLOWED && isUnbound ? checkBinding(record) : reason;
}
