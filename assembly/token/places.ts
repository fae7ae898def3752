/**
 * Where tokens stand in a request: a header after a prefix (RFC 6750 §2.1), a cookie (RFC 6265 §4.2), a parameter of the query
 * (RFC 6750 §2.3). A place that holds several things is not read, since the upstream might read another one.
 */
import { literal } from "../bytes/literal";
import { indexOfByte, isBlank, isLiteral, sameBytes } from "../bytes/span";
import { Flaw } from "../detail";
import { token_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { Policy, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { findHeader, headerSize, headerStart } from "../request/headers";
import { beginPairs, nextPair, pairName, pairNameSize, pairValue, pairValueSize } from "../request/pairs";
import { findParameter, Parameter, parameterSize, parameterStart } from "../request/query";
import { note } from "./slot";

const cookie_name = literal("cookie");

/** The token found last. */
export let foundStart: usize = 0;
export let foundSize: u32 = 0;

/** Looks for a token at a place. TOKEN_MISSING, TOKEN_MALFORMED where there are several, TOKEN_TOO_LARGE, or ALLOWED. */
export function findToken(policy: Policy, place: usize): Reason {
  const name = textStart(policy, place + layout.place_name_at);
  const size = textSize(place + layout.place_name_at);
  const kind = load<u32>(place, layout.place_kind_at);
  let reason: Reason;
  if (kind == layout.place_header) reason = findInHeader(policy, place, name, size);
  else if (kind == layout.place_cookie) reason = findInCookies(name, size);
  else reason = findInQuery(name, size);
  return reason == Reason.ALLOWED && foundSize > token_bytes_max ? Reason.TOKEN_TOO_LARGE : reason;
}

/** A comma-joined header is no base64url, and is refused with the token. */
function findInHeader(policy: Policy, place: usize, name: usize, size: u32): Reason {
  const count = findHeader(name, size);
  if (count == 0) return Reason.TOKEN_MISSING;
  if (count > 1) return note(Flaw.SEVERAL_HEADERS, Reason.TOKEN_MALFORMED);
  const prefix = place + layout.place_prefix_at;
  const skipped = textSize(prefix);
  if (headerSize < skipped || !sameBytes(headerStart, textStart(policy, prefix), skipped)) {
    return note(Flaw.SCHEME, Reason.TOKEN_MISSING);
  }
  foundStart = headerStart + skipped;
  foundSize = headerSize - skipped;
  return Reason.ALLOWED;
}

function findInQuery(name: usize, size: u32): Reason {
  const found = findParameter(name, size);
  if (found == Parameter.ABSENT) return Reason.TOKEN_MISSING;
  if (found == Parameter.AMBIGUOUS) return note(Flaw.QUERY, Reason.TOKEN_MALFORMED);
  foundStart = parameterStart;
  foundSize = parameterSize;
  return Reason.ALLOWED;
}

/** HTTP/2 may split cookies over several headers (RFC 9113 §8.2.3), so all of them are read. */
function findInCookies(name: usize, size: u32): Reason {
  let found: u32 = 0;
  beginPairs();
  while (nextPair()) {
    if (isLiteral(pairName, pairNameSize, cookie_name)) found += findCookie(pairValue, pairValueSize, name, size);
  }
  if (found == 0) return Reason.TOKEN_MISSING;
  return found == 1 ? Reason.ALLOWED : note(Flaw.SEVERAL_TOKENS, Reason.TOKEN_MALFORMED);
}

/**
 * How often a cookie stands in one header, by its exact name. To some readers white space around a name is nothing, and a comma
 * separates cookies (RFC 2109 §4.3.4): one that only they would see counts as two, since it could be read in two ways.
 */
function findCookie(start: usize, size: u32, name: usize, nameSize: u32): u32 {
  const end = start + size;
  let found: u32 = 0;
  let isTidy = true;
  let cursor = start;
  while (cursor < end) {
    while (cursor < end && isBlank(load<u8>(cursor))) {
      if (load<u8>(cursor) != 0x20) isTidy = false;
      cursor++;
    }
    let next = cursor;
    while (next < end && load<u8>(next) != 0x3b && load<u8>(next) != 0x2c) next++;
    const sign = cursor + indexOfByte(cursor, <u32>(next - cursor), 0x3d);
    let nameEnd = sign;
    while (nameEnd > cursor && isBlank(load<u8>(nameEnd - 1))) nameEnd--;
    if (sign != next && <u32>(nameEnd - cursor) == nameSize && sameBytes(cursor, name, nameSize)) {
      found += isTidy && nameEnd == sign ? 1 : 2;
      foundStart = sign + 1;
      foundSize = indexOfByte(foundStart, <u32>(end - foundStart), 0x3b);
    }
    isTidy = next < end && load<u8>(next) == 0x3b;
    cursor = next + 1;
  }
  return found;
}
