/**
 * What a report tells, as data: the page is drawn from it, and `sallyport report --json` writes it. Lists are referred to by place: a
 * `caller`, `endpoint`, `policy`, `grant` or `way` that is a number is a place in the list of that name, counted from 0.
 */
import type { AccessChange, ConditionWords } from "../policy/meaning/difference.ts";
import type { PolicyChange } from "../policy/meaning/settings.ts";
import type { Diagnostic } from "../policy/source/diagnostic.ts";

/** Everything that a report tells. */
export interface ReportData {
  version: 1;
  /** The time that grants which start and end are judged by, ISO 8601. */
  at: string;
  policies: PolicyData[];
  /** Who is told apart, in the order of their IDs; the first is everybody whose identity no policy trusts. */
  callers: CallerData[];
  /** What is told apart, by policy. */
  endpoints: EndpointData[];
  ways: WayData[];
  /** What policies say, each once. */
  grants: GrantData[];
  /** Where they say it. A caller and an endpoint that no cell has: it is not admitted. */
  cells: Cell[];
  /** Left out without logs. */
  usage?: UsageData;
  blast: BlastData;
  changes: ChangeData[];
}

/** One policy, and what it has beside its rules. */
export interface PolicyData {
  name: string;
  /** Its file. */
  path: string;
  /** The SPIFFE ID of the service that it guards; null: it is not known, so nothing is reached through it. */
  service: string | null;
  mode: "enforce" | "shadow";
  identity: string;
  trustDomains: string[];
  /** Gateways that may say that anybody is the caller. */
  forwarders: string[];
  rules: number;
  /** Names of rules that are only recorded, and of those that have ended. */
  shadowRules: string[];
  endedRules: string[];
  findings: Diagnostic[];
  tokens: TokenData[];
  limits: LimitData[];
  quarantines: string[];
  /** Where the report may say more, or less, than the policy does. */
  notes: string[];
}

/** Whose tokens are taken, and how. */
export interface TokenData {
  name: string;
  issuer: string;
  /** Empty: for anybody. */
  audiences: string[];
  algorithms: string[];
  /** 0: unbounded. */
  maxLifetimeSeconds: number;
  bind: "none" | "certificate" | "caller";
  places: string[];
  /** How many rules ask for one. */
  rules: number;
}

export interface LimitData {
  name: string;
  /** In words: `100/s, burst 200`, `20 open requests`. */
  says: string;
  per: string[];
  scope: "proxy" | "fleet";
  mode: "enforce" | "shadow";
  rules: number;
}

/** One ID, or all that a pattern holds and no narrower one here does. */
export interface CallerData {
  /** A SPIFFE ID, a pattern, or `anonymous`. */
  id: string;
  kind: "anonymous" | "exact" | "pattern";
  /** The segment after `ns`, or the ID without its last segment: what callers are grouped by. */
  namespace: string;
  /** Places of the policies that guard it; empty for a caller that is no service here. */
  guards: number[];
  /** By logs, the first few IDs that were taken for it; left out without any. */
  seen?: string[];
}

export interface EndpointData {
  policy: number;
  /** A host pattern; `*` for every host. */
  host: string;
  method: string;
  path: string;
  sensitive: boolean;
}

/** One way to be admitted. */
export interface WayData {
  text: string;
  words: ConditionWords;
}

/** What a policy says to a caller of an endpoint (scripts/policy/meaning/reach.ts, `Grant`). */
export interface GrantData {
  extent: "whole" | "part";
  level: "free" | "conditional" | "denied";
  ways: number[];
  rules: string[];
  denies: string[];
  parts: string[];
  except: string[];
}

/**
 * Caller, endpoint, grant; with logs, how many requests were admitted, and how many denied, in them. `null` admitted ones: some may have
 * been, and the logs do not tell them from others.
 */
export type Cell = [caller: number, endpoint: number, grant: number, admitted?: number | null, denied?: number];

export interface UsageData {
  /** UTC, `YYYY-MM-DD`; "" where no line had a time. */
  from: string;
  to: string;
  requests: number;
  /** Requests that no policy of the report has judged, or that fit no cell; the largest groups of them. */
  unmatched: number;
  unmatchedExamples: UnmatchedData[];
  /** Grants of allow rules to callers who used nothing of them. */
  unusedCells: number;
  /** Such grants of which the logs do not tell whether they were used. */
  unclearCells: number;
  /** Allow rules without an admitted request. */
  unusedRules: { policy: number; rule: string }[];
}

export interface UnmatchedData {
  caller: string;
  host: string;
  method: string;
  path: string;
  admitted: boolean;
  reason: string;
  count: number;
}

/** How much somebody reaches. */
export interface Count {
  policies: number;
  endpoints: number;
  sensitive: number;
}

/** What a stolen identity is worth. */
export interface IdentityData {
  caller: number;
  /** By its own calls. */
  direct: Count;
  /** By its own, and by those of all services that it can call. */
  reach: Count;
  /** Of the reach what asks for nothing but identities. */
  free: Count;
}

/** One identity may call something of one policy. */
export interface EdgeData {
  caller: number;
  policy: number;
  level: "free" | "conditional";
  endpoints: number;
  sensitive: number;
  /** Some calls are a gateway's, which is believed to be anybody, or the policy lets everybody through. */
  why?: "forwarder" | "shadow";
  /** All it may call is open to anybody, and that is not taken for a way into the service. */
  isOpen?: true;
  /** With logs: requests that were admitted; `null`: the logs do not tell whether any was. */
  admitted?: number | null;
}

/** One call of a path. */
export interface HopData {
  /** Whose identity calls. */
  caller: number;
  endpoint: number;
  level: "free" | "conditional";
  /** One of them suffices. */
  ways: number[];
  /** A gateway names this caller. */
  as?: number;
  /** The policy is in shadow mode and lets everything through. */
  shadow?: true;
}

/** A shortest way to a sensitive endpoint, which the last hop calls. */
export interface PathData {
  caller: number;
  level: "free" | "conditional";
  hops: HopData[];
}

/** What somebody could not do any more. Pairs are of a caller and an endpoint that it reaches. */
export interface CutData {
  caller: number;
  /** Of a deny rule; left out for a quarantine, which shuts the caller out of every policy. */
  policy?: number;
  pairs: number;
  sensitivePairs: number;
  /** How many others reach less. */
  others: number;
}

export interface BlastData {
  /** Whether a call that anybody may make is a way into its service. */
  openFootholds: boolean;
  identities: IdentityData[];
  edges: EdgeData[];
  /** The ten that reach most: sensitive endpoints first, then all, then those without conditions. Places of callers. */
  dangerous: number[];
  paths: PathData[];
  /** Paths beyond the bound. */
  pathsLeftOut: number;
  quarantines: CutData[];
  denies: CutData[];
}

export interface ChangeData {
  policy: number;
  /** The file of the other version. */
  against: string;
  gained: ChangeRow[];
  lost: ChangeRow[];
  changed: ChangeRow[];
  whole: PolicyChange[];
}

/** A change with its conditions in words. */
export interface ChangeRow extends Pick<AccessChange, "callers" | "hosts" | "endpoints" | "except" | "unsure"> {
  now: string[];
  was: string[];
}
