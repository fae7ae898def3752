/**
 * The claims of a verified token (RFC 7519 §4.1) held against an issuer and the clock. Nothing here is remembered
 * between requests: time and audience are checked each time.
 */

import { literal } from "../bytes/literal";
import { isLiteral } from "../bytes/span";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import { Detail } from "../detail";
import { Finding, finding, good, isGood } from "../finding";
import * as layout from "../policy/layout";
import { issuerAt, memberAt, Policy, textAt, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { request } from "../request/request";
import { Token } from "./slot";

const audience_name = literal("aud");
const nanoseconds_a_second: u64 = 1000000000;
/** The last second a double tells from its neighbours, 2^53 - 1; later dates are not dates. */
const last_date_seconds: i64 = 9007199254740991;
/** What `readDate` says of a claim that is there and is no date, and of one that is not there. */
const no_date: i64 = -1;
const date_absent: i64 = -2;

/** A name of three characters as a word, the first in the lowest byte. */
// @inline
function name(first: u32, second: u32, third: u32): u32 {
  return first | (second << 8) | (third << 16);
}

/** Finds the claims that every issuer asks for among those on the tape, all in one go, and keeps them with the token. */
export function findClaims(token: Token): void {
  token.issuerAt = 0;
  token.subjectAt = 0;
  token.audienceAt = 0;
  token.confirmationAt = 0;
  token.expiresSeconds = date_absent;
  token.notBeforeSeconds = date_absent;
  token.issuedAtSeconds = date_absent;
  const end = json.after(token.claims);
  let member = json.firstOf(token.claims);
  while (member < end) {
    const value = json.valueAfter(member);
    if (json.sizeOf(member) == 3) takeClaim(token, json.startOf(member), value);
    member = json.after(value);
  }
}

function takeClaim(token: Token, text: usize, value: usize): void {
  const at = <u32>(value - token.claims);
  switch (name(load<u8>(text), load<u8>(text, 1), load<u8>(text, 2))) {
    case name(0x69, 0x73, 0x73): // iss
      token.issuerAt = at;
      return;
    case name(0x73, 0x75, 0x62): // sub
      token.subjectAt = at;
      return;
    case name(0x61, 0x75, 0x64): // aud
      token.audienceAt = at;
      return;
    case name(0x63, 0x6e, 0x66): // cnf
      token.confirmationAt = at;
      return;
    case name(0x65, 0x78, 0x70): // exp
      token.expiresSeconds = readDate(value);
      return;
    case name(0x6e, 0x62, 0x66): // nbf
      token.notBeforeSeconds = readDate(value);
      return;
    case name(0x69, 0x61, 0x74): // iat
      token.issuedAtSeconds = readDate(value);
      return;
  }
}

/** The record of a token's `iss` claim, or `absent`. */
export function issuerClaim(token: Token): usize {
  return claimAt(token, token.issuerAt);
}

/** The record of a token's `sub` claim, or `absent`. */
export function subjectClaim(token: Token): usize {
  return claimAt(token, token.subjectAt);
}

/** The record of a token's `cnf` claim, or `absent`. */
export function confirmationClaim(token: Token): usize {
  return claimAt(token, token.confirmationAt);
}

// @inline
function claimAt(token: Token, at: u32): usize {
  return at == 0 ? json.absent : token.claims + at;
}

/** Holds the claims of a token against an issuer. */
export function checkClaims(policy: Policy, issuer: u32, token: Token): Finding {
  const record = issuerAt(policy, issuer);
  const subject = subjectClaim(token);
  if (subject != json.absent && json.kindOf(subject) != Kind.STRING)
    return finding(Reason.TOKEN_CLAIMS_MALFORMED, Detail.SUB);
  const times = checkTimes(record, token);
  return isGood(times) ? checkAudience(policy, record, token) : times;
}

function checkTimes(issuer: usize, token: Token): Finding {
  const expires = token.expiresSeconds;
  const notBefore = token.notBeforeSeconds;
  const issuedAt = token.issuedAtSeconds;
  // `exp` is required: a token without one would be good for ever.
  if (expires == date_absent) return finding(Reason.TOKEN_CLAIMS_MALFORMED, Detail.EXP_MISSING);
  if (expires == no_date) return finding(Reason.TOKEN_CLAIMS_MALFORMED, Detail.EXP);
  if (notBefore == no_date) return finding(Reason.TOKEN_CLAIMS_MALFORMED, Detail.NBF);
  if (issuedAt == no_date) return finding(Reason.TOKEN_CLAIMS_MALFORMED, Detail.IAT);
  const now = <i64>(request.nowNanoseconds / nanoseconds_a_second);
  const leeway = <i64>load<u32>(issuer, layout.issuer_leeway_seconds_at);
  if (now >= expires + leeway) return finding(Reason.TOKEN_EXPIRED, Detail.NONE);
  if (notBefore > now + leeway) return finding(Reason.TOKEN_NOT_YET_VALID, Detail.NBF);
  if (issuedAt > now + leeway) return finding(Reason.TOKEN_NOT_YET_VALID, Detail.IAT);
  const lifetime = <i64>load<u32>(issuer, layout.issuer_lifetime_seconds_at);
  if (lifetime != 0 && issuedAt == date_absent) return finding(Reason.TOKEN_LIFETIME, Detail.LIFETIME_UNKNOWN);
  if (lifetime != 0 && expires - issuedAt > lifetime) return finding(Reason.TOKEN_LIFETIME, Detail.NONE);
  return good;
}

/** A NumericDate in whole seconds, its fraction dropped (RFC 7519 §2); `no_date` for what is none. */
function readDate(record: usize): i64 {
  if (json.kindOf(record) != Kind.NUMBER) return no_date;
  const start = json.startOf(record);
  const size = json.sizeOf(record);
  let seconds: i64 = 0;
  for (let index: u32 = 0; index < size; index++) {
    const byte = <u32>load<u8>(start + index);
    if (byte == 0x2e) return isFraction(start + index + 1, size - index - 1) ? seconds : no_date;
    if (byte - 0x30 >= 10) return no_date;
    seconds = seconds * 10 + <i64>(byte - 0x30);
    if (seconds > last_date_seconds) return no_date;
  }
  return seconds;
}

/** Digits only: an exponent, which JSON allows here, makes no date that anyone meant. */
function isFraction(start: usize, size: u32): bool {
  for (let index: u32 = 0; index < size; index++) {
    if (<u32>load<u8>(start + index) - 0x30 >= 10) return false;
  }
  return true;
}

/** RFC 7519 §4.1.3: a string, or a list of strings, one of which is an audience of ours; in `aud`, or what stands in for it. */
function checkAudience(policy: Policy, issuer: usize, token: Token): Finding {
  const path = issuer + layout.issuer_audience_claim_at;
  const names = load<u32>(path, 4);
  if (names == 0) return good;
  const first = textAt(policy, load<u32>(path));
  const audience =
    names == 1 && isLiteral(textStart(policy, first), textSize(first), audience_name)
      ? claimAt(token, token.audienceAt)
      : memberAt(policy, path, token.claims);
  if (audience == json.absent) return finding(Reason.TOKEN_AUDIENCE, Detail.AUD_MISSING);
  if (json.kindOf(audience) == Kind.STRING) {
    return isAudience(policy, issuer, audience) ? good : finding(Reason.TOKEN_AUDIENCE, Detail.NONE);
  }
  if (json.kindOf(audience) != Kind.ARRAY) return finding(Reason.TOKEN_CLAIMS_MALFORMED, Detail.AUD);
  const end = json.after(audience);
  let found = finding(Reason.TOKEN_AUDIENCE, Detail.NONE);
  for (let element = json.firstOf(audience); element < end; element = json.after(element)) {
    if (json.kindOf(element) != Kind.STRING) return finding(Reason.TOKEN_CLAIMS_MALFORMED, Detail.AUD);
    if (isAudience(policy, issuer, element)) found = good;
  }
  return found;
}

function isAudience(policy: Policy, issuer: usize, claim: usize): bool {
  const first = load<u32>(issuer, layout.issuer_audiences_at);
  const count = load<u32>(issuer, layout.issuer_audiences_at + 4);
  for (let index: u32 = 0; index < count; index++) {
    const text = textAt(policy, first + index);
    if (json.isString(claim, textStart(policy, text), textSize(text))) return true;
  }
  return false;
}
