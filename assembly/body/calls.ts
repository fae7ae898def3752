/**
 * The calls of the request in hand: those of a JSON-RPC body, or the root fields of GraphQL operations. Each is decided like a request of
 * its own, by two segments behind the path's: method and name, or type and field.
 *
 *   0              8              16             24                32               40      44     48
 *   +--------------+--------------+--------------+-----------------+----------------+-------+------+
 *   | method       | name, or     | params, or   | arguments, a    | operation name | times | id   |
 *   | start, size  | size 0 and   | variables:   | record of the   | start, size    |       |      |
 *   |              | has no name  | a record     | tape; has name  |                |       |      |
 *   +--------------+--------------+--------------+-----------------+----------------+-------+------+
 */
import { absent, Span, spanOf, spanSize, spanStart } from "../bytes/span";
import { absent as no_record } from "../bytes/tape";
import { calls_max } from "../limits";
import { protocol_graphql } from "../policy/layout";

/** One call. */
@unmanaged
export class Call {
  methodStart: usize;
  methodSize: u32;
  nameStart: usize;
  nameSize: u32;
  /** Records of the body's tape, or `absent` of tape.ts: what it comes with, and what a tool is called with. */
  params: usize;
  arguments: usize;
  /** Of GraphQL: the operation's name; of size 0 for none. */
  operationStart: usize;
  operationSize: u32;
  /** How often the same is selected. */
  times: u32;
  /** The record of its `id`; `absent` for a notification. */
  id: usize;
  hasName: bool;
  /** An answer to a call of the server's: no call, and no method. */
  isResponse: bool;
}

const call_bytes: usize = 44;
if (!(offsetof<Call>() <= 44)) ERROR("a row holds a call");
const table: usize = memory.data(calls_max * 44, 4);
let count: u32 = 0;
/** The one that is decided; 0 for none. */
let current: usize = 0;
/** Whether the request is a list of calls, even of one. */
export let isBatch: bool = false;
/** The kind of their protocol (policy/layout-bodies.ts). */
export let callKind: u32 = 0;
/** Whether a denial is answered as the protocol has errors: the calls are JSON-RPC, and its body was looked at. */
export let answersAsCall: bool = false;

/** Begins an empty list. */
export function clearCalls(): void {
  count = 0;
  current = 0;
  isBatch = false;
  answersAsCall = false;
}

/** Says what the list will be of. */
export function beginCalls(kind: u32): void {
  clearCalls();
  callKind = kind;
  answersAsCall = kind != protocol_graphql;
}

/** The body is a list of calls. */
export function noteBatch(): void {
  isBatch = true;
}

/** Whether the calls are of GraphQL. */
export function isOfGraphql(): bool {
  return callKind == protocol_graphql;
}

/** Adds a call, zeroed; null where there is no room. */
export function addCall(): Call | null {
  if (count == calls_max) return null;
  const call = table + <usize>count * call_bytes;
  memory.fill(call, 0, call_bytes);
  count++;
  return changetype<Call>(call);
}

export function callCount(): u32 {
  return count;
}

export function callAt(index: u32): Call {
  return changetype<Call>(table + <usize>index * call_bytes);
}

/** Makes a call the one that is decided. */
export function chooseCall(index: u32): Call {
  current = table + <usize>index * call_bytes;
  return changetype<Call>(current);
}

/** No call is decided. */
export function leaveCalls(): void {
  current = 0;
}

/** The call that is decided; null for none. */
export function currentCall(): Call | null {
  return changetype<Call | null>(current);
}

export function methodOf(call: Call): Span {
  return spanOf(call.methodStart, call.methodSize);
}

/** The name of what is called; `absent` of span.ts where the method has none. */
export function nameOf(call: Call): Span {
  return call.hasName ? spanOf(call.nameStart, call.nameSize) : absent;
}

export function setMethod(call: Call, method: Span): void {
  call.methodStart = spanStart(method);
  call.methodSize = spanSize(method);
}

export function setName(call: Call, name: Span): void {
  call.nameStart = spanStart(name);
  call.nameSize = spanSize(name);
  call.hasName = true;
}

if (!(no_record == 0)) ERROR("a row that is zero has no records");
