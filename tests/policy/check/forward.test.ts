/** What goes between gateways, this filter and the upstream: each case is a policy that a person could write wrongly. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Case, forward, forwarders, many, run } from "../../support/findings.ts";
import { check, mark } from "../../support/policy.ts";

/** A policy whose header tells of a segment that the callers of an allow rule have the name `ns` for. */
const naming = (callers: string, marked = ""): string =>
  `${forward("{ x-ns: caller.ns }")}  - name: naming\n    ${marked}callers: ${callers}\n    allow: [GET /naming]\n`;

const errors: Case[] = [
  [
    "a pattern of gateways",
    forwarders(`[${mark}"spiffe://example.org/edge/*"]`),
    "invalid_spiffe_id",
    /by its own SPIFFE ID/,
  ],
  ["a set of gateways", forwarders(`[${mark}storefront]`), "invalid_spiffe_id", /name the gateway/],
  ["a gateway twice", forwarders(`[spiffe://example.org/e, ${mark}spiffe://example.org/e]`), "duplicate", /twice/],
  ["no gateways", forwarders("[]").replace("forwarders", `${mark}forwarders`), "value", /leave it out/],
  [
    "too many gateways",
    forwarders(`[${many(16, (number) => `spiffe://example.org/${number}`)}, ${mark}spiffe://example.org/edge]`),
    "bound",
    /16 forwarders/,
  ],
  ["a header with a space", forward(`{ ${mark}"x user": caller.id }`), "invalid_header", /letters, digits and `-`/],
  ["a header without a name", forward(`{ ${mark}"": caller.id }`), "invalid_header", /letters, digits and `-`/],
  ["a header with an underscore", forward(`{ ${mark}x_user: caller.id }`), "invalid_header", /`x-user`/],
  ["a long header", forward(`{ ${mark}${"x".repeat(65)}: caller.id }`), "invalid_header", /64 bytes/],
  ["a pseudo-header", forward(`{ ${mark}":path": caller.id }`), "invalid_header", /sent/],
  ...[
    "Host",
    "content-length",
    "Content-Type",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
  ].map(
    (name): Case => [
      `the header ${name}`,
      forward(`{ ${mark}${name}: caller.id }`),
      "invalid_header",
      /how a request is sent/,
    ],
  ),
  ...["authorization", "Cookie"].map(
    (name): Case => [`the header ${name}`, forward(`{ ${mark}${name}: caller.id }`), "invalid_header", /credentials/],
  ),
  ...["x-forwarded-client-cert", "X-Forwarded-For", "x-envoy-original-path"].map(
    (name): Case => [`the header ${name}`, forward(`{ ${mark}${name}: caller.id }`), "invalid_header", /proxies/],
  ),
  ["a header twice", forward(`{ x-a: caller.id, ${mark}X-A: caller.path }`), "duplicate", /case/],
  ["an unknown value", forward(`{ x-a: ${mark}caller.na-me }`), "invalid_forward", /caller\.id/],
  ["a segment that no caller has a name for", forward(`{ x-a: ${mark}caller.ns }`), "unknown_name", /no allow rule/],
  [
    "a segment that only callers who are denied have a name for",
    `${forward(`{ x-a: ${mark}caller.ns }`)}  - { name: d, callers: ["spiffe://example.org/{ns}/x"], deny: [GET /x] }\n`,
    "unknown_name",
    /no allow rule/,
  ],
  [
    "a segment in a form",
    forward(`{ x-a: { value: ${mark}caller.ns, as: json } }`),
    "invalid_forward",
    /is for claims/,
  ],
  [
    "another segment by another pattern",
    naming(`["spiffe://example.org/{ns}/*", "spiffe://example.org/*/{ns}"]`, mark),
    "capture_ambiguous",
    /`spiffe:\/\/example.org\/\{ns\}\/\*` and `spiffe:\/\/example.org\/\*\/\{ns\}`, and `\{ns\}` is another segment in each/,
  ],
  [
    "a segment, and none by another pattern of the same IDs",
    naming(`["spiffe://example.org/{ns}/*", "spiffe://example.org/a/**"]`, mark),
    "capture_ambiguous",
    /`spiffe:\/\/example.org\/a\/\*\*`, and `\{ns\}` is in the first alone/,
  ],
  [
    "a segment, and anybody",
    naming(`["spiffe://example.org/{ns}/*", any]`, mark),
    "capture_ambiguous",
    /and `any`, and `\{ns\}` is in the first alone/,
  ],
  [
    "too many callers to compare",
    naming(
      `["spiffe://example.org/{ns}/*", ${many(300, (one) => `"spiffe://example.org/{ns}/${one}/x"`)}, spiffe://example.org/x]`,
      mark,
    ),
    "bound",
    /302 callers/,
  ],
  ["a claim in brackets without quotes", forward(`{ x-a: ${mark}"claims[a]" }`), "invalid_forward", /claims\["https/],
  ["a claim without a name in brackets", forward(`{ x-a: ${mark}'claims[""]' }`), "invalid_forward", /has a name/],
  ["all claims without a form", forward(`{ x-a: ${mark}claims }`), "invalid_forward", /base64url/],
  ["all claims with commas", forward(`{ x-a: { value: ${mark}claims, as: comma } }`), "invalid_forward", /as JSON/],
  [
    "a form of the caller",
    forward(`{ x-a: { value: ${mark}caller.id, as: json } }`),
    "invalid_forward",
    /is for claims/,
  ],
  ["an unknown form", forward(`{ x-a: { value: claims.a, as: ${mark}xml } }`), "value", /`comma`/],
  ["half a claim", forward(`{ x-a: ${mark}claims.a. }`), "invalid_forward", /single dots/],
  [
    "too many headers",
    forward(`{ ${many(16, (number) => `x-${number}: caller.id`)}, ${mark}x-a: caller.id }`),
    "bound",
    /16 headers/,
  ],
];

run("errors", errors);

test("headers are set by their names in lower case, gateways are those of the list", () => {
  const { errors, policy } = check(
    forward("{ X-User: claims.org.id, x-caller: caller.id }").replace(
      "[example.org]",
      "[example.org]\n  forwarders: [spiffe://example.org/edge]",
    ),
  );
  assert.deepEqual(errors, []);
  assert.deepEqual(policy?.forwards, [
    { header: "x-caller", value: { kind: "caller.id" } },
    { header: "x-user", value: { kind: "claim", path: ["org", "id"], as: "plain" } },
  ]);
  assert.deepEqual(policy?.forwarders, ["spiffe://example.org/edge"]);
});

test("a segment of the caller's ID by its name: where patterns agree, or have no ID in common, or rules differ", () => {
  for (const callers of [
    '["spiffe://example.org/{ns}/*", "spiffe://example.org/{ns}/x"]',
    '["spiffe://example.org/{ns}/*", "spiffe://example.org/x/*/{ns}", spiffe://example.org/alone]',
    '["spiffe://example.org/a/{ns}", "spiffe://example.org/{ns}/b/c"]',
  ]) {
    assert.deepEqual(check(naming(callers)).errors, [], callers);
  }
  const other = "  - { name: other, callers: [any], allow: [GET /naming, GET /other] }\n";
  assert.deepEqual(check(naming('["spiffe://example.org/{ns}/*"]') + other).errors, []);
});
