/** What logs say was used, laid over what policies grant. */
import { possibleEndpoints, RuleMatcher, usagesFor } from "../discover/matching.ts";
import { callPlace } from "../policy/language/protocols.ts";
import { PathIndex } from "../policy/meaning/paths.ts";
import { admitsMethod } from "../policy/meaning/relations.ts";
import { segmentsOf } from "../traffic/segments.ts";
import type { Usage } from "../traffic/usage.ts";
import type { Cell, EndpointData, UnmatchedData, UsageData } from "./data.ts";
import { holdsHost, markUnclear, type Overlaid } from "./unclear.ts";

/** IDs that are told of a caller that stands for many. */
const seen_max = 20;
const unmatched_max = 20;

/** Counts requests into cells, whose last two members it sets. */
export function layOver(
  { policies, callers, endpoints, grants, cells }: Overlaid,
  usages: readonly Usage[],
): UsageData {
  const index = new PathIndex<number>();
  const calls: { carrier: string; path: string; place: number }[] = [];
  for (const { reach, places } of policies) {
    for (const [at, { method, pattern }] of reach.endpoints.entries()) {
      const call = callPlace(method);
      if (call === undefined) index.add(pattern, places[at]!);
      else calls.push({ ...call, path: call.segments.join("/"), place: places[at]! });
    }
  }
  const callPlaces = new Set(calls.map(({ place }) => place));
  const callerAt = new Map(callers.map(({ id }, at) => [id, at]));
  const cellAt = new Map(cells.map(([caller, endpoint], at) => [caller * endpoints.length + endpoint, at]));
  for (const cell of cells) [cell[3], cell[4]] = [0, 0];
  const seen = new Map<number, Set<string>>();
  const usedRules = new Set<string>();
  const matchers = policies.map(({ policy }) => new RuleMatcher(policy));
  /** Rules that a log does not tell from used ones, such as one for `/orders/7` where it has `/orders/{number}`, or of callers that it does not name, are not called unused. */
  const takePossible = (usage: Usage): void => {
    for (const [at, { policy }] of policies.entries()) {
      const [one] = usagesFor([usage], policy);
      if (one === undefined) continue;
      const isNamed = one.policy !== "" && ruleNames[at]!.has(one.rule);
      for (const rule of matchers[at]!.rulesOf(one)) {
        const key = `${at} ${rule.name}`;
        if ((isNamed && rule.name !== one.rule) || usedRules.has(key)) continue;
        if (possibleEndpoints(rule, one).length > 0) usedRules.add(key);
      }
    }
  };
  const ruleNames = policies.map(({ policy }) => new Set(policy.rules.map(({ name }) => name)));
  const unmatched: UnmatchedData[] = [];
  let [requests, lost, from, to] = [0, 0, "", ""];

  const near = new Map<string, number[]>();
  const endpointsOf = ({ host, method, path }: Usage): number[] => {
    const key = `${method} ${host} ${path}`;
    const known = near.get(key);
    if (known !== undefined) return known;
    const found: number[] = [];
    const segments = segmentsOf(path);
    if (segments !== undefined)
      index.someCovering({ segments, tail: false }, (place) => {
        const endpoint = endpoints[place]!;
        if (admitsMethod(endpoint.method, method) && holdsHost(endpoint.host, host)) found.push(place);
        return false;
      });
    // No log says which calls a request had.
    const own = segments?.join("/");
    for (const call of calls) {
      const isHere = call.path === own && holdsHost(endpoints[call.place]!.host, host);
      if (isHere && (call.carrier === method || isGraphqlGet(endpoints[call.place]!, method))) found.push(call.place);
    }
    near.set(key, found);
    return found;
  };

  for (const usage of usages) {
    const { admitted, count } = usage;
    requests += count;
    if (admitted) takePossible(usage);
    if (usage.day !== "") {
      if (from === "" || usage.day < from) from = usage.day;
      if (usage.day > to) to = usage.day;
    }
    let matched: { cell: Cell; rules: readonly string[] }[] = [];
    let isOwnRule = false;
    for (const place of endpointsOf(usage)) {
      const number = endpoints[place]!.policy;
      const { policy, reach } = policies[number]!;
      if (usage.policy !== "" && usage.policy !== policy.name) continue;
      const caller = callerAt.get(reach.takenFor(usage.caller))!;
      const cell = cells[cellAt.get(caller * endpoints.length + place) ?? -1];
      if (cell === undefined) continue;
      // A log of the policy before this one names rules that this one may not have.
      isOwnRule ||= ruleNames[number]!.has(usage.rule);
      matched.push({ cell, rules: grants[cell[2]]!.rules.map((rule) => `${number} ${rule}`) });
      if (usage.caller !== "") seen.set(caller, (seen.get(caller) ?? new Set()).add(usage.caller));
    }
    const deciding = matched.filter(({ rules }) => rules.some((rule) => rule.endsWith(` ${usage.rule}`)));
    if (usage.rule !== "" && deciding.length > 0) matched = deciding;
    if (matched.length === 0) {
      lost += count;
      const { caller, host, method, path, reason } = usage;
      unmatched.push({ caller, host, method, path, admitted, reason, count });
      continue;
    }
    for (const { cell, rules } of matched) {
      if (callPlaces.has(cell[1])) {
        if (admitted) cell[3] = null;
        continue;
      }
      if (admitted) cell[3]! += count;
      else cell[4]! += count;
      if (!admitted) continue;
      for (const rule of rules) if (!isOwnRule || rule.endsWith(` ${usage.rule}`)) usedRules.add(rule);
    }
  }
  for (const [caller, ids] of seen) {
    if (callers[caller]!.kind !== "exact") callers[caller]!.seen = [...ids].sort().slice(0, seen_max);
  }
  markUnclear({ policies, callers, endpoints, grants, cells }, usages);
  const granted = cells.filter(([, , grant]) => grants[grant]!.level !== "denied" && grants[grant]!.extent === "whole");
  return {
    from,
    to,
    requests,
    unmatched: lost,
    unmatchedExamples: joined(unmatched),
    unusedCells: granted.filter(([, , , admitted]) => admitted === 0).length,
    unclearCells: granted.filter(([, , , admitted]) => admitted === null).length,
    unusedRules: policies.flatMap(({ policy }, at) =>
      policy.rules
        .filter(({ name, action, mode }) => action === "allow" && mode === "enforce" && !usedRules.has(`${at} ${name}`))
        .map(({ name }) => ({ policy: at, rule: name })),
    ),
  };
}

function isGraphqlGet({ method: protocol }: EndpointData, method: string): boolean {
  return protocol === "graphql" && method === "GET";
}

/** The largest groups, days put together. */
function joined(all: readonly UnmatchedData[]): UnmatchedData[] {
  const groups = new Map<string, UnmatchedData>();
  for (const one of all) {
    const { count, ...rest } = one;
    const key = JSON.stringify(rest);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { ...one });
    else known.count += count;
  }
  return [...groups.values()].sort((a, b) => b.count - a.count).slice(0, unmatched_max);
}
