/**
 * Whether any request could need more than the engine has room for. The engine denies such a request (503, cause
 * `index_visits`, `candidate_rules` or `caller_groups`); a policy under which one exists is refused where it is written.
 * All figures are upper bounds: methods are not looked at, and a rule in two groups counts twice.
 */
import {
  caller_groups_max,
  candidate_rules_max,
  index_visits_max,
  request_condition_cost_max,
} from "../../../assembly/limits.ts";
import { group_anonymous, group_any, host_any } from "../../../assembly/policy/layout.ts";
import type { Policy, Rule } from "../language/model.ts";
import { callerText } from "../language/spiffe.ts";
import type { Index } from "./index.ts";

/** A bound of the engine that a policy passes only as a whole. */
export class BoundError extends Error {
  /** The rule to show for it; undefined where no rule has more part in it than others. */
  readonly rule: Rule | undefined;

  constructor(message: string, rule?: Rule) {
    super(message);
    this.name = "BoundError";
    this.rule = rule;
  }
}

/** What one request may cost at the most. */
interface Cost {
  visits: number;
  rules: number;
  /** Of conditions, in units of `condition_cost_max`. */
  units: number;
}

/**
 * Checks what callers' requests may cost.
 * @param index that of the policy
 * @throws BoundError for the first caller whose requests could pass a bound
 */
export function checkBounds(policy: Policy, index: Index): void {
  const costs = groupCosts(index);
  const everybody = [group_any, group_anonymous];
  const members = new Map(index.callers.map(({ pattern, groups }) => [callerText(pattern), groups]));
  const check = (caller: string, groups: readonly number[]): void => checkCaller(policy, index, costs, caller, groups);
  check("everybody", everybody);
  for (const { pattern, groups } of index.callers) {
    const matching = [...everybody, ...groups];
    const join = (text: string): void => {
      for (const group of members.get(text) ?? []) matching.push(group);
    };
    const parts = pattern.text.split("/");
    for (let segments = 0; segments <= pattern.segments; segments++) {
      const above = parts.slice(0, 3 + segments).join("/");
      const isOwn = segments === pattern.segments;
      if (!isOwn || pattern.kind === "child") join(`${above}/**`);
      if (segments === pattern.segments - 1 && pattern.kind === "exact") join(`${above}/*`);
    }
    check(`\`${callerText(pattern)}\``, matching);
  }
}

/** @param groups those whose rules a request of the caller may meet */
function checkCaller(
  policy: Policy,
  index: Index,
  costs: ReadonlyMap<number, Cost>,
  caller: string,
  groups: readonly number[],
): void {
  const { visits, rules, units } = sum(groups.map((group) => costs.get(group)));
  const refuse = (part: (cost: Cost) => number, what: string): never => {
    const share = (group: number): number => part(costs.get(group) ?? no_cost);
    const largest = groups.reduce((most, group) => (share(group) >= share(most) ? group : most));
    throw new BoundError(`a request of ${caller} could ${what}`, lastRuleOf(policy, index, largest));
  };
  if (groups.length > caller_groups_max) {
    refuse(
      ({ rules }) => rules,
      `count for ${groups.length} sets and patterns that rules name, of ${caller_groups_max} at most; join some of them`,
    );
  }
  if (visits > index_visits_max) {
    refuse(
      ({ visits }) => visits,
      `visit ${visits} places of the index, of ${index_visits_max} at most; use fewer wildcards, \`{…}\` and \`*\`, beside literal segments`,
    );
  }
  if (rules > candidate_rules_max) {
    refuse(
      ({ rules }) => rules,
      `match ${rules} rules, of ${candidate_rules_max} at most; join rules for the same callers and path`,
    );
  }
  if (units > request_condition_cost_max) {
    refuse(
      ({ units }) => units,
      `meet conditions that cost ${units} steps, of ${request_condition_cost_max} at most; make them simpler, or their endpoints narrower`,
    );
  }
}

/** The rule of a group that stands last in the policy file: the one that was probably added when the bound was passed. */
function lastRuleOf({ rules }: Policy, { groupsOf }: Index, group: number): Rule | undefined {
  const ofGroup = rules.filter(({ callers }) => groupsOf(callers).has(group));
  return ofGroup.sort((a, b) => a.line - b.line || a.column - b.column).at(-1);
}

/** What a walk through all of a group's tries costs that one request's host can lead to. */
function groupCosts({ roots, tries, hosts }: Index): Map<number, Cost> {
  const byGroup = new Map<number, Map<number, Cost>>();
  for (const { group, host, node } of roots) {
    const { mostVisits, mostEntries, mostCost } = tries.nodes[node]!;
    let costs = byGroup.get(group);
    if (costs === undefined) {
      costs = new Map();
      byGroup.set(group, costs);
    }
    costs.set(host, { visits: mostVisits, rules: mostEntries, units: mostCost });
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
      most = {
        visits: Math.max(most.visits, cost.visits),
        rules: Math.max(most.rules, cost.rules),
        units: Math.max(most.units, cost.units),
      };
    }
    total.set(group, sum([costs.get(host_any), most]));
  }
  return total;
}

const no_cost: Cost = { visits: 0, rules: 0, units: 0 };

function sum(costs: (Cost | undefined)[]): Cost {
  const total = { ...no_cost };
  for (const cost of costs) {
    total.visits += cost?.visits ?? 0;
    total.rules += cost?.rules ?? 0;
    total.units += cost?.units ?? 0;
  }
  return total;
}
