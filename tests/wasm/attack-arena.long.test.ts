/** Attacks by requests that fill the arena: what was left half done is not kept, and rules in shadow mode leave room for the decision. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { condition_text_bytes_max, header_pairs_bytes_max, json_nodes_max } from "../../assembly/limits.ts";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { makeKey, providerIssuer } from "../support/jwks-server.ts";
import { recordOf } from "../support/plugin.ts";
import { caller, imageOf, jwks, Workers } from "../support/workers.ts";

const places = Array.from({ length: 14 }, (_, number) => `x-filler-${number}`);
const from = (first: number): string =>
  places
    .slice(first, first + 7)
    .map((name) => `{ header: ${name} }`)
    .join(", ");

/** Three issuers are one provider's, whose keys stand in three sets; the set that is looked into first is asked last. */
const policy = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  filler: { issuer: "https://filler.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: filler.json }, from: [${from(0)}] }
  more: { issuer: "https://more.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: filler.json }, from: [${from(7)}] }
  a-last: { issuer: "${providerIssuer}", audiences: [order-api], algorithms: [ES256], keys: { file: a.json } }
  b-known: { issuer: "${providerIssuer}", audiences: [order-api], algorithms: [ES256], keys: { file: b.json } }
  c-other: { issuer: "${providerIssuer}", audiences: [order-api], algorithms: [ES256], keys: { file: c.json } }
rules:
  - { name: first, callers: [any], allow: [GET /first], token: b-known }
  - { name: a, callers: [any], allow: [GET /orders], token: [filler, more] }
  - { name: b, callers: [any], allow: [GET /orders], token: b-known }
  - { name: c, callers: [any], allow: [GET /orders], token: c-other, mode: shadow }
  - { name: d, callers: [any], allow: [GET /orders], token: a-last, mode: shadow }
  - { name: last, callers: [any], allow: [GET /last], token: a-last }
`;

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
/** A token that nobody signed, with as many values as one may have. */
const filler = `${encoded({ alg: "ES256" })}.${encoded({ x: Array(json_nodes_max - 8).fill(0) })}.${"A".repeat(86)}`;

test("a token that there was no room to read again is not kept with claims that stand elsewhere", async () => {
  const [key, other, third] = [await makeKey("one"), await makeKey("two"), await makeKey("three")];
  const token = await key.token({ sub: "alice", x: Array(900).fill(0) });
  const files = {
    "filler.json": jwks(other),
    "a.json": jwks(key, third),
    "b.json": jwks(key),
    "c.json": jwks(key, other),
  };
  const image = imageOf(policy, files);
  let full = 0;
  for (let fillers = 11; fillers <= 14; fillers++) {
    for (let bytes = 0; bytes < 24_000; bytes += 1_500) {
      const workers = new Workers(image, 1);
      const ask = (path: string, headers: [string, string][] = []): Outcome =>
        workers.hosts[0]!.request(
          workers.roots[0]!,
          hostRequest({ caller, source: "10.0.0.1", method: "GET", path, host: "h", headers, token }),
        );
      assert.equal(ask("/first").action, "continue");
      const headers = places.slice(0, fillers).map((name): [string, string] => [name, filler]);
      headers.push(["x-more", "m".repeat(bytes)]);
      if (headers.reduce((sum, [, value]) => sum + value.length, 0) > header_pairs_bytes_max - 8000) continue;
      const filled = ask("/orders", headers);
      if (filled.action !== "continue") continue;
      const { shadow: shadows } = recordOf(filled) as { shadow: { rule: string; reason: string }[] };
      if (shadows.some(({ rule, reason }) => rule === "c" && reason === "internal")) full++;
      const last = ask("/last");
      assert.equal(last.trapped, false, last.error?.message);
      const { sub, reason } = recordOf(last);
      assert.deepEqual([reason, sub], ["allowed", "alice"], `with ${fillers} fillers and ${bytes} bytes more`);
    }
  }
  assert.ok(full > 0, "no request filled the arena as it was to");
});

test("a rule in shadow mode that fills the arena takes no room from the decision", async () => {
  const key = await makeKey("one");
  const verdicts = (mode: string): (string | undefined)[] => {
    const text = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  filler: { issuer: "https://filler.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: a.json }, from: [${from(0)}] }
  more: { issuer: "https://more.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: a.json }, from: [${from(7)}] }
  taken: { issuer: "${providerIssuer}", audiences: [order-api], algorithms: [ES256], keys: { file: a.json }, from: [{ cookie: session }, { query: token }], forwardToken: false }
rules:
  - { name: open, callers: [any], allow: [GET /open] }
  - { name: other, callers: [any], allow: [GET /other], token: taken }
  - { name: shadow, callers: [any], allow: [GET ${mode === "shadow" ? "/open" : "/elsewhere"}], token: [filler, more], mode: shadow }
`;
    const workers = new Workers(imageOf(text, { "a.json": jwks(key) }), 1);
    return [13, 14].flatMap((fillers) =>
      Array.from({ length: 12 }, (_, number) => {
        const headers = places.slice(0, fillers).map((name): [string, string] => [name, filler]);
        headers.push(["cookie", `session=abc; a=${"b".repeat(2000 * number)}`]);
        const sent = {
          caller,
          source: "10.0.0.1",
          method: "GET",
          path: "/open?token=abc",
          host: "h",
          headers,
          token: null,
        };
        const outcome = workers.hosts[0]!.request(workers.roots[0]!, hostRequest(sent));
        const { reason } = recordOf(outcome);
        return reason as string;
      }),
    );
  };
  const without = verdicts("none");
  assert.ok(without.includes("allowed"));
  assert.deepEqual(verdicts("shadow"), without);
});

test("a query that there is no room to decode is too large, and no error of the condition", async () => {
  const key = await makeKey("one");
  const text = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  filler: { issuer: "https://filler.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: a.json }, from: [${from(0)}] }
  more: { issuer: "https://more.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: a.json }, from: [${from(7)}] }
rules:
  - { name: a, callers: [any], allow: [GET /orders], token: filler }
  - { name: b, callers: [any], allow: [GET /orders], token: more }
  - { name: c, callers: [any], allow: [GET /orders], when: 'request.query["a"] == "x"' }
`;
  const image = imageOf(text, { "a.json": jwks(key) });
  const path = `/orders?a=${"b".repeat(condition_text_bytes_max - 2)}`;
  const reasons = new Set<unknown>();
  for (let bytes = 0; bytes < 24_000; bytes += 500) {
    const workers = new Workers(image, 1);
    const headers = places.slice(0, 14).map((name): [string, string] => [name, filler]);
    headers.push(["x-more", "m".repeat(bytes)]);
    const sent = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers, token: null };
    reasons.add(recordOf(workers.hosts[0]!.request(workers.roots[0]!, hostRequest(sent))).reason);
  }
  assert.deepEqual([...reasons].sort(), ["condition_false", "headers_too_large"]);
});

test("texts that a condition composes are too large together, and no error, where there is no room; each round of a loop has that of the one before", async () => {
  const key = await makeKey("one");
  const long = "y".repeat(2_000);
  const text = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  filler: { issuer: "https://filler.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: a.json }, from: [${from(0)}] }
  more: { issuer: "https://more.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: a.json }, from: [${from(7)}] }
rules:
  - { name: a, callers: [any], allow: [GET /joined, GET /words, GET /lower], token: filler }
  - { name: b, callers: [any], allow: [GET /joined, GET /words, GET /lower], token: more }
  - { name: c, callers: [any], allow: [GET /joined], when: 'request.headers["x-long"] + request.headers["x-long"] == "x"' }
  - { name: d, callers: [any], allow: [GET /words], when: '"x" in words(request.headers["x-long"])' }
  - { name: e, callers: [any], allow: [GET /lower], when: 'request.headers["x-long"].lowerAscii() == "x"' }
  - { name: f, callers: [any], allow: [GET /loop], when: 'words(request.headers["x-words"]).exists(w, w + "${long}" == "x")' }
`;
  const image = imageOf(text, { "a.json": jwks(key) });
  const ask = (path: string, headers: [string, string][]): unknown => {
    const workers = new Workers(image, 1);
    const sent = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers, token: null };
    return recordOf(workers.hosts[0]!.request(workers.roots[0]!, hostRequest(sent))).reason;
  };
  for (const path of ["/joined", "/words", "/lower"]) {
    const reasons = new Set<unknown>();
    for (let bytes = 0; bytes < 24_000; bytes += 500) {
      const headers = places.slice(0, 14).map((name): [string, string] => [name, filler]);
      headers.push(["x-more", "m".repeat(bytes)], ["x-long", "B".repeat(7_000)]);
      reasons.add(ask(path, headers));
    }
    assert.deepEqual([...reasons].sort(), ["condition_false", "headers_too_large"], path);
  }
  assert.equal(ask("/loop", [["x-words", "w ".repeat(1_000)]]), "condition_false");
  assert.equal(ask("/loop", [["x-words", "w ".repeat(1_100)]]), "condition_error");
});
