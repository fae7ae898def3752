/** Where a log shows no use and may hide some: it does not say who called, or writes several paths alike. */
import { pathMayHold, seenPath } from "../discover/matching.ts";
import type { Policy } from "../policy/language/model.ts";
import type { Reach } from "../policy/meaning/reach.ts";
import { admitsMethod } from "../policy/meaning/relations.ts";
import { isCallerUnknown, type Usage } from "../traffic/usage.ts";
import type { CallerData, Cell, EndpointData, GrantData } from "./data.ts";

/** What usage is laid over: lists of the report, and what they were made from. */
export interface Overlaid {
  policies: readonly {
    policy: Policy;
    reach: Reach;
    /** Places of the endpoints of `reach` in the report. */
    places: readonly number[];
  }[];
  callers: CallerData[];
  endpoints: readonly EndpointData[];
  grants: readonly GrantData[];
  cells: Cell[];
}

/** Admitted requests to one path, whose callers are these; undefined: the log does not say who called. */
interface Unclear {
  usage: Usage;
  callers: Set<string> | undefined;
}

/** Has cells without a use that the log may hide say so: `null` in place of 0. */
export function markUnclear({ policies, callers, endpoints, grants, cells }: Overlaid, usages: readonly Usage[]): void {
  const unclear = unclearOf(usages);
  if (unclear.length === 0) return;
  const callerAt = new Map(callers.map(({ id }, at) => [id, at]));
  const unused = new Map<number, Cell[]>();
  for (const cell of cells) {
    if (cell[3] !== 0 || grants[cell[2]]!.level === "denied") continue;
    const known = unused.get(cell[1]);
    if (known === undefined) unused.set(cell[1], [cell]);
    else known.push(cell);
  }
  const paths = unclear.map(({ usage }) => seenPath(usage));
  for (const { policy, reach, places } of policies) {
    const names = new Set(policy.rules.map(({ name }) => name));
    for (const [at, { pattern }] of reach.endpoints.entries()) {
      const open = unused.get(places[at]!) ?? [];
      if (open.length === 0) continue;
      const { host, method } = endpoints[places[at]!]!;
      for (const [index, { usage, callers: who }] of unclear.entries()) {
        if (usage.policy !== "" && usage.policy !== policy.name) continue;
        if (!admitsMethod(method, usage.method) || !holdsHost(host, usage.host)) continue;
        if (!pathMayHold(pattern, paths[index]!)) continue;
        const takenFor = who && new Set([...who].map((caller) => callerAt.get(reach.takenFor(caller))));
        for (const cell of open) {
          const isOfRule = !names.has(usage.rule) || grants[cell[2]]!.rules.includes(usage.rule);
          if (isOfRule && (takenFor === undefined || takenFor.has(cell[0]))) cell[3] = null;
        }
      }
    }
  }
}

function unclearOf(usages: readonly Usage[]): Unclear[] {
  const found = new Map<string, Unclear>();
  for (const usage of usages) {
    const isUnknown = isCallerUnknown(usage);
    if (!usage.admitted || !(isUnknown || usage.path.includes("{"))) continue;
    const { policy, rule, host, method, path } = usage;
    const key = JSON.stringify([policy, rule, host, method, path]);
    const known = found.get(key);
    if (known === undefined) found.set(key, { usage, callers: isUnknown ? undefined : new Set([usage.caller]) });
    else if (isUnknown) known.callers = undefined;
    else known.callers?.add(usage.caller);
  }
  return [...found.values()];
}

/** Whether a host pattern of the report holds a host of a log. */
export function holdsHost(pattern: string, host: string): boolean {
  // A log without hosts says nothing against any.
  if (pattern === "*" || host === "") return true;
  return pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) : host === pattern;
}
