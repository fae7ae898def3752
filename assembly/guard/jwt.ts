/**
 * JWTs (RFC 7519): a header in base64url that is a JSON object with a member `alg`, and a payload that begins as an object does, or
 * the key of an encrypted one. They are decided by that head; the rest is of the token until a byte that cannot be.
 */
import { decodeBase64url, malformed } from "../bytes/base64";
import { Detector } from "./detector";
import { Answer, countSteps, isBase64url, isInWord, peek, Rest, report, reportRest } from "./window";

/** Of a longer header, this much decides. */
const header_bytes: u32 = 400;
const decoded: usize = memory.data(304, 16);

/** A token whose `eyJ` is here. */
export function jwtAt(start: usize): Answer {
  if (isInWord(start)) return false;
  let at = start + 3;
  while (at - start < header_bytes && isBase64url(peek(at))) at++;
  const header = <u32>(at - start);
  const isWhole = header < header_bytes;
  if (isWhole && peek(at) != 0x2e) return false;
  const size = decodeBase64url(start, header, decoded);
  if (size == malformed || !hasAlgorithm(<u32>size)) return false;
  if (isWhole) {
    // Two characters of what comes next: an object begins with them, unless the token is encrypted, which its header says.
    const isObject = peek(at + 1) == 0x65 && (peek(at + 2) == 0x79 || peek(at + 2) == 0x33);
    if (!isObject && !(hasMember(<u32>size, 0x22636e65) && isBase64url(peek(at + 1)))) return false;
    at += 3;
  }
  if (!report(Detector.JWT, start, at)) return false;
  reportRest(Rest.TOKEN);
  return true;
}

function hasAlgorithm(size: u32): bool {
  return hasMember(size, 0x22676c61);
}

/** Whether the header has a member of a name of three letters, given with the quote behind it as a little-endian number. */
function hasMember(size: u32, name: u32): bool {
  countSteps(size);
  for (let at: u32 = 0; at + 6 <= size; at++) {
    if (load<u8>(decoded + at) == 0x22 && load<u32>(decoded + at + 1) == name) return true;
  }
  return false;
}
