/** Images: equal policies give equal bytes, and looking up in an image finds what looking at every rule finds. */

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { caller_groups_max, candidate_rules_max, node_shapes_max } from "../../../assembly/limits.ts";
import * as layout from "../../../assembly/policy/layout.ts";
import { hash32 } from "../../../scripts/policy/image/hash.ts";
import { writeImage } from "../../../scripts/policy/image/image.ts";
import { BoundError } from "../../../scripts/policy/index/bounds.ts";
import type { Issuer, Limit, Policy, Rule, RuleCaller } from "../../../scripts/policy/language/model.ts";
import { strict_paths } from "../../../scripts/policy/language/pathoptions.ts";
import { intervalNanoseconds, rateLimitPolicy } from "../../../scripts/policy/language/rate.ts";
import { asked, endpoint, ids, parameters, pattern, somePolicy } from "../../support/arbitrary.ts";
import { rulesInImage, rulesInPolicy } from "../../support/lookup.ts";
import { ruleWith } from "../../support/rule.ts";

test("an image finds the rules that match, no more and no less", () => {
  fc.assert(
    fc.property(somePolicy, fc.array(asked, { minLength: 1, maxLength: 20 }), (policy, requests) => {
      const bytes = writeImage(policy);
      for (const request of requests) assert.deepEqual(rulesInImage(bytes, request), rulesInPolicy(policy, request));
    }),
    { numRuns: 200, ...parameters },
  );
});

/** An issuer with its keys in another order. */
function withoutOrder(issuer: Issuer): Issuer {
  return { ...issuer, keySet: { ...issuer.keySet, keys: [...issuer.keySet.keys].reverse() } };
}

/** The same policy with everything that has no order in another one. */
function shuffled(policy: Policy): fc.Arbitrary<Policy> {
  const any = <T>(list: readonly T[]): fc.Arbitrary<T[]> => fc.shuffledSubarray([...list], { minLength: list.length });
  const each = <T, K extends keyof T>(things: readonly T[], ...names: K[]): fc.Arbitrary<T[]> =>
    fc.tuple(
      ...things.map((thing) =>
        fc
          .tuple(...names.map((name) => any(thing[name] as unknown[])))
          .map((lists) => ({ ...thing, ...Object.fromEntries(names.map((name, place) => [name, lists[place]])) })),
      ),
    );
  return fc
    .record({
      trustDomains: any(policy.trustDomains),
      issuers: each(policy.issuers.map(withoutOrder), "audiences", "algorithms", "places").chain(any),
      svids: each(policy.svids.map(withoutOrder), "audiences", "algorithms", "places").chain(any),
      callerSets: each(policy.callerSets, "callers").chain(any),
      limits: each(policy.limits, "per").chain(any),
      // Rules alone are in order: check.ts has sorted them by name.
      // Of scopes of which one is enough, the answer to a token without them names the first.
      rules: each(policy.rules, "callers", "hosts", "endpoints", "issuers", "scopes", "limits").map((rules) =>
        rules.map((rule, index) => (rule.isAnyScope ? { ...rule, scopes: policy.rules[index]!.scopes } : rule)),
      ),
    })
    .map((parts) => ({ ...policy, ...parts }) as Policy);
}

test("the order in which a policy names things leaves no trace", () => {
  const pair = somePolicy.chain((policy) => fc.tuple(fc.constant(policy), shuffled(policy)));
  fc.assert(
    fc.property(pair, ([one, other]) => {
      assert.deepEqual(Buffer.from(writeImage(one)), Buffer.from(writeImage(other)));
    }),
    { numRuns: 200, ...parameters },
  );
});

test("an image says what it is, and its checksum holds", () => {
  fc.assert(
    fc.property(somePolicy, (policy) => {
      const bytes = writeImage(policy);
      const view = new DataView(bytes.buffer);
      assert.equal(view.getUint32(layout.magic_at, true), layout.image_magic);
      assert.equal(view.getUint32(layout.version_at, true), layout.image_version);
      assert.equal(view.getUint32(8, true), bytes.length);
      assert.equal(view.getUint32(layout.checksum_at, true), hash32(0, bytes.subarray(layout.sections_at)));
      let end = layout.image_header_bytes;
      for (let section = 0; section < layout.section_count; section++) {
        const offset = view.getUint32(layout.sections_at + section * 8, true);
        const size = view.getUint32(layout.sections_at + section * 8 + 4, true) * layout.sectionRecordBytes(section);
        assert.equal(offset % 4, 0);
        assert.ok(offset >= end && offset - end < 4);
        end = offset + size;
      }
      assert.equal((end + 3) & ~3, bytes.length);
    }),
    { numRuns: 50, ...parameters },
  );
});

const empty: Policy = {
  name: "p",
  mode: "enforce",
  tokenBytes: 16384,
  trustDomains: ["example.org"],
  aliases: new Map(),
  identity: "mtls",
  svids: [],
  sourceAddress: "connection",
  forwarders: [],
  forwards: [],
  paths: strict_paths,
  issuers: [],
  callerSets: [],
  limits: [],
  quarantines: [],
  lists: [],
  rules: [],
};
const simple = (name: string, caller: RuleCaller, ...endpoints: string[]): Rule =>
  ruleWith({ name, callers: [caller], endpoints: endpoints.map(endpoint) });
const numbered = (number: number): string => String(number).padStart(6, "0");

test("callers of one rule share one trie, and a set is one group", () => {
  const names = Array.from({ length: 1000 }, (_, number) => `spiffe://example.org/${numbered(number)}`);
  const literals = {
    ...empty,
    rules: [
      {
        ...simple("r", { kind: "any" }, "GET /a/b/c"),
        callers: names.map((name): RuleCaller => ({ kind: "pattern", pattern: pattern(name) })),
      },
    ],
  };
  const sets = {
    ...empty,
    callerSets: [{ name: "all", callers: names.map(pattern) }],
    rules: Array.from({ length: 1000 }, (_, number) =>
      simple(`r${numbered(number)}`, { kind: "set", name: "all" }, `GET /${number}`),
    ),
  };
  const count = (image: Uint8Array, section: number): number =>
    new DataView(image.buffer).getUint32(layout.sections_at + section * 8 + 4, true);
  assert.equal(count(writeImage(literals), layout.section_nodes), 4);
  const image = writeImage(sets);
  assert.deepEqual(
    [count(image, layout.section_roots), count(image, layout.section_nodes), count(image, layout.section_words)],
    [0, 1001, 0],
  );
});

test("what a request could not be judged by is refused when it is written", () => {
  const crowded = Array.from({ length: candidate_rules_max + 1 }, (_, number) =>
    simple(`r${numbered(number)}`, { kind: "any" }, "GET /a"),
  );
  assert.throws(() => writeImage({ ...empty, rules: crowded }), BoundError);
  assert.doesNotThrow(() => writeImage({ ...empty, rules: crowded.slice(1) }));

  // One request meets the literal and the wildcard beside it.
  const half = candidate_rules_max / 2;
  const beside = (extra: number): Rule[] =>
    Array.from({ length: candidate_rules_max + extra }, (_, number) =>
      simple(`r${numbered(number)}`, { kind: "any" }, number < half ? "GET /a" : "GET /*"),
    );
  assert.throws(() => writeImage({ ...empty, rules: beside(1) }), /match 1025 rules/);
  assert.doesNotThrow(() => writeImage({ ...empty, rules: beside(0) }));

  const member = Array.from({ length: caller_groups_max }, (_, number) => ({
    name: `s${numbered(number)}`,
    callers: [pattern(ids[0]!)],
  }));
  const ofSets = member.map(({ name }) => simple(name, { kind: "set", name }, `GET /${name}`));
  assert.throws(() => writeImage({ ...empty, callerSets: member, rules: ofSets }), /257|258/);
  assert.doesNotThrow(() => writeImage({ ...empty, callerSets: member, rules: ofSets.slice(2) }));

  const branching = Array.from({ length: 2 ** 12 }, (_, number) => {
    const path = Array.from({ length: 12 }, (_, bit) => ((number >> bit) & 1 ? "/*" : "/a")).join("");
    return simple(`r${numbered(number)}`, { kind: "any" }, `GET ${path}`);
  });
  assert.throws(() => writeImage({ ...empty, rules: branching }), /wildcards/);
});

test("text around variables costs lookups by its sizes, not by how many texts there are", () => {
  const many = Array.from({ length: 10_000 }, (_, number) =>
    simple(`r${numbered(number)}`, { kind: "any" }, `GET /files/${numbered(number)}-{id}.json`),
  );
  const image = writeImage({ ...empty, rules: many });
  const count = (section: number): number =>
    new DataView(image.buffer).getUint32(layout.sections_at + section * 8 + 4, true);
  assert.deepEqual([count(layout.section_forks), count(layout.section_shapes)], [1, 1]);

  const sizes = (sizes: number): Rule[] =>
    Array.from({ length: sizes }, (_, number) =>
      simple(`r${numbered(number)}`, { kind: "any" }, `GET /files/${"a".repeat(number + 1)}{id}`),
    );
  assert.doesNotThrow(() => writeImage({ ...empty, rules: sizes(node_shapes_max) }));
  assert.throws(
    () => writeImage({ ...empty, rules: sizes(node_shapes_max + 1) }),
    (error) => error instanceof BoundError && /33 ways/.test(error.message) && error.rule?.name === "r000032",
  );
  // Each of the segments may lead along 32 edges.
  const deep = sizes(node_shapes_max).flatMap(({ endpoints: [first] }, one) =>
    sizes(node_shapes_max).flatMap(({ endpoints: [second] }, two) =>
      sizes(4).map(({ endpoints: [third] }, three) => {
        const segments = [first, second, third].map((path) => path!.segments[1]!);
        const rule = simple(`r${one}-${two}-${three}`, { kind: "any" }, "GET /a");
        return { ...rule, endpoints: [{ ...first!, segments, variables: new Map() }] };
      }),
    ),
  );
  assert.throws(() => writeImage({ ...empty, rules: deep }), /places of the index/);
});

test("rates in nanoseconds and in words", () => {
  const limit = (tokens: number, periodSeconds: number, burstTokens: number): Limit => ({
    name: "order-writes",
    kind: "rate",
    header: "",
    rate: { tokens, periodSeconds },
    burstTokens,
    per: [],
  });
  assert.equal(intervalNanoseconds(limit(3, 1, 1)), 333_333_333);
  assert.equal(intervalNanoseconds(limit(1, 3600, 1)), 3_600_000_000_000);
  assert.equal(intervalNanoseconds(limit(1_000_000, 1, 1)), 1000);
  assert.equal(intervalNanoseconds(limit(1, 86400, 1)), 86_400_000_000_000);
  assert.equal(rateLimitPolicy(limit(100, 1, 200)), '"order-writes";q=200;w=2');
  assert.equal(rateLimitPolicy(limit(100, 1, 1)), '"order-writes";q=1;w=1');
  assert.equal(rateLimitPolicy(limit(1, 3600, 3)), '"order-writes";q=3;w=10800');
  assert.equal(rateLimitPolicy(limit(1000, 86400, 1000)), '"order-writes";q=1000;w=86400');
  assert.equal(rateLimitPolicy(limit(1, 86400, 41666)), '"order-writes";q=41666;w=3599942400');
});

test("ten thousand rules are no work", () => {
  const rules = Array.from({ length: 10000 }, (_, number) =>
    simple(
      `r${numbered(number)}`,
      { kind: "pattern", pattern: pattern(`spiffe://example.org/${number % 1000}`) },
      `GET /v1/${number}/{id}`,
      `POST /v1/${number}`,
    ),
  );
  const started = process.cpuUsage();
  writeImage({ ...empty, rules });
  const { user } = process.cpuUsage(started);
  // A tenth of this is usual; a quadratic step anywhere would take minutes. A busy machine does not count.
  assert.ok(user < 5_000_000, `${user} µs`);
});
