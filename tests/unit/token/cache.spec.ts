/** The cache of tokens over a full ring: what a request reads of it stays until the request ends. */
import { literal } from "../../../assembly/bytes/literal";
import * as json from "../../../assembly/bytes/tape";
import { isGood } from "../../../assembly/finding";
import { resetArena } from "../../../assembly/host/arena";
import { KeySet } from "../../../assembly/keys/keyset";
import { knowsToken, recallToken, rememberToken } from "../../../assembly/token/cache";
import { subjectClaim } from "../../../assembly/token/claims";
import { parseJws } from "../../../assembly/token/jws";
import { clearTokens, Token, tokenSlot } from "../../../assembly/token/slot";
import { bytesOf, textOf, url } from "../support";

const places: u32 = 16;
const room: u32 = 131072;
const set = changetype<KeySet>(memory.data(256, 8));
set.tokens = memory.data(131072, 16);
set.tokensBytes = room;

const list = literal("list");
const head = "eyJhbGciOiJFUzI1NiJ9."; // {"alg":"ES256"}

/** Puts token `number` into a slot, with about so many bytes of other claims. Its signature is of its number. */
function put(place: u32, number: i32, fill: i32): Token {
  // Three bytes are four characters, so what is long need not be encoded.
  const tail = url('","list":[1,2,3],"sub":"s' + number.toString() + '"}');
  const claims = url('{"fill":"') + "eHh4".repeat(fill / 3) + tail;
  const text = bytesOf(head + claims + "." + url((1000000 + number).toString() + "0123456789"));
  const token = tokenSlot(place);
  token.start = text.start;
  token.size = text.size;
  // What stands in place of a hash under a secret, which no unit has.
  token.hash = <u32>number * 2654435761;
  return token;
}

/** Keeps a new token, as a request does that has it at the first place. */
function keep(number: i32, fill: i32): void {
  resetArena();
  const token = put(0, number, fill);
  expect(isGood(parseJws(token))).toBeTruthy();
  rememberToken(set, token);
}

/** The subject of a slot's token. */
function subjectOf(place: u32): string {
  const subject = subjectClaim(tokenSlot(place));
  return subject == json.absent ? "absent" : textOf(json.startOf(subject), json.sizeOf(subject));
}

/** Whether the claims in a slot are whole: the text, the kind and the end of everything on their tape. */
function isWhole(place: u32, number: i32): bool {
  const token = tokenSlot(place);
  const record = json.member(token.claims, list.start, list.size);
  return (
    subjectOf(place) == "s" + number.toString() &&
    json.tapeBytes(token.claims) == token.claimsBytes &&
    record != json.absent &&
    json.kindOf(record) == json.Kind.ARRAY &&
    json.after(record) == record + 4 * json.tape_record_bytes
  );
}

function begin(): void {
  set.epoch++;
  clearTokens(places);
}

describe("what a request reads", () => {
  test("stays as it is while other tokens are kept", () => {
    begin();
    for (let number = 0; number < 400; number++) keep(number, 100);
    // Most of these have given way already.
    clearTokens(places);
    const known = put(1, 399, 100);
    expect(recallToken(set, known)).toBeTruthy();
    let whole = 0;
    for (let number = 400; number < 1000; number++) {
      keep(number, 100);
      if (isWhole(1, 399)) whole++;
      expect(knowsToken(set, tokenSlot(0))).toBeTruthy();
    }
    expect(whole).toBe(600);
  });

  test("gives way once the request has ended", () => {
    begin();
    keep(1, 100);
    clearTokens(places);
    expect(recallToken(set, put(1, 1, 100))).toBeTruthy();
    clearTokens(places);
    for (let number = 2; number < 800; number++) keep(number, 100);
    expect(recallToken(set, put(1, 1, 100))).toBeFalsy();
  });

  test("is whole at several places and in any sizes, wherever in the ring the others go", () => {
    let random: u32 = 1;
    let all = 0;
    for (let round = 0; round < 12; round++) {
      begin();
      const fills = new Array<i32>(300);
      for (let number = 0; number < 300; number++) {
        random = random * 1664525 + 1013904223;
        fills[number] = <i32>((random >> 8) % 2500);
        keep(number, fills[number]);
      }
      clearTokens(places);
      const read = new Array<i32>(0);
      for (let number = 299; number >= 0 && read.length < 6; number--) {
        random = random * 1664525 + 1013904223;
        if ((random >> 16) % 2 != 0) continue;
        if (recallToken(set, put(read.length + 1, number, fills[number]))) read.push(number);
      }
      let whole = 0;
      for (let number = 1000; number < 1150; number++) {
        random = random * 1664525 + 1013904223;
        keep(number, <i32>((random >> 8) % 5000));
        for (let index = 0; index < read.length; index++) if (isWhole(index + 1, read[index])) whole++;
      }
      expect(whole).toBe(150 * read.length);
      all += read.length;
    }
    expect(all > 30).toBeTruthy();
  });

  test("fills the ring: what would need its room is not kept, and nothing of it is lost", () => {
    begin();
    // Four of nearly a quarter each.
    for (let number = 0; number < 4; number++) keep(number, 5800);
    for (let number = 4; number < 8; number++) keep(number, 5800);
    clearTokens(places);
    let read: u32 = 0;
    for (let number = 0; number < 8; number++) {
      if (recallToken(set, put(read + 1, number, 5800))) read++;
    }
    expect(read >= 4).toBeTruthy();
    const first = subjectOf(1);
    for (let number = 100; number < 140; number++) {
      keep(number, 5900);
      keep(number + 1000, 10);
      expect(subjectOf(1)).toBe(first);
      for (let place: u32 = 1; place <= read; place++) {
        expect(json.tapeBytes(tokenSlot(place).claims)).toBe(tokenSlot(place).claimsBytes);
      }
    }
  });
});
