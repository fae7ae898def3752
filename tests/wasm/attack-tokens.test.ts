/** Attacks on where tokens stand and on taking them away: each asserts what is right. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { runInNewContext } from "node:vm";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { makeKey, type ProviderKey, providerIssuer } from "../support/jwks-server.ts";
import { caller, imageOf, jwks, outcomeOf, Workers } from "../support/workers.ts";

type Headers = [name: string, value: string][];

let key: ProviderKey;
let token: string;
let other: string;

before(async () => {
  key = await makeKey("one");
  token = await key.token();
  other = await key.token({ sub: "other" });
});

/** A request under a policy whose tokens stand there and are taken away, or not; `/open` asks for none. */
function ask(from: string, headers: Headers, path: string, forwardToken = false): Outcome {
  const text = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  idp:
    { issuer: "${providerIssuer}", audiences: [order-api], algorithms: [ES256], keys: { file: a.json }, forwardToken: ${forwardToken}, from: ${from} }
rules:
  - { name: orders, callers: [any], allow: [GET /orders], token: idp }
  - { name: open, callers: [any], allow: [GET /open] }
`;
  const workers = new Workers(imageOf(text, { "a.json": jwks(key) }), 1);
  const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers, token: null };
  return workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request));
}

/** The request was refused, or goes on without either token. */
function assertTaken(outcome: Outcome, what: string): void {
  if (outcome.action !== "continue") return;
  const seen = JSON.stringify(outcome.headers);
  assert.ok(!seen.includes(token) && !seen.includes(other), `${what}: the upstream sees ${seen.slice(0, 120)}`);
}

describe("a token that upstreams read does not pass the stripping", () => {
  // Go (net/http readCookies), Python (http.cookies) and others trim blanks and tabs around a cookie's name.
  const cookies: Record<string, () => string> = {
    "a tab before it": () => `a=1;\tsession=${token}`,
    "a blank before the equals sign": () => `a=1; session =${token}`,
    "a blank before the first": () => ` session=${token}`,
  };
  for (const [what, cookie] of Object.entries(cookies)) {
    test(`a cookie with ${what}`, () =>
      assertTaken(ask("[{ cookie: session }]", [["cookie", cookie()]], "/open"), what));
  }

  test("a header with `_` for `-`", () =>
    assertTaken(ask("[{ header: x-user-token }]", [["x_user_token", token]], "/open"), "x_user_token"));

  test("a scheme that ends with a tab", () =>
    assertTaken(ask("[{ header: authorization }]", [["authorization", `Bearer\t${token}`]], "/open"), "tab"));

  test("a parameter after a semicolon", () =>
    assertTaken(ask("[{ query: access_token }]", [], `/open?a=1;access_token=${token}`), "semicolon"));
});

describe("two tokens in one place are no token", () => {
  for (const cookie of [
    () => `session=${token};\tsession=${other}`,
    () => `session =${other}; session=${token}`,
    () => ` session=${other}; session=${token}`,
  ]) {
    test(`cookies ${cookie.toString()}`, () => {
      assert.equal(outcomeOf(ask("[{ cookie: session }]", [["cookie", cookie()]], "/orders", true)), "token_malformed");
    });
  }
});

describe("headers within what is allowed do not exhaust the arena when cookies are taken away", () => {
  const names = ["session", "s2", "s3", "s4", "s5", "s6", "s7", "s8"];
  for (const [count, bytes] of [
    [2, 40_000],
    [8, 12_000],
  ] as const) {
    test(`${count} cookies, ${bytes} bytes of headers`, () => {
      const from = `[${names
        .slice(0, count)
        .map((name) => `{ cookie: ${name} }`)
        .join(", ")}]`;
      const headers: Headers = [
        ["cookie", `session=${token}`],
        ["x-big", "x".repeat(bytes)],
      ];
      assert.equal(outcomeOf(ask(from, headers, "/orders")), "allowed");
    });
  }
});

describe("cookies that begin with a separator are taken apart in finite time", () => {
  for (const cookie of [";a=1", ",a=1", ";", ",,", "; ;"]) {
    test(JSON.stringify(cookie), () => {
      const run = (): string => outcomeOf(ask("[{ cookie: session }]", [["cookie", cookie]], "/open"));
      assert.equal(runInNewContext("run()", { run }, { timeout: 3000 }), "allowed");
    });
  }
});
