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

/** A header whose value begins otherwise, with another scheme, is none of ours; in any case, since upstreams may not mind it. */
function stripHeader(policy: Policy, place: usize, name: usize, size: u32): bool {
  const prefix = place + layout.place_prefix;
  const count = load<u32>(request.pairsStart);
  let sizes = request.pairsStart + 4;
  let cursor = sizes + ((<usize>count) << 3);
  for (let index: u32 = 0; index < count; index++) {
    const nameSize = load<u32>(sizes);
    const valueBytes = load<u32>(sizes, 4);
    sizes += 8;
    if (nameSize == size && sameBytes(cursor, name, size)) {
      const value = cursor + nameSize + 1;
      if (valueBytes >= textSize(prefix) && isAlike(value, textStart(policy, prefix), textSize(prefix))) {
        return removeRequestHeader(name, size);
      }
    }
    cursor += nameSize + valueBytes + 2;
  }
  return true;
}

function isAlike(left: usize, right: usize, size: u32): bool {
  for (let index: u32 = 0; index < size; index++) {
    if (lower(load<u8>(left + index)) != lower(load<u8>(right + index))) return false;
  }
  return true;
}

function lower(byte: u32): u32 {
  return byte - 0x41 < 26 ? byte | 0x20 : byte;
}

/** What is left of the cookies is written here. */
let output: usize = 0;
let outputStart: usize = 0;
let found: bool = false;

/** All cookies become one header, without those of that name. */
function stripCookie(name: usize, size: u32): bool {
  // At most every separator grows by a space.
  outputStart = takeBytes(2 * request.pairsSize);
  if (outputStart == 0) return arenaFull();
  output = outputStart;
  found = false;
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

function keepCookies(start: usize, bytes: u32, name: usize, size: u32): void {
  const end = start + bytes;
  let cursor = start;
  while (cursor < end) {
    const next = cursor + indexOfByte(cursor, <u32>(end - cursor), 0x3b);
    const cookieBytes = <u32>(next - cursor);
    if (isCookie(cursor, cookieBytes, name, size)) {
      found = true;
    } else {
      if (output != outputStart) {
        store<u16>(output, 0x203b);
        output += 2;
      }
      memory.copy(output, cursor, cookieBytes);
      output += cookieBytes;
    }
    cursor = next + 1;
    while (cursor < end && load<u8>(cursor) == 0x20) cursor++;
  }
}

/** The path without every parameter of that name, as decoding has it. */
function stripParameter(name: usize, size: u32): bool {
  const mark = indexOfByte(request.pathStart, request.pathSize, 0x3f);
  if (mark == request.pathSize) return true;
  const end = request.pathStart + request.pathSize;
  const decoded = takeBytes(request.pathSize);
  outputStart = takeBytes(request.pathSize);
  if (decoded == 0 || outputStart == 0) return arenaFull();
  memory.copy(outputStart, request.pathStart, mark);
  output = outputStart + mark;
  found = false;
  let separator: u8 = 0x3f;
  let cursor = request.pathStart + mark + 1;
  while (cursor < end) {
    const next = cursor + indexOfByte(cursor, <u32>(end - cursor), 0x26);
    const bytes = <u32>(next - cursor);
    const key = decodeName(cursor, indexOfByte(cursor, bytes, 0x3d), decoded);
    if (key == size && sameBytes(decoded, name, size)) {
      found = true;
    } else {
      store<u8>(output++, separator);
      separator = 0x26;
      memory.copy(output, cursor, bytes);
      output += bytes;
    }
    cursor = next + 1;
  }
  if (!found) return true;
  request.pathStart = outputStart;
  request.pathSize = <u32>(output - outputStart);
  return replaceRequestHeader(path_name.start, path_name.size, request.pathStart, request.pathSize);
}

function arenaFull(): bool {
  fail(Failure.ARENA_FULL);
  return false;
}
