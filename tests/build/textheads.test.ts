/** Heads of static texts are taken out of the engine, and nothing else is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutTextHeads } from "../../scripts/build/textheads.ts";
import { type DataSegment, readData, readSections, signedAddress, unsigned } from "../../scripts/policy/module/wasm.ts";

const text = (size: number, bytes: string): number[] => [2, 0, 0, 0, size, 0, 0, 0, ...Buffer.from(bytes)];

/** A module of nothing but data. */
function moduleOf(segments: readonly [address: number, bytes: number[]][]): Uint8Array {
  const all = segments.flatMap(([address, bytes]) => [
    ...[0, 0x41, ...signedAddress(address), 0x0b, ...unsigned(bytes.length)],
    ...bytes,
  ]);
  const data = [...unsigned(segments.length), ...all];
  const count = unsigned(segments.length);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[12, ...unsigned(count.length), ...count],
    ...[11, ...unsigned(data.length), ...data],
  ]);
}

const trimmed = (segments: readonly [number, number[]][]): [number, number[]][] => {
  const module = withoutTextHeads(moduleOf(segments));
  const found = readData(module, readSections(module));
  assert.equal(found.count, found.segments.length);
  return found.segments.map(({ address, bytes }: DataSegment) => [address, [...bytes]]);
};

test("a text keeps its size and its characters, where they were", () => {
  assert.deepEqual(
    trimmed([
      [1024, [0x1c]],
      [1036, text(3, "abc")],
      [2000, [0x3c, 0x01]],
      [2012, text(4, "abcd")],
    ]),
    [
      [1040, [3, 0, 0, 0, 97, 98, 99]],
      [2016, [4, 0, 0, 0, 97, 98, 99, 100]],
    ],
  );
});

test("what is no text, or has no head, stays as it is", () => {
  const others: [number, number[]][] = [
    [1024, [1]],
    [1036, [3, 0, 0, 0, 3, 0, 0, 0, 97]],
    [2000, text(3, "abc")],
    [3000, [1, 2, 3]],
    [3012, text(3, "abc")],
    [4000, [1]],
    [4012, [2, 0, 0, 0]],
  ];
  assert.deepEqual(trimmed(others), others);
});
