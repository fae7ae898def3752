/**
 * Taking tokens away before the upstream sees the request (`forwardToken: false` in a policy): at every place so marked, also
 * where no rule asked for the token.
 */
import { literal } from "../bytes/literal";
import { indexOfByte, isLiteral, sameBytes } from "../bytes/span";
import { Failure } from "../failure";
import { takeBytes } from "../host/arena";
import { fail, removeRequestHeader, replaceRequestHeader } from "../host/host";
import * as layout from "../policy/layout";
import { Policy, placeAt, sectionCount, textSize, textStart } from "../policy/policy";
import { isSameName } from "../request/headers";
import { decodeName } from "../request/query";
import { request } from "../request/request";
import { isCookie } from "../token/places";

const cookie_name = literal("cookie");
const path_name = literal(":path");

/** Takes the tokens away. False where the host refuses, or where headers that could not be read cannot be cleaned. */
export function stripTokens(policy: Policy): bool {
  const count = sectionCount(policy, layout.section_places);
  for (let index: u32 = 0; index < count; index++) {
    const place = placeAt(policy, index);
    if (load<u32>(place, layout.place_strip) == 0) continue;
    if (request.pairsSize == 0 || !strip(policy, place)) return false;
  }
  return true;
}

function strip(policy: Policy, place: usize): bool {
  const name = textStart(policy, place + layout.place_name);
  const size = textSize(place + layout.place_name);
  const kind = load<u32>(place, layout.place_kind);
  if (kind == layout.place_header) return stripHeader(policy, place, name, size);
  return kind == layout.place_cookie ? stripCookie(name, size) : stripParameter(name, size);
}

/**
 * A header whose value begins otherwise, with another scheme, is none of ours. What upstreams may read alike is one: names with
 * `_` for `-`, the prefix in any case, any white space after it.
 */
function stripHeader(policy: Policy, place: usize, name: usize, size: u32): bool {
  const prefix = place + layout.place_prefix;
  const count = load<u32>(request.pairsStart);
  let sizes = request.pairsStart + 4;
  let cursor = sizes + ((<usize>count) << 3);
  for (let index: u32 = 0; index < count; index++) {
    const nameSize = load<u32>(sizes);
    const valueBytes = load<u32>(sizes, 4);
    sizes += 8;
    if (nameSize == size && isSameName(cursor, name, size)) {
      const isOurs = hasPrefix(cursor + nameSize + 1, valueBytes, textStart(policy, prefix), textSize(prefix));
      if (isOurs && !removeRequestHeader(cursor, size)) return false;
    }
    cursor += nameSize + valueBytes + 2;
  }
  return true;
}

function hasPrefix(start: usize, size: u32, prefix: usize, prefixSize: u32): bool {
  let word = prefixSize;
  while (word != 0 && load<u8>(prefix + word - 1) == 0x20) word--;
  if (size < word) return false;
  for (let index: u32 = 0; index < word; index++) {
    if (lower(load<u8>(start + index)) != lower(load<u8>(prefix + index))) return false;
  }
  return word == prefixSize || size == word || isBlank(load<u8>(start + word));
}

function lower(byte: u32): u32 {
  return byte - 0x41 < 26 ? byte | 0x20 : byte;
}

function isBlank(byte: u32): bool {
  return byte == 0x20 || byte == 0x09;
}

/** What is left is written here. */
let output: usize = 0;
let outputStart: usize = 0;
let found: bool = false;

/** All cookies become one header, without those of that name. */
function stripCookie(name: usize, size: u32): bool {
  // At most every separator grows by a space.
  if (!beginOutput(2 * request.pairsSize)) return false;
  if (request.areCookiesKept) keepCookies(request.cookiesStart, request.cookiesSize, name, size);
  else keepCookiesOfHeaders(name, size);
  const kept = <u32>(output - outputStart);
  if (!found) return true;
  request.areCookiesKept = true;
  request.cookiesStart = outputStart;
  request.cookiesSize = kept;
  if (kept == 0) return removeRequestHeader(cookie_name.start, cookie_name.size);
  return replaceRequestHeader(cookie_name.start, cookie_name.size, outputStart, kept);
}

function keepCookiesOfHeaders(name: usize, size: u32): void {
  const count = load<u32>(request.pairsStart);
  let sizes = request.pairsStart + 4;
  let cursor = sizes + ((<usize>count) << 3);
  for (let index: u32 = 0; index < count; index++) {
    const nameSize = load<u32>(sizes);
    const valueBytes = load<u32>(sizes, 4);
    sizes += 8;
    if (isLiteral(cursor, nameSize, cookie_name)) keepCookies(cursor + nameSize + 1, valueBytes, name, size);
    cursor += nameSize + valueBytes + 2;
  }
}

/** A comma separates cookies to some readers (RFC 2109 §4.3.4), and white space around names is nothing to most. */
function keepCookies(start: usize, bytes: u32, name: usize, size: u32): void {
  const end = start + bytes;
  let separator: u8 = 0x3b;
  let cursor = start;
  while (cursor < end) {
    let next = cursor;
    while (next < end && load<u8>(next) != 0x3b && load<u8>(next) != 0x2c) next++;
    let first = cursor;
    while (first < next && isBlank(load<u8>(first))) first++;
    let nameEnd = first + indexOfByte(first, <u32>(next - first), 0x3d);
    while (nameEnd > first && isBlank(load<u8>(nameEnd - 1))) nameEnd--;
    if (<u32>(nameEnd - first) == size && sameBytes(first, name, size)) {
      found = true;
    } else if (separator == 0x2c) {
      // It may as well be a part of a value, which stays as it is.
      keepPiece(separator, cursor, next);
    } else {
      keepPiece(separator, first, next);
    }
    if (next < end) separator = load<u8>(next);
    cursor = next + 1;
  }
}

function keepPiece(separator: u8, start: usize, end: usize): void {
  if (output != outputStart) {
    store<u8>(output++, separator);
    if (separator == 0x3b) store<u8>(output++, 0x20);
  }
  const size = end - start;
  memory.copy(output, start, size);
  output += size;
}

/** The path without every parameter of that name, as decoding has it; some readers take `;` for `&`, or read on after `#`. */
function stripParameter(name: usize, size: u32): bool {
  const mark = indexOfByte(request.pathStart, request.pathSize, 0x3f);
  if (mark == request.pathSize) return true;
  const end = request.pathStart + request.pathSize;
  const decoded = takeBytes(request.pathSize);
  if (decoded == 0 || !beginOutput(request.pathSize)) return arenaFull();
  memory.copy(outputStart, request.pathStart, mark);
  output = outputStart + mark;
  let separator: u8 = 0x3f;
  let cursor = request.pathStart + mark + 1;
  while (cursor < end) {
    let next = cursor;
    while (next < end && !isSeparator(load<u8>(next))) next++;
    const bytes = <u32>(next - cursor);
    const nameBytes = decodeName(cursor, indexOfByte(cursor, bytes, 0x3d), decoded);
    if (nameBytes == size && sameBytes(decoded, name, size)) {
      found = true;
    } else {
      store<u8>(output++, separator);
      memory.copy(output, cursor, bytes);
      output += bytes;
      separator = 0x26;
    }
    if (next < end && separator != 0x3f) separator = load<u8>(next);
    cursor = next + 1;
  }
  if (!found) return true;
  request.pathStart = outputStart;
  request.pathSize = <u32>(output - outputStart);
  return replaceRequestHeader(path_name.start, path_name.size, request.pathStart, request.pathSize);
}

function isSeparator(byte: u32): bool {
  return byte == 0x26 || byte == 0x3b || byte == 0x23;
}

function beginOutput(size_bytes: u32): bool {
  outputStart = takeBytes(size_bytes);
  output = outputStart;
  found = false;
  return outputStart != 0 || arenaFull();
}

function arenaFull(): bool {
  fail(Failure.ARENA_FULL);
  return false;
}
