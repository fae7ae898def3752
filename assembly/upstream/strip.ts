/**
 * Taking tokens away before the upstream sees the request (`forwardToken: false` in a policy): at every place so marked, also
 * where no rule asked for the token.
 */
import { literal } from "../bytes/literal";
import { hasPrefix, skipBlanks } from "../bytes/prefix";
import { absent, copyBytes, failed, indexOfByte, isLiteral, Span, spanOf, spanSize, spanStart } from "../bytes/span";
import { Failure } from "../failure";
import { takeBytes } from "../host/arena";
import { fail, removeRequestHeader, replaceRequestHeader } from "../host/host";
import { firstPair, isPair, nextPair, no_pairs, pairName, pairNameSize, pairValue, pairValueSize } from "../host/pairs";
import * as layout from "../policy/layout";
import { Policy, placeAt, sectionCount, textSize, textStart } from "../policy/policy";
import { endOfCookie, signOfCookie } from "../request/cookies";
import { isSameName } from "../request/headers";
import { isParameterNamed } from "../request/query";
import { request } from "../request/request";

const cookie_name = literal("cookie");
const path_name = literal(":path");

/**
 * Takes the tokens away. False where the host refuses, or where headers that could not be read cannot be cleaned. The request's slot
 * stays as it was: what is left of cookies and path is in the arena.
 */
export function stripTokens(policy: Policy): bool {
  const count = sectionCount(policy, layout.section_places);
  let cookies = absent;
  let path = absent;
  for (let index: u32 = 0; index < count; index++) {
    const place = placeAt(policy, index);
    if (load<u32>(place, layout.place_strip_at) == 0) continue;
    if (request.pairsStart == no_pairs) return false;
    const name = textStart(policy, place + layout.place_name_at);
    const size = textSize(place + layout.place_name_at);
    const kind = load<u32>(place, layout.place_kind_at);
    if (kind == layout.place_header) {
      if (!stripHeader(policy, place, name, size)) return false;
    } else if (kind == layout.place_cookie) {
      cookies = stripCookie(cookies, name, size);
    } else {
      path = stripParameter(path, name, size);
    }
    if (cookies == failed || path == failed) return false;
  }
  return true;
}

/**
 * A header whose value begins otherwise, with another scheme, is none of ours. What upstreams may read alike is one: names with
 * `_` for `-`, the prefix in any case, any white space after it.
 */
function stripHeader(policy: Policy, place: usize, name: usize, size: u32): bool {
  const prefix = place + layout.place_prefix_at;
  const map = request.pairsStart;
  for (let pair = firstPair(map); isPair(map, pair); pair = nextPair(pair)) {
    if (pairNameSize(pair) != size || !isSameName(pairName(pair), name, size)) continue;
    const isOurs = hasPrefix(pairValue(pair), pairValueSize(pair), textStart(policy, prefix), textSize(prefix));
    if (isOurs && !removeRequestHeader(pairName(pair), size)) return false;
  }
  return true;
}

/**
 * All cookies become one header, without those of that name. `cookies` is what was left of them before, `absent` where none was taken
 * away yet; what is returned is what is left now, or `failed`.
 */
function stripCookie(cookies: Span, name: usize, size: u32): Span {
  let left = cookies;
  if (left == absent) {
    if (!isCookieSent(name, size)) return absent;
    left = gatherCookies();
    if (left == failed) return failed;
  } else if (!hasCookie(spanStart(left), spanSize(left), name, size)) {
    return left;
  }
  left = withoutCookie(spanStart(left), spanSize(left), name, size);
  const isTold =
    spanSize(left) == 0
      ? removeRequestHeader(cookie_name.start, cookie_name.size)
      : replaceRequestHeader(cookie_name.start, cookie_name.size, spanStart(left), spanSize(left));
  return isTold ? left : failed;
}

/** Whether any header of cookies has one of that name. */
function isCookieSent(name: usize, size: u32): bool {
  const map = request.pairsStart;
  for (let pair = firstPair(map); isPair(map, pair); pair = nextPair(pair)) {
    if (!isLiteral(pairName(pair), pairNameSize(pair), cookie_name)) continue;
    if (hasCookie(pairValue(pair), pairValueSize(pair), name, size)) return true;
  }
  return false;
}

/** Copies the values of all headers of cookies one behind the other, as one header has them (RFC 9113 §8.2.3). */
function gatherCookies(): Span {
  const map = request.pairsStart;
  let bytes: u32 = 0;
  for (let pair = firstPair(map); isPair(map, pair); pair = nextPair(pair)) {
    if (isLiteral(pairName(pair), pairNameSize(pair), cookie_name)) bytes += pairValueSize(pair) + 2;
  }
  const start = takeBytes(bytes);
  if (start == 0) return arenaFull();
  let target = start;
  for (let pair = firstPair(map); isPair(map, pair); pair = nextPair(pair)) {
    if (!isLiteral(pairName(pair), pairNameSize(pair), cookie_name)) continue;
    if (target != start) {
      store<u16>(target, 0x203b);
      target += 2;
    }
    memory.copy(target, pairValue(pair), pairValueSize(pair));
    target += pairValueSize(pair);
  }
  return spanOf(start, <u32>(target - start));
}

function hasCookie(start: usize, size: u32, name: usize, nameSize: u32): bool {
  const end = start + size;
  let cursor = start;
  while (true) {
    const first = skipBlanks(cursor, end);
    const next = endOfCookie(first, end);
    if (signOfCookie(first, next, name, nameSize) != 0) return true;
    if (next == end) return false;
    cursor = next + 1;
  }
}

/**
 * Keeps, where they stand, what is not of that name, each piece with what separates it from the one before. The first one has nothing
 * in front that it would be separated from.
 */
function withoutCookie(start: usize, size: u32, name: usize, nameSize: u32): Span {
  const end = start + size;
  let output = start;
  // Where a piece begins with what separates it; the first one does not.
  let cursor = start;
  let isFirst = true;
  while (cursor < end) {
    const first = skipBlanks(isFirst ? cursor : cursor + 1, end);
    const next = endOfCookie(first, end);
    isFirst = false;
    if (signOfCookie(first, next, name, nameSize) == 0) output = keep(output, output == start ? first : cursor, next);
    cursor = next;
  }
  return spanOf(start, <u32>(output - start));
}

/** Where the next piece goes. Output never overtakes input, so both may be the same bytes. */
function keep(output: usize, start: usize, end: usize): usize {
  const size = end - start;
  memory.copy(output, start, size);
  return output + size;
}

/**
 * The path without every parameter of that name, as decoding has it; some readers take `;` for `&`, or read on after `#`. `path` and
 * what is returned are as the cookies of `stripCookie` are.
 */
function stripParameter(path: Span, name: usize, size: u32): Span {
  let left = path == absent ? spanOf(request.pathStart, request.pathSize) : path;
  const mark = indexOfByte(spanStart(left), spanSize(left), 0x3f);
  if (!hasParameter(spanStart(left) + mark, spanStart(left) + spanSize(left), name, size)) return path;
  if (path == absent) {
    const start = takeBytes(request.pathSize);
    if (start == 0) return arenaFull();
    copyBytes(start, request.pathStart, request.pathSize);
    left = spanOf(start, request.pathSize);
  }
  const start = spanStart(left);
  const end = withoutParameter(start + mark, start + spanSize(left), name, size);
  const kept = <u32>(end - start);
  return replaceRequestHeader(path_name.start, path_name.size, start, kept) ? spanOf(start, kept) : failed;
}

/** Whether the query, with its `?` if there is one, has a parameter of that name. */
function hasParameter(start: usize, end: usize, name: usize, size: u32): bool {
  let cursor = start;
  while (cursor < end) {
    const next = endOfParameter(cursor, end);
    if (isNamed(cursor, next, name, size)) return true;
    cursor = next;
  }
  return false;
}

/** Keeps, where they stand, the parameters that are not of that name, each with what stands in front of it. The new end. */
function withoutParameter(start: usize, end: usize, name: usize, size: u32): usize {
  let output = start;
  let cursor = start;
  while (cursor < end) {
    const next = endOfParameter(cursor, end);
    if (!isNamed(cursor, next, name, size)) {
      const isFirst = output == start;
      output = keep(output, cursor, next);
      if (isFirst) store<u8>(start, 0x3f);
    }
    cursor = next;
  }
  return output;
}

/** A parameter ends where the sign of the next one stands. */
function endOfParameter(start: usize, end: usize): usize {
  let next = start + 1;
  while (next < end && !isSeparator(load<u8>(next))) next++;
  return next;
}

/** Whether what stands behind a sign is a parameter of that name. */
function isNamed(sign: usize, end: usize, name: usize, size: u32): bool {
  const start = sign + 1;
  return isParameterNamed(start, indexOfByte(start, <u32>(end - start), 0x3d), name, size);
}

function isSeparator(byte: u32): bool {
  return byte == 0x26 || byte == 0x3b || byte == 0x23;
}

function arenaFull(): Span {
  fail(Failure.ARENA_FULL);
  return failed;
}
