/** The parts of a request that conditions read. What is absent, or could be read in two ways, is an error. */

import { literal } from "../bytes/literal";
import { absent, failed, indexOfByte, isRun, lower, Span, spanOf, spanSize, spanStart } from "../bytes/span";
import { isUtf8 } from "../bytes/utf8";
import { LogLevel } from "../host/abi";
import { log, readProperty } from "../host/host";
import { condition_text_bytes_max } from "../limits";
import * as instructions from "../policy/instructions";
import * as layout from "../policy/layout";
import { head, Policy } from "../policy/policy";
import { Reason } from "../reason";
import { findHeader } from "../request/headers";
import { findParameter } from "../request/query";
import { request } from "../request/request";
import { trust_domain_offset } from "../request/spiffe";
import { parseAddress } from "./address";
import { kindOf, setBool, setError, setInt, setString, sizeOf, startOf, ValueKind } from "./value";
import { variableAt } from "./variables";

const source_address = literal("source\0address");
const destination_port = literal("destination\0port");
const scheme_name = literal(":scheme");
const root_path = literal("/");
const forwarded_source = literal(
  "sallyport: source.ip would be what x-forwarded-for says, which callers may write, so conditions that read it are errors: set use_remote_address: true, or trust.sourceAddress: forwarded where a proxy of yours writes that header",
);

/** The caller's address as the host writes it: no IP address with a port is longer. */
const source_bytes: u32 = 64;
const source: usize = memory.data(64);
let sourceSize: u32 = 0;
let portStart: u32 = 0;
/** Whether the address is what a header says: Envoy gives it port 0, which no connection comes from. */
let isForwarded: bool = false;
/** Whether a condition asked for an address that is not the connection's, and was refused it. */
let isRefused: bool = false;

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

/** The segment that a variable stands for where the rule matched. */
export function readVariable(cell: usize, policy: Policy, binding: u32, variable: u32): void {
  const segment = variableAt(policy, binding, variable);
  if (isRun(segment)) setString(cell, spanStart(segment), spanSize(segment));
  else setError(cell);
}

/** Whether a variable stands for a segment where the rule matched. */
export function hasVariable(policy: Policy, binding: u32, variable: u32): bool {
  return isRun(variableAt(policy, binding, variable));
}

export function readRequest(cell: usize, part: u32): void {
  if (part == instructions.request_method) setString(cell, request.methodStart, request.methodSize);
  else if (part == instructions.request_host) setString(cell, request.hostStart, request.hostSize);
  else if (part == instructions.request_scheme) readScheme(cell);
  else if (request.decodedPathSize == 0) setString(cell, root_path.start, root_path.size);
  else setString(cell, request.decodedPathStart, request.decodedPathSize);
}

/** In lower case: schemes have none (RFC 3986 §3.1). */
function readScheme(cell: usize): void {
  readHeader(cell, scheme_name.start, scheme_name.size);
  if (kindOf(cell) != ValueKind.STRING) return;
  const end = startOf(cell) + sizeOf(cell);
  for (let at = startOf(cell); at < end; at++) store<u8>(at, lower(load<u8>(at)));
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

/** Parses the caller's address, for `address` of address.ts. Its size, 0 where there is none that the policy takes, -1 where the host fails. */
export function parseSource(policy: Policy): i32 {
  if (!readSource()) return -1;
  const isThere = hasSource(policy);
  isRefused = false;
  if (!isThere) return 0;
  return load<u8>(source) == 0x5b ? parseAddress(source + 1, portStart - 3) : parseAddress(source, portStart - 1);
}

/** Whether the address last parsed is what a header says of the caller, not whom the connection is from. */
export function isSourceForwarded(): bool {
  return isForwarded;
}

/** The address last parsed, as text; of size 0 where there is none. */
export function sourceText(): Span {
  if (portStart == 0) return absent;
  return load<u8>(source) == 0x5b ? spanOf(source + 1, portStart - 3) : spanOf(source, portStart - 1);
}

/** Whether a condition was refused the caller's address since this was asked last. */
export function takeSourceRefused(): bool {
  const was = isRefused;
  isRefused = false;
  return was;
}

/** The caller's IP address. False where the host fails. */
export function readSourceIp(cell: usize, policy: Policy): bool {
  if (!readSource()) return false;
  const bracketed = load<u8>(source) == 0x5b;
  if (!hasSource(policy)) setError(cell);
  else if (bracketed) setString(cell, source + 1, portStart - 3);
  else setString(cell, source, portStart - 1);
  return true;
}

/** Its port. False where the host fails. */
export function readSourcePort(cell: usize, policy: Policy): bool {
  if (!readSource()) return false;
  if (!hasSource(policy)) {
    setError(cell);
    return true;
  }
  let port: i64 = 0;
  for (let index = portStart; index < sourceSize; index++) port = port * 10 + <i64>(load<u8>(source + index) - 0x30);
  setInt(cell, port);
  return true;
}

/** The port that the connection came to, an i64 to the host; an error where it came to none. False where the host fails. */
export function readDestinationPort(cell: usize): bool {
  const port = readProperty(destination_port);
  if (port == failed) return false;
  if (spanSize(port) != 8) setError(cell);
  else setInt(cell, load<i64>(spanStart(port)));
  return true;
}

/** Whether there is an address that the policy takes. */
function hasSource(policy: Policy): bool {
  if (portStart == 0) return false;
  if (!isForwarded || load<u32>(head(policy), layout.policy_source_at) == layout.source_forwarded) return true;
  isRefused = true;
  if (!policy.isSourceTold) {
    policy.isSourceTold = true;
    log(LogLevel.WARN, forwarded_source.start, forwarded_source.size);
  }
  return false;
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
  isForwarded = true;
  for (let index = portStart; index < size; index++) isForwarded = isForwarded && load<u8>(source + index) == 0x30;
  return true;
}
