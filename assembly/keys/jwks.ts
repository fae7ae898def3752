/**
 * A fetched key set (RFC 7517 §5) becomes records like those of the image (KEYS of policy/layout.ts), in a region of its own:
 *
 *   +---------+---+-----------------+------------------------------------------------ ... -+
 *   | count   | h | count records   | key IDs, SubjectPublicKeyInfo, public parts          |
 *   +---------+---+-----------------+------------------------------------------------ ... -+
 *
 * h is `spiffe_refresh_hint` (SPIFFE Trust Domain and Bundle §4.1.2): after how many seconds its server wants it fetched again, 0 where it does not say.
 *
 * Nothing here runs on a request's path.
 */
import { LeftOut } from "../audit/metrics";
import { scanJson, scanned } from "../bytes/json";
import { literal } from "../bytes/literal";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import { openWriter, Writer } from "../bytes/writer";
import { giveRegion, takeRegion } from "../host/region";
import { jwks_nodes_max, key_bytes_max, key_set_keys_max } from "../limits";
import * as layout from "../policy/layout";
import { readNumber } from "./fetch";
import { Jwk, readKey } from "./jwk";
import { clearLeftOut, leaveOut } from "./leftout";
import { writeCurveKey, writeRsaKey } from "./spki";

const keys_name = literal("keys");
const refresh_hint_name = literal("spiffe_refresh_hint");
const kty_name = literal("kty");
const writer = changetype<Writer>(memory.data(32, 8));
const jwk = changetype<Jwk>(memory.data(32, 8));
if (!(offsetof<Jwk>() <= 32)) ERROR("the slot holds a key");
const head_bytes: u32 = 8;
const byte_order_mark: u32 = 0xbfbbef;

/**
 * Reads `size` bytes of JSON, which it changes. A region with the keys that are for `use` (policy/layout.ts, KEY_SETS), none of
 * them perhaps; keys/leftout.ts has those that are left out. 0 where this is no key set, or memory is out.
 */
export function readKeySet(text: usize, size: u32, use: u32): usize {
  // A byte order mark says nothing, and some servers send one (RFC 8259 §8.1 lets readers pass over it).
  const mark: u32 = size > 3 && (load<u32>(text) & 0xffffff) == byte_order_mark ? 3 : 0;
  const records = min(size / 2 + 2, jwks_nodes_max);
  const tape = takeRegion(records * json.tape_record_bytes);
  if (tape == 0) return 0;
  const region = scanJson(text + mark, size - mark, tape, records) == scanned ? readKeys(tape, size, use) : 0;
  giveRegion(tape);
  return region;
}

function readKeys(root: usize, size: u32, use: u32): usize {
  const list = json.member(root, keys_name.start, keys_name.size);
  if (list == json.absent || json.kindOf(list) != Kind.ARRAY) return 0;
  const end = json.after(list);
  let count: u32 = 0;
  let typed: u32 = 0;
  for (let key = json.firstOf(list); key < end; key = json.after(key)) {
    if (json.kindOf(key) != Kind.OBJECT) return 0;
    count++;
    if (json.member(key, kty_name.start, kty_name.size) != json.absent) typed++;
  }
  // What has no type is no key (RFC 7517 §4.1); where nothing else is there, this is something other than a key set.
  if (count > key_set_keys_max || (count != 0 && typed == 0)) return 0;
  // A key's ID and public part are in the text already, the latter twice in what is made of it; decoding needs a little more.
  const room = head_bytes + count * (layout.key_record_bytes + 128) + 2 * size + key_bytes_max;
  const region = takeRegion(room);
  if (region == 0) return 0;
  const hint = json.member(root, refresh_hint_name.start, refresh_hint_name.size);
  // What is no number is one that never comes.
  if (hint != json.absent) store<u32>(region, <u32>readNumber(json.startOf(hint), json.sizeOf(hint), 9), 4);
  clearLeftOut();
  let record = region + head_bytes;
  let cursor = record + <usize>count * layout.key_record_bytes;
  for (let key = json.firstOf(list); key < end; key = json.after(key)) {
    const why = readKey(jwk, key, use, cursor);
    if (why == LeftOut.FOREIGN) continue;
    if (why != LeftOut.NONE) {
      leaveOut(why, jwk.kidStart, jwk.kidSize);
      continue;
    }
    cursor = writeKey(jwk, region, record, cursor, region + room);
    record += layout.key_record_bytes;
    store<u32>(region, load<u32>(region) + 1);
  }
  return region;
}

/** Writes the record of a key that was read, whose public part stands at `cursor` already. Where the next one's may go. */
function writeKey(key: Jwk, region: usize, record: usize, cursor: usize, end: usize): usize {
  setText(region, record + layout.key_public_at, cursor, key.publicSize);
  const kid = cursor + key.publicSize;
  memory.copy(kid, key.kidStart, key.kidSize);
  setText(region, record + layout.key_kid_at, kid, key.kidSize);
  openWriter(writer, kid + key.kidSize, <u32>(end - (kid + key.kidSize)));
  if (key.isRsa) writeRsaKey(writer, cursor, key.publicSize, key.exponent);
  else writeCurveKey(writer, cursor, key.publicSize, key.coordinateBytes);
  setText(region, record + layout.key_spki_at, writer.start, writer.size);
  store<u32>(record, key.algorithms, layout.key_algorithms_at);
  store<u32>(record, key.exponent, layout.key_exponent_at);
  return writer.cursor;
}

function setText(region: usize, text: usize, start: usize, size: u32): void {
  store<u32>(text, <u32>(start - region));
  store<u32>(text, size, 4);
}
