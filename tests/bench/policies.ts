/** Policies of any size for the benchmark, and requests that they admit or deny. */

import { compileCondition } from "../../scripts/policy/condition/compile.ts";
import { type Endpoint, parseEndpoint } from "../../scripts/policy/language/endpoint.ts";
import type { Policy, Rule } from "../../scripts/policy/language/model.ts";
import { strict_paths } from "../../scripts/policy/language/pathoptions.ts";
import { type CallerPattern, parseCaller } from "../../scripts/policy/language/spiffe.ts";
import { reporterFor } from "../../scripts/policy/source/read.ts";
import { ruleWith } from "../support/rule.ts";
import { type BenchRequest, benchRequest } from "./host.ts";

/** A policy and requests for it. */
export interface Scenario {
  name: string;
  policy: Policy;
  requests: BenchRequest[];
  /** Whether the policy admits them all, or none. */
  admits: boolean;
}

/** Requests of a scenario, spread over its rules, so that no cache holds all that they need of a large policy. */
const request_count = 4096;

/** The scenarios with so many rules. The first is how policies usually are, the others what should be hardest. */
export const scenarios: readonly ((rules: number) => Scenario)[] = [
  function usual(rules) {
    const callerOf = (rule: number): string =>
      `spiffe://example.org/ns/team-${rule % 97}/sa/service-${Math.floor(rule / 4)}`;
    return {
      name: "usual: four rules a caller",
      policy: policyOf(rules, (rule) => ruleOf(rule, callerOf(rule), `GET /v1/resource-${rule % 4}/{id}`)),
      requests: spread(rules, (rule) => benchRequest(callerOf(rule), "GET", `/v1/resource-${rule % 4}/${rule}`)),
      admits: true,
    };
  },
  function oneCaller(rules) {
    const caller = "spiffe://example.org/gateway";
    return {
      name: "all rules for one caller",
      policy: policyOf(rules, (rule) => ruleOf(rule, caller, `GET /v1/resource-${rule}/{id}`)),
      requests: spread(rules, (rule) => benchRequest(caller, "GET", `/v1/resource-${rule}/7`)),
      admits: true,
    };
  },
  function patterns(rules) {
    return {
      name: "all callers by pattern",
      policy: policyOf(rules, (rule) => ruleOf(rule, `spiffe://example.org/ns/team-${rule}/**`, "GET /v1/orders/{id}")),
      requests: spread(rules, (rule) =>
        benchRequest(`spiffe://example.org/ns/team-${rule}/sa/a`, "GET", "/v1/orders/7"),
      ),
      admits: true,
    };
  },
  function variables(rules) {
    // Fifty rules at one place, each with a path variable of its own name and a condition on it; the rest elsewhere.
    const caller = "spiffe://example.org/gateway";
    const crowd = 50;
    const placed = (rule: number): Rule =>
      rule < crowd
        ? ruleOf(rule, caller, `GET /v1/orders/{v${rule}}`, `path.v${rule} == "order-${rule}"`)
        : ruleOf(rule, caller, `GET /v1/resource-${rule}/{id}`);
    return {
      name: "50 path variables at one place",
      policy: policyOf(Math.max(rules, crowd), placed),
      requests: spread(crowd, (rule) => benchRequest(caller, "GET", `/v1/orders/order-${rule}`)),
      admits: true,
    };
  },
  function denials(rules) {
    const caller = "spiffe://example.org/gateway";
    return {
      name: "deny rules for everybody, one allow rule",
      policy: policyOf(rules, (rule) =>
        rule === 0
          ? ruleOf(rule, caller, "GET /**")
          : { ...ruleOf(rule, "any", `DELETE /v1/resource-${rule}/**`), action: "deny" },
      ),
      requests: spread(rules, (rule) => benchRequest(caller, "GET", `/v1/resource-${rule}/7`)),
      admits: true,
    };
  },
];

function spread(rules: number, request: (rule: number) => BenchRequest): BenchRequest[] {
  // A fixed stride that shares no factor with round numbers visits rules far from each other, in the same way each time.
  return Array.from({ length: request_count }, (_, index) => request((index * 7919) % rules));
}

function policyOf(rules: number, make: (rule: number) => Rule): Policy {
  return {
    name: "bench",
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
    rules: Array.from({ length: rules }, (_, rule) => make(rule)),
  };
}

function ruleOf(number: number, caller: string, endpointText: string, when?: string): Rule {
  const endpoints = [parseEndpoint(endpointText) as Endpoint];
  const condition =
    when === undefined
      ? undefined
      : compileCondition(reporterFor("bench.yaml", when), { value: when, at: 0 }, { hasToken: false, endpoints });
  return ruleWith({
    // Rules are in the byte order of their names.
    name: `rule-${String(number).padStart(6, "0")}`,
    callers: [caller === "any" ? { kind: "any" } : { kind: "pattern", pattern: parseCaller(caller) as CallerPattern }],
    endpoints,
    condition,
  });
}
