/** The host for decisions by the hundred thousand against the one that behaves as Envoy's: the same policies, requests, decisions and records. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Engine } from "../../scripts/evaluate/engine.ts";
import { LeanHost, LeanRequest, type SentRequest } from "../../scripts/host/lean.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { writeImage } from "../../scripts/policy/image/image.ts";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { asked, parameters, somePolicy } from "../support/arbitrary.ts";
import { ecKey } from "../support/policy.ts";

const wasm = loadEngine();
const module = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
const engine = new Engine(wasm);
const now = Date.UTC(2026, 10, 30, 10);

/** As replay has policies: nothing that hangs on requests before, and no keys to fetch. */
function plain(policy: Policy): Policy {
  const issuers = policy.issuers.map((issuer) => ({
    ...issuer,
    keySet: { ...issuer.keySet, keys: [ecKey("one")], source: undefined },
  }));
  const rules = policy.rules.map(({ issuers, scopes, isAnyScope, ...rule }) => {
    const hasToken = issuers.length > 0;
    return { ...rule, issuers, scopes: hasToken ? scopes : [], isAnyScope: hasToken && isAnyScope, limits: [] };
  });
  return { ...policy, issuers, identity: "mtls", svids: [], limits: [], quarantines: [], rules };
}

const someRequest: fc.Arbitrary<SentRequest> = asked.chain(({ caller, host, method, segments }) =>
  fc.record({
    caller: fc.constant(caller),
    source: fc.constantFrom("10.1.2.3:40000", "[2001:db8::1]:40000"),
    host: fc.constantFrom(host, "é", "a b", ""),
    method: fc.constantFrom(method, "GET\n", "ę"),
    path: fc.constantFrom(
      `/${segments.map(encodeURIComponent).join("/")}`,
      `/${segments.join("/")}?q=1`,
      "/a//b",
      "/%2F",
      "/a\u0000b",
      "",
    ),
    token: fc.constantFrom(null, null, "no.token.at-all"),
  }),
);

test("it decides as the other host, and its inspection changes nothing", () => {
  const property = fc.property(
    somePolicy.map(plain),
    fc.array(someRequest, { minLength: 20, maxLength: 40 }),
    (policy, requests) => {
      const image = writeImage(policy);
      const lean = new LeanHost(module, image);
      lean.clockMilliseconds = now;
      const evaluator = engine.start(image, now);
      for (const request of requests) {
        // The other host has one character a byte in headers.
        const bytes = (text: string): string => Buffer.from(text).toString("latin1");
        const { host, method, path } = request;
        const sent = { ...request, host: bytes(host), method: bytes(method), path: bytes(path), headers: [] };
        const { verdict } = evaluator.judge(sent);
        const { admits, reason, rule, shadows } = lean.decide(new LeanRequest(request));
        assert.deepEqual(
          { decision: admits ? "allow" : "deny", reason, rule: rule || null, shadow: shadows },
          {
            decision: verdict.decision,
            reason: verdict.reason,
            rule: verdict.rule,
            shadow: (verdict.shadow ?? []).map(({ rule, reason }) => ({ rule, reason })),
          },
          JSON.stringify(request),
        );
        const { rules: _, ...inspected } = lean.inspect(new LeanRequest(request));
        assert.deepEqual(inspected, { admits, reason, rule, shadows });
      }
    },
  );
  fc.assert(property, { numRuns: 60, endOnFailure: true, ...parameters });
});

test("a policy that the engine refuses is an error with its words", () => {
  assert.throws(() => new LeanHost(module, new Uint8Array(100)), /configuration refused/u);
});
