/** Base64 and base64url, strictly as RFC 4648 has them. */
import { decodeBase64, decodeBase64url, malformed } from "../../../assembly/bytes/base64";
import { bytesOf, hexOf, textOf } from "../support";

const output: usize = memory.data(256);

function url(text: string): string {
  const input = bytesOf(text);
  const size = decodeBase64url(input.start, input.size, output);
  return size == malformed ? "malformed" : textOf(output, size);
}

function standard(text: string): string {
  const input = bytesOf(text);
  const size = decodeBase64(input.start, input.size, output);
  return size == malformed ? "malformed" : textOf(output, size);
}

describe("base64url without padding", () => {
  test("RFC 4648 §10 vectors", () => {
    expect(url("")).toBe("");
    expect(url("Zg")).toBe("f");
    expect(url("Zm8")).toBe("fo");
    expect(url("Zm9v")).toBe("foo");
    expect(url("Zm9vYg")).toBe("foob");
    expect(url("Zm9vYmE")).toBe("fooba");
    expect(url("Zm9vYmFy")).toBe("foobar");
  });

  test("both signs of the alphabet, and no others", () => {
    const input = bytesOf("-_-_");
    expect(decodeBase64url(input.start, input.size, output)).toBe(3);
    expect(hexOf(output, 3)).toBe("fbffbf");
    expect(url("+/+/")).toBe("malformed");
  });

  test("padding, white space and foreign bytes are refused", () => {
    expect(url("Zg==")).toBe("malformed");
    expect(url("Zg=")).toBe("malformed");
    expect(url("Zm 9v")).toBe("malformed");
    expect(url("Zm9v\n")).toBe("malformed");
    expect(url("Zm9v.")).toBe("malformed");
    expect(url("Zm9é")).toBe("malformed");
    expect(url("@m9v")).toBe("malformed");
    expect(url("[m9v")).toBe("malformed");
    expect(url("`m9v")).toBe("malformed");
    expect(url("{m9v")).toBe("malformed");
  });

  test("a length no encoder makes is refused", () => {
    expect(url("Z")).toBe("malformed");
    expect(url("Zm9vY")).toBe("malformed");
  });

  test("bits left over must be zero", () => {
    expect(url("Zh")).toBe("malformed");
    expect(url("Zm9")).toBe("malformed");
    expect(url("Zm8")).toBe("fo");
  });

  test("decodes in place", () => {
    const input = bytesOf("Zm9vYmFy");
    expect(decodeBase64url(input.start, input.size, input.start)).toBe(6);
    expect(textOf(input.start, 6)).toBe("foobar");
  });
});

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const plain: usize = memory.data(64);
const encoded: usize = memory.data(96);

/** Encodes by the bit, as RFC 4648 §4 describes it; the size in characters. */
function encode(start: usize, size: u32, target: usize): u32 {
  let bits: u32 = 0;
  let held: u32 = 0;
  let characters: u32 = 0;
  for (let index: u32 = 0; index < size; index++) {
    for (let bit: i32 = 7; bit >= 0; bit--) {
      bits = (bits << 1) | ((load<u8>(start + index) >> <u8>bit) & 1);
      if (++held < 6) continue;
      store<u8>(target + characters++, <u8>letters.charCodeAt(bits));
      bits = 0;
      held = 0;
    }
  }
  if (held != 0) store<u8>(target + characters++, <u8>letters.charCodeAt(bits << (6 - held)));
  return characters;
}

function fillPlain(seed: u32): void {
  let state = seed * 2654435761 + 1;
  for (let index: usize = 0; index < 64; index++) {
    state = state * 1664525 + 1013904223;
    store<u8>(plain + index, <u8>(state >> 24));
  }
}

/** How many texts of every size up to 64 bytes come back as they were, with nothing written behind them. */
function roundTrips(inPlace: bool): i32 {
  let good = 0;
  for (let size: u32 = 0; size <= 64; size++) {
    for (let seed: u32 = 0; seed < 20; seed++) {
      fillPlain(seed * 65 + size);
      const characters = encode(plain, size, encoded);
      const target = inPlace ? encoded : output;
      if (!inPlace) memory.fill(output, 0xee, 128);
      if (decodeBase64url(encoded, characters, target) != size) continue;
      if (memory.compare(target, plain, size) != 0) continue;
      if (!inPlace && load<u8>(output + size) != 0xee) continue;
      good++;
    }
  }
  return good;
}

/** How many bytes are taken at one place of a text of so many characters. */
function takenAt(place: u32, characters: u32): i32 {
  let taken = 0;
  for (let byte: u32 = 0; byte < 256; byte++) {
    memory.fill(encoded, 0x41, 96);
    store<u8>(encoded + place, <u8>byte);
    if (decodeBase64url(encoded, characters, output) != malformed) taken++;
  }
  return taken;
}

/** The same as `takenAt`, over all places of a text; -1 where they differ. */
function takenAnywhere(characters: u32): i32 {
  const taken = takenAt(0, characters);
  for (let place: u32 = 1; place < characters; place++) {
    if (takenAt(place, characters) != taken) return -1;
  }
  return taken;
}

describe("base64url of every size", () => {
  test("what was encoded comes back, and not a byte more is written", () => {
    expect(roundTrips(false)).toBe(65 * 20);
    expect(roundTrips(true)).toBe(65 * 20);
  });

  test("64 characters are taken at every place, in whole blocks and in what is left", () => {
    expect(takenAnywhere(16)).toBe(64);
    expect(takenAnywhere(20)).toBe(64);
    expect(takenAnywhere(44)).toBe(64);
    expect(takenAnywhere(12)).toBe(64);
  });

  test("of a last character those that leave no bits over", () => {
    expect(takenAt(17, 18)).toBe(4);
    expect(takenAt(18, 19)).toBe(16);
    expect(takenAt(1, 2)).toBe(4);
    expect(takenAt(14, 15)).toBe(16);
  });
});

describe("base64 with padding", () => {
  test("both signs of its own alphabet", () => {
    const input = bytesOf("+/+/+/+/+/+/+/+/+/+/");
    expect(decodeBase64(input.start, input.size, output)).toBe(15);
    expect(hexOf(output, 15)).toBe("fbffbffbffbffbffbffbffbffbffbf");
    expect(standard("-_-_-_-_-_-_-_-_")).toBe("malformed");
  });

  test("RFC 4648 §10 vectors", () => {
    expect(standard("")).toBe("");
    expect(standard("Zg==")).toBe("f");
    expect(standard("Zm8=")).toBe("fo");
    expect(standard("Zm9vYmFy")).toBe("foobar");
  });

  test("missing, surplus or misplaced padding is refused", () => {
    expect(standard("Zg")).toBe("malformed");
    expect(standard("Zg=")).toBe("malformed");
    expect(standard("Zg==Zg==")).toBe("malformed");
    expect(standard("====")).toBe("malformed");
    expect(standard("Z===")).toBe("malformed");
    expect(standard("-_-_")).toBe("malformed");
  });
});
