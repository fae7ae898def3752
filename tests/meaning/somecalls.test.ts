/** Random policies with calls beside paths: what `diff`, warnings and the image say is held against looking at every rule for every call. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { writeImage } from "../../scripts/policy/image/image.ts";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { call_method } from "../../scripts/policy/language/protocols.ts";
import { comparePolicies } from "../../scripts/policy/meaning/difference.ts";
import { parameters } from "../support/arbitrary.ts";
import { rulesInImage } from "../support/lookup.ts";
import { check } from "../support/policy.ts";

const caller = "spiffe://example.org/web";

/** What may stand in a rule, and which calls or requests it is for, said by hand. */
interface Said {
  endpoint: string;
  holds: (asked: Asked) => boolean;
}

/** A request; with `call`, what it has inside. */
interface Asked {
  method: string;
  path: string;
  call?: readonly string[];
}

const isRequest = (methods: readonly string[], paths: readonly string[]) => {
  return ({ method, path }: Asked): boolean =>
    (methods.includes(method) || methods.includes("*")) && (paths.includes(path) || paths.includes("*"));
};
const isCall = (paths: readonly string[], holds: (method: string, name: string | undefined) => boolean) => {
  return ({ path, call }: Asked): boolean => call !== undefined && paths.includes(path) && holds(call[0]!, call[1]);
};
const mcp = ["/mcp", "/v2/mcp"];
const said: readonly Said[] = [
  { endpoint: "POST /mcp", holds: isRequest(["POST"], ["/mcp"]) },
  { endpoint: "GET /mcp", holds: isRequest(["GET"], ["/mcp"]) },
  { endpoint: "* /v2/mcp", holds: isRequest(["*"], ["/v2/mcp"]) },
  { endpoint: "* /**", holds: isRequest(["*"], ["*"]) },
  { endpoint: "POST|GET /{x}", holds: isRequest(["POST", "GET"], ["/mcp", "/graphql"]) },
  { endpoint: "POST /*/mcp", holds: isRequest(["POST"], ["/v2/mcp"]) },
  { endpoint: "GET /graphql", holds: isRequest(["GET"], ["/graphql"]) },
  { endpoint: "* /tools/**", holds: () => false },
  { endpoint: "POST /{a}/{b}", holds: isRequest(["POST"], ["/v2/mcp", "/other/x"]) },
  { endpoint: "mcp *", holds: isCall(mcp, () => true) },
  { endpoint: "mcp ping", holds: isCall(mcp, (method) => method === "ping") },
  { endpoint: "mcp tools/*", holds: isCall(mcp, (method) => method.startsWith("tools/")) },
  { endpoint: "mcp tools/call", holds: isCall(mcp, (method) => method === "tools/call") },
  { endpoint: "mcp tools/call *", holds: isCall(mcp, (method, name) => method === "tools/call" && name !== undefined) },
  {
    endpoint: "mcp tools/call get_*",
    holds: isCall(mcp, (method, name) => method === "tools/call" && name?.startsWith("get_") === true),
  },
  {
    endpoint: "mcp tools/call get_a",
    holds: isCall(mcp, (method, name) => method === "tools/call" && name === "get_a"),
  },
  { endpoint: "graphql *", holds: isCall(["/graphql"], () => true) },
  { endpoint: "graphql query", holds: isCall(["/graphql"], (type) => type === "query") },
  {
    endpoint: "graphql query a, b*",
    holds: isCall(["/graphql"], (type, field) => type === "query" && /^(?:a$|b)/u.test(field ?? "")),
  },
  {
    endpoint: "graphql mutation a",
    holds: isCall(["/graphql"], (type, field) => type === "mutation" && field === "a"),
  },
];

const calls = [["ping"], ["tools/list"], ["tools/call", "get_a"], ["tools/call", "get_b"], ["tools/call", "put"]];
const operations = ["a", "b", "bb", "c"].flatMap((field) => ["query", "mutation"].map((type) => [type, field]));
const requests: readonly Asked[] = [
  ...mcp.flatMap((path) => calls.map((call) => ({ method: "POST", path, call }))),
  ...["GET", "POST"].flatMap((method) => operations.map((call) => ({ method, path: "/graphql", call }))),
  ...["GET", "DELETE"].flatMap((method) => mcp.map((path) => ({ method, path }))),
  { method: "POST", path: "/other/x" },
];

interface SomeRule {
  action: "allow" | "deny";
  endpoints: readonly Said[];
}

const someRules = fc.array(
  fc.record({
    action: fc.constantFrom("allow", "allow", "deny"),
    endpoints: fc.uniqueArray(fc.constantFrom(...said), { minLength: 1, maxLength: 3 }),
  }) as fc.Arbitrary<SomeRule>,
  { minLength: 1, maxLength: 5 },
);

function load(rules: readonly SomeRule[]) {
  const lines = rules.map(({ action, endpoints }, place) => {
    const texts = endpoints.map(({ endpoint }) => JSON.stringify(endpoint)).join(", ");
    return `  - { name: r${place}, callers: ["${caller}"], ${action}: [${texts}] }\n`;
  });
  const { errors, warnings, policy } = check(`version: 1
name: calls
trust: { domains: [example.org] }
mcp: { paths: [/mcp, /v2/mcp] }
graphql: { paths: [/graphql] }
rules:
${lines.join("")}`);
  assert.deepEqual(errors, []);
  return { warnings, policy: policy! };
}

const matches = ({ endpoints }: SomeRule, asked: Asked): boolean => endpoints.some(({ holds }) => holds(asked));

/** Whether rules admit what is asked: each call by itself. */
function admits(rules: readonly SomeRule[], asked: Asked): boolean {
  const matching = rules.filter((rule) => matches(rule, asked));
  return matching.length > 0 && matching.every(({ action }) => action === "allow");
}

test("whatever is admitted now and was not is told as gained, and whatever is not any more as lost", () => {
  fc.assert(
    fc.property(someRules, someRules, (before, after) => {
      const { gained, lost, changed } = comparePolicies(load(before).policy, load(after).policy);
      const more = requests.filter((asked) => admits(after, asked) && !admits(before, asked));
      const less = requests.filter((asked) => admits(before, asked) && !admits(after, asked));
      if (more.length > 0) assert.ok(gained.length + changed.length > 0, JSON.stringify(more));
      if (less.length > 0) assert.ok(lost.length + changed.length > 0, JSON.stringify(less));
    }),
    { numRuns: 300, ...parameters },
  );
});

test("one rule more, or one less, is told with the calls that it is for", () => {
  fc.assert(
    fc.property(someRules, fc.nat(), (rules, number) => {
      const without = rules.filter((_, place) => place !== number % rules.length);
      if (without.length === 0) return;
      for (const [before, after] of [
        [rules, without],
        [without, rules],
      ] as const) {
        const { gained, changed } = comparePolicies(load(before).policy, load(after).policy);
        const told = [...gained, ...changed].flatMap(({ endpoints }) => endpoints);
        for (const asked of requests.filter((one) => admits(after, one) && !admits(before, one))) {
          if (asked.call === undefined) continue;
          const isTold = told.some(
            (endpoint) => /^(?:mcp|graphql) .* at /u.test(endpoint) && endpoint.includes(asked.path),
          );
          // Where no rule looks into calls, the path says it all.
          const looks = [...before, ...after].some(({ endpoints }) =>
            endpoints.some(({ endpoint }) => endpoint.startsWith(asked.path === "/graphql" ? "graphql" : "mcp")),
          );
          assert.equal(isTold, looks, `${JSON.stringify(asked)}: ${told.join("; ")}`);
        }
      }
    }),
    { numRuns: 300, ...parameters },
  );
});

test("a rule that is called superfluous, or without effect, is", () => {
  let found = 0;
  fc.assert(
    fc.property(someRules, (rules) => {
      const { warnings } = load(rules);
      for (const { code, message } of warnings) {
        if (code !== "rule_covered" && code !== "rule_unreachable") continue;
        found++;
        const name = /^`r(\d+)`/u.exec(message)![1];
        const without = rules.filter((_, place) => place !== Number(name));
        for (const asked of requests) assert.equal(admits(without, asked), admits(rules, asked), message);
      }
    }),
    { numRuns: 300, ...parameters },
  );
  assert.ok(found > 20, `only ${found} were called so`);
});

test("an image finds the rules of a call, and of the path that it is made on", () => {
  const find = (policy: Policy, method: string, path: string, call: readonly string[] = []): string[] => {
    const segments = [...path.slice(1).split("/"), ...call];
    return rulesInImage(writeImage(policy), { caller, host: "example.org", method, segments });
  };
  fc.assert(
    fc.property(someRules, (rules) => {
      const { policy } = load(rules);
      for (const { method, path, call } of requests) {
        const met = new Set([
          ...find(policy, method, path),
          ...(call === undefined ? [] : find(policy, call_method, path, call)),
        ]);
        const asked = { method, path, ...(call && { call }) };
        const wanted = rules.flatMap((rule, place) => (matches(rule, asked) ? [`r${place}`] : []));
        assert.deepEqual([...met].sort(), wanted.sort(), JSON.stringify(asked));
      }
    }),
    { numRuns: 40, ...parameters },
  );
});
