/**
 * Private keys in PEM (RFC 7468, RFC 4880 §6.2 for PGP's): decided by their first line. What follows is of the key until the line
 * that ends it, or a byte that no such text has; line ends may be those of JSON strings.
 */
import { Detector } from "./detector";
import { Answer, floor, isAlphanumeric, peek, Rest, report, reportRest } from "./window";

/** The words between `BEGIN ` and the hyphens: `RSA PRIVATE KEY`, `PGP PRIVATE KEY BLOCK`. */
const label_bytes: u32 = 48;

/** A key whose `BEGIN ` is here, behind five hyphens. */
export function pemAt(word: usize): Answer {
  const start = word - 5;
  if (start < floor) return false;
  for (let at = start; at < word; at++) if (load<u8>(at) != 0x2d) return false;
  let at = word + 6;
  let isPrivate = false;
  for (let count: u32 = 0; count < label_bytes; count++) {
    const byte = peek(at);
    if (byte == 0x2d) break;
    if (byte != 0x20 && !isAlphanumeric(byte)) return false;
    // PRIV and ATE
    if (byte == 0x50 && peek(at + 1) == 0x52 && peek(at + 3) == 0x56 && peek(at + 6) == 0x45) isPrivate = true;
    at++;
  }
  if (!isPrivate || peek(at) != 0x2d || peek(at + 4) != 0x2d) return false;
  if (!report(Detector.PRIVATE_KEY, start, at + 5)) return false;
  reportRest(Rest.PEM);
  return true;
}

/** Whether a byte may stand in a key's text: base64, headers (RFC 1421 §4.6), line ends, plain and as JSON has them. */
export function isPemByte(byte: u32): bool {
  if (isAlphanumeric(byte) || byte == 0x5c || byte == 0x3d || byte == 0x3a) return true;
  return byte - 0x28 < 8 || byte == 0x20 || byte - 0x09 < 5;
}
