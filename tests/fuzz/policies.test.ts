/** Whatever a file holds, the compiler says what is wrong with it or writes an image; it never breaks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseKeySet } from "../../scripts/policy/check/jwks.ts";
import { writeImage } from "../../scripts/policy/image/image.ts";
import { BoundError } from "../../scripts/policy/index/bounds.ts";
import { reporterFor } from "../../scripts/policy/source/read.ts";
import { parameters as seeded } from "../support/arbitrary.ts";
import { check, withRule } from "../support/policy.ts";

const parameters = { numRuns: 1500, ...seeded };

const sound = withRule(`  - name: all
    callers: [any, anonymous, storefront, "spiffe://example.org/a/**"]
    hosts: [a.example.org, "*.example.org"]
    allow: ["GET|POST /a/{id}/*/b%20c/**", "* /", grpc a.B/C]
    token: [corp]
    scopes: [a, b]
    limit: writes
`);

const pieces = [
  "{",
  "}",
  "[",
  "]",
  "*",
  "&a ",
  "*a",
  "!x ",
  "|",
  ">",
  "%",
  "%2F",
  "\\",
  "\t",
  "\n",
  "\r",
  "- ",
  ": ",
  "#",
  '"',
  "'",
  "\u0000",
  "\uD800",
  "é",
  "---\n",
  "/**",
  "//",
  "1e9",
  "null",
  "~",
];

/** The text with some places replaced, cut out or said twice. */
function mutated(text: string): fc.Arbitrary<string> {
  const place = fc.nat(text.length);
  const change = fc.record({
    at: place,
    size: fc.nat(20),
    put: fc.oneof(
      fc.constantFrom(...pieces),
      fc.string(),
      place.map((at) => text.slice(at, at + 15)),
    ),
  });
  return fc
    .array(change, { minLength: 1, maxLength: 4 })
    .map((changes) => changes.reduce((all, { at, size, put }) => all.slice(0, at) + put + all.slice(at + size), text));
}

test("mutated policies are judged, never crashed on", () => {
  let admitted = 0;
  fc.assert(
    fc.property(mutated(sound), (text) => {
      const { errors, warnings, policy } = check(text);
      const lines = text.split(/\r\n|\n|\r/u).length;
      for (const { line, column, message } of [...errors, ...warnings]) {
        assert.ok(
          line >= 1 && line <= lines && column >= 1 && message.length > 0,
          JSON.stringify({ line, column, message }),
        );
      }
      if (errors.length > 0) return;
      admitted++;
      try {
        writeImage(policy!);
      } catch (error) {
        if (!(error instanceof BoundError)) throw error;
      }
    }),
    parameters,
  );
  assert.ok(admitted > 0, "no mutation was sound: the test proves nothing");
});

test("mutated key sets are judged, never crashed on", () => {
  const set = JSON.stringify(
    {
      keys: [
        {
          kty: "EC",
          crv: "P-256",
          x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
          y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
          kid: "1",
          use: "sig",
        },
      ],
    },
    null,
    1,
  );
  assert.equal(parseKeySet(reporterFor("keys.json", set))?.length, 1);
  fc.assert(
    fc.property(mutated(set), (text) => {
      parseKeySet(reporterFor("keys.json", text));
    }),
    parameters,
  );
});
