/** An answer of the fleet's service that comes after a newer signed image is in force: it is the answer of the request that waits for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { fleetPolicy } from "../support/fleet.ts";
import { engine } from "../support/plugin.ts";
import { writeAnswer } from "../support/ratelimit.ts";
import { signedConfiguration, signingKey } from "../support/signed.ts";
import { imageOf, outcomeOf } from "../support/workers.ts";

/** What the policy would do without an answer must differ from what the service says. */
const policyOf = (onError: "allow" | "deny", more = ""): Uint8Array =>
  imageOf(
    fleetPolicy({
      limits: `x: { rate: 8/m, per: [caller], scope: fleet, onError: ${onError} }`,
      rules: `  - { name: a, callers: [any], allow: [GET /a], limit: x }\n${more}`,
    }),
  );

const newer = "  - { name: b, callers: [any], allow: [GET /b] }\n";

for (const { onError, code, expected } of [
  { onError: "allow", code: 2, expected: "limit_exceeded" },
  { onError: "deny", code: 1, expected: "allowed" },
] as const) {
  test(`${expected}, whatever would hold without it (onError: ${onError})`, () => {
    const key = signingKey();
    const module = embedImage(engine, policyOf(onError), [key.publicBytes]);
    const host = PluginHost.load(module, { clusters: ["rls"] });
    const start = (image: Uint8Array, version: number): number => {
      const { ok, rootContext, logs } = host.startPlugin(signedConfiguration(image, key, version));
      assert.equal(ok, true, logs[0]?.message);
      return rootContext;
    };
    const get = (root: number, path: string): Outcome => {
      const request = { method: "GET", path, host: "h", headers: [], token: null };
      const from = { caller: "spiffe://example.org/web", source: "10.0.0.1" };
      return host.request(root, hostRequest({ ...request, ...from }));
    };
    const old = start(policyOf(onError), 8);
    const waiting = get(old, "/a");
    assert.equal(outcomeOf(waiting), "waits");
    const next = start(policyOf(onError, newer), 9);
    assert.equal(outcomeOf(get(next, "/b")), "allowed");

    const { trapped, error } = host.answerGrpc(host.grpcCalls[0]!.token, writeAnswer([{ code, resetSeconds: 30 }]));
    assert.equal(trapped, false, error?.message);
    assert.equal(outcomeOf(waiting), expected);
  });
}
