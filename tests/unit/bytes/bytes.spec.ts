/** Hashing, UTF-8 and writing numbers and strings. */
import { hash32 } from "../../../assembly/bytes/hash";
import { sipHash } from "../../../assembly/bytes/siphash";
import { indexOfByte, sameBytes } from "../../../assembly/bytes/span";
import { characterBytes, isUtf8, writeCharacter } from "../../../assembly/bytes/utf8";
import { openWriter, Writer, writeDecimal, writeJsonString, writeText } from "../../../assembly/bytes/writer";
import { bytesOf, hexBytes, hexOf, textOf } from "../support";

const writer = changetype<Writer>(memory.data(32, 8));
const block: usize = memory.data(64);

function hashOf(seed: u32, hex: string): u32 {
  const bytes = hexBytes(hex);
  return hash32(seed, bytes.start, bytes.size);
}

function written(limit_bytes: u32, hex: string): string {
  const bytes = hexBytes(hex);
  openWriter(writer, block, 64);
  writeJsonString(writer, bytes.start, bytes.size, limit_bytes);
  return textOf(block, writer.size);
}

describe("hash32 is MurmurHash3_x86_32", () => {
  test("known answers (smhasher's author's test, and Wikipedia's table)", () => {
    expect(hashOf(0, "")).toBe(0);
    expect(hashOf(1, "")).toBe(0x514e28b7);
    expect(hashOf(0xffffffff, "")).toBe(0x81f16f39);
    expect(hashOf(0, "ffffffff")).toBe(0x76293b50);
    expect(hashOf(0, "21436587")).toBe(0xf55b516b);
    expect(hashOf(0x5082edee, "21436587")).toBe(0x2362f9de);
    expect(hashOf(0, "214365")).toBe(0x7e4a8634);
    expect(hashOf(0, "2143")).toBe(0xa0f7b07a);
    expect(hashOf(0, "21")).toBe(0x72661cf4);
    expect(hashOf(0, "00000000")).toBe(0x2362f9de);
    const hello = bytesOf("Hello, world!");
    expect(hash32(0x9747b28c, hello.start, hello.size)).toBe(0x24884cba);
  });
});

describe("sipHash is SipHash-2-4", () => {
  test("the reference vectors (github.com/veorq/SipHash, vectors.h) under the key 00 01 … 0f", () => {
    const input = hexBytes("000102030405060708090a0b0c0d0e");
    const k0: u64 = 0x0706050403020100;
    const k1: u64 = 0x0f0e0d0c0b0a0908;
    expect(sipHash(k0, k1, input.start, 0)).toBe(0x726fdb47dd0e0e31);
    expect(sipHash(k0, k1, input.start, 1)).toBe(0x74f839c593dc67fd);
    expect(sipHash(k0, k1, input.start, 8)).toBe(0x93f5f5799a932462);
    expect(sipHash(k0, k1, input.start, 15)).toBe(0xa129ca6149be45e5);
  });
});

describe("runs of bytes", () => {
  test("sameBytes looks at every byte", () => {
    for (let size: u32 = 1; size <= 20; size++) {
      const left = bytesOf("x".repeat(size));
      const right = bytesOf("x".repeat(size));
      expect(sameBytes(left.start, right.start, size)).toBeTruthy();
      for (let index: u32 = 0; index < size; index++) {
        store<u8>(right.start + index, 0x79);
        expect(sameBytes(left.start, right.start, size)).toBeFalsy();
        store<u8>(right.start + index, 0x78);
      }
    }
  });

  test("indexOfByte", () => {
    const bytes = bytesOf("a.b.c");
    expect(indexOfByte(bytes.start, bytes.size, 0x2e)).toBe(1);
    expect(indexOfByte(bytes.start, 1, 0x2e)).toBe(1);
  });
});

describe("UTF-8", () => {
  test("the first and last character of each size", () => {
    const cases = ["00", "7f", "c280", "dfbf", "e0a080", "ed9fbf", "ee8080", "efbfbf", "f0908080", "f48fbfbf"];
    for (let index = 0; index < cases.length; index++) {
      const bytes = hexBytes(cases[index]);
      expect(characterBytes(bytes.start, bytes.start + bytes.size)).toBe(bytes.size, cases[index]);
    }
  });

  test("overlong, surrogate, too large, cut short and stray bytes", () => {
    const cases = [
      "80",
      "bf",
      "c080",
      "c1bf",
      "c2",
      "c27f",
      "e08080",
      "e09fbf",
      "eda080",
      "edbfbf",
      "e2",
      "e282",
      "e28228",
    ];
    for (let index = 0; index < cases.length; index++) {
      const bytes = hexBytes(cases[index]);
      expect(isUtf8(bytes.start, bytes.size)).toBeFalsy(cases[index]);
    }
    const longer = ["f08080", "f0808080", "f08fbfbf", "f4908080", "f5808080", "ff", "f09080", "f0908028"];
    for (let index = 0; index < longer.length; index++) {
      const bytes = hexBytes(longer[index]);
      expect(isUtf8(bytes.start, bytes.size)).toBeFalsy(longer[index]);
    }
  });

  test("writeCharacter", () => {
    expect(hexOf(block, writeCharacter(block, 0x41))).toBe("41");
    expect(hexOf(block, writeCharacter(block, 0xe9))).toBe("c3a9");
    expect(hexOf(block, writeCharacter(block, 0x20ac))).toBe("e282ac");
    expect(hexOf(block, writeCharacter(block, 0x1f600))).toBe("f09f9880");
  });
});

describe("writing", () => {
  test("numbers", () => {
    openWriter(writer, block, 64);
    writeDecimal(writer, 0);
    writeText(writer, " ");
    writeDecimal(writer, 429);
    writeText(writer, " ");
    writeDecimal(writer, u64.MAX_VALUE);
    expect(textOf(block, writer.size)).toBe("0 429 18446744073709551615");
  });

  test("JSON strings hold on one line whatever comes", () => {
    expect(written(64, "61")).toBe('"a"');
    expect(written(64, "225c")).toBe('"\\"\\\\"');
    expect(written(64, "0a1f7f")).toBe('"\\u000a\\u001f\\u007f"');
    expect(written(64, "c3a9")).toBe('"é"');
    expect(written(64, "ffc3")).toBe('"\\ufffd\\ufffd"');
    expect(written(2, "616263")).toBe('"ab"');
    expect(written(1, "c3a962")).toBe('"é"');
  });

  test("what does not fit is left out, and said", () => {
    openWriter(writer, block, 4);
    writeText(writer, "abcdef");
    expect(textOf(block, writer.size)).toBe("");
    expect(writer.full).toBeTruthy();
  });

  test("texts of every size, as they are", () => {
    const text = '{"policy":"shop"~';
    for (let size = 0; size <= text.length; size++) {
      openWriter(writer, block, size);
      writeText(writer, text.substring(0, size));
      expect(textOf(block, writer.size)).toBe(text.substring(0, size));
      expect(writer.full).toBeFalsy();
    }
  });
});
