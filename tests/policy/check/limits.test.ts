/** Limits: what the compiler makes of them, what it refuses, and what it warns of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { writeImage } from "../../../scripts/policy/image/image.ts";
import { leftOutCallbacks } from "../../../scripts/policy/module/embed.ts";
import { type Case, run } from "../../support/findings.ts";
import { check, mark, withRule } from "../../support/policy.ts";

const callers = 'callers: ["spiffe://example.org/ns/{ns}/sa/{sa}"]';

/** A policy with a limit `own`, and a rule that takes from it. */
function limited(limit: string, rule = "", more = ""): string {
  const lines = `  - { name: a, ${callers}, allow: [GET /a], token: corp, scopes: [a], limit: own${rule} }\n${more}`;
  return withRule(lines).replace("limits:\n", `limits:\n  own: { ${limit} }\n`);
}

test("a limit may say all that there is to say of one of a fleet", () => {
  const said =
    "rate: 100/s, burst: 200, per: [caller.ns, claims.sub, source.ip/24], scope: fleet, fleet: leased, onError: local, headers: always";
  const { errors, policy } = check(limited(said));
  assert.deepEqual(errors, []);
  const { burstTokens, onError, isLeased } = policy!.limits.find(({ name }) => name === "own")!;
  assert.deepEqual({ burstTokens, onError, isLeased }, { burstTokens: 200, onError: "local", isLeased: true });
});

test("a module keeps the callback for answers only for limits that answers to admitted requests tell of", () => {
  const isKept = (limit: string): boolean =>
    !leftOutCallbacks(writeImage(check(limited(limit)).policy!)).includes("proxy_on_response_headers");
  assert.ok(isKept("rate: 100/s, headers: always"));
  assert.ok(!isKept("rate: 100/s"));
  assert.ok(!isKept("rate: 100/s, scope: fleet, headers: always"));
});

const warnings: Case[] = [
  [
    "answers that are to tell of a limit of the fleet",
    limited(`rate: 100/s, scope: fleet, ${mark}headers: always`),
    "fleet_headers",
    /admitted requests.*leave `headers` out/,
  ],
];

run("warnings", warnings);
