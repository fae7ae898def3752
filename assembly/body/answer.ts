/** What an answer is by its headers, for who reads its body. */
import { literal } from "../bytes/literal";
import { isRun, lower, sameBytes, spanSize, spanStart } from "../bytes/span";
import { readAnswerHeaders } from "../host/host";
import {
  arePairsSound,
  firstPair,
  isPair,
  isPairSound,
  nextPair,
  pairName,
  pairNameSize,
  pairValue,
  pairValueSize,
} from "../host/pairs";

const content_type = literal("content-type");
const content_encoding = literal("content-encoding");
const json_type = literal("application/json");
const events_type = literal("text/event-stream");

/** How the body of an answer is read. */
export const enum AnswerKind {
  /** It is nothing that is read. */
  OTHER = 0,
  JSON,
  EVENTS,
  /** It is one of these, but encoded; or nobody can tell. */
  UNREADABLE,
}

/** What the answer in hand is. */
export function kindOfAnswer(): AnswerKind {
  const pairs = readAnswerHeaders();
  if (!isRun(pairs) || !arePairsSound(spanStart(pairs), spanSize(pairs))) return AnswerKind.UNREADABLE;
  const map = spanStart(pairs);
  let kind = AnswerKind.OTHER;
  let isEncoded = false;
  let types: u32 = 0;
  for (let pair = firstPair(map); isPair(map, pair); pair = nextPair(pair)) {
    if (!isPairSound(pair, map + spanSize(pairs))) return AnswerKind.UNREADABLE;
    const name = pairName(pair);
    const size = pairNameSize(pair);
    if (size == content_encoding.size && sameBytes(name, content_encoding.start, size)) isEncoded = true;
    if (size != content_type.size || !sameBytes(name, content_type.start, size)) continue;
    types++;
    if (isType(pairValue(pair), pairValueSize(pair), json_type.start, json_type.size)) kind = AnswerKind.JSON;
    else if (isType(pairValue(pair), pairValueSize(pair), events_type.start, events_type.size))
      kind = AnswerKind.EVENTS;
  }
  if (kind == AnswerKind.OTHER) return kind;
  return isEncoded || types > 1 ? AnswerKind.UNREADABLE : kind;
}

/** Whether a value is a type, with parameters or without. */
function isType(value: usize, size: u32, type: usize, typeBytes: u32): bool {
  if (size < typeBytes) return false;
  for (let index: u32 = 0; index < typeBytes; index++) {
    if (lower(load<u8>(value + index)) != <u32>load<u8>(type + index)) return false;
  }
  if (size == typeBytes) return true;
  const next = load<u8>(value + typeBytes);
  return next == 0x3b || next == 0x20 || next == 0x09;
}
