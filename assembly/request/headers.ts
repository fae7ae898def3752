/**
 * The request's headers, read in one host call. The ABI serializes a header map of n pairs as
 *
 *   0         4           8            12            4 + 8n
 *   +---------+-----------+------------+-------------+-----------+------------+---- ... -+
 *   | n       | name size | value size | n - 1 more  | name, NUL | value, NUL | n - 1 more |
 *   +---------+-----------+------------+-------------+-----------+------------+---- ... -+
 *
 * Reading all pairs, not single values, is what shows duplicates.
 */
import { literal } from "../bytes/literal";
import {
  hexDigit,
  isLiteral,
  isNameByte,
  isRun,
  lower,
  sameBytes,
  spanSize,
  spanStart,
  startsWithLiteral,
} from "../bytes/span";
import { Failure } from "../failure";
import { fail, readRequestHeaders } from "../host/host";
import { header_pairs_bytes_max, host_bytes_max, method_bytes_max } from "../limits";
import { Reason } from "../reason";
import { beginPairs, nextPair, pairName, pairNameSize, pairValue, pairValueSize } from "./pairs";
import { request } from "./request";

const method_name = literal(":method");
const path_name = literal(":path");
const authority_name = literal(":authority");
const content_type_name = literal("content-type");
const forwarded_name = literal("x-forwarded-client-cert");
const grpc_type = literal("application/grpc");

/** Reads what the stages need into the request's slot. HEADERS_TOO_LARGE, REQUEST_MALFORMED, INTERNAL, or ALLOWED. */
export function readHeaders(): Reason {
  const pairs = readRequestHeaders();
  if (!isRun(pairs)) return Reason.INTERNAL;
  const size = spanSize(pairs);
  if (!readPairs(spanStart(pairs), size)) {
    fail(Failure.GET_HEADER_MAP_PAIRS);
    return Reason.INTERNAL;
  }
  if (size > header_pairs_bytes_max) return Reason.HEADERS_TOO_LARGE;
  if (!isToken(request.methodStart, request.methodSize) || request.pathSize == 0) return Reason.REQUEST_MALFORMED;
  return readHost() ? Reason.ALLOWED : Reason.REQUEST_MALFORMED;
}

/** The value of the header last found. */
export let headerStart: usize = 0;
export let headerSize: u32 = 0;

/** How often a header stands in the request, by its name in lower case; the last one's value is left in `headerStart`. */
export function findHeader(name: usize, size: u32): u32 {
  let found: u32 = 0;
  beginPairs();
  while (nextPair()) {
    if (pairNameSize != size || !sameBytes(pairName, name, size)) continue;
    found++;
    headerStart = pairValue;
    headerSize = pairValueSize;
  }
  return found;
}

/** Whether a header's name is `ours`, of the same size and in lower case, to readers who mind neither case nor `_` for `-`. */
export function isSameName(theirs: usize, ours: usize, size: u32): bool {
  for (let index: u32 = 0; index < size; index++) {
    if (plainByte(load<u8>(theirs + index)) != plainByte(load<u8>(ours + index))) return false;
  }
  return true;
}

function plainByte(byte: u32): u32 {
  return byte == 0x5f ? 0x2d : lower(byte);
}

/** False where the sizes do not add up to the buffer, which no host should do. */
export function readPairs(start: usize, size: u32): bool {
  if (size < 4) return false;
  const count = load<u32>(start);
  if (count > (size - 4) >> 3) return false;
  const end = start + size;
  let sizes = start + 4;
  let cursor = sizes + ((<usize>count) << 3);
  for (let index: u32 = 0; index < count; index++) {
    const nameSize = load<u32>(sizes);
    const valueBytes = load<u32>(sizes, 4);
    sizes += 8;
    if (nameSize >= <u32>(end - cursor)) return false;
    const name = cursor;
    cursor += nameSize + 1;
    if (valueBytes >= <u32>(end - cursor)) return false;
    takeHeader(name, nameSize, cursor, valueBytes);
    cursor += valueBytes + 1;
  }
  request.pairsStart = start;
  request.pairsSize = size;
  return true;
}

function takeHeader(name: usize, nameSize: u32, value: usize, size: u32): void {
  switch (nameSize) {
    case 5:
      if (isLiteral(name, nameSize, path_name)) {
        request.pathStart = value;
        request.pathSize = size;
      }
      return;
    case 7:
      if (isLiteral(name, nameSize, method_name)) {
        request.methodStart = value;
        request.methodSize = size;
      }
      return;
    case 10:
      if (isLiteral(name, nameSize, authority_name)) {
        request.hostStart = value;
        request.hostSize = size;
      }
      return;
    case 12:
      if (isLiteral(name, nameSize, content_type_name)) request.isGrpc = isGrpc(value, size);
      return;
    case 23:
      if (isLiteral(name, nameSize, forwarded_name)) {
        request.forwardedStart = value;
        request.forwardedSize = size;
        request.forwardedCount++;
      }
      return;
  }
}

/** As Envoy tells a gRPC request (source/common/grpc/common.cc, `hasGrpcContentType`), so that both answer alike. */
function isGrpc(value: usize, size: u32): bool {
  if (!startsWithLiteral(value, size, grpc_type)) return false;
  return size == grpc_type.size || load<u8>(value + grpc_type.size) == 0x2b;
}

/** RFC 9110 §5.6.2 `token`, without the signs no method uses. */
function isToken(start: usize, size: u32): bool {
  if (size == 0 || size > method_bytes_max) return false;
  for (let index: u32 = 0; index < size; index++) {
    const byte = <u32>load<u8>(start + index);
    const letter = (byte | 0x20) - 0x61 < 26;
    if (!letter && byte - 0x30 >= 10 && byte != 0x2d && byte != 0x5f) return false;
  }
  return true;
}

/**
 * Brings the host to the form policies name: lower-case, no port, no trailing dot. False for a host that two readers
 * could take for two names: user information, white space, commas, empty labels, a port that is no number. Of what RFC 3986
 * §3.2.2 allows beside that, `~`, percent-encoding and sub-delims are in no name of DNS, and `[v1.…]` is nobody's address.
 */
export function readHost(): bool {
  const start = request.hostStart;
  const size = request.hostSize;
  if (size == 0) return false;
  let end = load<u8>(start) == 0x5b ? addressEnd(start, size) : nameEnd(start, size);
  if (end == 0 || !isPort(start + end, size - end)) return false;
  if (end > 1 && load<u8>(start + end - 1) == 0x2e) end--;
  request.hostSize = end;
  return end <= host_bytes_max;
}

/** Where a name ends, put into lower case; 0 where it is none. */
function nameEnd(start: usize, size: u32): u32 {
  for (let index: u32 = 0; index < size; index++) {
    const byte = <u32>load<u8>(start + index);
    if (byte - 0x61 < 26) continue;
    if (byte - 0x41 < 26) {
      store<u8>(start + index, byte | 0x20);
    } else if (byte == 0x3a) {
      return index;
    } else if (!isNameByte(byte) || (byte == 0x2e && (index == 0 || load<u8>(start + index - 1) == 0x2e))) {
      return 0;
    }
  }
  return size;
}

/** Where an address in brackets ends, put into lower case; 0 where it is none. */
function addressEnd(start: usize, size: u32): u32 {
  for (let index: u32 = 1; index < size; index++) {
    const byte = <u32>load<u8>(start + index);
    if (byte == 0x5d) return index == 1 ? 0 : index + 1;
    if (byte - 0x41 < 6) store<u8>(start + index, byte | 0x20);
    else if (hexDigit(byte) < 0 && byte != 0x3a && byte != 0x2e) return 0;
  }
  return 0;
}

/** Nothing, or a colon and digits, of which RFC 3986 §3.2.3 does not ask for one. */
function isPort(start: usize, size: u32): bool {
  if (size != 0 && load<u8>(start) != 0x3a) return false;
  for (let index: u32 = 1; index < size; index++) {
    if (<u32>load<u8>(start + index) - 0x30 >= 10) return false;
  }
  return true;
}
