/** The judge of the soak: what it calls flat, and where it finds the figures. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wasmMemories } from "./envoymemory.ts";
import { afterWarmup, judgeGrowth, type Point, slope } from "./flat.ts";

const series = (y: (x: number) => number): Point[] => Array.from({ length: 91 }, (_, x) => [x * 1000, y(x)]);
/** Noise that is the same each time. */
const noise = (x: number): number => ((x * 7919) % 13) - 6;

test("a leak shows through noise and steps", () => {
  const leaking = judgeGrowth(series((x) => 1000 + x / 2 + noise(x)));
  assert.ok(Math.abs(leaking.grown - 45) < 3, `${leaking.grown}`);
  assert.equal(leaking.isFlat, false);
  assert.ok(Math.abs(leaking.grownEach - 0.0005) < 0.00005);
});

test("noise, an outlier and a step back are no leak", () => {
  assert.ok(judgeGrowth(series((x) => 1000 + noise(x))).isFlat);
  assert.ok(judgeGrowth(series((x) => (x === 80 ? 5000 : 1000 + noise(x)))).isFlat);
  assert.ok(judgeGrowth(series((x) => (x < 40 ? 1100 : 1000))).isFlat);
});

test("memory that steps up once has grown", () => {
  for (const step of [20, 45, 75]) assert.equal(judgeGrowth(series((x) => (x < step ? 1000 : 1200))).isFlat, false);
});

test("two points that stand above each other have no slope", () => {
  assert.throws(() => slope([[1, 2]]), /two points/);
  assert.throws(
    () =>
      slope([
        [1, 2],
        [1, 3],
      ]),
    /two points/,
  );
});

test("the warm-up is the first tenth", () => {
  const samples = Array.from({ length: 21 }, (_, index) => ({ done: index * 5 }));
  assert.equal(afterWarmup(samples, 100)[0]!.done, 10);
});

test("Wasm memories are found among a process's mappings", () => {
  const maps = `
433a2e800000-433a2ea02000 ---p 00000000 00:00 0
50b440000000-50b47ee00000 ---p 00000000 00:00 0
50b47ee00000-50b480000000 rw-p 00000000 00:00 0
7fbd8cd5f000-7fbd8cd60000 ---p 00000000 00:00 0
7fbd8cd60000-7fbd8d560000 rw-p 00000000 00:00 0
7fbd8d560000-7fbd8d5f0000 rw-p 00000000 00:00 0
7fbd8d5f0000-7fbf8d560000 ---p 00000000 00:00 0
7fbf8d560000-7fbf8d600000 rw-p 00000000 00:00 0
7fbf8d600000-7fc18d560000 ---p 00000000 00:00 0
7fc18d568000-7fc18d578000 r--p 00000000 00:00 0
7fc18d578000-7fc18d588000 rw-p 00000000 00:00 0
7fc18d588000-7fc19d580000 ---p 00000000 00:00 0
7fc659e36000-7fc659e5c000 r--p 00000000 08:01 1234                       /usr/lib/x86_64-linux-gnu/libc.so.6
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`;
  assert.deepEqual(wasmMemories(maps), [10 * 65_536, 9 * 65_536]);
});
