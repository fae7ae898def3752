/**
 * Taking tokens away before the upstream sees the request (`forwardToken: false` in a policy): at every place so marked, also
 * where no rule asked for the token.
 */
import { literal } from "../bytes/literal";
import { indexOfByte, isBlank, isLiteral, lower, sameBytes } from "../bytes/span";
import { Failure } from "../failure";
import { takeBytes } from "../host/arena";
import { fail, removeRequestHeader, replaceRequestHeader } from "../host/host";
import * as layout from "../policy/layout";
import { Policy, placeAt, sectionCount, textSize, textStart } from "../policy/policy";
import { isSameName } from "../request/headers";
import { beginPairs, nextPair, pairName, pairNameSize, pairValue, pairValueSize } from "../request/pairs";
import { isParameterNamed } from "../request/query";
import { request } from "../request/request";

const cookie_name = literal("cookie");
const path_name = literal(":path");

/** Takes the tokens away. False where the host refuses, or where headers that could not be read cannot be cleaned. */
export function stripTokens(policy: Policy): bool {
  const count = sectionCount(policy, layout.section_places);
  for (let index: u32 = 0; index < count; index++) {
    const place = placeAt(policy, index);
    if (load<u32>(place, layout.place_strip_at) == 0) continue;
    if (request.pairsSize == 0 || !strip(policy, place)) return false;
  }
  return true;
}

function strip(policy: Policy, place: usize): bool {
  const name = textStart(policy, place + layout.place_name_at);
  const size = textSize(place + layout.place_name_at);
  const kind = load<u32>(place, layout.place_kind_at);
  if (kind == layout.place_header) return stripHeader(policy, place, name, size);
  return kind == layout.place_cookie ? stripCookie(name, size) : stripParameter(name, size);
}

/**
 * A header whose value begins otherwise, with another scheme, is none of ours. What upstreams may read alike is one: names with
 * `_` for `-`, the prefix in any case, any white space after it.
 */
function stripHeader(policy: Policy, place: usize, name: usize, size: u32): bool {
  const prefix = place + layout.place_prefix_at;
  beginPairs();
  while (nextPair()) {
    if (pairNameSize != size || !isSameName(pairName, name, size)) continue;
    const isOurs = hasPrefix(pairValue, pairValueSize, textStart(policy, prefix), textSize(prefix));
    if (isOurs && !removeRequestHeader(pairName, size)) return false;
  }
  return true;
}

/** Whether the prefix begins the value, or what follows a comma in it: Envoy joins several headers of a name so. */
function hasPrefix(start: usize, size: u32, prefix: usize, prefixSize: u32): bool {
  const end = start + size;
  let cursor = start;
  while (true) {
    if (beginsWith(cursor, <u32>(end - cursor), prefix, prefixSize)) return true;
    cursor += indexOfByte(cursor, <u32>(end - cursor), 0x2c);
    if (cursor >= end) return false;
    cursor = skipBlanks(cursor + 1, end);
  }
}

function beginsWith(start: usize, size: u32, prefix: usize, prefixSize: u32): bool {
  let word = prefixSize;
  while (word != 0 && load<u8>(prefix + word - 1) == 0x20) word--;
  if (size < word) return false;
  for (let index: u32 = 0; index < word; index++) {
    if (lower(load<u8>(start + index)) != lower(load<u8>(prefix + index))) return false;
  }
  return word == prefixSize || size == word || isBlank(load<u8>(start + word));
}

/** Where what is left goes. */
let output: usize = 0;
let outputStart: usize = 0;
let found: bool = false;

/** All cookies become one header, without those of that name. What is left of them is worked on in place from then on. */
function stripCookie(name: usize, size: u32): bool {
  if (!request.areCookiesKept && !gatherCookies()) return false;
  outputStart = request.cookiesStart;
  output = outputStart;
  found = false;
  keepCookies(request.cookiesStart, request.cookiesSize, name, size);
  if (!found) return true;
  const kept = <u32>(output - outputStart);
  request.cookiesSize = kept;
  if (kept == 0) return removeRequestHeader(cookie_name.start, cookie_name.size);
  return replaceRequestHeader(cookie_name.start, cookie_name.size, outputStart, kept);
}

/** Copies the values of all headers of cookies one behind the other, as one header has them (RFC 9113 §8.2.3). */
function gatherCookies(): bool {
  let bytes: u32 = 0;
  beginPairs();
  while (nextPair()) {
    if (isLiteral(pairName, pairNameSize, cookie_name)) bytes += pairValueSize + 2;
  }
  request.cookiesStart = takeBytes(bytes);
  request.cookiesSize = 0;
  if (request.cookiesStart == 0) return arenaFull();
  beginPairs();
  while (nextPair()) {
    if (isLiteral(pairName, pairNameSize, cookie_name)) appendCookies(pairValue, pairValueSize);
  }
  request.areCookiesKept = true;
  return true;
}

function appendCookies(start: usize, size: u32): void {
  let target = request.cookiesStart + request.cookiesSize;
  if (request.cookiesSize != 0) {
    store<u16>(target, 0x203b);
    target += 2;
  }
  memory.copy(target, start, size);
  request.cookiesSize = <u32>(target + size - request.cookiesStart);
}

/**
 * Keeps what is not of that name, each piece with what separates it from the one before. A comma separates cookies to some
 * readers (RFC 2109 §4.3.4), and white space around names is nothing to most.
 */
function keepCookies(start: usize, bytes: u32, name: usize, size: u32): void {
  const end = start + bytes;
  let cursor = start;
  let isFirst = true;
  while (cursor < end) {
    const first = skipBlanks(isFirst ? cursor : cursor + 1, end);
    isFirst = false;
    let next = first;
    while (next < end && load<u8>(next) != 0x3b && load<u8>(next) != 0x2c) next++;
    const sign = first + indexOfByte(first, <u32>(next - first), 0x3d);
    let nameEnd = sign;
    while (nameEnd > first && isBlank(load<u8>(nameEnd - 1))) nameEnd--;
    if (sign != next && <u32>(nameEnd - first) == size && sameBytes(first, name, size)) found = true;
    // The first piece that is kept has nothing in front that it would be separated from.
    else keep(output == outputStart ? first : cursor, next);
    cursor = next;
  }
}

function skipBlanks(start: usize, end: usize): usize {
  while (start < end && isBlank(load<u8>(start))) start++;
  return start;
}

/** Output never overtakes input, so both may be the same bytes. */
function keep(start: usize, end: usize): void {
  const size = end - start;
  memory.copy(output, start, size);
  output += size;
}

/**
 * The path without every parameter of that name, as decoding has it; some readers take `;` for `&`, or read on after `#`. It is
 * changed where it stands: nobody reads it any more.
 */
function stripParameter(name: usize, size: u32): bool {
  const mark = indexOfByte(request.pathStart, request.pathSize, 0x3f);
  if (mark == request.pathSize) return true;
  const end = request.pathStart + request.pathSize;
  outputStart = request.pathStart + mark;
  output = outputStart;
  found = false;
  let cursor = outputStart;
  while (cursor < end) {
    let next = cursor + 1;
    while (next < end && !isSeparator(load<u8>(next))) next++;
    const bytes = <u32>(next - cursor - 1);
    if (isParameterNamed(cursor + 1, indexOfByte(cursor + 1, bytes, 0x3d), name, size)) {
      found = true;
    } else {
      const isFirst = output == outputStart;
      keep(cursor, next);
      if (isFirst) store<u8>(outputStart, 0x3f);
    }
    cursor = next;
  }
  if (!found) return true;
  request.pathSize = <u32>(output - request.pathStart);
  return replaceRequestHeader(path_name.start, path_name.size, request.pathStart, request.pathSize);
}

function isSeparator(byte: u32): bool {
  return byte == 0x26 || byte == 0x3b || byte == 0x23;
}

function arenaFull(): bool {
  fail(Failure.ARENA_FULL);
  return false;
}
