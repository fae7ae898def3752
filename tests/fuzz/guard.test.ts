/** The guard's scan under random and hostile streams: the same findings wherever they are cut, no trap, and cost that grows linearly. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { guard_held_bytes_max } from "../../assembly/limits.ts";
import { findViolations } from "../../scripts/build/gate.ts";
import { compilePatterns } from "../../scripts/policy/guard/table.ts";
import { samples } from "../guard/samples.ts";
import { type Change, compileScan, Scanner } from "../guard/scanner.ts";

/** The scan by itself, with the decoder of base64 and the exports of tests. */
const scan_bytes_budget = 17_000;

const { module, bytes, text } = await compileScan();
const { module: countingModule } = await compileScan(true);
const table = compilePatterns([{ literal: "Project Nightjar" }, { pattern: "\\bEMP-\\d{6}\\b" }]);
const scanner = new Scanner(module, undefined, table);
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
console.log(`SEED=${seed}`);

const mask: Change = (bytes) => void bytes.fill(0x2a);

/** Cuts a stream before each of these places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const all = [0, ...[...places].sort((a, b) => a - b), bytes.length];
  return all.slice(1).map((place, index) => bytes.subarray(all[index], place));
}

test("all detectors are within their budget", () => {
  // What the module has besides is base64, which the engine has already, and what tests call.
  assert.ok(bytes.length <= scan_bytes_budget, `the scan takes ${bytes.length} bytes`);
});

test("no path of the scan allocates or traps", () => {
  assert.deepEqual(findViolations(text), []);
});

test("what is found and masked is the same, cut at every byte and into single bytes", () => {
  const bytes = Buffer.from(samples.join("\n"));
  const whole = scanner.scan([bytes], mask);
  assert.ok(whole.found.length >= samples.length / 2, `the samples hold findings: ${whole.found.length}`);
  for (let place = 0; place <= bytes.length; place++) {
    const parts = scanner.scan(cut(bytes, [place]), mask);
    assert.deepEqual(parts.found, whole.found, `cut at ${place}`);
    assert.deepEqual(Buffer.from(parts.text), Buffer.from(whole.text), `cut at ${place}`);
  }
  const single = scanner.scan(
    Array.from(bytes, (byte) => Uint8Array.of(byte)),
    mask,
  );
  assert.deepEqual(single.found, whole.found);
  assert.deepEqual(Buffer.from(single.text), Buffer.from(whole.text));
  assert.ok(single.held <= guard_held_bytes_max, `held ${single.held}`);
});

test("random mixtures of what detectors look for", () => {
  const pieces = [...samples, ...samples.flatMap((one) => [one.slice(0, one.length >> 1), one.slice(one.length >> 1)])];
  const signs = [
    " ",
    "-",
    ".",
    "@",
    "+",
    '"',
    "\\n",
    "\\u00e9",
    ":",
    "=",
    ",",
    "eyJ",
    "SG.",
    "-----BEGIN ",
    "4111 ",
    "password=",
  ];
  const stream = fc.array(
    fc.oneof(fc.constantFrom(...pieces), fc.constantFrom(...signs), fc.string({ maxLength: 8 })),
    { maxLength: 24 },
  );
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (parts, places) => {
      const bytes = Buffer.from(parts.join(""));
      const whole = scanner.scan([bytes], mask);
      const chunks = cut(
        bytes,
        places.map((place) => place % (bytes.length + 1)),
      );
      const again = scanner.scan(chunks, mask);
      assert.deepEqual(again.found, whole.found);
      assert.deepEqual(Buffer.from(again.text), Buffer.from(whole.text));
      assert.equal(whole.text.length, bytes.length);
    }),
    { seed, numRuns: 2000 },
  );
});

test("random bytes never trap, and nothing is lost of them", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(3000), (bytes, place) => {
      const { text } = scanner.scan(cut(bytes, [Math.min(place, bytes.length)]));
      assert.deepEqual(Buffer.from(text), Buffer.from(bytes));
    }),
    { seed, numRuns: 1000 },
  );
});

const hostile: Record<string, string> = {
  digits: "4",
  "card groups": "4111 ",
  "hyphen groups": "4111-",
  signs: "@",
  addresses: "a@",
  labels: "a@b.",
  "local parts": "abcdefgh.",
  heads: "eyJ",
  "heads of tokens": "eyJhbGciOiJ ",
  names: "password=",
  "names in names": "apiKey=secret:token=",
  "weak numbers": "bsn 12345678 ",
  plus: "+4",
  "country codes": "DE89",
  keys: "-----BEGIN RSA PRIVATE KEY-----",
  hyphens: "-",
  escapes: "\\u004",
  "begun patterns": "Project Nightja",
};

for (const [name, unit] of Object.entries(hostile)) {
  test(`the cost of ${name} grows linearly`, () => {
    const counting = new Scanner(countingModule, undefined, table);
    const costOf = (size: number): number => {
      const before = counting.steps;
      counting.find(unit.repeat(Math.ceil(size / unit.length)).slice(0, size));
      return (counting.steps - before) >>> 0;
    };
    // A name's value is looked at for as many bytes as there are, up to a bound: the first KiB costs a little less than those after.
    const small = costOf(1024);
    const middle = costOf(32 * 1024);
    const large = costOf(1024 * 1024);
    assert.ok(large > 0, "steps are counted");
    assert.ok(large <= small * 1024 * 1.5, `${small} steps for 1 KiB, ${large} for 1 MiB`);
    assert.ok(large <= middle * 32 * 1.05, `${middle} steps for 32 KiB, ${large} for 1 MiB`);
    assert.ok(large <= 600 * 1024 * 1024, `${large} steps for 1 MiB`);
  });
}
