/** Each key of a rule that decides something goes the whole way: to the image, and to the random policies that both evaluators judge. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { stringify } from "yaml";
import { writeImage } from "../../../scripts/policy/image/image.ts";
import { languageKeys } from "../../../scripts/policy/language/keys.ts";
import { somePolicy } from "../../differential/arbitrary/policies.ts";
import { check } from "../../support/policy.ts";

type Rule = Record<string, unknown>;
const keys = languageKeys().filter(({ path }) => /^rules\[\]\.\w+$/u.test(path));

/** A rule that every other key may be added to. */
const base: Rule = {
  name: "base",
  callers: ["any"],
  allow: ["GET /orders/{id}"],
  token: "corp",
  limit: "order-writes",
};
/** Values for keys without examples. */
const values: Record<string, unknown> = { cost: 2, mode: "shadow" };
/** A deny rule takes few keys, and each rule needs an action. */
const denying: Rule = { name: "base", callers: ["any"], deny: ["GET /orders/{id}"] };

function imageOf(rule: Rule): Buffer {
  const issuer = {
    issuer: "https://issuer.example.org",
    audiences: ["order-api"],
    algorithms: ["RS256"],
    keys: { file: "keys/corp.jwks.json" },
  };
  const { errors, policy } = check(
    stringify({
      version: 1,
      name: "keys",
      trust: { domains: ["example.org"] },
      issuers: { corp: issuer },
      limits: { "order-writes": { rate: "100/s" } },
      rules: [rule],
    }),
  );
  assert.deepEqual(errors, []);
  return Buffer.from(writeImage(policy!));
}

/** Keys that decide nothing, which reports alone read. */
const told = ["sensitive"];

for (const { name: key, example } of keys.filter(({ name }) => !told.includes(name))) {
  test(`${key} of a rule changes the image`, () => {
    const value = values[key] ?? example;
    assert.notEqual(value, undefined, `give ${key} an example where the language defines it`);
    const whole = key === "deny" ? denying : base;
    const without = Object.fromEntries(Object.entries(whole).filter(([name]) => name !== key));
    // What a rule cannot be without has another value instead.
    const isNeeded = ["name", "callers", "allow", "deny"].includes(key);
    assert.ok(!imageOf({ ...whole, [key]: value }).equals(imageOf(isNeeded ? whole : without)));
  });
}

for (const key of told) {
  test(`${key} of a rule leaves the image as it is`, () => {
    assert.ok(imageOf({ ...base, [key]: true }).equals(imageOf(base)), `${key} is in the image`);
  });
}

test("random policies have each key of a rule, so that both evaluators read it", () => {
  const policies = fc.sample(somePolicy, { numRuns: 300, seed: 1 });
  const seen = new Set(policies.flatMap(({ policy }) => policy.rules.flatMap((rule) => Object.keys(rule))));
  const known = keys.map(({ name }) => name);
  assert.deepEqual([...seen].sort(), known.sort());
});
