/**
 * Keys of a fetched set that do not count: which, and why. Reading a set notes them here; the worker that fetched it logs and counts them,
 * once for each set that is another than before (keys/refresh.ts). Nothing here runs on a request's path.
 */
import { countLeftOut, LeftOut, writeLeftOut } from "../audit/metrics";
import { writeDecimal, writeJsonString, writeText } from "../bytes/writer";
import { LogLevel } from "../host/abi";
import { left_out_lines_max } from "../limits";
import * as layout from "../policy/layout";
import { Policy } from "../policy/policy";
import { KeySet } from "./keyset";
import { endLine, openLine } from "./tell";

/** The first of them: reason, start and size of the ID, which lies in the text that is read. */
const noted: usize = memory.data(left_out_lines_max * 12, 4);
/** How many of each reason, and of all. */
const counts: usize = memory.data((LeftOut.COUNT + 1) * 4, 4);
const total_at: usize = LeftOut.COUNT * 4;

/** Of an ID that somebody else chose, so much stands in a line. */
const kid_shown_bytes: u32 = 64;

/** A set is read from its beginning: none is left out yet. */
export function clearLeftOut(): void {
  memory.fill(counts, 0, total_at + 4);
}

/** Notes a key that is left out. */
export function leaveOut(why: LeftOut, kidStart: usize, kidSize: u32): void {
  const total = load<u32>(counts + total_at);
  if (total < left_out_lines_max) {
    const note = noted + <usize>total * 12;
    store<u32>(note, why);
    store<u32>(note, <u32>kidStart, 4);
    store<u32>(note, kidSize, 8);
  }
  store<u32>(counts + total_at, total + 1);
  const place = counts + ((<usize>why) << 2);
  store<u32>(place, load<u32>(place) + 1);
}

/** Logs and counts what the set that was read last has left out. The text that it was read from has to be there still. */
export function tellLeftOut(policy: Policy, set: KeySet, index: u32): void {
  for (let why: i32 = LeftOut.NONE + 1; why < LeftOut.COUNT; why++) {
    const count = load<u32>(counts + ((<usize>why) << 2));
    if (count != 0) countLeftOut(policy, index, <LeftOut>why, count);
  }
  const total = load<u32>(counts + total_at);
  for (let note: u32 = 0; note < min(total, left_out_lines_max); note++) tellKey(set, noted + <usize>note * 12);
  if (total <= left_out_lines_max) return;
  const writer = openLine(set);
  writeText(writer, " leaves out ");
  writeDecimal(writer, total - left_out_lines_max);
  writeText(writer, " more keys");
  endLine(LogLevel.WARN);
}

function tellKey(set: KeySet, note: usize): void {
  const why = <LeftOut>load<u32>(note);
  const writer = openLine(set);
  writeText(writer, " leaves out a key ");
  const kidSize = load<u32>(note, 8);
  if (kidSize == 0) writeText(writer, "without kid");
  else writeJsonString(writer, load<u32>(note, 4), kidSize, kid_shown_bytes);
  writeText(writer, " (");
  writeLeftOut(writer, why);
  writeText(writer, "): ");
  const isBundle = load<u32>(set.record, layout.key_set_use_at) == layout.use_jwt_svid;
  writeText(writer, leftOutWords(why, isBundle));
  endLine(LogLevel.WARN);
}

function leftOutWords(why: LeftOut, isBundle: bool): string {
  switch (why) {
    case LeftOut.SECRET:
      return "a private or shared key";
    case LeftOut.USE:
      return isBundle
        ? "use is not jwt-svid; of SPIRE take the bundle endpoint, not the OIDC provider"
        : "not for signatures";
    case LeftOut.KID:
      return "kid is too long, or no text, or a bundle's key has none";
    case LeftOut.TYPE:
      return "kty or crv is not supported";
    case LeftOut.ALG:
      return "alg is not supported, or not of its type";
    case LeftOut.CERTIFICATE:
      return "only a certificate";
    case LeftOut.WEAK:
      return "RSA of less than 2,048 bits, or a wrong exponent";
    default:
      return "no base64url, or numbers of another size";
  }
}
