/** The parts of a request that conditions read. What is absent, or could be read in two ways, is an error. */

import { literal } from "../bytes/literal";
import { absent, failed, indexOfByte, isRun, spanSize, spanStart } from "../bytes/span";
import { isUtf8 } from "../bytes/utf8";
import { readProperty } from "../host/host";
import { trust_domain_offset } from "../identity/spiffe";
import { condition_text_bytes_max } from "../limits";
import * as instructions from "../policy/instructions";
import { no_segment } from "../policy/layout";
import { Policy, wordAt } from "../policy/policy";
import { Reason } from "../reason";
import { findHeader } from "../request/headers";
import { findParameter } from "../request/query";
import { request, segmentSize, segmentStart } from "../request/request";
import { parseAddress } from "./address";
import { setBool, setError, setInt, setString } from "./value";

const source_address = literal("source\0address");
const root_path = literal("/");

/** The connection's peer as the host writes it: no IP address with a port is longer. */
const source_bytes: u32 = 64;
const source: usize = memory.data(64);
let sourceSize: u32 = 0;
let portStart: u32 = 0;

/** Part of the caller's ID. */
export function readCaller(cell: usize, part: u32): void {
  if (request.callerReason != Reason.ALLOWED) {
    setError(cell);
    return;
  }
  const start = request.callerStart;
  const domain = request.callerDomainSize;
  if (part == instructions.caller_id) setString(cell, start, request.callerSize);
  else if (part == instructions.caller_trust_domain) setString(cell, start + trust_domain_offset, domain);
  else setString(cell, start + trust_domain_offset + domain, request.callerSize - trust_domain_offset - domain);
}

/** The segment a path variable stands for in the endpoint that matched. */
export function readVariable(cell: usize, policy: Policy, binding: u32, variable: u32): void {
  const segment = wordAt(policy, binding + variable);
  if (segment == no_segment || segment >= request.segmentCount) setError(cell);
  else setString(cell, segmentStart(segment), segmentSize(segment));
}

/** Whether the endpoint that matched has a path variable. */
export function hasVariable(policy: Policy, binding: u32, variable: u32): bool {
  return wordAt(policy, binding + variable) < request.segmentCount;
}

export function readRequest(cell: usize, part: u32): void {
  if (part == instructions.request_method) setString(cell, request.methodStart, request.methodSize);
  else if (part == instructions.request_host) setString(cell, request.hostStart, request.hostSize);
  else if (request.decodedPathSize == 0) setString(cell, root_path.start, root_path.size);
  else setString(cell, request.decodedPathStart, request.decodedPathSize);
}

/** A header that stands once, is text, and no longer than conditions read. */
export function readHeader(cell: usize, name: usize, size: u32): void {
  const value = findHeader(name, size);
  const isShort = isRun(value) && spanSize(value) <= condition_text_bytes_max;
  if (!isShort || !isUtf8(spanStart(value), spanSize(value))) setError(cell);
  else setString(cell, spanStart(value), spanSize(value));
}

export function hasHeader(name: usize, size: u32): bool {
  return findHeader(name, size) != absent;
}

/** The value of a parameter of the query. False where there is no room to decode it. */
export function readParameter(cell: usize, name: usize, size: u32): bool {
  const value = findParameter(name, size);
  if (isRun(value)) setString(cell, spanStart(value), spanSize(value));
  else setError(cell);
  return value != failed;
}

/** Whether the query has a parameter. False where there is no room to decode it. */
export function hasParameter(cell: usize, name: usize, size: u32): bool {
  const found = findParameter(name, size);
  if (found == absent || isRun(found)) setBool(cell, found != absent);
  else setError(cell);
  return found != failed;
}

/** The peer's IP address. False where the host fails. */
export function readSourceIp(cell: usize): bool {
  if (!readSource()) return false;
  const bracketed = load<u8>(source) == 0x5b;
  if (portStart == 0) setError(cell);
  else if (bracketed) setString(cell, source + 1, portStart - 3);
  else setString(cell, source, portStart - 1);
  return true;
}

/** The peer's port. False where the host fails. */
export function readSourcePort(cell: usize): bool {
  if (!readSource()) return false;
  if (portStart == 0) {
    setError(cell);
    return true;
  }
  let port: i64 = 0;
  for (let index = portStart; index < sourceSize; index++) port = port * 10 + <i64>(load<u8>(source + index) - 0x30);
  setInt(cell, port);
  return true;
}

/** Reads "ip:port" or "[ip]:port" once a request; `portStart` is 0 where the peer has no IP address. */
function readSource(): bool {
  if (request.sourceRead) return true;
  const peer = readProperty(source_address);
  if (peer == failed) return false;
  request.sourceRead = true;
  portStart = 0;
  sourceSize = 0;
  const size = spanSize(peer);
  if (size == 0 || size > source_bytes) return true;
  memory.copy(source, spanStart(peer), size);
  const bracketed = load<u8>(source) == 0x5b;
  const colon = bracketed ? indexOfByte(source, size, 0x5d) + 1 : indexOfByte(source, size, 0x3a);
  if (colon + 1 >= size || load<u8>(source + colon) != 0x3a || size - colon > 6) return true;
  for (let index = colon + 1; index < size; index++) {
    if (<u32>load<u8>(source + index) - 0x30 >= 10) return true;
  }
  const addressBytes = bracketed ? parseAddress(source + 1, colon - 2) : parseAddress(source, colon);
  if (addressBytes == 0) return true;
  sourceSize = size;
  portStart = colon + 1;
  return true;
}
