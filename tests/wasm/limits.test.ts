/** Rate limits in shared data: two workers, one bucket. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { makeKey, providerAudience, providerIssuer } from "../support/jwks-server.ts";
import { assertInternal, nowSeconds, recordOf, TestPlugin } from "../support/plugin.ts";
import { bucketKeys } from "../support/secret.ts";
import { caller, imageOf, jwks, Workers } from "../support/workers.ts";

const slow = { caller: "spiffe://example.org/x", method: "GET", path: "/slow" };

test("two workers share one bucket", () => {
  const sharedData = new SharedData();
  const workers = [new TestPlugin("limits", { sharedData }), new TestPlugin("limits", { sharedData })];
  const admitted = Array.from({ length: 10 }, (_, index) => workers[index % 2]!.request(slow).action);
  assert.equal(admitted.filter((action) => action === "continue").length, 3);
});

test("each caller has a bucket of its own", () => {
  const plugin = new TestPlugin("limits");
  for (let count = 0; count < 4; count++) plugin.request(slow);
  assert.equal(plugin.request(slow).action, "pause");
  assert.equal(plugin.request({ ...slow, caller: "spiffe://example.org/y" }).action, "continue");
});

test("a full limit answers 429 with Retry-After and the RateLimit headers", () => {
  const plugin = new TestPlugin("limits");
  for (let count = 0; count < 3; count++) assert.equal(plugin.request(slow).action, "continue");
  const { action, localResponse } = plugin.request(slow);
  assert.equal(action, "pause");
  assert.equal(localResponse!.status, 429);
  const headers = new Map(localResponse!.headers);
  assert.equal(headers.get("retry-after"), "3600");
  assert.match(headers.get("ratelimit-policy") ?? "", /^"slow";q=3;w=\d+$/);
  assert.match(headers.get("ratelimit") ?? "", /^"slow";r=0;t=3600$/);
});

test("time fills the bucket again, and no further than its burst", () => {
  let seconds = nowSeconds;
  const plugin = new TestPlugin("limits", { clock: () => BigInt(seconds) * 1_000_000_000n });
  const admitted = () =>
    Array.from({ length: 5 }, () => plugin.request(slow)).filter(({ action }) => action === "continue").length;
  assert.equal(admitted(), 3);
  seconds += 3600;
  assert.equal(admitted(), 1);
  seconds += 3600 * 100;
  assert.equal(admitted(), 3);
});

test("a rate a day gives its tokens one by one", () => {
  const limits = "limits: { daily: { rate: 1000/d, burst: 2, per: [caller] } }";
  const rules = "rules: [{ name: a, callers: [any], allow: [GET /slow], limit: daily }]";
  const text = `version: 1\nname: a\ntrust: { domains: [example.org] }\n${limits}\n${rules}\n`;
  const workers = new Workers(imageOf(text), 1);
  const request = { ...slow, source: "10.0.0.1", host: "h", headers: [], token: null };
  const ask = () => workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request));
  assert.deepEqual([ask().action, ask().action], ["continue", "continue"]);
  const headers = new Map(ask().localResponse!.headers);
  assert.equal(headers.get("retry-after"), "87");
  assert.equal(headers.get("ratelimit-policy"), '"daily";q=2;w=173');
  workers.pass(86);
  assert.equal(ask().action, "pause");
  workers.pass(1);
  assert.deepEqual([ask().action, ask().action], ["continue", "pause"]);
});

test("a clock that steps back neither traps nor admits more than the burst", () => {
  let seconds = nowSeconds;
  const plugin = new TestPlugin("limits", { clock: () => BigInt(seconds) * 1_000_000_000n });
  const admitted = () =>
    Array.from({ length: 5 }, () => plugin.request(slow)).filter(({ action }) => action === "continue").length;
  assert.equal(admitted(), 3);
  seconds -= 1_000_000;
  assert.equal(admitted(), 0);
});

test("a request that one limit refuses takes nothing from another", () => {
  const plugin = new TestPlugin("limits");
  const both = { ...slow, path: "/both" };
  assert.deepEqual(
    Array.from({ length: 5 }, () => plugin.request(both).action),
    ["continue", "continue", "pause", "pause", "pause"],
  );
  assert.equal(plugin.request(slow).action, "continue", "the third token of the caller's bucket is still there");
});

test("a lost race is run again; losing for ever denies", () => {
  const plugin = new TestPlugin("limits");
  plugin.request(slow);
  plugin.host.faults = [{ call: "set_shared_data", nth: 1, result: WasmResult.CasMismatch }];
  assert.equal(plugin.request(slow).action, "continue");
  plugin.host.faults = [{ call: "set_shared_data", result: WasmResult.CasMismatch }];
  const outcome = plugin.request(slow);
  assertInternal(outcome, "every compare-and-swap is lost");
  assert.ok(outcome.calls.length < 200, "attempts are bounded");
});

test("foreign bytes under a bucket's key deny, and never trap", () => {
  for (const bytes of [
    new Uint8Array(),
    Uint8Array.of(1),
    new Uint8Array(64).fill(0xff),
    new Uint8Array(4096).fill(0xff),
  ]) {
    const sharedData = new SharedData();
    const plugin = new TestPlugin("limits", { sharedData });
    plugin.request(slow);
    for (const key of bucketKeys(sharedData)) sharedData.set(key, bytes, 0);
    const outcome = plugin.request(slow);
    assertInternal(outcome, `${bytes.length} bytes`);
    const { reason, cause } = recordOf(outcome);
    assert.deepEqual({ reason, cause }, { reason: "internal", cause: "get_shared_data" }, `${bytes.length} bytes`);
  }
});

test("keys are bounded in number and prefixed", () => {
  const sharedData = new SharedData();
  const plugin = new TestPlugin("limits", { sharedData });
  for (let caller = 0; caller < 6000; caller++) plugin.request({ ...slow, caller: `spiffe://example.org/c${caller}` });
  assert.ok(sharedData.size <= 4097, `${sharedData.size} keys`);
  assert.ok(
    sharedData.keys().every((key) => key.startsWith("sallyport")),
    sharedData.keys()[0],
  );
});

test("claims count by value: numbers however they are written, and no string as a number", async () => {
  const key = await makeKey("one");
  const text = `version: 1
name: by-claim
trust: { domains: [example.org] }
issuers:
  idp: { issuer: "${providerIssuer}", audiences: [${providerAudience}], algorithms: [ES256], keys: { file: a.json } }
limits:
  once: { rate: 1/h, burst: 1, per: [claims.x] }
rules:
  - { name: orders, callers: [any], allow: [GET /orders], token: idp, limit: once }
`;
  const image = imageOf(text, { "a.json": jwks(key) });
  /** How many of requests one after the other, whose tokens have these texts as claim `x`, are admitted. */
  const admitted = async (...values: string[]): Promise<number> => {
    const workers = new Workers(image, 1);
    let count = 0;
    for (const value of values) {
      const times = `"iat":${nowSeconds},"exp":4102444800`;
      const token = await key.sign(`{"iss":"${providerIssuer}","aud":"${providerAudience}",${times},"x":${value}}`);
      const request = { caller, source: "10.0.0.1", method: "GET", path: "/orders", host: "h", headers: [], token };
      if (workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request)).action === "continue") count++;
    }
    return count;
  };
  assert.equal(await admitted("1", "1.0", "1e0", "10e-1", "1.00"), 1);
  assert.equal(await admitted("0", "-0", "0.0", "-0e5"), 1);
  assert.equal(await admitted("1.5", "15e-1", "1.50"), 1);
  assert.equal(await admitted("9007199254740992", "9007199254740992.0", "9007199254740993"), 2);
  assert.equal(await admitted("1e22", "10e21", "1e21"), 2);
  // Numbers that no double holds within one rounding have no value; they count as they are written.
  assert.equal(await admitted("1e200", "1e200", "1e201"), 2);
  assert.equal(await admitted("1", '"1"', "true", "2", "null", '""', "[1]", "[1]"), 7);
});

test("the record names rule and reason", () => {
  const plugin = new TestPlugin("limits");
  for (let count = 0; count < 3; count++) plugin.request(slow);
  const { decision, reason, rule } = recordOf(plugin.request(slow));
  assert.deepEqual({ decision, reason, rule }, { decision: "deny", reason: "limit_exceeded", rule: "per-caller" });
});
