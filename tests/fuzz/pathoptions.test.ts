/**
 * Every byte, as it is and encoded, at every place of some paths, and what hides a slash, a dot or a name, alone and in twos; for each
 * option of `paths`, and for all of them. SEED brings a run back, CASES says how many pairs it has. Upstreams read what the filter admits, each in its own way: none may come to a resource
 * that a deny rule is about.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { writeKeySets } from "../differential/arbitrary/keys.ts";
import { compileText, Product } from "../differential/product.ts";
import { Random, runSeed } from "../support/random.ts";

const seed = runSeed();
console.log(`SEED=${seed}`);
/** Of the paths with two things in them, so many. */
const pairs_told = Number(process.env.CASES ?? 20_000);

const options = {
  "no option": "{}",
  "trailingSlash: same": "{ trailingSlash: same }",
  "trailingSlash: distinct": "{ trailingSlash: distinct }",
  "encodedSlash: segment": "{ encodedSlash: segment }",
  "emptySegments: keep": "{ emptySegments: keep }",
  "semicolons: keep": "{ semicolons: keep }",
  "case: ignore": "{ case: ignore }",
  "all options": "{ trailingSlash: same, encodedSlash: segment, emptySegments: keep, semicolons: keep, case: ignore }",
};

/** One rule admits everything that its options take; others deny by literals, by a variable, and by a condition. */
function policyText(paths: string): string {
  return `
version: 1
name: options
trust: { domains: [example.org] }
rules:
  - { name: all, callers: [anonymous], paths: ${paths}, allow: ["GET /**"] }
  - { name: no-admin, callers: [anonymous], deny: ["* /admin/**", "* /a/secret"] }
  - { name: no-keys, callers: [anonymous], deny: ["* /{x}/keys"] }
  - { name: no-hidden, callers: [anonymous], deny: ["* /**"], when: 'request.path.lowerAscii().startsWith("/hid/den")' }
`;
}

const isDenied = (segments: readonly string[]): boolean => {
  const [first, second] = segments;
  return (
    first === "admin" ||
    (segments.length === 2 && (second === "keys" || (first === "a" && second === "secret"))) ||
    (first === "hid" && second?.startsWith("den") === true)
  );
};

/** How an upstream reads a path: undefined where it answers 400 itself. */
type Reader = (path: string) => string[] | undefined;

interface Habits {
  /** Splits before it decodes, so that `%2F` stays in its segment; or after. */
  splits: "raw" | "decoded";
  /** Cuts what follows a semicolon: as it was received, or once it is decoded too. */
  cuts: "never" | "raw" | "decoded";
  merges: boolean;
  ignoresCase: boolean;
  /** Takes a backslash for a slash. */
  backslash: boolean;
  /** Decodes a second time. */
  twice: boolean;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function readerOf({ splits, cuts, merges, ignoresCase, backslash, twice }: Habits): Reader {
  return (path) => {
    const cut = (text: string): string => text.replace(/;[^/]*/gu, "");
    const slashed = (text: string): string => (backslash ? text.replaceAll("\\", "/") : text);
    const raw = cuts === "never" ? path : cut(path);
    const whole = splits === "decoded" ? [decode(raw)] : raw.split("/").map(decode);
    if (whole.includes(undefined)) return undefined;
    const again = twice ? whole.map((one) => decode(one!) ?? one) : whole;
    const split = splits === "decoded" ? slashed(again[0]!).split("/") : again.map((one) => slashed(one!));
    const parts = cuts === "decoded" ? split.map((part) => part.split(";", 1)[0]!) : (split as string[]);
    parts.shift();
    const segments: string[] = [];
    for (const [at, part] of parts.entries()) {
      if (part === "..") segments.pop();
      else if (part === "." || (part === "" && (merges || at === parts.length - 1))) continue;
      else segments.push(ignoresCase ? part.toLowerCase() : part);
    }
    return segments;
  };
}

const both = [false, true];
const readers: { name: string; read: Reader }[] = [];
for (const splits of ["raw", "decoded"] as const)
  for (const cuts of ["never", "raw", "decoded"] as const)
    for (const merges of both)
      for (const ignoresCase of both)
        for (const [backslash, twice] of [
          [false, false],
          [true, true],
        ] as const) {
          const habits = { splits, cuts, merges, ignoresCase, backslash, twice };
          readers.push({ name: JSON.stringify(habits), read: readerOf(habits) });
        }

const bases = [
  "/admin/x",
  "/a/secret",
  "/b/keys",
  "/hid/den",
  "/pub/x/y",
  "/pub/..%2Fadmin",
  "/a%2Fsecret;x%2Fy",
  "/a//..;/b;c/keys",
];
const hiders = [
  ..."/ . // /. /./ /../ /.. %2F %2f %2F%2F ; ;x ;/ ;x/ /; /;x %3B %3b %3Bx %2E %2e. .%2E %2F..%2F /..; /..;x/ /.;/ /%2E%2E; %2F.%2F %2F%2E%2E".split(" "),
  ..."%5C \\ ..%5C %252F %252E%252E%252F %25 %00 %C4%B0 %C5%BF %E2%84%AA A/ x/../ x%2F..%2F x/..;/ x%2F..;%2F x;/../ ..%2F ;%2F ;x%2Fy %3B%2F".split(" "),
]; // biome-ignore format: one thing a word

/** One byte or one thing that hides something. */
function* singles(): Generator<string> {
  for (const base of bases) {
    yield base;
    yield base.toUpperCase();
    for (let at = 1; at <= base.length; at++) {
      const [before, after] = [base.slice(0, at), base.slice(at)];
      for (let byte = 0; byte < 256; byte++) {
        const encoded = `%${byte.toString(16).padStart(2, "0")}`;
        yield before + encoded + after;
        yield before + encoded.toUpperCase() + after.slice(1);
        if (byte > 0x20 && byte < 0x7f && byte !== 0x3f) yield before + String.fromCharCode(byte) + after;
      }
      for (const hider of hiders) {
        yield before + hider + after;
        yield before + hider + after.slice(1);
      }
    }
    // Each letter in its other case, and one that folds to it.
    for (let at = 1; at < base.length; at++) {
      const letter = base[at]!;
      for (const other of [letter.toUpperCase(), `%${letter.toUpperCase().charCodeAt(0).toString(16)}`])
        yield base.slice(0, at) + other + base.slice(at + 1);
    }
  }
}

/** Two of those things in one path. */
function* pairs(): Generator<string> {
  for (let number = 0; number < pairs_told; number++) {
    const random = new Random(seed ^ Math.imul(number + 1, 0x9e3779b1));
    const base = random.pick(bases);
    const at = 1 + random.below(base.length);
    const other = at + random.below(base.length - at + 1);
    // Beside what is there, or in its place.
    const [skip, skipOther] = [random.below(2), random.below(2)];
    const middle = base.slice(Math.min(at + skip, other), other);
    yield base.slice(0, at) + random.pick(hiders) + middle + random.pick(hiders) + base.slice(other + skipOther);
  }
}

const paths = [...new Set([...singles(), ...pairs()])];

for (const [name, text] of Object.entries(options)) {
  test(`${name}: ${paths.length} paths, as ${readers.length} readers have them`, () => {
    const product = new Product(compileText({ main: policyText(text), included: {} }, writeKeySets())!);
    const request = { caller: null, digest: null, source: "10.1.2.3", method: "GET", host: "example.org", headers: [] };
    const tally = { admitted: 0, denied: 0, ambiguous: 0 };
    for (const path of paths) {
      const { verdict, trapped } = product.ask({ ...request, path }, 1_795_255_200_000);
      assert.equal(trapped, false, path);
      if (verdict.reason === "rule_denied") tally.denied++;
      else if (verdict.reason !== "allowed") tally.ambiguous++;
      else {
        tally.admitted++;
        for (const { name: habits, read } of readers) {
          const segments = read(path);
          if (segments !== undefined && isDenied(segments))
            assert.fail(`${path} is ${segments.join("/")} to ${habits}`);
        }
      }
    }
    console.log(`${name}: ${JSON.stringify(tally)}`);
    for (const [kind, count] of Object.entries(tally)) assert.ok(count > 300, `only ${count} ${kind}`);
  });
}
