/** Requests at the edges: too large, lacking what every request has, or made of odd bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pair } from "../../scripts/host/pairs.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { assertInternal, recordOf, TestPlugin } from "../support/plugin.ts";

const pseudo: Pair[] = [
  [":method", "GET"],
  [":path", "/healthz"],
  [":authority", "localhost"],
];

/** Asserts that a request was refused for its size, and that nothing was counted as a failure of ours. */
function assertTooLarge(plugin: TestPlugin, outcome: Outcome, what: string): void {
  assert.equal(outcome.trapped, false, what);
  assert.equal(outcome.localResponse?.requestedStatus, 431, what);
  const { admit, reason, cause } = recordOf(outcome);
  assert.deepEqual({ admit, reason, cause }, { admit: false, reason: "headers_too_large", cause: undefined }, what);
  const failures = [...plugin.host.metrics()].filter(
    ([name, value]) => name.startsWith("sallyport_failures") && value > 0n,
  );
  assert.deepEqual(failures, [], what);
}

test("headers beyond the bound are 431, by their size or by their number, with what was judged in the record", () => {
  const plugin = new TestPlugin("shop");
  for (const headers of [
    Array.from({ length: 1900 }, (_, n): Pair => [`x-${n}`, "a".repeat(20)]),
    [["x-padding", "a".repeat(65_536)] as const],
  ]) {
    const outcome = plugin.request({ caller: null, method: "GET", path: "/healthz?q", headers });
    assertTooLarge(plugin, outcome, `${headers.length} headers`);
    assert.deepEqual([recordOf(outcome).method, recordOf(outcome).path], ["GET", "/healthz"]);
    const { body } = outcome.localResponse!;
    assert.deepEqual(JSON.parse(body), { type: "about:blank", title: "Request Header Fields Too Large", status: 431 });
  }
  const grpc = plugin.request({
    headers: [
      ["content-type", "application/grpc"],
      ["x-padding", "a".repeat(65_536)],
    ],
  });
  assert.deepEqual([grpc.localResponse?.status, grpc.localResponse?.grpcStatus], [200, 8]);
});

test("in shadow mode they pass, and the record says what they are", () => {
  const shadow = new TestPlugin("shadow");
  const large = shadow.request({ method: "GET", path: "/two", headers: [["x-padding", "a".repeat(65_536)]] });
  assert.deepEqual(
    [large.action, recordOf(large).reason, recordOf(large).admit],
    ["continue", "headers_too_large", true],
  );
});

test("headers larger than the arena are a clean denial", () => {
  const plugin = new TestPlugin("shop");
  const headers: Pair[] = [...pseudo, ...Array.from({ length: 100 }, (_, n): Pair => [`x-${n}`, "a".repeat(4000)])];
  const outcome = plugin.host.request(plugin.root, { headers });
  assertTooLarge(plugin, outcome, "400 kB of headers");
  assert.equal(plugin.host.request(plugin.root, { headers: pseudo }).action, "continue", "the arena is free again");
});

test("however full the arena, a request never traps, never takes the proxy down and is decided alike", () => {
  const plugin = new TestPlugin("shop");
  const token = plugin.token({ sub: "a".repeat(4000) });
  const profile = {
    caller: "spiffe://example.org/web",
    host: "users.example.org",
    method: "GET",
    path: "/users/7",
    token,
  };
  let refused = 0;
  for (let size = 0; size <= 131_072; size += 61) {
    const outcome = plugin.request({ ...profile, headers: [["x-padding", "a".repeat(size)]] });
    assert.equal(outcome.trapped, false, `${size} bytes`);
    if (outcome.action === "continue") assert.equal(refused, 0, `${size} bytes pass though fewer did not`);
    else refused++;
    if (outcome.action === "pause") assertTooLarge(plugin, outcome, `${size} bytes`);
  }
  assert.ok(refused > 0, "the arena is bounded");
});

test("sixty kilobytes of headers, Envoy's own limit, leave room for the largest token of a policy that says nothing of it", () => {
  const plugin = new TestPlugin("shop");
  let token = "";
  for (let size = 11500; token.length < 16340; size++)
    token = plugin.token({ sub: "a".repeat(size), scope: "orders:write" });
  assert.ok(token.length <= 16384);
  const padding = "a".repeat(60 * 1024 - token.length - 300);
  const outcome = plugin.order({ token, headers: [["x-padding", padding]] });
  assert.equal(outcome.action, "continue", outcome.localResponse?.details);
});

test("a token beyond the bound is refused by name", () => {
  const plugin = new TestPlugin("shop");
  const outcome = plugin.order({ token: "a".repeat(16385) });
  const { reason, detail } = recordOf(outcome);
  assert.deepEqual([reason, detail], ["headers_too_large", "token_too_large"]);
  const { requestedStatus, body, headers } = outcome.localResponse!;
  assert.equal(requestedStatus, 431);
  assert.match(String(body), /"title":"Request Header Fields Too Large"/u);
  assert.ok(!JSON.stringify(headers).includes("invalid_token"));
});

for (const missing of pseudo) {
  test(`a request without ${missing[0]} is malformed`, () => {
    const plugin = new TestPlugin("shop");
    const outcome = plugin.host.request(plugin.root, { headers: pseudo.filter((pair) => pair !== missing) });
    assert.equal(outcome.action, "pause");
    assert.equal(outcome.localResponse!.requestedStatus, 400);
    assert.equal(recordOf(outcome).reason, "request_malformed");
  });

  test(`a request with an empty ${missing[0]} is malformed`, () => {
    const plugin = new TestPlugin("shop");
    const headers = pseudo.map((pair): Pair => (pair === missing ? [pair[0], ""] : pair));
    const outcome = plugin.host.request(plugin.root, { headers });
    assert.equal(outcome.localResponse?.requestedStatus, 400);
  });
}

test("no headers at all", () => {
  const plugin = new TestPlugin("shop");
  assertInternal(plugin.host.request(plugin.root, { headers: [] }), "no headers");
});

test("every byte in path, host, method, caller and token: decided, never a trap, never let through", () => {
  const plugin = new TestPlugin("shop");
  for (let byte = 0; byte < 256; byte++) {
    const odd = String.fromCharCode(byte);
    for (const request of [
      { path: `/orders/${odd}${odd}`, method: "PATCH" },
      { host: `a${odd}b`, method: "PATCH" },
      { method: odd },
      { caller: `spiffe://example.org/${odd}`, method: "PATCH" },
      { token: odd },
      { token: `${odd}.${odd}.${odd}` },
    ]) {
      const outcome = plugin.request(request);
      assert.equal(outcome.trapped, false, `byte ${byte} in ${Object.keys(request)[0]}`);
      assert.equal(outcome.action, "pause", `byte ${byte} in ${Object.keys(request)[0]}`);
      assert.ok([400, 401, 403].includes(outcome.localResponse!.requestedStatus), `byte ${byte}`);
    }
  }
});

test("records and details stay well-formed whatever the caller's ID holds", () => {
  const plugin = new TestPlugin("shop");
  for (const caller of [
    'spiffe://example.org/"',
    "spiffe://example.org/\\",
    "spiffe://example.org/\u0001",
    `spiffe://example.org/${"a".repeat(3000)}`,
    "é",
  ]) {
    const outcome = plugin.request({ caller });
    assert.equal(recordOf(outcome).reason, "identity_malformed");
    assert.doesNotMatch(outcome.localResponse!.details, /\s/);
  }
});
