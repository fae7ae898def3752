/** Ways to spoil a policy image. */
import { checksum_at, image_header_bytes, sectionRecordBytes, sections_at } from "../../assembly/policy/layout.ts";
import { hash32 } from "../../scripts/policy/image/hash.ts";
import type { Random } from "../support/random.ts";

const extremes = [
  0, 1, 2, 3, 31, 32, 255, 256, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffc, 0xfffffffe, 0xffffffff,
];

/** Changes an image in one to four ways. */
export function mutate(random: Random, image: Uint8Array): Uint8Array {
  let bytes = Buffer.from(image);
  for (let times = 1 + random.below(4); times > 0; times--) bytes = Buffer.from(mutateOnce(random, bytes));
  return bytes;
}

function mutateOnce(random: Random, bytes: Buffer): Uint8Array {
  if (bytes.length < 8) return Buffer.concat([bytes, Buffer.alloc(8)]);
  const at = random.below(bytes.length);
  const wordAt = random.below(bytes.length >> 2) << 2;
  switch (random.below(8)) {
    case 0:
      bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 1:
      bytes[at] = random.below(256);
      return bytes;
    case 2:
      bytes.writeUInt32LE(random.pick([...extremes, bytes.length, bytes.length - 1, bytes.length - 4]), wordAt);
      return bytes;
    case 3: {
      const head = Math.min(image_header_bytes, bytes.length) >> 2;
      bytes.writeUInt32LE(
        random.pick([...extremes, random.word(), random.below(bytes.length)]),
        random.below(head) << 2,
      );
      return bytes;
    }
    case 4:
      bytes.writeUInt32LE((bytes.readUInt32LE(wordAt) + random.pick([1, -1, 4, -4, 8])) >>> 0, wordAt);
      return bytes;
    case 5: {
      const size = 1 + random.below(Math.min(64, bytes.length - at));
      bytes.copy(bytes, random.below(bytes.length - size + 1), at, at + size);
      return bytes;
    }
    case 6:
      return bytes.subarray(0, random.pick([at, at & ~3, bytes.length - 4, bytes.length - 1]));
    default: {
      const from = random.below(bytes.length);
      const size = random.below(64);
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + size), bytes.subarray(at)]);
    }
  }
}

/** Changes one to three words in the records of some sections, or how many records there are. */
export function mutateSections(random: Random, image: Uint8Array, sections: readonly number[]): Uint8Array {
  const bytes = Buffer.from(image);
  for (let times = 1 + random.below(3); times > 0; times--) {
    const section = random.pick(sections);
    const entry = sections_at + section * 8;
    const [start, count] = [bytes.readUInt32LE(entry), bytes.readUInt32LE(entry + 4)];
    const size = sectionRecordBytes(section);
    if (random.below(12) === 0 || count === 0) {
      const at = entry + 4 * random.below(2);
      bytes.writeUInt32LE((bytes.readUInt32LE(at) + random.pick([1, -1, size, -size, 4])) >>> 0, at);
      continue;
    }
    // Earlier changes may have moved the section anywhere.
    const words = Math.min(count * size, Math.max(0, bytes.length - start)) >> 2;
    if (words === 0) continue;
    const at = start + 4 * random.below(words);
    if (at + 4 > bytes.length) continue;
    const elsewhere = start + 4 * random.below(words);
    const value = random.pick([
      bytes.readUInt32LE(Math.min(elsewhere, bytes.length - 4)),
      bytes.readUInt32LE(at) + random.pick([1, -1, 4, -4, 2]),
      bytes.readUInt32LE(at) ^ (1 << random.below(32)),
      random.pick([...extremes, 63, 64, 65, bytes.length]),
    ]);
    bytes.writeUInt32LE(value >>> 0, at);
  }
  return bytes;
}

/** Makes size and checksum fit what is there, so that the engine looks further. */
export function reseal(image: Uint8Array): Uint8Array {
  const bytes = Buffer.from(image);
  if (bytes.length < image_header_bytes) return bytes;
  bytes.writeUInt32LE(bytes.length, 8);
  bytes.writeUInt32LE(hash32(0, bytes, sections_at), checksum_at);
  return bytes;
}
