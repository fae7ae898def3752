/**
 * Whether a body can be read as JSON, by the headers of its request: one content type that is JSON's, and bytes as they are. A type that
 * stands twice, or an encoding, would be read otherwise by some upstreams (RFC 9110 §8.3 and §8.4).
 */
import { literal } from "../bytes/literal";
import { absent, isRun, lower, Span, spanSize, spanStart } from "../bytes/span";
import { Detail } from "../detail";
import { Finding, finding, good } from "../finding";
import { Reason } from "../reason";
import { findHeader } from "../request/headers";

const content_type = literal("content-type");
const content_encoding = literal("content-encoding");
const expect_name = literal("expect");
const identity_coding = literal("identity");
const application = literal("application/");
const json_type = literal("json");
const charset = literal("charset=utf-8");

/** BODY_UNSUPPORTED, with what is wrong, or `good`. */
export function contentFinding(): Finding {
  const encoding = findHeader(content_encoding.start, content_encoding.size);
  if (encoding != absent && !isWord(encoding, identity_coding.start, identity_coding.size))
    return finding(Reason.BODY_UNSUPPORTED, Detail.CONTENT_ENCODING);
  // Where Envoy leaves the header there, it has the upstream say whether the body may come: with held headers nobody would.
  if (findHeader(expect_name.start, expect_name.size) != absent) return finding(Reason.BODY_UNAVAILABLE, Detail.EXPECT);
  const type = findHeader(content_type.start, content_type.size);
  if (!isRun(type) || !isJson(spanStart(type), spanSize(type)))
    return finding(Reason.BODY_UNSUPPORTED, Detail.CONTENT_TYPE);
  return good;
}

function isWord(span: Span, word: usize, size: u32): bool {
  return isRun(span) && spanSize(span) == size && isSame(spanStart(span), word, size);
}

/** Whether a run is the same as one in lower case, whatever its case. */
function isSame(start: usize, word: usize, size: u32): bool {
  for (let index: u32 = 0; index < size; index++) {
    if (lower(load<u8>(start + index)) != <u32>load<u8>(word + index)) return false;
  }
  return true;
}

/** `application/json`, or a type of that structure (`application/…+json`, RFC 6839 §3.1), in UTF-8: with no parameter but that charset. */
function isJson(start: usize, size: u32): bool {
  let end: u32 = 0;
  while (end < size && load<u8>(start + end) != 0x3b) end++;
  let typeEnd = end;
  while (typeEnd != 0 && isBlank(load<u8>(start + typeEnd - 1))) typeEnd--;
  if (typeEnd < application.size + json_type.size || !isSame(start, application.start, application.size)) return false;
  const tail = start + typeEnd - json_type.size;
  if (!isSame(tail, json_type.start, json_type.size)) return false;
  const isPlain = typeEnd == application.size + json_type.size;
  if (!isPlain && load<u8>(tail - 1) != 0x2b) return false;
  for (let at = start + application.size; at < tail; at++) if (!isTokenByte(load<u8>(at))) return false;
  return end == size || isCharset(start + end + 1, size - end - 1);
}

/** `charset=utf-8`, with quotes or without. */
function isCharset(start: usize, size: u32): bool {
  let from = start;
  let end = start + size;
  while (from < end && isBlank(load<u8>(from))) from++;
  while (end > from && isBlank(load<u8>(end - 1))) end--;
  const bytes = <u32>(end - from);
  if (bytes == charset.size) return isSame(from, charset.start, charset.size);
  if (bytes != charset.size + 2 || load<u8>(from + 8) != 0x22 || load<u8>(end - 1) != 0x22) return false;
  return isSame(from, charset.start, 8) && isSame(from + 9, charset.start + 8, charset.size - 8);
}

function isBlank(byte: u32): bool {
  return byte == 0x20 || byte == 0x09;
}

/** Letters, digits, and the signs that names of types have (RFC 6838 §4.2). */
function isTokenByte(byte: u32): bool {
  return (byte | 0x20) - 0x61 < 26 || byte - 0x30 < 10 || (byte != 0 && isSign(byte));
}

function isSign(byte: u32): bool {
  return byte == 0x2b || byte == 0x2d || byte == 0x2e || byte == 0x5f;
}
