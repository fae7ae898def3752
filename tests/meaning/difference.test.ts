/** Random pairs of policies: what `sallyport diff` tells is what the engine does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Engine, type Evaluator } from "../../scripts/evaluate/engine.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { writeImage } from "../../scripts/policy/image/image.ts";
import type { Policy, Rule } from "../../scripts/policy/language/model.ts";
import { callerText } from "../../scripts/policy/language/spiffe.ts";
import { comparePolicies, isSame } from "../../scripts/policy/meaning/difference.ts";
import { asked, parameters, somePolicy } from "../support/arbitrary.ts";
import type { Asked } from "../support/lookup.ts";
import { check, withRule } from "../support/policy.ts";
import { bareRule } from "../support/rule.ts";
import { speaksOf } from "./speaks.ts";

const engine = new Engine(loadEngine());

/** A policy whose rules ask for nothing but a caller, a host and an endpoint. */
const plain = (policy: Policy): Policy => ({
  ...policy,
  mode: "enforce",
  issuers: [],
  limits: [],
  rules: policy.rules.map(bareRule),
});

/** A policy and one that differs from it in some rules, since unrelated ones differ in almost everything. */
const somePair = fc
  .tuple(somePolicy, somePolicy, fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }), fc.boolean())
  .map(([a, b, keep, sameSets]): [Policy, Policy] => {
    const names = new Set(a.rules.map(({ name }) => name));
    const rules = [
      ...a.rules.filter((_, place) => keep[place]),
      ...b.rules.filter(({ name }, place) => !names.has(name) && keep[place + 12]),
    ];
    rules.sort((one, other) => (one.name < other.name ? -1 : 1));
    const trustDomains = keep[0] ? a.trustDomains : ["example.org"];
    return [plain(a), plain({ ...(sameSets ? a : b), trustDomains, rules })];
  });

function admits(evaluator: Evaluator, request: Asked): boolean {
  const { decision } = evaluator.ask({
    caller: request.caller,
    source: "10.0.0.1",
    method: request.method,
    path: `/${request.segments.map(encodeURIComponent).join("/")}`,
    host: request.host,
    headers: [],
    token: null,
  });
  return decision === "allow";
}

const requests = fc.array(
  fc
    .record({
      base: asked,
      method: fc.constantFrom(undefined, undefined, "delete", "Get"),
    })
    .map(({ base, method }): Asked => ({ ...base, method: method ?? base.method })),
  { minLength: 20, maxLength: 40 },
);

test("who is admitted by one policy alone is told, and nobody else is", () => {
  fc.assert(
    fc.property(somePair, requests, ([before, after], asks) => {
      const difference = comparePolicies(before, after);
      const [older, newer] = [before, after].map((policy) => engine.start(writeImage(policy))) as [
        Evaluator,
        Evaluator,
      ];
      for (const request of asks) {
        const [was, is] = [admits(older, request), admits(newer, request)];
        const about = JSON.stringify({ request, was, is });
        assert.equal(
          difference.gained.some((change) => speaksOf(change, request)),
          !was && is,
          `gained: ${about}`,
        );
        assert.equal(
          difference.lost.some((change) => speaksOf(change, request)),
          was && !is,
          `lost: ${about}`,
        );
      }
      assert.deepEqual(difference.changed, []);
    }),
    { numRuns: 60, ...parameters },
  );
});

test("with conditions, whoever may be admitted by the newer policy alone is told", () => {
  fc.assert(
    fc.property(somePolicy, somePolicy, requests, (one, other, asks) => {
      const [before, after] = [one, other].map((policy): Policy => {
        const rules = policy.rules.map((rule) => ({
          ...rule,
          issuers: [],
          scopes: [],
          limits: [],
          condition: undefined,
        }));
        return { ...policy, mode: "enforce", issuers: [], limits: [], rules };
      }) as [Policy, Policy];
      const { gained, changed } = comparePolicies(before, after);
      const [older, newer] = [before, after].map((policy) => engine.start(writeImage(policy))) as [
        Evaluator,
        Evaluator,
      ];
      for (const request of asks) {
        if (admits(older, request) || !admits(newer, request)) continue;
        assert.ok(
          [...gained, ...changed].some((change) => speaksOf(change, request)),
          JSON.stringify(request),
        );
      }
    }),
    { numRuns: 40, ...parameters },
  );
});

/** The same policy in other words: rules renamed, split by caller, endpoint, host and issuer; sets spelled out. */
function rewritten(policy: Policy, pieces: number[]): Policy {
  const rules = policy.rules.flatMap((rule, place): Rule[] => {
    const named = (rule: Rule, part: number): Rule => ({
      ...rule,
      name: `r${pieces[place % pieces.length]}-${place}-${part}`,
    });
    const split = <Key extends "callers" | "endpoints" | "hosts" | "issuers">(key: Key): Rule[] =>
      rule[key].length < 2 ? [rule] : (rule[key] as unknown[]).map((one) => ({ ...rule, [key]: [one] }));
    switch (pieces[place % pieces.length]! % 6) {
      case 0:
        return split("callers").map(named);
      case 1:
        return split("endpoints").map(named);
      case 2:
        return split("hosts").map(named);
      case 3:
        // A deny rule's token is not an alternative, and where claims matter it does which of several tokens is taken.
        return (
          rule.action === "allow" && rule.scopes.length + rule.limits.length === 0 ? split("issuers") : [rule]
        ).map(named);
      case 4: {
        const callers = rule.callers.flatMap((caller): Rule["callers"] =>
          caller.kind === "set"
            ? policy.callerSets
                .find(({ name }) => name === caller.name)!
                .callers.map((pattern) => ({ kind: "pattern", pattern }))
            : [caller],
        );
        return [named({ ...rule, callers }, 0)];
      }
      default: {
        const methods = rule.endpoints.flatMap((endpoint) =>
          endpoint.methods === "*"
            ? [endpoint]
            : endpoint.methods.map((method) => ({ ...endpoint, methods: [method] })),
        );
        return [named({ ...rule, endpoints: methods.reverse(), hosts: [...rule.hosts].reverse() }, 0)];
      }
    }
  });
  const issuers = policy.issuers.map((issuer) => ({
    ...issuer,
    name: `${issuer.name}-2`,
    audiences: [...issuer.audiences].reverse(),
  }));
  const renamed = rules.map((rule) => ({
    ...rule,
    issuers: rule.issuers.map((name) => `${name}-2`),
  }));
  return { ...policy, issuers, rules: renamed.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

test("the same policy in other words is no difference", () => {
  fc.assert(
    fc.property(somePolicy, fc.array(fc.nat(), { minLength: 1, maxLength: 12 }), (policy, pieces) => {
      const difference = comparePolicies(policy, rewritten(policy, pieces));
      assert.ok(isSame(difference), JSON.stringify(difference, null, 1));
      const sets = policy.callerSets.map((set) => ({
        ...set,
        callers: [...set.callers].sort((a, b) => (callerText(a) < callerText(b) ? 1 : -1)),
      }));
      assert.ok(isSame(comparePolicies({ ...policy, callerSets: sets }, policy)));
    }),
    { numRuns: 100, ...parameters },
  );
});

/** A policy of one rule for a few endpoints, with a condition. */
function conditioned(endpoints: string, when: string): Policy {
  const text = withRule(
    `  - name: a\n    callers: [storefront]\n    allow: ${endpoints}\n    token: corp\n    scopes: [all]\n    when: ${when}\n`,
  );
  const { policy, errors } = check(text);
  assert.deepEqual(errors, []);
  return policy!;
}

test("an alternative more is gained, one less is lost", () => {
  const one = conditioned("[GET /a]", 'claims.a == "x"');
  const two = conditioned("[GET /a]", 'claims.b == "y" || claims.a == "x"');
  const wider = comparePolicies(one, two);
  assert.deepEqual([wider.gained.length > 0, wider.lost.length, wider.changed.length], [true, 0, 0]);
  const narrower = comparePolicies(two, one);
  assert.deepEqual([narrower.gained.length, narrower.lost.length > 0, narrower.changed.length], [0, true, 0]);
});

test("another name for a path variable is no difference, also where an endpoint lacks it", () => {
  const rule = (name: string): Policy =>
    conditioned(`["GET /a/{${name}}", POST /b]`, `has(path.${name}) && claims.sub == path.${name}`);
  assert.ok(isSame(comparePolicies(rule("id"), rule("user"))));
});
