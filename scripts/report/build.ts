/** Policies, and what logs say of their use → what a report tells. */

import { placeText } from "../policy/language/location.ts";
import type { Issuer, Limit, Policy } from "../policy/language/model.ts";
import { openedBy } from "../policy/language/pathoptions.ts";
import { isCallMethod } from "../policy/language/protocols.ts";
import { printRate } from "../policy/language/rate.ts";
import { endpointWords } from "../policy/language/reads.ts";
import { printSelector } from "../policy/language/selector.ts";
import { type CallerPattern, callerText, parseCaller } from "../policy/language/spiffe.ts";
import { patternsOf, setsOf } from "../policy/meaning/classes.ts";
import { type AccessChange, type ConditionWords, comparePolicies } from "../policy/meaning/difference.ts";
import { type Grant, type Reach, reachOf } from "../policy/meaning/reach.ts";
import { conditionText } from "../policy/meaning/words.ts";
import type { Diagnostic } from "../policy/source/diagnostic.ts";
import type { Usage } from "../traffic/usage.ts";
import { blastOf } from "./blast.ts";
import type {
  CallerData,
  Cell,
  ChangeData,
  ChangeRow,
  EndpointData,
  GrantData,
  LimitData,
  PolicyData,
  ReportData,
  TokenData,
  WayData,
} from "./data.ts";
import { layOver } from "./usage.ts";

/** A policy that is reported. */
export interface ReportedPolicy {
  path: string;
  policy: Policy;
  warnings: readonly Diagnostic[];
  /** In place of the policy's own `service`. */
  service?: string | undefined;
  /** Another version of it. */
  against?: { path: string; policy: Policy } | undefined;
}

/** What a report is made of beside its policies. */
export interface ReportOptions {
  /** Milliseconds since 1970, by which grants start and end. */
  at: number;
  /** What logs say; undefined: there are none. */
  usages?: readonly Usage[] | undefined;
  /** Whether a call that anybody may make is a way into its service; by default it is. */
  openFootholds?: boolean;
}

/** Computes everything that a report tells. */
export function buildReport(
  reported: readonly ReportedPolicy[],
  { at, usages, openFootholds = true }: ReportOptions,
): ReportData {
  const atSeconds = Math.floor(at / 1000);
  const services = reported.map(({ policy, service = policy.service }) => service);
  const also = patternsAcross(reported, services);
  const reaches = reported.map(({ policy }) => reachOf(policy, also, atSeconds));
  const callers = callersOf(reaches, services);
  const { endpoints, places } = endpointsOf(reaches);
  const lists = new Lists();
  const cells = cellsOf(reaches, callers, places, lists);
  const policies = reported.map((one, number) => policyData(one, services[number], atSeconds));
  const overlaid = {
    policies: reported.map(({ policy }, number) => ({ policy, reach: reaches[number]!, places: places[number]! })),
    callers,
    endpoints,
    grants: lists.grants,
    cells,
  };
  const usage = usages && layOver(overlaid, usages);
  const blast = blastOf({ policies, callers, endpoints, grants: lists.grants, cells, openFootholds });
  const { ways, grants } = lists;
  return {
    version: 1,
    at: new Date(at).toISOString(),
    policies,
    callers,
    endpoints,
    ways,
    grants,
    cells,
    ...(usage && { usage }),
    blast,
    changes: reported.flatMap((one, number) => changesOf(one, number)),
  };
}

/** All callers that some policy names, so that each policy tells them apart. */
function patternsAcross(
  reported: readonly ReportedPolicy[],
  services: readonly (string | undefined)[],
): CallerPattern[] {
  const patterns = new Map<string, CallerPattern>();
  const add = (pattern: CallerPattern | string): void => {
    if (typeof pattern === "object") patterns.set(callerText(pattern), pattern);
  };
  for (const { policy } of reported) {
    const sets = setsOf(policy);
    for (const rule of policy.rules) for (const pattern of patternsOf(rule, sets)) add(pattern);
    for (const id of policy.forwarders) add(parseCaller(id));
  }
  for (const id of services) if (id !== undefined) add(parseCaller(id));
  return [...patterns.values()];
}

function callersOf(reaches: readonly Reach[], services: readonly (string | undefined)[]): CallerData[] {
  const ids = new Set(reaches.flatMap(({ groups }) => groups.flatMap(({ callers }) => callers)));
  // A service that no policy trusts, or knows by another trust domain, is somebody all the same.
  for (const id of services) if (id !== undefined) ids.add(id);
  ids.delete("anonymous");
  const callers = [...ids].sort().map((id): CallerData => {
    const guards = services.flatMap((service, policy) => (service === id ? [policy] : []));
    return { id, kind: id.includes("*") ? "pattern" : "exact", namespace: namespaceOf(id), guards };
  });
  return [{ id: "anonymous", kind: "anonymous", namespace: "anonymous", guards: [] }, ...callers];
}

/** `spiffe://example.org/ns/shop/sa/web` → `example.org ns/shop`; else all but the last segment. */
function namespaceOf(id: string): string {
  const [domain, ...segments] = id.replace("spiffe://", "").split("/");
  const at = segments.indexOf("ns");
  const inner = at >= 0 && segments.length > at + 1 ? segments.slice(0, at + 2) : segments.slice(0, -1);
  return [domain, inner.join("/")].filter((part) => part !== "").join(" ");
}

function endpointsOf(reaches: readonly Reach[]): { endpoints: EndpointData[]; places: number[][] } {
  const endpoints: EndpointData[] = [];
  const places = reaches.map((reach, policy) => {
    const order = [...reach.endpoints.keys()].sort((a, b) => {
      const [one, other] = [reach.endpoints[a]!, reach.endpoints[b]!];
      return (
        compareTexts(one.host, other.host) ||
        compareTexts(one.path, other.path) ||
        compareTexts(one.method, other.method)
      );
    });
    const own: number[] = [];
    for (const at of order) {
      const { host, method, path, isSensitive } = reach.endpoints[at]!;
      own[at] = endpoints.length;
      endpoints.push({ policy, host, ...wordsOf(method, path), sensitive: isSensitive });
    }
    return own;
  });
  return { endpoints, places };
}

/** Of a call its protocol stands in place of the method, and the rest of it in place of the path. */
function wordsOf(method: string, path: string): { method: string; path: string } {
  if (!isCallMethod(method)) return { method, path };
  const words = endpointWords([method], path);
  const space = words.indexOf(" ");
  return { method: words.slice(0, space), path: words.slice(space + 1) };
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Grants and ways, each once. */
class Lists {
  readonly ways: WayData[] = [];
  readonly grants: GrantData[] = [];
  readonly #ways = new Map<string, number>();
  readonly #grants = new Map<string, number>();

  grant({ endpoint: _, ways, ...rest }: Grant): number {
    const grant: GrantData = { ...rest, ways: ways.map((words) => this.#way(words)) };
    const key = JSON.stringify(grant);
    const known = this.#grants.get(key) ?? this.grants.push(grant) - 1;
    this.#grants.set(key, known);
    return known;
  }

  #way(words: ConditionWords): number {
    const key = JSON.stringify(words);
    const known = this.#ways.get(key) ?? this.ways.push({ text: conditionText(words), words }) - 1;
    this.#ways.set(key, known);
    return known;
  }
}

function cellsOf(
  reaches: readonly Reach[],
  callers: readonly CallerData[],
  places: readonly (readonly number[])[],
  lists: Lists,
): Cell[] {
  const cells: Cell[] = [];
  for (const [policy, { groups, takenFor }] of reaches.entries()) {
    const byCaller = new Map<string, [endpoint: number, grant: number][]>();
    for (const group of groups) {
      const own = group.grants.map((grant): [number, number] => [places[policy]![grant.endpoint]!, lists.grant(grant)]);
      for (const caller of group.callers) byCaller.set(caller, own);
    }
    for (const [caller, { id }] of callers.entries()) {
      for (const [endpoint, grant] of byCaller.get(takenFor(id)) ?? []) cells.push([caller, endpoint, grant]);
    }
  }
  return cells.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}

function policyData(
  { path, policy, warnings }: ReportedPolicy,
  service: string | undefined,
  atSeconds: number,
): PolicyData {
  const { rules } = policy;
  const names = (isMeant: (rule: Policy["rules"][number]) => boolean): string[] =>
    rules.filter(isMeant).map(({ name }) => name);
  return {
    name: policy.name,
    path,
    service: service ?? null,
    mode: policy.mode,
    identity: policy.identity,
    trustDomains: policy.trustDomains,
    forwarders: policy.forwarders,
    rules: rules.length,
    shadowRules: names(({ mode }) => mode === "shadow"),
    endedRules: names(({ expiresSeconds }) => expiresSeconds > 0 && expiresSeconds <= atSeconds),
    findings: [...warnings],
    tokens: policy.issuers.map((issuer) => tokenData(issuer, policy)),
    limits: policy.limits.map((limit) => limitData(limit, policy)),
    quarantines: policy.quarantines.map(
      ({ name, mode, per, when, denials, withinSeconds, forSeconds, maxSeconds }) =>
        `${name}: ${denials} denials (${when.join(", ")}) within ${withinSeconds} s shut out for ${forSeconds} to ${maxSeconds} s, by ${per.map(printSelector).join(", ")}${mode === "shadow" ? "; only recorded" : ""}`,
    ),
    notes: notesOf(policy, service),
  };
}

function notesOf({ mode, rules, forwarders }: Policy, service: string | undefined): string[] {
  const notes: string[] = [];
  if (mode === "shadow")
    notes.push(
      "The policy is in shadow mode: everybody is let through. The matrix has what it would decide; the blast radius has what it lets through.",
    );
  if (service === undefined)
    notes.push(
      "Whose policy it is is not known (`service:`, or --service): what its service may call in its turn is not followed.",
    );
  if (forwarders.length > 0) notes.push(`Who has a gateway's identity may name any caller: ${forwarders.join(", ")}.`);
  const isOpen = rules.some(
    ({ action, paths }) => action === "allow" && openedBy({ ...paths, case: "exact" }).length > 0,
  );
  if (isOpen && rules.some(({ action }) => action === "deny"))
    notes.push(
      "Rules take paths that can be read in several ways, and deny rules see every reading: they may deny more than is shown.",
    );
  return notes;
}

function tokenData(issuer: Issuer, { rules }: Policy): TokenData {
  const { name, audiences, algorithms, maxLifetimeSeconds, bind, places } = issuer;
  return {
    name,
    issuer: issuer.issuer,
    audiences,
    algorithms,
    maxLifetimeSeconds,
    bind,
    places: places.map(placeText),
    rules: rules.filter(({ issuers }) => issuers.includes(name)).length,
  };
}

function limitData(limit: Limit, { rules }: Policy): LimitData {
  const { name, kind, rate, burstTokens, per, mode = "enforce", onError, tiers = [] } = limit;
  const more = tiers.length === 0 ? "" : `, ${tiers.length} tiers`;
  const says = {
    rate: () => `${printRate(rate)}, burst ${burstTokens}${more}`,
    concurrency: () => `${burstTokens} open requests`,
    hops: () => `${burstTokens} hops`,
  };
  return {
    name,
    says: says[kind](),
    per: per.map(printSelector),
    scope: onError === undefined ? "proxy" : "fleet",
    mode,
    rules: rules.filter(({ limits }) => limits.includes(name)).length,
  };
}

function changesOf({ policy, against }: ReportedPolicy, number: number): ChangeData[] {
  if (against === undefined) return [];
  const { gained, lost, changed, policy: whole } = comparePolicies(against.policy, policy);
  return [
    {
      policy: number,
      against: against.path,
      gained: gained.map(changeRow),
      lost: lost.map(changeRow),
      changed: changed.map(changeRow),
      whole,
    },
  ];
}

function changeRow({ callers, hosts, endpoints, conditions, was = [], except, unsure }: AccessChange): ChangeRow {
  return {
    callers,
    hosts,
    endpoints,
    now: conditions.map(conditionText),
    was: was.map(conditionText),
    ...(except && { except }),
    ...(unsure && { unsure }),
  };
}
