/** What the guard's detectors find, and what only looks like it. */
import { Detector } from "../../../assembly/guard/detector";
import { endChunk, feedChunk, nextFinding, startStream } from "../../../assembly/guard/scan";
import { room_before_bytes, stream_bytes } from "../../../assembly/guard/state";
import { foundDetector, foundSize, foundStart } from "../../../assembly/guard/window";
import { bytesOf, textOf } from "../support";

const stream: usize = memory.data(stream_bytes, 16);
const chunk: usize = memory.data(4096, 16) + room_before_bytes;

/** The findings of a text: each as its detector's number, a colon and what it is of, with a bar between. */
function found(text: string): string {
  const input = bytesOf(text);
  memory.copy(chunk, input.start, input.size);
  startStream(stream, ~0, 0);
  feedChunk(stream, chunk, input.size, true);
  let all = "";
  while (nextFinding(stream)) {
    if (all != "") all += "|";
    all += (<u32>foundDetector).toString() + ":" + textOf(foundStart, foundSize);
  }
  endChunk(stream);
  return all;
}

function one(detector: Detector, text: string): string {
  return (<u32>detector).toString() + ":" + text;
}

describe("payment cards", () => {
  test("issuers, groups and check digits", () => {
    expect(found('"4111111111111111"')).toBe(one(Detector.CARD, "4111111111111111"));
    expect(found("2223-0031-2200-3222 ok")).toBe(one(Detector.CARD, "2223-0031-2200-3222"));
    expect(found("3782 822463 10005")).toBe(one(Detector.CARD, "3782 822463 10005"));
    expect(found("3056 930902 5904")).toBe(one(Detector.CARD, "3056 930902 5904"));
    expect(found("4111 1111 1111 1111 12/26 123")).toBe(one(Detector.CARD, "4111 1111 1111 1111"));
    expect(found("x\\n4111111111111111")).toBe(one(Detector.CARD, "4111111111111111"));
  });
  test("near misses", () => {
    expect(found("4111111111111112")).toBe("");
    expect(found("9111111111111111")).toBe("");
    expect(found("41111111111111111111")).toBe("");
    expect(found("a4111111111111111")).toBe("");
    expect(found("0.4111111111111111")).toBe("");
    expect(found("4111111111111111.5")).toBe("");
    expect(found("4111 1111-1111 1111")).toBe("");
    expect(found("41 11 1111 1111 1111")).toBe("");
    expect(found("1234 4111 1111 1111 1111 1234")).toBe("");
  });
});

describe("accounts, addresses and telephones", () => {
  test("IBAN", () => {
    expect(found("GB82WEST12345698765432")).toBe(one(Detector.IBAN, "GB82WEST12345698765432"));
    expect(found("gb82 west 1234 5698 7654 32.")).toBe(one(Detector.IBAN, "gb82 west 1234 5698 7654 32"));
    expect(found("GB83WEST12345698765432")).toBe("");
    expect(found("GB82WEST123456987654321")).toBe("");
  });
  test("e-mail", () => {
    expect(found("<o'brien+x@mail.example.co.uk>.")).toBe(one(Detector.EMAIL, "o'brien+x@mail.example.co.uk"));
    expect(found("\\u00e9a@b.org, \\nb@c.de")).toBe(
      one(Detector.EMAIL, "a@b.org") + "|" + one(Detector.EMAIL, "b@c.de"),
    );
    expect(found("a@b x@1.2.3 logo@2x.png a..b@c.org @x.org")).toBe("");
  });
  test("telephone", () => {
    expect(found("+49 (30) 1234-567")).toBe(one(Detector.PHONE, "+49 (30) 1234-567"));
    expect(found("+12125550100")).toBe(one(Detector.PHONE, "+12125550100"));
    expect(found("+1212555010 +99912345678 +4930 12:00+02:00 1+4930123456789")).toBe("");
  });
});

describe("national identifiers", () => {
  test("those that stand alone", () => {
    expect(found("12345678Z")).toBe(one(Detector.ES_DNI, "12345678Z"));
    expect(found("12345678A X1234567A RSSMRA85T10A562T 131052-308U 12345678912")).toBe("");
    expect(found("131052-308T")).toBe(one(Detector.FI_HETU, "131052-308T"));
    expect(found("RSSMRA85T10A562S")).toBe(one(Detector.IT_CODICE_FISCALE, "RSSMRA85T10A562S"));
  });
  test("those that must be named", () => {
    expect(found('"bsn": "123456782"')).toBe(one(Detector.NL_BSN, "123456782"));
    expect(found('"order": "123456782"')).toBe("");
    expect(found('"bsn": null, "order": "123456782"')).toBe("");
  });
});

describe("tokens and secrets", () => {
  test("GitHub's check", () => {
    expect(found("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")).toBe(
      one(Detector.GITHUB, "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"),
    );
    expect(found("ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18")).toBe("");
  });
  test("names", () => {
    expect(found("DB_PASSWORD=hunter2!xY&x=1")).toBe(one(Detector.SECRET, "hunter2!xY"));
    expect(found('"tokenType":"abcDEF0123456789xyz","password":"{{ secret_1 }}","secret":"none"')).toBe("");
  });
});
