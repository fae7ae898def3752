/** The request's headers, read in one host call. Reading all pairs, not single values, is what shows duplicates. */
import { literal } from "../bytes/literal";
import {
  absent,
  ambiguous,
  hexDigit,
  isLiteral,
  isNameByte,
  isRun,
  lower,
  Span,
  sameBytes,
  spanOf,
  spanSize,
  spanStart,
  startsWithLiteral,
} from "../bytes/span";
import { Failure } from "../failure";
import { fail, readRequestHeaders } from "../host/host";
import {
  arePairsSound,
  firstPair,
  isPair,
  isPairSound,
  nextPair,
  Pair,
  pairName,
  pairNameSize,
  pairValue,
  pairValueSize,
} from "../host/pairs";
import { header_pairs_bytes_max, host_bytes_max, method_bytes_max } from "../limits";
import { Reason } from "../reason";
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

/** The value of a header, by its name in lower case: `absent` where there is none, `ambiguous` where there are several. */
export function findHeader(name: usize, size: u32): Span {
  const map = request.pairsStart;
  let found = absent;
  for (let pair = firstPair(map); isPair(map, pair); pair = nextPair(pair)) {
    if (pairNameSize(pair) != size || !sameBytes(pairName(pair), name, size)) continue;
    if (found != absent) return ambiguous;
    found = spanOf(pairValue(pair), pairValueSize(pair));
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
  if (!arePairsSound(start, size)) return false;
  for (let pair = firstPair(start); isPair(start, pair); pair = nextPair(pair)) {
    if (!isPairSound(pair, start + size)) return false;
    takeHeader(pair);
  }
  request.pairsStart = start;
  request.pairsSize = size;
  return true;
}

function takeHeader(pair: Pair): void {
  const name = pairName(pair);
  const nameSize = pairNameSize(pair);
  const value = pairValue(pair);
  const size = pairValueSize(pair);
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
