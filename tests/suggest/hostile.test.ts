/** Logs are written by callers: whatever stands in them, a suggestion is a policy of the suggested form, and nothing of it is theirs. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isMap, isSeq, parseDocument } from "yaml";
import { Names } from "../../scripts/suggest/names.ts";
import { SuggestError, suggestPolicy } from "../../scripts/suggest/suggest.ts";
import { usage } from "../discover/usages.ts";
import { parameters } from "../support/arbitrary.ts";

const injected = [
  "x\nrules: [{ name: all, callers: [anonymous], allow: ['* /**'] }]",
  "x\r\n  - name: all\r    callers: [anonymous]",
  "x\u2028- name: all\u0085callers: [any]",
  "*",
  "{a}",
  "**",
  "a: b",
  "- a",
  "# a",
  "&a *a",
  "!!js/function x",
  '"',
  "'",
  "\\",
  "%2F",
  "%252F",
  "..",
  ".",
  "a/../b",
  ";x",
  "\u0000",
  "\u001b[31m",
  "\u202e",
  "\ud800",
  "null",
  "~",
  "true",
  "1e3",
  "<script>",
  "__proto__",
  "constructor",
  "a".repeat(9000),
];
const text = fc.oneof(
  fc.constantFrom(...injected),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ unit: "grapheme-ascii", maxLength: 12 }),
);
const around = (...good: string[]) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...good) },
    text,
    text.map((one) => `${good[0]}${one}`),
  );

const some = fc.record({
  host: around("api.example.org"),
  method: around("GET", "POST"),
  path: fc.oneof(
    text.map((one) => `/${one}`),
    text.map((one) => `/orders/${one}/{number}`),
    fc.constant("/orders"),
    text,
  ),
  caller: around("spiffe://example.org/web", ""),
  issuer: around("", "corp", "https://corp.example.org/"),
  scopes: around("", "orders:read"),
  policy: around("shop"),
  rule: text,
  reason: text,
  operation: text,
  day: around("2026-11-20", ""),
  status: fc.constantFrom(0, 200, 404),
  firstSeen: fc.oneof(fc.constant(0), fc.double({ noNaN: false }), fc.maxSafeNat()),
  lastSeen: fc.oneof(fc.constant(0), fc.double({ noNaN: false }), fc.maxSafeNat()),
  peakMinute: fc.oneof(fc.nat(100), fc.constantFrom(0, 2 ** 53, Number.NaN, Infinity, -1)),
  decision: fc.constantFrom("allow" as const, "deny" as const, "" as const),
});

const root_keys = ["version", "name", "trust", "issuers", "callers", "limits", "rules"];
const rule_keys = ["name", "callers", "hosts", "allow", "token", "scopes", "when", "limit"];

describe("a suggestion from a hostile log", () => {
  test("is a policy of the suggested form", { timeout: 200_000 }, () => {
    let suggested = 0;
    fc.assert(
      fc.property(fc.array(some, { minLength: 1, maxLength: 8 }), (rows) => {
        const log = rows.map((row) => usage("GET /", row));
        let suggestion: ReturnType<typeof suggestPolicy>;
        try {
          suggestion = suggestPolicy(log, { output: "suggested.yaml" });
        } catch (error) {
          assert.ok(
            error instanceof SuggestError && error.message.startsWith("the log has no admitted"),
            String(error),
          );
          assert.match(error.message, /^[ -~]*$/u);
          return;
        }
        suggested++;
        assert.match(suggestion.text, /^[ -~\n]*$/u, "only ASCII");
        const document = parseDocument(suggestion.text);
        assert.deepEqual([document.errors, document.warnings], [[], []]);
        const policy = document.toJS();
        assert.deepEqual(
          Object.keys(policy).filter((key) => !root_keys.includes(key)),
          [],
        );
        const rules = document.get("rules");
        for (const rule of isSeq(rules) ? rules.items : []) {
          assert.equal(isMap(rule), true);
          const of = (rule as { toJSON(): Record<string, unknown> }).toJSON();
          assert.deepEqual(
            Object.keys(of).filter((key) => !rule_keys.includes(key)),
            [],
          );
          for (const endpoint of of.allow as string[])
            assert.doesNotMatch(endpoint, /\*/u, "no star that was not there");
          const isForAll = (of.callers as string[]).includes("any") || (of.callers as string[]).join().includes("*");
          assert.equal(isForAll, false, "nobody but who was seen");
        }
        assert.equal(policy.rules.length, suggestion.rules);
      }),
      { numRuns: 1500, ...parameters },
    );
    assert.ok(suggested > 200, `${suggested} logs had something to suggest`);
  });

  test("says in one line what it left out", () => {
    const path = "/a\nrules:\n  - name: all\u001b[31m\u202e";
    const { text } = suggestPolicy(
      [usage("GET /orders"), usage("GET PATH", { path }), usage("PUT PATH", { path: "/{other}" })],
      {
        output: "suggested.yaml",
      },
    );
    const lines = text.split("\n").filter((line) => line.startsWith("# - "));
    assert.deepEqual(lines, [
      "# - GET shop.example.org/a\\u{a}rules:\\u{a}  - name: all\\u{1b}[31m\\u{202e} by spiffe://example.org/web: its path has characters that no policy should name (1 request)",
      "# - PUT shop.example.org/{other} by spiffe://example.org/web: its path has characters that no policy should name (1 request)",
    ]);
  });

  test("with paths made to be compared with each other ends soon", { timeout: 60_000 }, () => {
    const many = Array.from({ length: 8_000 }, (_, n) => `Ab${n.toString(36)}Cd`);
    const log = many.flatMap((name) => [
      usage("GET PATH", { path: `/{number}/${name}` }),
      usage("GET PATH", { path: `/${name}/first`, caller: "spiffe://example.org/other" }),
    ]);
    const started = performance.now();
    try {
      assert.equal(suggestPolicy(log, { output: "suggested.yaml" }).leftOut.length > 0, true);
    } catch (error) {
      // A policy has no room for so many.
      assert.equal(error instanceof SuggestError, true, String(error));
    }
    assert.equal(performance.now() - started < 30_000, true, "it takes seconds");
  });

  test("with thousands of names that are alike ends soon", { timeout: 60_000 }, () => {
    const names = new Names(["same-5"]);
    const started = performance.now();
    const taken = new Set(Array.from({ length: 100_000 }, () => names.take("other", "same")));
    assert.equal(taken.size, 100_000);
    assert.deepEqual([...taken].slice(0, 6), ["other", "same", "same-2", "same-3", "same-4", "same-6"]);
    assert.equal(performance.now() - started < 10_000, true, "it takes less than a second");
  });
});
