/**
 * Whether any request could need more than the engine has room for. The engine denies such a request (503, cause
 * `index_visits`, `candidate_rules` or `caller_groups`); a policy under which one exists is refused where it is written.
 * All figures are upper bounds: methods are not looked at, and a rule in two groups counts twice.
 */
import {
  caller_groups_max,
  caller_shapes_max,
  candidate_rules_max,
  index_visits_max,
  node_shapes_max,
  request_condition_cost_max,
} from "../../../assembly/limits.ts";
import { group_anonymous, group_any, host_any } from "../../../assembly/policy/layout.ts";
import type { Policy, Rule } from "../language/model.ts";
import { type CallerPattern, callerShapes, callerText, commonCallers } from "../language/spiffe.ts";
import type { Index } from "./index.ts";
import { readingsOf } from "./readings.ts";
import type { TrieNode } from "./trie.ts";

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
  checkShapes(policy, index);
  const costs = groupCosts(index);
  const everybody = [group_any, group_anonymous];
  const members = new Map(index.callers.map(({ pattern, groups }) => [callerText(pattern), groups]));
  const check = (caller: string, groups: readonly number[]): void => checkCaller(policy, index, costs, caller, groups);
  check("everybody", everybody);
  const overlapping = overlapsOf(index, costs);
  const shapes = callerShapes(index.callers.map(({ pattern }) => pattern));
  if (shapes.length > caller_shapes_max)
    throw new BoundError(
      `the patterns of callers have \`*\` or \`{…}\` before their end in ${shapes.length} ways, of ${caller_shapes_max} at most: by which segments these are, and how many segments there are; use fewer`,
    );
  for (const { pattern, groups } of index.callers) {
    if (pattern.wildcards !== 0) {
      check(`\`${callerText(pattern)}\``, [...everybody, ...overlapping(pattern)]);
      continue;
    }
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

/** How many patterns with a `*` before their end are compared with all others. */
const compared_max = 2_000_000;

/**
 * Which groups an ID of a pattern may be in. Of patterns with the same number of segments and the same `*`, an ID has one: the
 * dearest that it can be counts. An ID that has a pattern with `*` before its end is looked at here alone.
 */
function overlapsOf({ callers }: Index, costs: ReadonlyMap<number, Cost>): (pattern: CallerPattern) => number[] {
  const byShape = new Map<string, Index["callers"]>();
  let wild = 0;
  for (const member of callers) {
    const { kind, segments, wildcards } = member.pattern;
    const shape = `${kind} ${segments} ${wildcards}`;
    const members = byShape.get(shape);
    if (members === undefined) byShape.set(shape, [member]);
    else members.push(member);
    if (wildcards !== 0) wild++;
  }
  const dear = (groups: readonly number[]): number => {
    const { visits, rules, units } = sum(groups.map((group) => costs.get(group)));
    return visits / index_visits_max + rules / candidate_rules_max + units / request_condition_cost_max;
  };
  // Beyond this, whatever has the shape counts as overlapping.
  const isCompared = wild * callers.length <= compared_max;
  return (pattern) =>
    [...byShape.values()].flatMap((members) => {
      const met = isCompared ? members.filter((one) => commonCallers(one.pattern, pattern) !== undefined) : members;
      let most: readonly number[] = [];
      for (const { groups } of met) if (dear(groups) > dear(most) || most.length === 0) most = groups;
      return most;
    });
}

/** A node with more shapes would cost each request a lookup for each of them. */
function checkShapes({ rules }: Policy, { tries: { nodes } }: Index): void {
  const wide = nodes.find(({ shapes }) => shapes.length > node_shapes_max);
  if (wide === undefined) return;
  const ruleBelow = ({ ends, tails, children, wildcard, shapes, backward }: TrieNode): number => {
    const entry = ends[0] ?? tails[0];
    if (entry !== undefined) return entry.rule;
    const below = children[0] ?? shapes[0]?.children[0] ?? Math.max(wildcard, backward);
    return ruleBelow(nodes[below]!);
  };
  const last = nodes[wide.shapes.at(-1)!.children.at(-1)!]!;
  throw new BoundError(
    `text around variables and stars is divided in ${wide.shapes.length} ways in one segment, by its sizes before and after, of ${node_shapes_max} at most; give the whole segment a name, and say in \`when\` how it begins or ends`,
    rules[ruleBelow(last)],
  );
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
      `visit ${visits} places of the index, of ${index_visits_max} at most; use fewer wildcards, \`{…}\`, \`*\` and \`/**\`, beside literal segments`,
    );
  }
  if (rules > candidate_rules_max) {
    refuse(
      ({ rules }) => rules,
      `match ${rules} rules, of ${candidate_rules_max} at most; join rules for the same callers and path${howOften(policy)}`,
    );
  }
  if (units > request_condition_cost_max) {
    refuse(
      ({ units }) => units,
      `meet conditions that cost ${units} steps, of ${request_condition_cost_max} at most; make them simpler, or their endpoints narrower${howOften(policy)}`,
    );
  }
}

/** That conditions of deny rules count more than once, where they do. */
function howOften({ rules }: Policy): string {
  const readings = readingsOf(rules);
  if (readings === 1) return "";
  return `; the condition of a deny rule counts up to ${readings} times, once for each way to read a path that \`paths\` lets in`;
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
