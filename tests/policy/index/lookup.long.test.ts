/** Random policies in the engine itself: it takes every image, and decides as looking at every rule would. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Engine } from "../../../scripts/evaluate/engine.ts";
import { loadEngine } from "../../../scripts/policy/build.ts";
import { writeImage } from "../../../scripts/policy/image/image.ts";
import type { Policy } from "../../../scripts/policy/language/model.ts";
import { asked, parameters, somePolicy } from "../../support/arbitrary.ts";
import { type Asked, rulesInPolicy } from "../../support/lookup.ts";

const engine = new Engine(loadEngine());

/** What the order of rules says of those that match, where no rule asks for more than a caller, an endpoint and a time. */
function decide(policy: Policy, request: Asked): { reason: string; rule: string | null } {
  const matching = rulesInPolicy(policy, request)
    .map((name) => policy.rules.find((rule) => rule.name === name)!)
    .filter(({ mode }) => mode === "enforce");
  const now = Date.now() / 1000;
  const active = matching.filter(
    ({ startsSeconds, expiresSeconds }) => now >= startsSeconds && (expiresSeconds === 0 || now < expiresSeconds),
  );
  const denied = active.find(({ action }) => action === "deny");
  if (denied !== undefined) return { reason: "rule_denied", rule: denied.name };
  if (active[0] !== undefined) return { reason: "allowed", rule: active[0].name };
  const inactive = matching.find(({ action }) => action === "allow");
  if (inactive !== undefined) return { reason: "grant_inactive", rule: inactive.name };
  return { reason: request.caller === null ? "identity_missing" : "no_rule", rule: null };
}

test("the engine takes every image the compiler writes", () => {
  fc.assert(
    fc.property(somePolicy, (policy) => {
      // The engine asks for a token wherever a rule has scopes; the checker has seen to that by then.
      const rules = policy.rules.map((rule) =>
        rule.issuers.length > 0 ? rule : { ...rule, scopes: [], isAnyScope: false },
      );
      engine.start(writeImage({ ...policy, rules }));
    }),
    { numRuns: 100, ...parameters },
  );
});

test("the engine decides as the policy reads", () => {
  fc.assert(
    fc.property(somePolicy, fc.array(asked, { minLength: 1, maxLength: 20 }), (some, requests) => {
      const rules = some.rules.map((rule) => ({ ...rule, issuers: [], scopes: [], isAnyScope: false, limits: [] }));
      const policy: Policy = { ...some, mode: "enforce", rules };
      const evaluator = engine.start(writeImage(policy));
      for (const request of requests) {
        const { reason, rule } = evaluator.ask({
          caller: request.caller,
          source: "10.0.0.1",
          method: request.method,
          path: `/${request.segments.map(encodeURIComponent).join("/")}`,
          host: `${request.host.toUpperCase()}:8443`,
          headers: [],
          token: null,
        });
        assert.deepEqual({ reason, rule }, decide(policy, request));
      }
    }),
    { numRuns: 100, ...parameters },
  );
});
