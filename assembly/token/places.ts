/**
 * Where tokens stand in a request: a header after a prefix (RFC 6750 §2.1), a cookie (RFC 6265 §4.2), a parameter of the query
 * (RFC 6750 §2.3). A place that holds several things is not read, since the upstream might read another one.
 */
import { literal } from "../bytes/literal";
import { hasPrefix } from "../bytes/prefix";
import {
  absent,
  ambiguous,
  failed,
  indexOfByte,
  isAlike,
  isBlank,
  isLiteral,
  sameBytes,
  spanSize,
  spanStart,
} from "../bytes/span";
import { Detail } from "../detail";
import { Finding, finding, good, internal, isGood } from "../finding";
import { firstPair, isPair, nextPair, pairName, pairNameSize, pairValue, pairValueSize } from "../host/pairs";
import * as layout from "../policy/layout";
import { head, Policy, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { endOfCookie, signOfCookie } from "../request/cookies";
import { findHeader } from "../request/headers";
import { findParameter } from "../request/query";
import { request } from "../request/request";
import { Token } from "./slot";

const missing: Finding = Reason.TOKEN_MISSING;
/** One that has more bytes than the policy allows. */
export const tooLarge: Finding = Reason.TOKEN_TOO_LARGE | (Detail.TOKEN_TOO_LARGE << 8);
const cookie_name = literal("cookie");
/** The prefix of a place that stands for a scheme; others are texts. */
const bearer_prefix = literal("Bearer ");
const bearer_in_lower = literal("bearer ");

/**
 * Looks for a token at a place, and puts where it stands into its slot. TOKEN_MISSING, TOKEN_MALFORMED where there are several,
 * TOKEN_TOO_LARGE, INTERNAL, or good.
 */
export function findToken(policy: Policy, place: usize, token: Token): Finding {
  const name = textStart(policy, place + layout.place_name_at);
  const size = textSize(place + layout.place_name_at);
  const kind = load<u32>(place, layout.place_kind_at);
  let found: Finding;
  if (kind == layout.place_header) found = findInHeader(policy, place, name, size, token);
  else if (kind == layout.place_cookie) found = findInCookies(name, size, token);
  else found = findInQuery(name, size, token);
  return isGood(found) && token.size > tokenBytes(policy) ? tooLarge : found;
}

/** The bytes that a token may have. */
export function tokenBytes(policy: Policy): u32 {
  return load<u32>(head(policy), layout.policy_token_bytes_at);
}

/** A comma-joined header is no base64url, and is refused with the token. */
function findInHeader(policy: Policy, place: usize, name: usize, size: u32, token: Token): Finding {
  const value = findHeader(name, size);
  if (value == absent) return missing;
  if (value == ambiguous) return finding(Reason.TOKEN_MALFORMED, Detail.SEVERAL_HEADERS);
  const prefix = place + layout.place_prefix_at;
  const skipped = skipPrefix(spanStart(value), spanSize(value), textStart(policy, prefix), textSize(prefix));
  if (skipped < 0) {
    const isBearer = isLiteral(textStart(policy, prefix), textSize(prefix), bearer_prefix);
    return isBearer && hidesBearer(spanStart(value), spanSize(value))
      ? finding(Reason.TOKEN_MALFORMED, Detail.SEVERAL_HEADERS)
      : finding(Reason.TOKEN_MISSING, Detail.SCHEME);
  }
  token.start = spanStart(value) + skipped;
  token.size = spanSize(value) - skipped;
  return good;
}

/**
 * Whether an upstream may find a token that we do not: behind a tab, or behind another scheme and a comma. It must not count as none, since a bad
 * one would then go on where the token is optional. The word alone is none.
 */
function hidesBearer(start: usize, size: u32): bool {
  return size >= bearer_in_lower.size && hasPrefix(start, size, bearer_in_lower.start, bearer_in_lower.size);
}

/** The bytes before the token; -1 where it does not stand there. A scheme has no case, and blanks after it (RFC 9110 §11.1, §11.4). */
function skipPrefix(start: usize, size: u32, prefix: usize, prefixSize: u32): i32 {
  if (size < prefixSize) return -1;
  if (!isLiteral(prefix, prefixSize, bearer_prefix)) return sameBytes(start, prefix, prefixSize) ? prefixSize : -1;
  if (!isAlike(start, bearer_in_lower.start, prefixSize)) return -1;
  let skipped = prefixSize;
  while (skipped < size && load<u8>(start + skipped) == 0x20) skipped++;
  return skipped;
}

function findInQuery(name: usize, size: u32, token: Token): Finding {
  const value = findParameter(name, size);
  if (value == absent) return missing;
  if (value == failed) return internal;
  if (value == ambiguous) return finding(Reason.TOKEN_MALFORMED, Detail.QUERY);
  token.start = spanStart(value);
  token.size = spanSize(value);
  return good;
}

/** HTTP/2 may split cookies over several headers (RFC 9113 §8.2.3), so all of them are read. */
function findInCookies(name: usize, size: u32, token: Token): Finding {
  let found: u32 = 0;
  const map = request.pairsStart;
  for (let pair = firstPair(map); isPair(map, pair); pair = nextPair(pair)) {
    if (!isLiteral(pairName(pair), pairNameSize(pair), cookie_name)) continue;
    found += findCookie(pairValue(pair), pairValueSize(pair), name, size, token);
  }
  if (found == 0) return missing;
  return found == 1 ? good : finding(Reason.TOKEN_MALFORMED, Detail.SEVERAL_TOKENS);
}

/**
 * How often a cookie stands in one header, by its exact name. To some readers white space around a name is nothing, and a comma
 * separates cookies (RFC 2109 §4.3.4): one that only they would see counts as two, since it could be read in two ways.
 */
function findCookie(start: usize, size: u32, name: usize, nameSize: u32, token: Token): u32 {
  const end = start + size;
  let found: u32 = 0;
  let isTidy = true;
  let cursor = start;
  while (cursor < end) {
    while (cursor < end && isBlank(load<u8>(cursor))) {
      if (load<u8>(cursor) != 0x20) isTidy = false;
      cursor++;
    }
    const next = endOfCookie(cursor, end);
    const sign = signOfCookie(cursor, next, name, nameSize);
    if (sign != 0) {
      found += isTidy && <u32>(sign - cursor) == nameSize ? 1 : 2;
      token.start = sign + 1;
      token.size = indexOfByte(token.start, <u32>(end - token.start), 0x3b);
    }
    isTidy = next < end && load<u8>(next) == 0x3b;
    cursor = next + 1;
  }
  return found;
}
