/** Fetching a key set, or what says where it is, from its server: the callout, and what its answer says. Nothing here runs on a request's path. */
import { Literal, literal } from "../bytes/literal";
import { isAlike, isLiteral, spanSize, spanStart, startsWithLiteral } from "../bytes/span";
import { openWriter, Writer, writeByte, writeBytes, writeWord } from "../bytes/writer";
import { readResponseHeaders, startCall } from "../host/host";
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
import { etag_bytes_max, key_header_bytes_max, key_url_bytes_max, place_name_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { isDiscovered, Target } from "./discovery";
import { KeySet } from "./keyset";
import { etagStart, State } from "./state";

const method_name = literal(":method");
const path_name = literal(":path");
const authority_name = literal(":authority");
const scheme_name = literal(":scheme");
const accept_name = literal("accept");
const if_none_match_name = literal("if-none-match");
const status_name = literal(":status");
const etag_name = literal("etag");
const cache_control_name = literal("cache-control");
const location_name = literal("location");
const content_encoding_name = literal("content-encoding");
const accept_encoding_name = literal("accept-encoding");
/** Nothing here decompresses. */
const identity = literal("identity");
/** Some servers refuse whoever does not say what it is. */
const user_agent_name = literal("user-agent");
const user_agent = literal("sallyport");
const get_method = literal("GET");
const https_scheme = literal("https");
const http_scheme = literal("http");
const https_start = literal("https:");
const accepted = literal("application/jwk-set+json, application/json");
const max_age = literal("max-age=");

const request_bytes: u32 = 512 + 2 * key_url_bytes_max + etag_bytes_max + place_name_bytes_max + key_header_bytes_max;
const pairs: usize = memory.data(512 + 2 * 1024 + 128 + 64 + 4096, 4);
if (!(request_bytes == 512 + 2 * 1024 + 128 + 64 + 4096)) ERROR("the pairs have room for a request");
const writer = changetype<Writer>(memory.data(32, 8));

/**
 * Asks a target for a set, or for what says where it is; with the ETag of the set's state, for a newer one. The call's number, or -1.
 * @param milliseconds how long the answer may take
 */
export function requestFrom(target: Target, set: KeySet, state: State, milliseconds: u32): i64 {
  // Only a set that is in use can be told to be unchanged; and an ETag is that of one URL, which a discovered set may change.
  const isInUse = set.generation != 0 && set.generation == state.generation;
  const conditional = state.etagSize != 0 && isInUse && !isDiscovered(set);
  const headerName = set.record + layout.key_set_header_name_at;
  const headerValue = set.record + layout.key_set_header_value_at;
  const hasHeader = load<u32>(headerName, 4) != 0;
  const url = set.record + layout.key_set_url_at;
  const isSecure = startsWithLiteral(set.image + load<u32>(url), load<u32>(url, 4), https_start);
  const scheme = isSecure ? https_scheme : http_scheme;
  openWriter(writer, pairs, request_bytes);
  writeWord(writer, 7 + <u32>conditional + <u32>hasHeader);
  writeSizes(method_name, get_method.size);
  writeSizes(path_name, target.pathSize);
  writeSizes(authority_name, target.authoritySize);
  writeSizes(scheme_name, scheme.size);
  writeSizes(accept_name, accepted.size);
  writeSizes(accept_encoding_name, identity.size);
  writeSizes(user_agent_name, user_agent.size);
  if (conditional) writeSizes(if_none_match_name, state.etagSize);
  if (hasHeader) {
    writeWord(writer, load<u32>(headerName, 4));
    writeWord(writer, load<u32>(headerValue, 4));
  }
  writePair(method_name, get_method.start, get_method.size);
  writePair(path_name, target.pathStart, target.pathSize);
  writePair(authority_name, target.authorityStart, target.authoritySize);
  writePair(scheme_name, scheme.start, scheme.size);
  writePair(accept_name, accepted.start, accepted.size);
  writePair(accept_encoding_name, identity.start, identity.size);
  writePair(user_agent_name, user_agent.start, user_agent.size);
  if (conditional) writePair(if_none_match_name, etagStart(state), state.etagSize);
  if (hasHeader) {
    writeZeroEnded(set.image + load<u32>(headerName), load<u32>(headerName, 4));
    writeZeroEnded(set.image + load<u32>(headerValue), load<u32>(headerValue, 4));
  }
  return startCall(target.clusterStart, target.clusterSize, pairs, writer.size, milliseconds);
}

function writeSizes(name: Literal, valueBytes: u32): void {
  writeWord(writer, name.size);
  writeWord(writer, valueBytes);
}

function writePair(name: Literal, value: usize, size: u32): void {
  writeZeroEnded(name.start, name.size);
  writeZeroEnded(value, size);
}

function writeZeroEnded(text: usize, size: u32): void {
  writeBytes(writer, text, size);
  writeByte(writer, 0);
}

/** What the headers of an answer say. */
@unmanaged
export class Answer {
  /** 0 where there is none. */
  status: u32;
  etagStart: usize;
  etagSize: u32;
  /** For how long it is fresh; -1 where it does not say. */
  maxAgeSeconds: i64;
  /** Where it says the set is instead, and how its body is compressed; empty where it says nothing of it. */
  locationStart: usize;
  locationSize: u32;
  encodingStart: usize;
  encodingSize: u32;
}

/** Reads the headers of the answer in hand. A timeout is a status of 504, a connection that broke has no headers. */
export function readAnswer(answer: Answer): void {
  answer.status = 0;
  answer.etagSize = 0;
  answer.maxAgeSeconds = -1;
  answer.locationSize = 0;
  answer.encodingSize = 0;
  const headers = readResponseHeaders();
  const start = spanStart(headers);
  const size = spanSize(headers);
  if (!arePairsSound(start, size)) return;
  for (let pair = firstPair(start); isPair(start, pair); pair = nextPair(pair)) {
    if (!isPairSound(pair, start + size)) return;
    takeHeader(answer, pair);
  }
}

function takeHeader(answer: Answer, pair: Pair): void {
  const name = pairName(pair);
  const nameBytes = pairNameSize(pair);
  const value = pairValue(pair);
  const size = pairValueSize(pair);
  if (isLiteral(name, nameBytes, status_name)) {
    answer.status = <u32>max(readNumber(value, size, 3), 0);
  } else if (isLiteral(name, nameBytes, etag_name) && size <= etag_bytes_max) {
    answer.etagStart = value;
    answer.etagSize = size;
  } else if (isLiteral(name, nameBytes, location_name)) {
    answer.locationStart = value;
    answer.locationSize = size;
  } else if (isLiteral(name, nameBytes, content_encoding_name) && !isIdentity(value, size)) {
    answer.encodingStart = value;
    answer.encodingSize = size;
  } else if (isLiteral(name, nameBytes, cache_control_name)) {
    readCacheControl(answer, value, size);
  }
}

function isIdentity(start: usize, size: u32): bool {
  return size == identity.size && isAlike(start, identity.start, size);
}

/** RFC 9111 §5.2.2.1: `max-age=` and seconds, in any case, among other directives. */
function readCacheControl(answer: Answer, start: usize, size: u32): void {
  for (let at: u32 = 0; at + max_age.size <= size; at++) {
    if (at != 0 && load<u8>(start + at - 1) != 0x20 && load<u8>(start + at - 1) != 0x2c) continue;
    if (!isAlike(start + at, max_age.start, max_age.size)) continue;
    const digits = at + max_age.size;
    const seconds = readNumber(start + digits, size - digits, 9);
    if (seconds >= 0) answer.maxAgeSeconds = seconds;
    return;
  }
}

/** The number that the leading digits make, at most so many of them; -1 for none, or more. */
export function readNumber(start: usize, size: u32, most: u32): i64 {
  let number: i64 = 0;
  let index: u32 = 0;
  for (; index < size; index++) {
    const digit = <u32>load<u8>(start + index) - 0x30;
    if (digit >= 10) break;
    if (index == most) return -1;
    number = number * 10 + digit;
  }
  return index == 0 ? -1 : number;
}
