/**
 * What works on bytes by words and blocks, at every size up to two blocks and a half, at every place a byte may stand, and
 * at the last bytes of memory, where reading one byte too many is a trap.
 */
import {
  absent,
  ambiguous,
  clearBytes,
  copyBytes,
  failed,
  indexOfByte,
  isRun,
  sameBytes,
  spanOf,
  spanSize,
  spanStart,
} from "../../../assembly/bytes/span";

import { openWriter, Writer, writeJsonString } from "../../../assembly/bytes/writer";

const most: u32 = 40;
/** Runs from 0 to 15 bytes off the alignment, with room on both sides. */
const left: usize = memory.data(128, 16);
const right: usize = memory.data(128, 16);
const mark: u8 = 0xa5;

/** Adds a page that nobody else is given, and gives its end, which is the memory's. */
function newEnd(): usize {
  memory.grow(1);
  return (<usize>memory.size()) << 16;
}

/** Whether that is where the memory still ends: had it grown since, nothing would trap there. */
function isEnd(end: usize): bool {
  return end == (<usize>memory.size()) << 16;
}

const writer = changetype<Writer>(memory.data(32, 8));
const text: usize = memory.data(1024);

/** Fills a run with bytes that differ from their neighbours. */
function fill(start: usize, size: u32): void {
  for (let index: u32 = 0; index < size; index++) store<u8>(start + index, <u8>(index * 7 + 1));
}

/** The first place where sameBytes is wrong about runs of a size, of which `left` is as given; -1 for none. */
function wrongAt(one: usize, other: usize, size: u32): i32 {
  fill(one, size);
  fill(other, size);
  if (!sameBytes(one, other, size)) return 0;
  for (let index: u32 = 0; index < size; index++) {
    for (let bit: u32 = 0; bit < 8; bit++) {
      const byte = load<u8>(other + index);
      store<u8>(other + index, byte ^ ((<u8>1) << (<u8>bit)));
      const isSame = sameBytes(one, other, size) || sameBytes(other, one, size);
      store<u8>(other + index, byte);
      if (isSame) return index;
    }
  }
  return -1;
}

describe("sameBytes", () => {
  test("sees every bit of every byte, at every size", () => {
    for (let size: u32 = 0; size <= most; size++) {
      expect(wrongAt(left, right, size)).toBe(-1, size.toString());
      expect(wrongAt(left + 1, right + 9, size)).toBe(-1, size.toString());
    }
  });

  test("sees no byte before or after the runs", () => {
    for (let size: u32 = 0; size <= most; size++) {
      memory.fill(left, 1, 128);
      memory.fill(right, 2, 128);
      fill(left + 24, size);
      fill(right + 24, size);
      expect(sameBytes(left + 24, right + 24, size)).toBeTruthy(size.toString());
    }
  });

  test("two differences do not make up for each other", () => {
    for (let size: u32 = 2; size <= most; size++) {
      fill(left, size);
      fill(right, size);
      store<u8>(right, ~load<u8>(right));
      store<u8>(right + size - 1, ~load<u8>(right + size - 1));
      expect(sameBytes(left, right, size)).toBeFalsy(size.toString());
    }
  });

  test("at the end of memory, on either side", () => {
    const end = newEnd();
    for (let size: u32 = 0; size <= most; size++) {
      expect(wrongAt(end - size, right, size)).toBe(-1, size.toString());
      expect(wrongAt(left, end - size, size)).toBe(-1, size.toString());
    }
    expect(isEnd(end)).toBeTruthy();
  });
});

/** Whether copying `size` bytes wrote them, and nothing else. */
function copies(target: usize, source: usize, size: u32, after: u32): bool {
  memory.fill(target - 16, mark, 16 + size + after);
  fill(source, size);
  copyBytes(target, source, size);
  for (let index: u32 = 0; index < size; index++) {
    if (load<u8>(target + index) != <u8>(index * 7 + 1)) return false;
  }
  for (let index: u32 = 0; index < 16; index++) {
    if (load<u8>(target - 16 + index) != mark) return false;
  }
  for (let index: u32 = 0; index < after; index++) {
    if (load<u8>(target + size + index) != mark) return false;
  }
  return true;
}

describe("copyBytes", () => {
  test("copies every size, and nothing before or after it", () => {
    for (let size: u32 = 0; size <= most; size++) {
      expect(copies(left + 16, right, size, 32)).toBeTruthy(size.toString());
      expect(copies(left + 19, right + 5, size, 32)).toBeTruthy(size.toString());
    }
  });

  test("sizes around where the host's C library takes over", () => {
    const end = newEnd();
    const source = end - 4096;
    for (let size: u32 = 250; size <= 280; size++) {
      expect(copies(source - 1024, source, size, 32)).toBeTruthy(size.toString());
    }
    expect(isEnd(end)).toBeTruthy();
  });

  test("at the end of memory, from it and to it", () => {
    const end = newEnd();
    for (let size: u32 = 0; size <= most; size++) {
      expect(copies(left + 16, end - size, size, 16)).toBeTruthy(size.toString());
      expect(copies(end - size, left, size, 0)).toBeTruthy(size.toString());
    }
    expect(isEnd(end)).toBeTruthy();
  });
});

describe("indexOfByte", () => {
  test("finds the first one, wherever it stands, and what is not there at the size", () => {
    for (let size: u32 = 0; size <= most; size++) {
      for (let start = left; start <= left + 3; start += 3) {
        memory.fill(left, 0x2e, 128);
        memory.fill(start, 0x2f, size);
        expect(indexOfByte(start, size, 0x2e)).toBe(size);
        for (let index: i32 = size - 1; index >= 0; index--) {
          store<u8>(start + index, 0x2e);
          expect(indexOfByte(start, size, 0x2e)).toBe(index);
        }
      }
    }
  });

  test("bytes above ASCII, and zero", () => {
    for (let byte: u32 = 0; byte < 256; byte++) {
      for (let index: u32 = 0; index < 256; index++) store<u8>(text + index, <u8>index);
      expect(indexOfByte(text, 256, <u8>byte)).toBe(byte);
    }
  });

  test("at the end of memory", () => {
    const end = newEnd();
    for (let size: u32 = 0; size <= most; size++) {
      memory.fill(end - size, 0x2f, size);
      expect(indexOfByte(end - size, size, 0x2e)).toBe(size);
      if (size == 0) continue;
      store<u8>(end - 1, 0x2e);
      expect(indexOfByte(end - size, size, 0x2e)).toBe(size - 1);
    }
    expect(isEnd(end)).toBeTruthy();
  });
});

describe("clearBytes", () => {
  test("clears blocks, and nothing before or after them", () => {
    const end = newEnd();
    for (let size: u32 = 0; size <= 96; size += 16) {
      memory.fill(left, mark, 128);
      clearBytes(left + 16, size);
      for (let index: u32 = 0; index < 128; index++) {
        const isInside = index >= 16 && index < 16 + size;
        expect(load<u8>(left + index)).toBe(isInside ? 0 : mark);
      }
    }
    memory.fill(end - 64, mark, 64);
    clearBytes(end - 32, 32);
    expect(load<u8>(end - 33)).toBe(mark);
    expect(load<u64>(end - 8)).toBe(0);
    expect(isEnd(end)).toBeTruthy();
  });
});

/** The bytes a JSON string takes that is one byte at `index` of a run of `x`. */
function writtenBytes(start: usize, size: u32, index: u32, byte: u8): u32 {
  memory.fill(start, 0x78, size);
  store<u8>(start + index, byte);
  openWriter(writer, text, 1024);
  writeJsonString(writer, start, size, 1024);
  return writer.size;
}

describe("JSON strings", () => {
  test("every byte is found at every place of a run, at the end of memory too", () => {
    const end = newEnd();
    for (let size: u32 = 1; size <= 35; size++) {
      for (let index: u32 = 0; index < size; index++) {
        for (let byte: u32 = 0; byte < 256; byte++) {
          const isPlain = byte >= 0x20 && byte < 0x7f && byte != 0x22 && byte != 0x5c;
          // A control character and a byte that is no UTF-8 take six, quote and backslash two.
          const bytes: u32 = isPlain ? 1 : byte == 0x22 || byte == 0x5c ? 2 : 6;
          if (writtenBytes(end - size, size, index, <u8>byte) == size - 1 + bytes + 2) continue;
          expect(byte).toBe(256, size.toString() + " " + index.toString());
        }
      }
    }
    expect(writtenBytes(left, 1, 0, 0x78)).toBe(3);
    expect(isEnd(end)).toBeTruthy();
  });
});

describe("a run as one value", () => {
  test("is its start and its size, and may be empty", () => {
    const spans = [spanOf(0, 0), spanOf(8, 0), spanOf(0xfffffff0, 16), spanOf(65536, 0xffffffff)];
    for (let index = 0; index < spans.length; index++) expect(isRun(spans[index])).toBeTruthy();
    expect(spanStart(spans[2])).toBe(0xfffffff0);
    expect(spanSize(spans[2])).toBe(16);
    expect(spanStart(spans[3])).toBe(65536);
    expect(spanSize(spans[3])).toBe(0xffffffff);
  });

  test("has no bytes where there is none", () => {
    const others = [absent, failed, ambiguous];
    for (let index = 0; index < others.length; index++) {
      expect(isRun(others[index])).toBeFalsy();
      expect(spanSize(others[index])).toBe(0);
    }
  });
});
