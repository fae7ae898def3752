/** The hash of the image against published vectors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hash32 } from "../../../scripts/policy/image/hash.ts";

// Published vectors of MurmurHash3_x86_32, as SMHasher and many ports of it check them.
const vectors: [text: string | number[], seed: number, hash: number][] = [
  ["", 0, 0],
  ["", 1, 0x514e28b7],
  ["", 0xffffffff, 0x81f16f39],
  [[0xff, 0xff, 0xff, 0xff], 0, 0x76293b50],
  [[0x21, 0x43, 0x65, 0x87], 0, 0xf55b516b],
  [[0x21, 0x43, 0x65, 0x87], 0x5082edee, 0x2362f9de],
  [[0x21, 0x43, 0x65], 0, 0x7e4a8634],
  [[0x21, 0x43], 0, 0xa0f7b07a],
  [[0x21], 0, 0x72661cf4],
  [[0, 0, 0, 0], 0, 0x2362f9de],
  [[0, 0, 0], 0, 0x85f0b427],
  [[0, 0], 0, 0x30f4c306],
  [[0], 0, 0x514e28b7],
  ["aaaa", 0x9747b28c, 0x5a97808a],
  ["aaa", 0x9747b28c, 0x283e0130],
  ["aa", 0x9747b28c, 0x5d211726],
  ["a", 0x9747b28c, 0x7fa09ea6],
  ["abcd", 0x9747b28c, 0xf0478627],
  ["Hello, world!", 0x9747b28c, 0x24884cba],
  ["ππππππππ", 0x9747b28c, 0xd58063c1],
  ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
];

test("the hash is MurmurHash3_x86_32", () => {
  for (const [input, seed, hash] of vectors) {
    const bytes = typeof input === "string" ? Buffer.from(input) : Uint8Array.from(input);
    assert.equal(hash32(seed, bytes), hash, `${JSON.stringify(input)} with seed ${seed}`);
  }
});

test("a part is hashed as if it stood alone", () => {
  const bytes = Buffer.from("xxHello, world!yyy");
  assert.equal(hash32(0x9747b28c, bytes, 2, bytes.length - 3), 0x24884cba);
});
