/**
 * Whether any request could need more than the engine has room for. The engine denies such a request (503, cause
 * `index_visits`, `candidate_rules` or `caller_groups`); a policy under which one exists is refused where it is written.
 * All figures are upper bounds: methods are not looked at, and a rule in two groups counts twice.
 */
import { caller_groups, candidate_rules, index_visits } from "../../assembly/limits.ts";
import { group_anonymous, group_any, host_any } from "../../assembly/policy/layout.ts";
import type { Index } from "./compile.ts";
import type { Rule } from "./model.ts";
import { callerText } from "./spiffe.ts";

/** A bound of the engine that a policy passes only as a whole, and the rule to show for it. */
export class BoundError extends Error {
  readonly rule: Rule | undefined;

  constructor(message: string, rule: Rule | undefined) {
    super(message);
    this.name = "BoundError";
    this.rule = rule;
  }
}

/** What one request may cost at the most. */
interface Cost {
  groups: number;
  visits: number;
  rules: number;
}

/** @throws BoundError for the first caller whose requests could pass a bound */
export function checkBounds(index: Index): void {
  const costs = groupCosts(index);
  const everybody = sum([group_any, group_anonymous].map((group) => costs.get(group)));
  everybody.groups = 2;
  const members = new Map(index.callers.map(({ pattern, groups }) => [callerText(pattern), groups]));
  const costOf = (text: string): Cost => {
    const groups = members.get(text) ?? [];
    return { ...sum(groups.map((group) => costs.get(group))), groups: groups.length };
  };
  check("everybody", everybody);
  for (const { pattern } of index.callers) {
    const matching = [everybody, costOf(callerText(pattern))];
    const parts = pattern.text.split("/");
    for (let segments = 0; segments <= pattern.segments; segments++) {
      const above = parts.slice(0, 3 + segments).join("/");
      const isOwn = segments === pattern.segments;
      if (!isOwn || pattern.kind === "child") matching.push(costOf(`${above}/**`));
      if (segments === pattern.segments - 1 && pattern.kind === "exact") matching.push(costOf(`${above}/*`));
    }
    check(`\`${callerText(pattern)}\``, sum(matching));
  }
}

function check(caller: string, { groups, visits, rules }: Cost): void {
  const refuse = (what: string): never => {
    throw new BoundError(`a request of ${caller} could ${what}`, undefined);
  };
  if (groups > caller_groups) {
    refuse(`count for ${groups} sets and patterns that rules name, of ${caller_groups} at most; join some of them`);
  }
  if (visits > index_visits) {
    refuse(
      `visit ${visits} places of the index, of ${index_visits} at most; use fewer wildcards, \`{…}\` and \`*\`, beside literal segments`,
    );
  }
  if (rules > candidate_rules) {
    refuse(`match ${rules} rules, of ${candidate_rules} at most; join rules for the same callers and path`);
  }
}

/** What a walk through all of a group's tries costs that one request's host can lead to. */
function groupCosts({ roots, tries, hosts }: Index): Map<number, Cost> {
  const byGroup = new Map<number, Map<number, Cost>>();
  for (const { group, host, node } of roots) {
    const { mostVisits, mostEntries } = tries.nodes[node]!;
    let costs = byGroup.get(group);
    if (costs === undefined) {
      costs = new Map();
      byGroup.set(group, costs);
    }
    costs.set(host, { groups: 0, visits: mostVisits, rules: mostEntries });
  }
  const numbers = new Map(hosts.map(({ kind, text }, place) => [`${kind} ${text}`, place + 1]));
  /** A host's own number and those of the suffixes it has. */
  const chain = (host: number): number[] => {
    const { text } = hosts[host - 1]!;
    const labels = text.split(".");
    const suffixes = labels.slice(1).map((_, place) => numbers.get(`suffix ${labels.slice(place + 1).join(".")}`));
    return [host, ...suffixes.filter((number) => number !== undefined)];
  };
  const total = new Map<number, Cost>();
  for (const [group, costs] of byGroup) {
    let most: Cost = sum([]);
    for (const host of costs.keys()) {
      if (host === host_any) continue;
      const cost = sum(chain(host).map((number) => costs.get(number)));
      most = { groups: 0, visits: Math.max(most.visits, cost.visits), rules: Math.max(most.rules, cost.rules) };
    }
    total.set(group, sum([costs.get(host_any), most]));
  }
  return total;
}

function sum(costs: (Cost | undefined)[]): Cost {
  const total = { groups: 0, visits: 0, rules: 0 };
  for (const cost of costs) {
    total.groups += cost?.groups ?? 0;
    total.visits += cost?.visits ?? 0;
    total.rules += cost?.rules ?? 0;
  }
  return total;
}
