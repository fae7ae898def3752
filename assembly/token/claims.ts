/**
 * The claims of a verified token (RFC 7519 §4.1) held against an issuer and the clock. Nothing here is remembered
 * between requests: time and audience are checked each time.
 */

import { literal } from "../bytes/literal";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import * as layout from "../policy/layout";
import { issuerAt, Policy, textAt, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { request } from "../request/request";
import { Flaw } from "./flaw";
import { note } from "./slot";

const iss_name = literal("iss");
const sub_name = literal("sub");
const aud_name = literal("aud");
const exp_name = literal("exp");
const nbf_name = literal("nbf");
const iat_name = literal("iat");

const nanoseconds_a_second: u64 = 1000000000;
/** The last second a double tells from its neighbours, 2^53 - 1; later dates are not dates. */
const last_date_seconds: i64 = 9007199254740991;
/** What `readDate` says of a claim that is there and is no date, and of one that is not there. */
const no_date: i64 = -1;
const date_absent: i64 = -2;

/** The tape record of the `iss` claim, or `absent`. */
export function issuerClaim(): i32 {
  return json.member(0, iss_name.start, iss_name.size);
}

/** The tape record of the `sub` claim, or `absent`. */
export function subjectClaim(): i32 {
  return json.member(0, sub_name.start, sub_name.size);
}

/** Holds the claims on the tape against an issuer. A token's own reason, or ALLOWED. */
export function checkClaims(policy: Policy, issuer: u32): Reason {
  const record = issuerAt(policy, issuer);
  const subject = subjectClaim();
  if (subject != json.absent && json.kindOf(subject) != Kind.STRING) return note(Flaw.SUB, Reason.TOKEN_CLAIMS);
  const times = checkTimes(record);
  return times != Reason.ALLOWED ? times : checkAudience(policy, record);
}

function checkTimes(issuer: usize): Reason {
  const expires = readDate(json.member(0, exp_name.start, exp_name.size));
  const notBefore = readDate(json.member(0, nbf_name.start, nbf_name.size));
  const issuedAt = readDate(json.member(0, iat_name.start, iat_name.size));
  // `exp` is required: a token without one would be good for ever.
  if (expires == date_absent) return note(Flaw.EXP_MISSING, Reason.TOKEN_CLAIMS);
  if (expires == no_date) return note(Flaw.EXP, Reason.TOKEN_CLAIMS);
  if (notBefore == no_date) return note(Flaw.NBF, Reason.TOKEN_CLAIMS);
  if (issuedAt == no_date) return note(Flaw.IAT, Reason.TOKEN_CLAIMS);
  const now = <i64>(request.nowNanoseconds / nanoseconds_a_second);
  const leeway = <i64>load<u32>(issuer, layout.issuer_leeway_seconds);
  if (now >= expires + leeway) return note(Flaw.NONE, Reason.TOKEN_EXPIRED);
  if (notBefore > now + leeway) return note(Flaw.NBF, Reason.TOKEN_NOT_YET_VALID);
  if (issuedAt > now + leeway) return note(Flaw.IAT, Reason.TOKEN_NOT_YET_VALID);
  const lifetime = <i64>load<u32>(issuer, layout.issuer_lifetime_seconds);
  if (lifetime != 0 && issuedAt == date_absent) return note(Flaw.LIFETIME_UNKNOWN, Reason.TOKEN_LIFETIME);
  if (lifetime != 0 && expires - issuedAt > lifetime) return note(Flaw.NONE, Reason.TOKEN_LIFETIME);
  return Reason.ALLOWED;
}

/** A NumericDate in whole seconds, its fraction dropped (RFC 7519 §2); negative for what is none. */
function readDate(record: i32): i64 {
  if (record == json.absent) return date_absent;
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

/** RFC 7519 §4.1.3: a string, or a list of strings, one of which is an audience of ours. */
function checkAudience(policy: Policy, issuer: usize): Reason {
  const audience = json.member(0, aud_name.start, aud_name.size);
  if (audience == json.absent) return note(Flaw.AUD_MISSING, Reason.TOKEN_AUDIENCE);
  if (json.kindOf(audience) == Kind.STRING) {
    return isAudience(policy, issuer, audience) ? Reason.ALLOWED : note(Flaw.NONE, Reason.TOKEN_AUDIENCE);
  }
  if (json.kindOf(audience) != Kind.ARRAY) return note(Flaw.AUD, Reason.TOKEN_CLAIMS);
  const end = json.after(audience);
  let reason = note(Flaw.NONE, Reason.TOKEN_AUDIENCE);
  for (let element = audience + 1; element < end; element = json.after(element)) {
    if (json.kindOf(element) != Kind.STRING) return note(Flaw.AUD, Reason.TOKEN_CLAIMS);
    if (isAudience(policy, issuer, element)) reason = Reason.ALLOWED;
  }
  return reason;
}

function isAudience(policy: Policy, issuer: usize, claim: i32): bool {
  const first = load<u32>(issuer, layout.issuer_audiences);
  const count = load<u32>(issuer, layout.issuer_audiences + 4);
  for (let index: u32 = 0; index < count; index++) {
    const text = textAt(policy, first + index);
    if (json.isString(claim, textStart(policy, text), textSize(text))) return true;
  }
  return false;
}
