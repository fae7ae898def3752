/** Random rules, as the parts of which what a rule cannot have is left out. */
import * as fc from "fast-check";
import { claimsCondition, plainCondition, someCost } from "./conditions.ts";
import { someIssuer } from "./issuers.ts";
import { ids } from "./requests.ts";
import { few, type Mapping, some, sometimes } from "./some.ts";
import { type Declared, soundCondition } from "./sound.ts";
import { start_seconds } from "./tokens.ts";

export const patterns = [
  ...ids,
  "spiffe://example.org/**",
  "spiffe://example.org/*",
  "spiffe://example.org/a/*",
  "spiffe://example.org/a/**",
  "spiffe://partner.net/**",
  "spiffe://old.example.net/a/x",
  "spiffe://example.org/*/x",
  "spiffe://example.org/*/x/**",
  "spiffe://example.org/a/{s}",
  "spiffe://example.org/{s}/x",
  "spiffe://example.org/{t}/{s}/1",
  "spiffe://example.org/{s}/**",
];
const someCaller = fc.oneof(some("any", "any", "any", "any", "anonymous", "set-a", "set-b"), some(...patterns));
const someHost = some("example.org", "api.example.org", "*.example.org", "*.org", "API.example.ORG", "[::1]");
const paths = [
  "/**",
  "/",
  "/a",
  "/a/b",
  "/*",
  "/a/*",
  "/*/b",
  "/{id}",
  "/a/{id}",
  "/{x}/{id}",
  "/{id}/b",
  "/{x}/{y}/c",
  "/a/b/c",
];
const partial = [
  "/a*",
  "/{id}b",
  "/a{x}",
  "/*:a/{id}",
  "/a/a{id}b",
  "/a/%61b*",
  "/a/*ba",
  "/{id}:a",
  "/%C3%A9{id}/{x}",
  "/{x}/{id}%C3%A9",
  "/**/b",
  "/a/**/b",
  "/a/**/{id}/b",
  "/**/a*/{x}",
  "/*/**/{id}b",
  "/{x}/**/{id}",
];
const tails = ["/**", "/a/**", "/*/b/**", "/{id}/**", "/%C3%A9/%2A", "/%61/**"];
const methods = ["*", "GET", "GET|POST", "*", "GET", "POST", "PUT|DELETE|GET", "*", "BREW", "HEAD", "HEAD|POST"];
const someEndpoint = fc.oneof(
  {
    arbitrary: fc
      .tuple(some(...methods), some(...paths, ...paths, ...tails, ...partial))
      .map((parts) => parts.join(" ")),
    weight: 12,
  },
  { arbitrary: some("grpc shop.Orders/Create", "grpc shop.Orders/*"), weight: 1 },
);

const limitsByClaim = ["by-sub", "by-org"];

const at = (offset: number): string => new Date((start_seconds + offset) * 1000).toISOString().replace(".000", "");

/** What upstreams do with paths that can be read in several ways. */
export const somePaths = fc.record(
  {
    trailingSlash: some("same", "same", "distinct", "refuse"),
    encodedSlash: some("segment", "segment", "refuse"),
    emptySegments: some("keep", "keep", "refuse"),
    semicolons: some("keep", "keep", "refuse"),
    case: some("ignore", "exact"),
  },
  { requiredKeys: [] },
);

/** Endpoints that a rule may have with these options. */
function oddEndpoints(paths: Partial<Record<string, string>>): string[] {
  return [
    ...(["same", "distinct"].includes(paths.trailingSlash ?? "") ? ["GET /a/", "* /{x}/"] : []),
    ...(paths.encodedSlash === "segment" ? ["GET /a%2Fb"] : []),
    ...(paths.emptySegments === "keep" ? ["GET /a//{id}", "GET //**"] : []),
    ...(paths.semicolons === "keep" ? ["GET /a;b"] : []),
    ...(paths.case === "ignore" ? ["GET /A/%C3%89"] : []),
  ];
}

export interface RuleParts {
  name: string;
  action: "allow" | "deny";
  callers: string[];
  hosts: string[] | undefined;
  endpoints: string[];
  /** What is said of paths, and whether endpoints that need it are among them. */
  paths: Partial<Record<string, string>> | undefined;
  isOdd: boolean;
  token: string | string[] | undefined;
  isTokenOptional: boolean;
  scopes: string[] | { any: string[] } | undefined;
  claimsWhen: string | undefined;
  plainWhen: string | undefined;
  maxHeaderBytes: number | undefined;
  maxQueryBytes: number | undefined;
  maxBodyBytes: number | undefined;
  limit: string[] | undefined;
  cost: number | string | { value: string; most: number } | undefined;
  mode: "enforce" | "shadow" | undefined;
  sensitive: boolean | undefined;
  starts: string | undefined;
  expires: string | undefined;
}

export const someRule: fc.Arbitrary<RuleParts> = fc.record({
  name: fc.stringMatching(/^[A-Za-z0-9_-]{1,3}$/),
  action: some("allow" as const, "allow" as const, "allow" as const, "deny" as const),
  callers: few(someCaller, 3),
  hosts: sometimes(few(someHost, 2), 6),
  endpoints: few(someEndpoint, 4),
  paths: sometimes(somePaths, 4),
  isOdd: fc.boolean(),
  token: sometimes(fc.oneof(someIssuer, few(someIssuer, 5, 2)), 2),
  isTokenOptional: some(true, false, false),
  scopes: sometimes(
    fc
      .tuple(few(some("read", "write", "admin"), 2), fc.boolean())
      .map(([scopes, isAny]) => (isAny ? { any: scopes } : scopes)),
    4,
  ),
  claimsWhen: sometimes(claimsCondition, 3),
  plainWhen: sometimes(plainCondition, 2),
  maxHeaderBytes: sometimes(some(60, 80, 400, 900, 8192), 12),
  maxQueryBytes: sometimes(some(0, 3, 4, 9, 1024), 12),
  maxBodyBytes: sometimes(some(0, 9, 10, 65536), 8),
  limit: sometimes(few(some("slow", "fast", "open", "loop", ...limitsByClaim), 3), 3),
  cost: sometimes(
    fc.oneof(
      some(1, 2, 3),
      someCost,
      fc.tuple(someCost, some(1, 2, 3)).map(([value, most]) => ({ value, most })),
    ),
    2,
  ),
  mode: sometimes(some("shadow" as const, "enforce" as const), 4),
  sensitive: sometimes(fc.boolean(), 12),
  starts: sometimes(some(at(-3600), at(0), at(7), at(3600)), 15),
  expires: sometimes(some(at(-60), at(8), at(60), at(7200)), 15),
});

/** Leaves out what the rule cannot have: what is sound is for the compiler's own tests. */
export function tidy(
  rule: RuleParts,
  bursts: ReadonlyMap<string, number>,
  sets: Mapping,
  claims: ReadonlyMap<string, Declared | undefined>,
  domains: readonly string[],
): Mapping {
  const { name, callers, hosts, action, mode, starts } = rule;
  const isDeny = action === "deny";
  const written = rule.token === undefined ? rule.plainWhen : rule.claimsWhen;
  const odd = rule.isOdd ? oddEndpoints(rule.paths ?? {}) : [];
  const endpoints = withVariables([...rule.endpoints, ...odd], written ?? "");
  const declared = [rule.token ?? []].flat().map((issuer) => claims.get(issuer) ?? {});
  // The callers that have the names are of this domain.
  const isNamed = !isDeny || domains.includes("example.org") || !/\bcaller\.[st]\b/u.test(written ?? "");
  const when = isNamed
    ? written &&
      soundCondition(written, action, endpoints, declared, new Set(domains.filter((one) => one !== "old.example.net")))
    : undefined;
  const token = isDeny && when === undefined ? undefined : rule.token;
  const isOptional = token !== undefined && rule.isTokenOptional;
  const limit = rule.limit?.filter((one) => token !== undefined || !limitsByClaim.includes(one)) ?? [];
  const limited = !isDeny && limit.length > 0;
  const most = Math.min(...limit.map((one) => bursts.get(one)!));
  const expires =
    starts !== undefined && rule.expires !== undefined && rule.expires <= starts ? undefined : rule.expires;
  const parts: Mapping = {
    name,
    callers: withCaptures(isDeny ? deniable(callers, sets, domains) : callers, sets, when ?? ""),
    hosts,
    [action]: endpoints,
    paths: rule.paths,
    token: isOptional ? { issuer: token, optional: true } : token,
    scopes: token !== undefined && !isDeny ? rule.scopes : undefined,
    when,
    maxHeaderBytes: isDeny ? undefined : rule.maxHeaderBytes,
    maxQueryBytes: isDeny ? undefined : rule.maxQueryBytes,
    maxBodyBytes: isDeny ? undefined : rule.maxBodyBytes,
    limit: limited ? (limit.length === 1 ? limit[0] : limit) : undefined,
    cost:
      limited && most < Infinity ? costWithin(rule.cost, most, token === undefined ? undefined : declared) : undefined,
    mode,
    sensitive: rule.sensitive,
    starts,
    expires,
  };
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined));
}

/** A cost that no limit of the rule is too small for; claims are only where there is a token, and an int where they are declared. */
function costWithin(
  cost: RuleParts["cost"],
  most: number,
  declared: readonly Declared[] | undefined,
): RuleParts["cost"] {
  if (cost === undefined || typeof cost === "number") return cost && Math.min(cost, most);
  const value = typeof cost === "string" ? cost : cost.value;
  const isSound =
    !value.includes("claims") ||
    (declared && soundCondition(`(${value}) == 1`, "allow", [], declared, new Set())) !== undefined;
  if (!isSound) return Math.min(2, most);
  return typeof cost === "string" ? cost : { value, most: Math.min(cost.most, most) };
}

/** A condition may name a segment of the caller's ID that some caller of the rule has a name for; it asks first whether there is one. */
function withCaptures(callers: readonly string[], sets: Mapping, when: string): string[] {
  const named = callers.flatMap((caller) => (sets[caller] as string[] | undefined) ?? [caller]);
  const isMissing = /\bcaller\.s\b/u.test(when) && !named.some((caller) => caller.includes("{s}"));
  return isMissing ? [...callers, "spiffe://example.org/a/{s}"] : [...callers];
}

/**
 * Where a header tells of `caller.t`, some allow rule has a caller with that name, and no other one that an ID can have as well, in which it
 * would be another segment or none.
 */
export function withTeams(rules: readonly Mapping[], sets: Mapping): Mapping[] {
  const team = "spiffe://example.org/{t}/{s}/1";
  const isShort = (caller: string): boolean => caller.startsWith("spiffe:") && !/\*\*$|\/1$/u.test(caller);
  const isTeamed = (caller: string): boolean => [caller, ...((sets[caller] ?? []) as string[])].includes(team);
  const first = rules.find((rule) => "allow" in rule);
  return rules.map((rule) => {
    const callers = rule.callers as string[];
    if (!("allow" in rule) || (rule !== first && !callers.some(isTeamed))) return rule;
    return { ...rule, callers: [...callers.filter(isShort), team] };
  });
}

/** A deny rule names nobody whose trust domain has no callers. */
function deniable(callers: readonly string[], sets: Mapping, domains: readonly string[]): string[] {
  const isCaller = (one: string): boolean => {
    if (!one.startsWith("spiffe:")) return ((sets[one] ?? []) as string[]).every(isCaller);
    return domains.includes(one.split("/")[2]!);
  };
  const left = callers.filter(isCaller);
  return left.length === 0 ? ["any"] : left;
}

/** A condition may name a variable that some endpoint of the rule has; others then lack it, which is an error there. */
function withVariables(endpoints: readonly string[], when: string): string[] {
  const missing = ["id", "x"].filter(
    (name) => new RegExp(`\\bpath\\.${name}\\b`, "u").test(when) && !endpoints.some((one) => one.includes(`{${name}}`)),
  );
  return [...endpoints, ...missing.map((name) => `GET /a/{${name}}`)];
}
