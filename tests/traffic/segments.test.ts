/** What stands for a segment of a path: each kind by example, and random segments in the query and in the function that says the same. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openTraffic } from "../../scripts/traffic/open.ts";
import { pathShape, segmentShape } from "../../scripts/traffic/segments.ts";
import { runSeed } from "../support/random.ts";
import { logLine, segments } from "./sample.ts";

test("each kind, and what only looks like it", () => {
  const shapes: Record<string, string[]> = {
    "{number}": ["0", "1", "-17", "20261130"],
    "{uuid}": ["0190a5f2-7c1b-7d3e-9f00-0123456789ab", "0190A5F2-7C1B-7D3E-9F00-0123456789AB"],
    "{ulid}": ["01HF7YAT00M4Q2ZJ3C5V8N9RTW", "01hf7yat00m4q2zj3c5v8n9rtw"],
    "{hash}": ["deadbeefdeadbee1", "507f1f77bcf86cd799439011", `sha256:${"0a".repeat(32)}`],
    "{date}": ["2026-11-30", "2026-11-30T10:00:00.000Z", "2026-11-30T10:00:00+01:00"],
    "{email}": ["ann@example.org", "größe@example.org"],
    "{other}": [
      "{number}",
      "a*",
      "a\u0000",
      "a\n",
      "1\n",
      "a\u009f",
      "a\u202e",
      "\ufffd",
      "a/b",
      "x".repeat(129),
      "ü".repeat(65),
    ],
  };
  for (const [shape, texts] of Object.entries(shapes))
    for (const text of texts) assert.equal(segmentShape(text), shape, JSON.stringify(text));
  for (const text of [
    "",
    "v1",
    "1.5",
    "deadbeefdeadbeef",
    "2026-13-30",
    "ann@example",
    "größe",
    "it's",
    "x".repeat(128),
  ])
    assert.equal(segmentShape(text), text);
});

test("a path has sixteen segments and a rest, and one that does not begin with a slash is none", () => {
  assert.equal(pathShape(`/${"a/".repeat(15)}b`, false), `/${"a/".repeat(15)}b`);
  assert.equal(pathShape(`/${"a/".repeat(16)}b`, false), `/${"a/".repeat(16)}{other}`);
  assert.equal(pathShape("/1/b%20c/%2f/%ff/%zz", true), "/{number}/b c/{other}/{other}/{other}");
  assert.equal(pathShape("/b%20c", false), "/b%20c");
  assert.equal(pathShape("*", false), "{other}");
  assert.equal(pathShape("", false), "");
});

const character = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(..."0123456789abcdefABCDEFxyz-.:@_%~") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(..."{}*/\\'\"?#&=+ \u0000\u0007\n\r\u007f\u0085\u00a0\u202e\u2066\ufeff\ufffdüß漢😀"),
  },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 2 }) },
);
const anySegment = fc.oneof(
  fc.constantFrom(...segments),
  fc.array(character, { maxLength: 40 }).map((parts) => parts.join("")),
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 10, maxLength: 140 }),
  fc.uuid(),
  fc.ulid(),
  fc.emailAddress(),
);
const anyPath = fc.array(anySegment, { minLength: 1, maxLength: 20 }).map((parts) => `/${parts.join("/")}`);

test("the query and the function say the same of random paths, as the record has them and as a log without records does", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-segments-test-"));
  const seed = runSeed();
  try {
    const paths = fc.sample(anyPath, { numRuns: 1_500, seed: seed | 0 });
    const wanted = new Map<string, string>();
    const lines = paths.flatMap((path, index) => {
      // A lone half of a pair is no Unicode, and no path that an engine records has one.
      const text = path.replace(/\p{Surrogate}/gu, "");
      wanted.set(`r${index}.example.org`, pathShape(text, false));
      const raw = text.split("?")[0]!;
      wanted.set(`l${index}.example.org`, pathShape(raw, raw.includes("%") || text.includes("%")));
      return [
        logLine(text, {}, { host: `r${index}.example.org` }),
        logLine(text, { host: `l${index}.example.org` }, null),
      ];
    });
    const file = join(folder, "access.log");
    writeFileSync(file, `${lines.join("\n")}\n`);
    const traffic = await openTraffic([file], { threads: 1 });
    try {
      const usages = await traffic.usages();
      assert.equal(usages.length, wanted.size, `SEED=${seed}`);
      for (const { host, path } of usages)
        assert.equal(path, wanted.get(host), `SEED=${seed} ${JSON.stringify(paths[Number(/\d+/.exec(host)![0])])}`);
      assert.equal(traffic.summary.unknown, 0);
    } finally {
      await traffic.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
