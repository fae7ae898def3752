/** Folding of segments: what it makes of letters, and where it is not asked. */
import { foldSegments, mayFold } from "../../../assembly/request/fold";
import { addTo, clearSegments, Segments, segments_bytes, sizeOf, startOf } from "../../../assembly/request/segments";
import { bytesOf, textOf } from "../support";

const source = changetype<Segments>(memory.data(segments_bytes, 8));
const target = changetype<Segments>(memory.data(segments_bytes, 8));

function folded(first: string, second: string): string {
  clearSegments(source);
  const one = bytesOf(first);
  addTo(source, one.start, one.size);
  const other = bytesOf(second);
  addTo(source, other.start, other.size);
  foldSegments(target, source);
  return textOf(startOf(target, 0), sizeOf(target, 0)) + "|" + textOf(startOf(target, 1), sizeOf(target, 1));
}

describe("segments", () => {
  test("are folded one by one", () => {
    expect(folded("Admin", "X-Y_z9")).toBe("admin|x-y_z9");
    expect(folded("", "AZ[@`{")).toBe("|az[@`{");
  });

  test("beyond ASCII, one character for one", () => {
    expect(folded("ÀÖØÞŸ", "ÄÖÜäöüß")).toBe("àöøþÿ|äöüäöüß");
    expect(folded("ΣσςΏ", "ЖЯ")).toBe("σσσώ|жя");
    expect(folded("ſK", "ẞ")).toBe("sk|ß");
    expect(folded("Ⱥ", "Ɫ")).toBe("ⱥ|ɫ");
    expect(folded("𐐀𐐧", "𞤀")).toBe("𐐨𐑏|𞤢");
    expect(folded("İı", "日本語")).toBe("İı|日本語");
  });
});

describe("whether there may be something to fold", () => {
  test("capitals, and bytes above ASCII, at any place", () => {
    for (let size = 1; size < 40; size++) {
      const plain = bytesOf("a".repeat(size));
      expect(mayFold(plain.start, plain.size)).toBe(false);
      for (let at: u32 = 0; at < plain.size; at++) {
        store<u8>(plain.start + at, 0x5a);
        expect(mayFold(plain.start, plain.size)).toBe(true);
        store<u8>(plain.start + at, 0xc3);
        expect(mayFold(plain.start, plain.size)).toBe(true);
        store<u8>(plain.start + at, 0x5b);
        expect(mayFold(plain.start, plain.size)).toBe(false);
        store<u8>(plain.start + at, 0x40);
        expect(mayFold(plain.start, plain.size)).toBe(false);
        store<u8>(plain.start + at, 0x61);
      }
    }
  });
});
