/** Signed policies that fetch their keys: requests that wait while the root context whose policy decides for all ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { makeKey } from "../support/jwks-server.ts";
import { engine } from "../support/plugin.ts";
import { signedConfiguration, signingKey } from "../support/signed.ts";
import { caller, fetchingPolicy, imageOf, jwks, outcomeOf } from "../support/workers.ts";

const key = signingKey();
const [older, newer] = ["60s", "90s"].map((refresh) => imageOf(fetchingPolicy({ refresh }))) as [
  Uint8Array,
  Uint8Array,
];

test("a request of an older root context waits under the newer policy, and goes on when that has moved to it", async () => {
  let nanoseconds = BigInt(Date.now()) * 1_000_000n;
  const module = embedImage(engine, imageOf(fetchingPolicy()), [key.publicBytes]);
  const host = PluginHost.load(module, { clock: () => nanoseconds, clusters: ["idp"] });
  const pass = (seconds: number): void => {
    nanoseconds += BigInt(seconds) * 1_000_000_000n;
  };
  const start = (configuration: string): number => {
    const { ok, rootContext, logs } = host.startPlugin(configuration);
    assert.equal(ok, true, logs[0]?.message);
    return rootContext;
  };
  const tick = (root: number): void => {
    const { trapped, error } = host.tick(root);
    assert.equal(trapped, false, error?.message);
  };
  const ask = (root: number, token: string): Outcome =>
    host.request(
      root,
      hostRequest({ caller, source: "10.0.0.1", method: "GET", path: "/orders", host: "h", headers: [], token }),
    );
  const [one, two] = [await makeKey("one"), await makeKey("two")];
  const fetch = (root: number, ...keys: (typeof one)[]): void => {
    tick(root);
    assert.equal(host.calls.length, 1, "one callout waits");
    assert.equal(host.answer(host.calls[0]!.token, { body: jwks(...keys) }).trapped, false);
    tick(root);
  };

  const old = start(signedConfiguration(older, key, 1));
  const latest = start(signedConfiguration(newer, key, 2));
  fetch(latest, one);
  const tokenOne = await one.token();
  assert.equal(outcomeOf(ask(old, tokenOne)), "allowed");
  pass(3);
  const waiting = ask(old, await two.token());
  assert.equal(outcomeOf(waiting), "waits");
  host.deleteContext(latest);
  assert.equal(outcomeOf(waiting), "waits");
  fetch(old, one, two);
  assert.equal(outcomeOf(waiting), "allowed");
  // It goes on fetching there.
  pass(91);
  fetch(old, two);
  pass(3);
  assert.equal(outcomeOf(ask(old, await two.token())), "allowed");
  assert.equal(outcomeOf(ask(old, tokenOne)), "waits");
});
