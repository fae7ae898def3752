/**
 * What the detectors of a scan look at: the bytes that are there, and whether one of them looked beyond. A detector that did gets
 * its answer thrown away, and is asked again when more bytes have come; so its answer depends on the stream alone, not on its chunks.
 */
import { Detector } from "./detector";

/** What a detector answers: nothing, or a finding, which `foundStart` and the others then tell. */
export type Answer = bool;

/** Behind the last byte that is there. */
export let end: usize = 0;
/** Where the last finding ended, no further back than the context: nothing before it is part of another one. */
export let floor: usize = 0;
/** Whether a detector looked at what has not come yet. */
export let isShort: bool = false;
/** The detectors that are asked for: a bit each. */
export let wanted: u64 = 0;

/** How a finding goes on that is decided by its head: until a byte that cannot be of it. */
export const enum Rest {
  NONE = 0,
  /** Letters, digits and `+/=_-.~`. */
  TOKEN,
  /** Until the line that ends a PEM text. */
  PEM,
  /** In that line. */
  PEM_END,
}

/** The finding: its detector, its first byte, its size in bytes, and how it goes on. */
export let foundDetector: Detector = Detector.NONE;
export let foundStart: usize = 0;
export let foundSize: u32 = 0;
export let foundRest: Rest = Rest.NONE;
/** For a literal or pattern: which of the policy's. */
export let foundPattern: u32 = 0;

/** What detectors looked at, for tests that hold its growth: counted in their build alone. */
export let steps: u32 = 0;

export function openWindow(last: usize, from: usize, detectors: u64): void {
  end = last;
  floor = from;
  wanted = detectors;
  isShort = false;
}

export function setFloor(at: usize): void {
  floor = at;
}

export function clearShort(): void {
  isShort = false;
}

export function wantMore(): void {
  isShort = true;
}

// @inline
export function countSteps(count: u32): void {
  if (isDefined(COUNT_STEPS)) steps += count;
}

/** The byte there, or NUL where none has come. */
export function peek(at: usize): u32 {
  countSteps(1);
  if (at < end) return <u32>load<u8>(at);
  isShort = true;
  return 0;
}

/** Tells of a finding, where its detector is asked for. */
export function report(detector: Detector, start: usize, last: usize): Answer {
  if (((wanted >> <u64>detector) & 1) == 0) return false;
  foundDetector = detector;
  foundStart = start;
  foundSize = <u32>(last - start);
  foundRest = Rest.NONE;
  return true;
}

/** Makes the finding one that goes on. */
export function reportRest(rest: Rest): void {
  foundRest = rest;
}

export function reportPattern(pattern: u32): void {
  foundPattern = pattern;
}

// @inline
export function isDigit(byte: u32): bool {
  return byte - 0x30 < 10;
}

// @inline
export function isLetter(byte: u32): bool {
  return (byte | 0x20) - 0x61 < 26;
}

export function isAlphanumeric(byte: u32): bool {
  return isDigit(byte) || isLetter(byte);
}

/** Whether a byte is of a token's rest. */
export function isTokenByte(byte: u32): bool {
  return isBase64url(byte) || byte - 0x2e < 2 || byte == 0x2b || byte == 0x3d || byte == 0x7e;
}

export function isBase64url(byte: u32): bool {
  return isAlphanumeric(byte) || byte == 0x2d || byte == 0x5f;
}

/**
 * Whether what starts here goes on with a word before it. The letter of a JSON escape (`\n`, `\u00e9`) is of no word: it must not
 * hide what comes after, nor be taken for a part of it.
 */
export function isInWord(start: usize): bool {
  if (!isAlphanumeric(load<u8>(start - 1)) || start == floor) return false;
  return load<u8>(start - 2) != 0x5c && (load<u8>(start - 6) != 0x5c || load<u8>(start - 5) != 0x75);
}
