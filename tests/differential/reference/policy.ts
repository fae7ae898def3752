/**
 * The second reading of a policy: YAML to plain data, with the `yaml` package and by docs/policy-language.md alone. It
 * takes sound policies only, since whether a policy is sound is for the product's own tests. Nothing here, or in the files
 * beside it, is shared with scripts/ or assembly/: two readings that share code agree about its mistakes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { type Calculate, compileCondition, compileCost, type Evaluate } from "./condition.ts";
import { type Jwk, keysOf, nameOf, svidKeysOf, type VerifyingKey } from "./keys.ts";
import { defaults, type PathOptions } from "./paths.ts";
import type { Segment } from "./pattern.ts";
import { type Place, readPlaces } from "./places.ts";

export interface Policy {
  /** A policy in shadow mode lets every request through. */
  mode: "enforce" | "shadow";
  domains: string[];
  /** Trust domains whose IDs are IDs of another one. */
  aliases: Map<string, string>;
  identity: "mtls" | "jwt-svid" | "either" | "filter-state";
  filterState: string;
  /** Whose JWT-SVIDs are believed, by trust domain, and where they stand. */
  svids: Map<string, Issuer>;
  svidPlaces: Place[];
  /** Whether the caller's address may be what a header says. */
  takesForwardedAddress: boolean;
  forwarders: string[];
  /** By the header's name in lower case: `caller.id`, `claims.sub` and the like. */
  forward: Map<string, { value: string; as: string | undefined }>;
  issuers: Map<string, Issuer>;
  /** What the policy says of paths for every rule. */
  paths: PathOptions;
  callerSets: Map<string, string[]>;
  limits: Map<string, Limit>;
  quarantines: Quarantine[];
  /** In the byte order of their names. */
  rules: Rule[];
}

export interface Issuer {
  /** `{name}` in it stands for the claim of that name, which is one of the tenants; undefined: any. */
  issuer: string;
  tenants: string[] | undefined;
  /** Undefined: any. */
  audiences: string[] | undefined;
  /** Where the audience stands, and the scopes: names that lead to claims. */
  audienceFrom: string[];
  scopesFrom: string[][];
  /** In lower case, without `application/`; undefined for a token without `typ`. */
  types: (string | undefined)[];
  algorithms: string[];
  /** Undefined: they are fetched, and have never come. */
  keys: VerifyingKey[] | undefined;
  leewaySeconds: number;
  /** Infinity: any. */
  maxLifetimeSeconds: number;
  places: Place[];
  bind: "none" | "certificate" | "caller";
  claims: DeclaredClaim[];
}

/** A claim that is of a type, or a map of claims. */
export interface DeclaredClaim {
  name: string;
  type: string | DeclaredClaim[];
  isRequired: boolean;
}

export interface Limit {
  tokens: bigint;
  periodNanoseconds: bigint;
  burst: bigint;
  /** `caller`, or a claim's path such as `claims.org.id`. */
  per: string[];
  /** What chooses another rate and burst, and those by their texts. */
  tier: string | undefined;
  tiers: Map<string, Pick<Limit, "tokens" | "periodNanoseconds" | "burst">>;
  /** Whether requests are denied that lack something of those. */
  deniesAbsent: boolean;
  /** Whether it only counts. */
  isShadow: boolean;
  /** Of a limit of the fleet: what holds without its service. The rate and burst are then those of one Envoy's share. */
  onError: "local" | "deny" | "allow" | undefined;
  /** Not of a rate: how many requests may be open; or the header that counts hops, and how many may have been made. */
  open?: number;
  hops?: { header: string; most: number };
}

export interface Quarantine {
  name: string;
  mode: "enforce" | "shadow";
  /** `caller`, `caller.trust_domain`, `source.ip` or `source.ip/24`. */
  per: string[];
  when: string[];
  denials: number;
  withinMilliseconds: number;
  forMilliseconds: number;
  maxMilliseconds: number;
  release: string[];
}

export interface Rule {
  name: string;
  action: "allow" | "deny";
  mode: "enforce" | "shadow";
  callers: string[];
  /** Empty: every host. */
  hosts: string[];
  endpoints: Endpoint[];
  paths: PathOptions;
  /** Names of issuers; empty: no token is asked for. */
  issuers: string[];
  /** Without a token the rule holds too. */
  isTokenOptional: boolean;
  scopes: string[];
  /** Whether all scopes are needed, or one of them. */
  held: "every" | "some";
  when: Evaluate | undefined;
  /** Infinity: any number. */
  maxHeaderBytes: number;
  maxQueryBytes: number;
  maxBodyBytes: number;
  limits: string[];
  /** With `costFrom`, the most that it may be. */
  cost: bigint;
  costFrom: Calculate | undefined;
  startsMilliseconds: number;
  expiresMilliseconds: number;
}

export interface Endpoint {
  /** Undefined: every method. */
  methods: string[] | undefined;
  segments: Segment[];
}

type Mapping = Record<string, unknown>;

const seconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400 };
const entries = (value: unknown): [string, Mapping][] => Object.entries((value ?? {}) as Record<string, Mapping>);
const list = (value: unknown): string[] => (value === undefined ? [] : [value].flat().map(String));

/** Reads a policy and the files it includes, whose texts are given beside it. */
export function readPolicy(text: string, included: readonly string[], folder: string): Policy {
  const root = parse(text) as Mapping;
  const parts = [root, ...included.map((part) => parse(part) as Mapping)];
  const trust = root.trust as Mapping;
  const { tokenBytes } = root;
  const svid = trust.jwtSvid === undefined ? undefined : { ...(trust.jwtSvid as Mapping), tokenBytes };
  const lists = new Map(parts.flatMap((part) => entries(part.lists).map(([name, one]) => [name, list(one)] as const)));
  const paths = { ...defaults, ...(root.paths as Partial<PathOptions> | undefined) };
  const atOnce = new Map(parts.flatMap(({ limits }) => entries(limits).map(([name, one]) => [name, atOnceOf(one)])));
  const rules = parts
    .flatMap((part) => (part.rules as Mapping[] | undefined) ?? [])
    .map((rule) => readRule(rule, paths, lists, atOnce));
  return {
    mode: root.mode === "shadow" ? "shadow" : "enforce",
    domains: list(trust.domains),
    aliases: new Map(entries(trust.aliases).map(([name, target]) => [name, String(target)])),
    identity: (trust.identity ?? "mtls") as Policy["identity"],
    filterState: String(trust.filterState ?? "io.istio.peer_principal"),
    svids: readSvids(svid, folder),
    svidPlaces: readPlaces(svid),
    takesForwardedAddress: trust.sourceAddress === "forwarded",
    forwarders: list(trust.forwarders),
    issuers: new Map(byName(root.issuers).map(([name, one]) => [name, readIssuer({ ...one, tokenBytes }, folder)])),
    forward: new Map(entries(root.forward).map(([name, value]) => [name.toLowerCase(), readForward(value)])),
    paths,
    callerSets: new Map(parts.flatMap(({ callers }) => entries(callers).map(([name, one]) => [name, list(one)]))),
    limits: new Map(
      parts.flatMap(({ limits }) => entries(limits).map(([name, one]) => [name, readLimit(name, one, root, rules)])),
    ),
    quarantines: ((root.quarantine as Mapping[] | undefined) ?? []).map(readQuarantine),
    rules: rules.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))),
  };
}

function readForward(said: Mapping | string): { value: string; as: string | undefined } {
  if (typeof said === "string") return { value: said, as: undefined };
  return { value: String(said.value), as: said.as === undefined ? undefined : String(said.as) };
}

/** Where several issuers of a rule have a good token, the first in the byte order of their names counts, as with rules. */
function byName(value: unknown): [string, Mapping][] {
  return entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function jwksOf({ file }: Mapping, folder: string): Jwk[] {
  return (JSON.parse(readFileSync(join(folder, String(file)), "utf8")) as { keys: Jwk[] }).keys;
}

function readIssuer(issuer: Mapping, folder: string): Issuer {
  return {
    issuer: String(issuer.issuer),
    tenants: issuer.tenants === undefined ? undefined : list(issuer.tenants),
    audiences: issuer.audiences === "any" ? undefined : list(issuer.audiences),
    audienceFrom: claimNames(String(issuer.audienceFrom ?? "aud")),
    scopesFrom: list(issuer.scopesFrom ?? ["scope", "scp"]).map(claimNames),
    types: issuer.types === undefined ? [undefined, "jwt", "at+jwt"] : list(issuer.types).map(mediaType),
    algorithms: list(issuer.algorithms).map(nameOf),
    keys: (issuer.keys as Mapping).file === undefined ? undefined : keysOf(jwksOf(issuer.keys as Mapping, folder)),
    leewaySeconds: durationSeconds(issuer.leeway ?? "60s"),
    maxLifetimeSeconds: issuer.maxLifetime === undefined ? Infinity : durationSeconds(issuer.maxLifetime),
    places: readPlaces(issuer),
    bind: (issuer.bind ?? "none") as Issuer["bind"],
    claims: readClaims(issuer.claims),
  };
}

/** `claims.a.b`, `a.b`, `claims["a.b"]["c"]`. */
function claimNames(text: string): string[] {
  const names = text.replace(/^claims(?=[.[])/u, "").match(/\["[^"]*"\]|\['[^']*'\]|[^.[\]]+/gu) ?? [];
  return names.map((name) => (name.startsWith("[") ? name.slice(2, -2) : name));
}

/** RFC 7515 §4.1.9: without case, and `application/` may be left out where no other slash follows. */
export function mediaType(text: string): string {
  const [, type] = /^application\/([^/]+)$/iu.exec(text) ?? [];
  return (type ?? text).toLowerCase();
}

function readClaims(claims: unknown): DeclaredClaim[] {
  return Object.entries((claims ?? {}) as Mapping).map(([name, type]) => ({
    name: name.replace(/!$/u, ""),
    type: typeof type === "string" ? type.replace(/!$/u, "") : readClaims(type),
    isRequired: name.endsWith("!") || (typeof type === "string" && type.endsWith("!")),
  }));
}

/** JWT-SVIDs are tokens of their trust domain, without an `iss` that matters. */
function readSvids(svid: Mapping | undefined, folder: string): Map<string, Issuer> {
  const issuers = entries(svid?.bundles).map(([domain, bundle]): [string, Issuer] => [
    domain,
    {
      issuer: domain,
      tenants: undefined,
      audiences: list(svid?.audiences),
      audienceFrom: ["aud"],
      scopesFrom: [],
      types: [],
      algorithms: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"],
      keys: svidKeysOf(jwksOf(bundle, folder)),
      leewaySeconds: durationSeconds(svid?.leeway ?? "60s"),
      maxLifetimeSeconds: Infinity,
      places: readPlaces(svid),
      bind: "none",
      claims: [],
    },
  ]);
  return new Map(issuers);
}

function durationSeconds(text: unknown): number {
  return Number.parseInt(String(text), 10) * seconds[String(text).slice(-1)]!;
}

/** What one request may take of a limit: its burst, or that of its smallest tier; of a fleet's what one period gives; of one that is none of a rate anything. */
function atOnceOf(limit: Mapping): bigint {
  if (limit.rate === undefined) return 1n << 32n;
  if (limit.scope === "fleet") return readAllowance({ ...limit, burst: undefined }).tokens;
  const bursts = [limit, ...tiersOf(limit).map(([, one]) => one)].map((one) => readAllowance(one).burst);
  return bursts.reduce((one, other) => (one < other ? one : other));
}

/** The tiers of a limit, each with a rate, and the burst that it says. */
function tiersOf({ tiers }: Mapping): [text: string, Mapping][] {
  return entries(tiers).map(([text, one]) => [text, typeof one === "string" ? { rate: one } : one]);
}

function readAllowance({ rate, burst }: Mapping): Pick<Limit, "tokens" | "periodNanoseconds" | "burst"> {
  const [tokens, unit] = String(rate).split("/");
  return {
    tokens: BigInt(tokens!),
    periodNanoseconds: BigInt(seconds[unit!]!) * 1_000_000_000n,
    burst: BigInt(String(burst ?? tokens)),
  };
}

function readLimit(name: string, limit: Mapping, { fleet }: Mapping, rules: readonly Rule[]): Limit {
  const around = {
    per: list(limit.per),
    tier: limit.tier === undefined ? undefined : String(limit.tier),
    tiers: new Map(tiersOf(limit).map(([text, one]) => [text, readAllowance(one)])),
    deniesAbsent: limit.absent === "deny",
    isShadow: limit.mode === "shadow",
    onError: undefined,
  };
  const none = { tokens: 1n, periodNanoseconds: 1n, burst: 1n, ...around };
  if (limit.concurrency !== undefined) return { ...none, open: Number(limit.concurrency) };
  if (limit.hops !== undefined)
    return { ...none, hops: { header: String(limit.hops).toLowerCase(), most: Number(limit.most) } };
  const { burst, ...allowed } = readAllowance(limit);
  const whole = { ...allowed, burst, ...around };
  if (limit.scope !== "fleet") return whole;
  // A share of the rate and of the burst, in whole tokens, but at least what one request costs.
  const replicas = BigInt(String((fleet as Mapping | undefined)?.replicas ?? 1));
  const costs = rules.filter(({ limits }) => limits.includes(name)).map(({ cost }) => cost);
  const share = [1n, burst / replicas, ...costs].reduce((a, b) => (a > b ? a : b));
  const onError = (limit.onError ?? "local") as "local" | "deny" | "allow";
  return { ...whole, periodNanoseconds: whole.periodNanoseconds * replicas, burst: share, onError };
}

function readQuarantine(quarantine: Mapping): Quarantine {
  return {
    name: String(quarantine.name),
    mode: quarantine.mode === "shadow" ? "shadow" : "enforce",
    per: list(quarantine.per ?? ["caller"]),
    when: list(quarantine.when),
    denials: Number(quarantine.denials),
    withinMilliseconds: durationSeconds(quarantine.within) * 1000,
    forMilliseconds: durationSeconds(quarantine.for) * 1000,
    maxMilliseconds: durationSeconds(quarantine.max ?? quarantine.for) * 1000,
    release: list(quarantine.release),
  };
}

const rule_keys =
  "name callers hosts paths allow deny token scopes when maxHeaderBytes maxQueryBytes maxBodyBytes limit cost mode sensitive starts expires".split(
    " ",
  );

/** What this reading does not know of would be left out of each decision. */
function readRule(
  rule: Mapping,
  around: PathOptions,
  lists: ReadonlyMap<string, string[]>,
  atOnce: ReadonlyMap<string, bigint>,
): Rule {
  for (const key of Object.keys(rule))
    if (!rule_keys.includes(key)) throw new Error(`the second evaluator does not know the key ${key} of a rule`);
  const paths = { ...around, ...(rule.paths as Partial<PathOptions> | undefined) };
  return {
    name: String(rule.name),
    action: rule.allow === undefined ? "deny" : "allow",
    mode: rule.mode === "shadow" ? "shadow" : "enforce",
    callers: list(rule.callers),
    hosts: list(rule.hosts).map((host) => host.toLowerCase()),
    endpoints: list(rule.allow ?? rule.deny).map((text) =>
      readEndpoint(text, rule.deny === undefined && paths.trailingSlash === "distinct"),
    ),
    paths,
    ...readToken(rule.token, rule.scopes !== undefined),
    scopes: list((rule.scopes as Mapping | undefined)?.any ?? rule.scopes),
    held: (rule.scopes as Mapping | undefined)?.any === undefined ? "every" : "some",
    when: rule.when === undefined ? undefined : compileCondition(String(rule.when), lists),
    maxHeaderBytes: Number(rule.maxHeaderBytes ?? Infinity),
    maxQueryBytes: Number(rule.maxQueryBytes ?? Infinity),
    maxBodyBytes: Number(rule.maxBodyBytes ?? Infinity),
    limits: [...new Set(list(rule.limit))],
    ...readCost(
      rule.cost ?? 1,
      lists,
      [rule.limit ?? []].flat().map((name) => atOnce.get(String(name))!),
    ),
    startsMilliseconds: rule.starts === undefined ? -Infinity : Date.parse(String(rule.starts)),
    expiresMilliseconds: rule.expires === undefined ? Infinity : Date.parse(String(rule.expires)),
  };
}

/** A number, CEL, or a mapping of CEL and the most that it may come to; that is else what each limit of the rule gives at once. */
function readCost(
  cost: unknown,
  lists: ReadonlyMap<string, string[]>,
  atOnce: readonly bigint[],
): Pick<Rule, "cost" | "costFrom"> {
  if (typeof cost === "number") return { cost: BigInt(cost), costFrom: undefined };
  const { value, most } = (typeof cost === "string" ? { value: cost } : cost) as Mapping;
  const least = atOnce.reduce((one, other) => (one < other ? one : other));
  return { cost: most === undefined ? least : BigInt(Number(most)), costFrom: compileCost(String(value), lists) };
}

/** An issuer, a list of them, or a mapping that says whether there has to be a token; scopes need one. */
function readToken(token: unknown, hasScopes: boolean): Pick<Rule, "issuers" | "isTokenOptional"> {
  const isMapping = typeof token === "object" && token !== null && !Array.isArray(token);
  const { issuer, optional } = isMapping ? (token as Mapping) : { issuer: token, optional: false };
  return { issuers: list(issuer), isTokenOptional: optional === true && !hasScopes };
}

/** @param isDistinct a slash at the end is part of the path */
function readEndpoint(text: string, isDistinct: boolean): Endpoint {
  const [first, rest] = text.split(" ") as [string, string];
  const [methods, path] = first === "grpc" ? ["POST", `/${rest}`] : [first, rest];
  const parts = path === "/" ? [] : path.slice(1).split("/");
  if (parts.at(-1) === "" && !isDistinct) parts.pop();
  return {
    methods: methods === "*" ? undefined : methods.split("|"),
    segments: parts.map((part) => {
      if (part === "**") return "any";
      const [, before, open, after] = /^(.*?)(\*|\{.*\})(.*)$/u.exec(part) ?? [];
      if (open === undefined) return { literal: decodeURIComponent(part) };
      const variable = open === "*" ? undefined : open.slice(1, -1);
      return { before: decodeURIComponent(before!), variable, after: decodeURIComponent(after!) };
    }),
  };
}
