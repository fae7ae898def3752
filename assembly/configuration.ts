/**
 * What a plugin configuration says: `policy`, the base64 of an image, `mode`, `record`, a name for the record, and
 * `certificateEnd`, whether certificates may end on open connections. It arrives as JSON, or as what Envoy makes of a
 * google.protobuf.Struct, which is that message's own bytes (google/protobuf/struct.proto):
 *
 *   Struct { 1: entry, 1: entry, … }     entry { 1: key, 2: Value }     Value { 3: string }
 *
 * Anything else in either is refused.
 */
import { decodeBase64, malformed, malformedAt } from "./bytes/base64";
import { Scan, scanJson, scanned, stoppedAt } from "./bytes/json";
import { Literal, literal } from "./bytes/literal";
import { copyBytes, isLiteral, isNameText } from "./bytes/span";
import * as json from "./bytes/tape";
import { Kind } from "./bytes/tape";
import { json_nodes_max, name_bytes_max } from "./limits";
import * as layout from "./policy/layout";

const policy_key = literal("policy");
const mode_key = literal("mode");
const record_key = literal("record");
const certificate_end_key = literal("certificateEnd");
const checked_value = literal("checked");
const enforce_value = literal("enforce");
const shadow_value = literal("shadow");

/** The image, once decoded; size 0 where the configuration has none. */
export let imageStart: usize = 0;
export let imageSize: u32 = 0;
/** `mode_enforce` or `mode_shadow` of policy/layout.ts, or `mode_of_policy` where the configuration does not say. */
export let mode: u32 = 0;
export const mode_of_policy: u32 = 0xff;
/** Whether the end of callers' certificates is to be looked at with every request. */
export let checksCertificateEnd: bool = false;

/** What the record is told from others by, kept apart from the configuration; size 0 where that does not say. */
export const recordName: usize = memory.data(name_bytes_max);
export let recordNameSize: u32 = 0;

/** What is wrong with the configuration refused last, and at which byte. */
export let mistake: string = "";
export let mistakeAt: u32 = 0;

let start: usize = 0;
let cursor: usize = 0;

/**
 * Reads `size` bytes of configuration. The image is decoded to `target`, 8-aligned and at most where the configuration
 * begins: what decoding overwrites has been read.
 */
export function readConfigurationText(text: usize, size: u32, target: usize): bool {
  imageStart = 0;
  imageSize = 0;
  mode = mode_of_policy;
  recordNameSize = 0;
  checksCertificateEnd = false;
  start = text;
  if (size == 0) return true;
  // JSON may begin with the same byte as a Struct, but what follows in a Struct is never JSON.
  const scan = scanJson(text, size, json.scratch_tape, json_nodes_max);
  const isStruct = load<u8>(text) == entry_tag && scan != scanned;
  if (!(isStruct ? readStruct(text + size) : readJson(scan))) return false;
  if (imageSize == 0) return true;
  const decoded = decodeBase64(imageStart, imageSize, target);
  if (decoded == malformed) return refuse("`policy` is not valid base64", malformedAt(imageStart, imageSize));
  imageStart = target;
  imageSize = decoded;
  return true;
}

function refuse(phrase: string, at: usize): bool {
  mistake = phrase;
  mistakeAt = <u32>(at - start);
  return false;
}

function readJson(scan: Scan): bool {
  if (scan != scanned) return refuse("no valid JSON", stoppedAt(scan));
  const object = json.scratch_tape;
  if (json.kindOf(object) != Kind.OBJECT) return refuse("not a JSON object", start);
  const end = json.after(object);
  for (let name = json.firstOf(object); name < end; name = json.after(json.valueAfter(name))) {
    const value = json.valueAfter(name);
    const text = json.kindOf(value) == Kind.STRING ? json.startOf(value) : 0;
    if (!takeMember(json.startOf(name), json.sizeOf(name), text, json.sizeOf(value))) return false;
  }
  return true;
}

const entry_tag: u32 = 0x0a;
const key_tag: u32 = 0x0a;
const value_tag: u32 = 0x12;
const string_tag: u32 = 0x1a;

function readStruct(end: usize): bool {
  cursor = start;
  while (cursor < end) {
    const at = cursor;
    if (!takeField(entry_tag, end)) return refuse("no valid JSON, and no Struct", at);
    const entryEnd = fieldEnd;
    if (!takeField(key_tag, entryEnd)) return refuse("no valid JSON, and no Struct", at);
    const name = cursor;
    const nameSize = <u32>(fieldEnd - cursor);
    cursor = fieldEnd;
    if (!takeField(value_tag, entryEnd) || fieldEnd != entryEnd) return refuse("no valid JSON, and no Struct", at);
    const isText = takeField(string_tag, entryEnd) && fieldEnd == entryEnd;
    if (!takeMember(name, nameSize, isText ? cursor : 0, isText ? <u32>(entryEnd - cursor) : 0)) return false;
    cursor = entryEnd;
  }
  return true;
}

/** Where the field entered last ends. */
let fieldEnd: usize = 0;

/** Enters a length-delimited field that must be next and end by `end`; the cursor is then at its first byte. */
function takeField(tag: u32, end: usize): bool {
  if (cursor >= end || <u32>load<u8>(cursor) != tag) return false;
  cursor++;
  let size: u32 = 0;
  for (let shift: u32 = 0; shift < 32; shift += 7) {
    if (cursor >= end) return false;
    const byte = <u32>load<u8>(cursor++);
    size |= (byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    fieldEnd = cursor + size;
    return size <= <u32>(end - cursor);
  }
  return false;
}

/** One member; `text` is 0 where its value is no string. */
function takeMember(name: usize, nameSize: u32, text: usize, size: u32): bool {
  if (isLiteral(name, nameSize, policy_key)) {
    if (imageSize != 0) return refuse("a key twice", name);
    if (text == 0 || size == 0) return refuse("`policy` is not the base64 of a policy image", name);
    imageStart = text;
    imageSize = size;
    return true;
  }
  if (isLiteral(name, nameSize, mode_key)) {
    if (mode != mode_of_policy) return refuse("a key twice", name);
    if (isText(text, size, enforce_value)) mode = layout.mode_enforce;
    else if (isText(text, size, shadow_value)) mode = layout.mode_shadow;
    else return refuse("`mode` is neither `enforce` nor `shadow`", name);
    return true;
  }
  if (isLiteral(name, nameSize, record_key)) {
    if (recordNameSize != 0) return refuse("a key twice", name);
    if (text == 0 || size > name_bytes_max || !isNameText(text, size)) {
      return refuse("`record` is not 1 to 64 letters, digits, `-` and `_`", name);
    }
    copyBytes(recordName, text, size);
    recordNameSize = size;
    return true;
  }
  if (isLiteral(name, nameSize, certificate_end_key)) {
    if (checksCertificateEnd) return refuse("a key twice", name);
    if (!isText(text, size, checked_value)) return refuse("`certificateEnd` is not `checked`", name);
    checksCertificateEnd = true;
    return true;
  }
  return refuse("unknown key, only `policy`, `mode`, `record` and `certificateEnd` are known", name);
}

function isText(text: usize, size: u32, value: Literal): bool {
  return text != 0 && isLiteral(text, size, value);
}
