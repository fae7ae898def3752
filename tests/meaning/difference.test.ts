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
      method: fc.constantFrom(undefined, undefined, "delete", "Get", "head", "HEAD"),
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
          isAnyScope: false,
          limits: [],
          costFrom: undefined,
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

/** A policy of these rules for one endpoint. */
function ofRules(...rules: string[]): Policy {
  const lines = rules.map((rule, at) => `  - { name: r${at}, callers: [storefront], allow: [GET /a]${rule} }\n`);
  const { policy, errors } = check(withRule(lines.join("")));
  assert.deepEqual(errors, []);
  return policy!;
}

test("a token that need not be there admits more, and refuses what is bad", () => {
  const [none, needed, optional] = ["", ", token: corp", ", token: { issuer: corp, optional: true }"] as const;
  const kinds = (before: Policy, after: Policy): boolean[] => {
    const { gained, lost, changed } = comparePolicies(before, after);
    return [gained.length > 0, lost.length > 0, changed.length > 0];
  };
  assert.deepEqual(kinds(ofRules(needed), ofRules(optional)), [true, false, false]);
  assert.deepEqual(kinds(ofRules(optional), ofRules(needed)), [false, true, false]);
  assert.deepEqual(kinds(ofRules(optional), ofRules(none)), [true, false, false]);
  assert.deepEqual(kinds(ofRules(none), ofRules(optional)), [false, true, false]);
  // A rule that refuses bad tokens is superfluous beside none that looks at them, but for that.
  assert.deepEqual(kinds(ofRules(none), ofRules(none, optional)), [false, true, false]);
  assert.deepEqual(kinds(ofRules(none, optional), ofRules(none)), [true, false, false]);
  assert.deepEqual(kinds(ofRules(needed), ofRules(needed, optional)), [true, false, false]);
  assert.deepEqual(kinds(ofRules(optional), ofRules(optional)), [false, false, false]);
});

test("a larger bound on sizes admits more, and the words say of what", () => {
  const rule = (bounds: string): Policy => ofRules(`, token: corp, scopes: [x]${bounds}`);
  const small = rule(", maxHeaderBytes: 1000, maxQueryBytes: 10");
  for (const larger of [", maxHeaderBytes: 1001, maxQueryBytes: 10", ", maxHeaderBytes: 1000", ""]) {
    const { gained, lost, changed } = comparePolicies(small, rule(larger));
    assert.deepEqual([gained.length, lost.length, changed.length], [1, 0, 0], larger);
    assert.deepEqual(gained[0]!.was![0]!.most, { headers: 1000, query: 10 });
    const back = comparePolicies(rule(larger), small);
    assert.deepEqual([back.gained.length, back.lost.length, back.changed.length], [0, 1, 0], larger);
  }
  const other = comparePolicies(small, rule(", maxHeaderBytes: 999, maxQueryBytes: 11"));
  assert.deepEqual([other.gained.length, other.lost.length, other.changed.length], [0, 0, 1]);
});

test("a bound on bodies that held those without a length, though another rule takes larger ones", () => {
  const kinds = (before: Policy, after: Policy): boolean[] => {
    const { gained, lost, changed } = comparePolicies(before, after);
    return [gained.length > 0, lost.length > 0, changed.length > 0];
  };
  const [ten, twenty, any] = [", maxBodyBytes: 10", ", maxBodyBytes: 20", ""] as const;
  const strict = ", token: corp, scopes: [x]";
  assert.deepEqual(kinds(ofRules(ten, any), ofRules(any)), [true, false, false]);
  assert.deepEqual(kinds(ofRules(any), ofRules(ten, any)), [false, true, false]);
  assert.deepEqual(kinds(ofRules(ten, any), ofRules(twenty, any)), [true, false, false]);
  assert.deepEqual(kinds(ofRules(ten, any), ofRules(`${ten}${strict}`, any)), [true, false, false]);
  assert.deepEqual(kinds(ofRules(`${ten}${strict}`, any), ofRules(ten, any)), [false, true, false]);
  assert.deepEqual(kinds(ofRules(ten, twenty, any), ofRules(ten, any)), [false, false, false]);
  assert.deepEqual(kinds(ofRules(ten, any), ofRules(any, ten)), [false, false, false]);
  // What other rules hold to as much is held by them.
  assert.deepEqual(kinds(ofRules(ten, `${ten}${strict}`), ofRules(ten)), [false, false, false]);
  const { gained } = comparePolicies(ofRules(ten, any), ofRules(any));
  assert.deepEqual([gained[0]!.conditions, gained[0]!.was], [[{}], [{ bodyMayBeHeldTo: 10 }]]);
});

test("a limit that counts by another segment is another limit", () => {
  const rule = (name: string): Policy => {
    const text = withRule(
      `  - name: a\n    callers: [storefront]\n    allow: ["GET /a/{${name}}/b", "GET /c/{${name}}"]\n    limit: by-id\n`,
    ).replace("limits:\n", `limits:\n  by-id: { rate: 1/s, per: [path.${name}] }\n`);
    const { policy, errors } = check(text);
    assert.deepEqual(errors, []);
    return policy!;
  };
  assert.ok(!isSame(comparePolicies(rule("id"), rule("user"))), "the bucket is of another name");
  assert.ok(isSame(comparePolicies(rule("id"), rule("id"))));
});

/** What is gained, lost and changed by another cost. */
const byCost = (before: string, after: string): boolean[] => {
  const [older, newer] = [before, after].map((cost): Policy => {
    const { policy, errors } = check(
      withRule(`  - name: a\n    callers: [storefront]\n    allow: ["GET /a/{id}"]\n    limit: writes\n${cost}`),
    );
    assert.deepEqual(errors, []);
    return policy!;
  }) as [Policy, Policy];
  const { gained, lost, changed } = comparePolicies(older, newer);
  return [gained, lost, changed].map(({ length }) => length > 0);
};

test("a cost that depends on the request", () => {
  const cost = (value: string, most = 50): string => `    cost: { value: '${value}', most: ${most} }\n`;
  const asked = 'int(request.query["n"])';
  assert.deepEqual(byCost(cost(asked), cost("int( request.query.n )")), [false, false, false]);
  assert.deepEqual(byCost(cost(asked), cost(asked, 20)), [true, false, false]);
  assert.deepEqual(byCost(cost(asked, 20), cost(asked)), [false, true, false]);
  assert.deepEqual(byCost(cost(asked), ""), [true, false, false]);
  assert.deepEqual(byCost("", cost(asked)), [false, true, false]);
  // Which of the two lets more through hangs on what is asked for.
  assert.deepEqual(byCost("    cost: 2\n", cost(asked)), [false, false, true]);
  assert.deepEqual(byCost(cost(asked), cost("size(path.id)")), [false, false, true]);
});

test("another name for a path variable is no difference, also where an endpoint lacks it", () => {
  const rule = (name: string): Policy =>
    conditioned(`["GET /a/{${name}}", POST /b]`, `has(path.${name}) && claims.sub == path.${name}`);
  assert.ok(isSame(comparePolicies(rule("id"), rule("user"))));
});
