/**
 * Paths through the engine that ships, against their reading written a second time, from "Ambiguous paths" in
 * docs/policy-language.md: a path is refused exactly when it should be, and what is left is split and decoded as it should be.
 * The engine splits paths without escapes where they stand and looks at sixteen bytes at a time, so paths of all sizes come,
 * with what matters at any place. The seed is printed; SEED brings a run back, CASES says how many.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { writeKeySets } from "../differential/arbitrary/keys.ts";
import { compileText, Product } from "../differential/product.ts";
import { Random, runSeed } from "../support/random.ts";

const seed = runSeed();
console.log(`SEED=${seed}`);
const cases = Number(process.env.CASES ?? 60_000);
const path_bytes = 8192;
const path_segments = 128;
/** Paths of so many segments have each of them compared; longer ones as a whole. */
const told_segments = 6;

/** Each rule admits paths of as many segments, if they are the ones that the request's headers tell of. */
function policyText(): string {
  const whole = `request.path == request.headers["x-path"]`;
  const rules = Array.from({ length: told_segments + 1 }, (_, count) => {
    const names = Array.from({ length: count }, (_, index) => `s${index}`);
    const parts = names.map((name) => `path.${name} == request.headers["x-${name}"]`);
    const endpoint = count === 0 ? "/" : names.map((name) => `/{${name}}`).join("");
    return `  - { name: n${count}, callers: [anonymous], allow: ["GET ${endpoint}"], when: '${[whole, ...parts].join(" && ")}' }`;
  });
  const long = Array.from({ length: told_segments + 1 }, (_, index) => `/{s${index}}`).join("");
  rules.push(`  - { name: more, callers: [anonymous], allow: ["GET ${long}/**"], when: '${whole}' }`);
  return `version: 1\nname: paths\ntrust: { domains: [example.org] }\nrules:\n${rules.join("\n")}\n`;
}

interface Reading {
  /** What is wrong with the path, nothing for one that can be read in one way only. */
  faults: Set<"request_malformed" | "path_ambiguous">;
  segments: Buffer[];
}

const isUtf8 = (bytes: Buffer): boolean => Buffer.from(bytes.toString("utf8"), "utf8").equals(bytes);
const dots = [".", ".."];

/** Reads a path, one character a byte. */
function read(path: string): Reading {
  const [before] = path.split("?", 1) as [string];
  const faults: Reading["faults"] = new Set();
  if (!before.startsWith("/") || before.length > path_bytes)
    return { faults: faults.add("request_malformed"), segments: [] };
  const raw = before === "/" ? [] : before.slice(1).split("/");
  if (raw.length > path_segments) faults.add("request_malformed");
  const segments = raw.map((segment) => {
    const parts = segment.match(/%[0-9a-fA-F]{2}|[^%]/gsu) ?? [];
    const decoded = Buffer.from(
      parts.map((part) => (part.length === 3 ? Number.parseInt(part.slice(1), 16) : part.charCodeAt(0))),
    );
    const isSound =
      parts.join("") === segment &&
      /^[!-~]+$/u.test(segment) &&
      !/[\\;#]/u.test(segment) &&
      !/%(00|2f|3b|5c)/iu.test(segment) &&
      !/%[0-9a-f]{2}/iu.test(decoded.toString("latin1")) &&
      !dots.includes(decoded.toString("latin1")) &&
      isUtf8(decoded);
    if (!isSound) faults.add("path_ambiguous");
    return decoded;
  });
  return { faults, segments };
}

const plain = "abcdefghijklmnopqrstuvwxyzABCXYZ0189-._~!$&'()*+,:@=\"<>[]^`{|}";
const odd = [
  ..."/.;\\#?% \t\x7f\x80\xff\x01\x1f\x20\x21\x7e\x22\x24\x3a\x3c\x5b\x5d",
  ...["//", "/.", "/..", "/...", "/./", "/../", "..", "%", "%2", "%%", "%25", "%2541", "%25%34%31", "%254", "%25zz", "%2525", "%41", "%7a"],
  ...["%2e", "%2E", "%2f", "%2F", "%3b", "%5C", "%00", "%3F", "%23", "%20", "%7f", "%01", "%C3%A9", "%c3", "%A9", "%C3/%A9", "%E2%82%AC", "%e2%82"],
  ...["%F0%9F%98%80", "%ED%A0%80", "%C0%AF", "%F4%90%80%80", "%F4%8F%BF%BF", "%EF%BB%BF", "%zz", "%2g", "%g2", "%2/", "%/2", "%?2", "%+1", "%0x"],
]; // biome-ignore format: one value a word

/** A run of bytes that mean nothing, of about the sizes at which blocks begin and end. */
function run(random: Random): string {
  const size = random.below(8) === 0 ? random.below(70) : random.below(20);
  return Array.from({ length: size }, () => plain[random.below(plain.length)]!).join("");
}

function somePath(random: Random): string {
  let path = random.below(40) === 0 ? random.pick(["", "*", "x", "?", "%2f"]) : "/";
  switch (random.below(24)) {
    case 0:
      // At the bound of segments, with something behind it now and then.
      path += Array.from({ length: 126 + random.below(5) }, () => random.pick(["a", "bc", "%41", "x.y"])).join("/");
      return path + (random.below(3) === 0 ? random.pick(odd) : "");
    case 1:
      // At the bound of bytes.
      path += random.pick(["", "%41/", "é"]) + "a".repeat(path_bytes - 5 + random.below(8));
      return path + random.pick(["", "", "?", "?x=1", "%41"]);
  }
  for (let pieces = random.below(7); pieces > 0; pieces--) {
    path += run(random);
    if (random.below(2) === 0) path += "/";
    // Mostly sound: one odd thing is told from none, two hide each other.
    if (random.below(7) === 0) path += random.pick(odd);
    if (random.below(9) === 0) path += random.pick(["%41", "%C3%A9", "%20", "%25", "%3F", "%E2%82%AC"]);
  }
  return random.below(6) === 0 ? path.replace(/\/+$/u, "") + random.pick(["?", "?a=/../%2F;x", "??", "?%"]) : path;
}

test(`${cases} paths`, () => {
  const product = new Product(compileText({ main: policyText(), included: {} }, writeKeySets())!);
  const tally = { admitted: 0, escaped: 0, refused: 0 };
  for (let number = 0; number < cases; number++) {
    const random = new Random(seed ^ Math.imul(number + 1, 0x9e3779b1));
    const path = somePath(random);
    const { faults, segments } = read(path);
    const whole = `/${segments.map((segment) => segment.toString("latin1")).join("/")}`;
    const told: [string, string][] = faults.size > 0 ? [] : [["x-path", whole]];
    if (faults.size === 0 && segments.length <= told_segments) {
      for (const [index, segment] of segments.entries()) told.push([`x-s${index}`, segment.toString("latin1")]);
    }
    const request = { caller: null, digest: null, source: "10.1.2.3", method: "GET", host: "example.org" };
    const { verdict, trapped } = product.ask({ ...request, path, headers: told }, 1_795_255_200_000);
    const what = `case ${number}, SEED=${seed}: ${JSON.stringify(path)} is ${verdict.reason}, should be ${[...faults].join(" or ") || whole}`;
    assert.equal(trapped, false, what);
    if (faults.size > 0) {
      assert.ok(faults.has(verdict.reason as never), what);
      tally.refused++;
      continue;
    }
    assert.equal(verdict.reason, "allowed", what);
    assert.equal(verdict.rule, segments.length > told_segments ? "more" : `n${segments.length}`, what);
    tally.admitted++;
    if (path.split("?", 1)[0]!.includes("%")) tally.escaped++;
  }
  console.log(`${tally.admitted} read, ${tally.escaped} of them with escapes; ${tally.refused} refused`);
  for (const [name, count] of Object.entries(tally))
    assert.ok(count > cases / 20, `only ${count} ${name}: the test no longer tests much`);
});
