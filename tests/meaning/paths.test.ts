/** What `paths`, and deny rules that hold in any case, do to the comparison of policies. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { comparePolicies, hasGain, isSame } from "../../scripts/policy/meaning/difference.ts";
import { check } from "../support/policy.ts";

function policy(...rules: string[]): Policy {
  const lines = rules.map((rule, place) => `  - { name: r${place}, callers: [any], ${rule} }`).join("\n");
  const { policy: read, errors } = check(`version: 1\nname: x\ntrust: { domains: [example.org] }\nrules:\n${lines}\n`);
  assert.deepEqual(errors, []);
  return read!;
}

const kinds = (before: Policy, after: Policy): string[] => {
  const difference = comparePolicies(before, after);
  const of = (kind: "gained" | "lost" | "changed"): string[] =>
    difference[kind].flatMap(({ endpoints }) => endpoints.map((endpoint) => `${kind} ${endpoint}`));
  return [...of("gained"), ...of("lost"), ...of("changed")].sort();
};

const all = 'allow: ["GET /**"]';

test("the case of a deny rule means nothing", () => {
  assert.ok(isSame(comparePolicies(policy(all, 'deny: ["* /Admin/**"]'), policy(all, 'deny: ["* /admin/**"]'))));
});

test("a deny rule denies what an allow rule has in another case", () => {
  const open = policy('allow: ["GET /Admin"]');
  const closed = policy('allow: ["GET /Admin"]', 'deny: ["* /admin"]');
  assert.deepEqual(kinds(open, closed), ["lost GET /Admin"]);
  assert.deepEqual(kinds(closed, open), ["gained GET /Admin"]);
});

test("also what an allow rule has around a star, and the other way", () => {
  const star = policy('allow: ["GET /Adm*"]');
  assert.ok(!isSame(comparePolicies(star, policy('allow: ["GET /Adm*"]', 'deny: ["* /admin"]'))));
  const literal = policy('allow: ["GET /Admin"]');
  assert.ok(!isSame(comparePolicies(literal, policy('allow: ["GET /Admin"]', 'deny: ["* /adm*"]'))));
  const ending = policy('allow: ["GET /x/**/a.JSON"]');
  assert.ok(!isSame(comparePolicies(ending, policy('allow: ["GET /x/**/a.JSON"]', 'deny: ["* /X/**/*.json"]'))));
});

test("an allow rule that ignores case admits more than one that does not", () => {
  const exact = policy('allow: ["GET /admin"]');
  const any = policy('paths: { case: ignore }, allow: ["GET /admin"]');
  assert.deepEqual(
    kinds(exact, any).filter((one) => one.startsWith("lost")),
    [],
  );
  assert.ok(hasGain(comparePolicies(exact, any)));
  assert.ok(!isSame(comparePolicies(any, exact)));
  assert.ok(!hasGain(comparePolicies(any, exact)));
  const both = policy('paths: { case: ignore }, allow: ["GET /admin"]', 'allow: ["GET /admin"]');
  assert.ok(hasGain(comparePolicies(exact, both)));
  assert.ok(isSame(comparePolicies(any, policy('paths: { case: ignore }, allow: ["GET /ADMIN"]'))));
});

for (const opening of [
  "trailingSlash: same",
  "trailingSlash: distinct",
  "encodedSlash: segment",
  "emptySegments: keep",
  "semicolons: keep",
]) {
  test(`${opening} is a gain, its end a loss`, () => {
    const open = policy(`paths: { ${opening} }, ${all}`);
    const strict = policy(all);
    assert.ok(hasGain(comparePolicies(strict, open)));
    const less = comparePolicies(open, strict);
    assert.ok(!isSame(less) && !hasGain(less));
    assert.ok(isSame(comparePolicies(open, policy(`paths: { ${opening} }, ${all}`))));
  });
}

test("what a slash at the end is, same or distinct", () => {
  const same = policy('paths: { trailingSlash: same }, allow: ["GET /a/"]');
  const distinct = policy('paths: { trailingSlash: distinct }, allow: ["GET /a/"]');
  assert.ok(hasGain(comparePolicies(same, distinct)));
  assert.ok(hasGain(comparePolicies(distinct, same)));
});

test("a deny rule that goes, or comes, beside a rule that takes encoded slashes is told of", () => {
  const open = policy('paths: { encodedSlash: segment }, allow: ["GET /p/{id}"]');
  const closed = policy('paths: { encodedSlash: segment }, allow: ["GET /p/{id}"]', 'deny: ["* /p/a/b"]');
  assert.ok(!isSame(comparePolicies(open, closed)) && !hasGain(comparePolicies(open, closed)));
  assert.ok(hasGain(comparePolicies(closed, open)));
  assert.ok(isSame(comparePolicies(closed, closed)));
});
