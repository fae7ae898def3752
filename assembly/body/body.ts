/**
 * The body of the request in hand: whether it is there yet, and what it is as JSON. A rule that reads it asks here (`readBody`), and gets
 * the finding that the rule ends with. One region serves all requests, since one callback decides one: the text, then its tape.
 *
 *   0                     body_bytes                      + nodes * tape_record_bytes
 *   +---------------------+-------------------------------+
 *   | text, in place      | tape (bytes/tape.ts)          |
 *   +---------------------+-------------------------------+
 */
import { Fault, faultOf, scanJson, scanned } from "../bytes/json";
import { isRun, spanSize, spanStart } from "../bytes/span";
import { absent as no_record, tape_record_bytes } from "../bytes/tape";
import { Detail } from "../detail";
import { Failure } from "../failure";
import { Finding, finding, good, internal } from "../finding";
import { arenaTail, holdBack, lendArena } from "../host/arena";
import { fail, readRequestBody } from "../host/host";
import { body_bytes_max, body_nodes_max } from "../limits";
import { Reason } from "../reason";
import { contentFinding } from "./content";

/** Where a request's body is while the request is decided. */
export const enum Phase {
  /** The request has none. */
  NONE = 0,
  /** It is to come: rules that read it cannot be told yet. */
  AWAITED,
  /** The host has all of it. */
  WHOLE,
  /** It has passed the largest bound of those who wait for it, and is not held any longer. */
  OVER,
  /** It does not come, or not in time; or there is no room to hold it. */
  UNAVAILABLE,
  LATE,
  CROWDED,
}

let region: usize = 0;
let regionBytes: u32 = 0;
let phase: Phase = Phase.NONE;
let bodyBytes: u32 = 0;
/** What came of reading it, once it was asked for. */
let found: Finding = good;
let isAsked: bool = false;
let root: usize = 0;
/** Whether a rule could not be told for lack of the body. */
export let isAwaited: bool = false;
/** The largest body that such a rule reads. */
export let awaitedBytes: u32 = 0;

/** How many values a body of so many bytes may have. */
function nodesOf(bytes: u32): u32 {
  return min(max(bytes >> 1, 1024), body_nodes_max);
}

/** The size of the region for bodies of so many bytes. */
export function bodyRegionBytes(bytes: u32): usize {
  return <usize>((bytes + 15) & ~(<u32>7)) + <usize>nodesOf(bytes) * tape_record_bytes;
}

/** The largest body that there is room for. */
export function roomForBody(): u32 {
  return regionBytes;
}

/** Gives room for bodies of so many bytes; what was given before is the giver's again. @returns the region before */
export function openBody(start: usize, bytes: u32): usize {
  const before = region;
  region = start;
  regionBytes = bytes;
  return before;
}

/** Says where the body of the request is that is decided next. @param bytes how many of it are there */
export function beginBody(at: Phase, bytes: u32): void {
  phase = at;
  bodyBytes = bytes;
  isAsked = false;
  isAwaited = false;
  awaitedBytes = 0;
  root = no_record;
}

/** Where the body of the request is. */
export function phaseOf(): Phase {
  return phase;
}

/** Whether the request's body is to come. */
export function isToCome(): bool {
  return phase == Phase.AWAITED;
}

/** Whether all of the body is there, or more than may be: its size is known then. */
export function isBodyCounted(): bool {
  return phase == Phase.WHOLE || phase == Phase.OVER;
}

/** How many bytes of the body are there. */
export function countedBytes(): u32 {
  return bodyBytes;
}

/** Has the request wait for its body, of at most so many bytes, before this rule can be told. */
export function awaitBody(most_bytes: u32): void {
  isAwaited = true;
  awaitedBytes = max(awaitedBytes, most_bytes);
}

/** Forgets that rules could not be told, for one that is evaluated and does not matter. */
export function forgetAwaited(): void {
  isAwaited = false;
}

/** The body's value: the first record of its tape; `absent` of tape.ts where `readBody` found no good one. */
export function bodyRecord(): usize {
  return root;
}

/** What stands in the way of reading the body: `good` where nothing does, also while it is to come. */
export function readBody(): Finding {
  if (!isAsked) found = read();
  isAsked = true;
  if (found == internal) fail(failure);
  return found;
}

function read(): Finding {
  if (phase == Phase.NONE) return finding(Reason.BODY_MALFORMED, Detail.BODY_EMPTY);
  const content = contentFinding();
  if (content != good || phase == Phase.AWAITED) return content;
  if (phase == Phase.OVER) return finding(Reason.BODY_TOO_LARGE, Detail.NONE);
  if (phase == Phase.LATE) return finding(Reason.BODY_TIMEOUT, Detail.NONE);
  if (phase == Phase.UNAVAILABLE) return finding(Reason.BODY_UNAVAILABLE, Detail.NONE);
  if (phase == Phase.CROWDED) return failedBy(Failure.HELD_STREAMS);
  if (bodyBytes == 0) return finding(Reason.BODY_MALFORMED, Detail.BODY_EMPTY);
  return parse();
}

function parse(): Finding {
  if (bodyBytes > regionBytes) return finding(Reason.BODY_TOO_LARGE, Detail.NONE);
  // The host puts it into the region, and the rest where it was.
  const tail = arenaTail();
  const end = holdBack(0);
  lendArena(region, (<usize>regionBytes + 15) & ~(<usize>7));
  const body = readRequestBody(bodyBytes);
  lendArena(tail, end - tail);
  if (!isRun(body) || spanSize(body) != bodyBytes) {
    return failedBy(Failure.GET_BUFFER_BYTES);
  }
  const tape = region + <usize>((regionBytes + 15) & ~(<u32>7));
  const scan = scanJson(spanStart(body), bodyBytes, tape, nodesOf(regionBytes));
  if (scan != scanned) return finding(Reason.BODY_MALFORMED, detailOfFault(faultOf(scan)));
  root = tape;
  return good;
}

/** Why the body is not known. Each rule that asks is told, since each forgets what failed for those before it. */
let failure: Failure = Failure.NONE;

function failedBy(why: Failure): Finding {
  failure = why;
  return internal;
}

function detailOfFault(fault: Fault): Detail {
  switch (fault) {
    case Fault.DUPLICATE:
      return Detail.DUPLICATE_MEMBER;
    case Fault.DEPTH:
      return Detail.NESTING;
    case Fault.COUNT:
      return Detail.COUNT;
    case Fault.TEXT:
      return Detail.TEXT;
    case Fault.NUMBER:
      return Detail.NUMBER;
    default:
      return Detail.JSON;
  }
}

if (!(body_bytes_max >= 1024)) ERROR("a body has some bytes");
