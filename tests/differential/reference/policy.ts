/**
 * The second reading of a policy: YAML to plain data, with the `yaml` package and by docs/policy-language.md alone. It
 * takes sound policies only, since whether a policy is sound is for the product's own tests. Nothing here, or in the files
 * beside it, is shared with scripts/ or assembly/: two readings that share code agree about its mistakes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { compileCondition, type Evaluate } from "./condition.ts";
import { type Jwk, keysOf, svidKeysOf, type VerifyingKey } from "./keys.ts";
import { type Place, readPlaces } from "./places.ts";

export interface Policy {
  /** A policy in shadow mode lets every request through. */
  mode: "enforce" | "shadow";
  domains: string[];
  identity: "mtls" | "jwt-svid" | "either";
  /** Whose JWT-SVIDs are believed, by trust domain, and where they stand. */
  svids: Map<string, Issuer>;
  svidPlaces: Place[];
  forwarders: string[];
  /** By the header's name in lower case: `caller.id`, `claims.sub` and the like. */
  forward: Map<string, string>;
  issuers: Map<string, Issuer>;
  callerSets: Map<string, string[]>;
  limits: Map<string, Limit>;
  /** In the byte order of their names. */
  rules: Rule[];
}

export interface Issuer {
  issuer: string;
  audiences: string[];
  algorithms: string[];
  keys: VerifyingKey[];
  leewaySeconds: number;
  /** Infinity: any. */
  maxLifetimeSeconds: number;
  places: Place[];
  bind: "none" | "certificate" | "caller";
}

export interface Limit {
  tokens: bigint;
  periodNanoseconds: bigint;
  burst: bigint;
  /** `caller`, or a claim's path such as `claims.org.id`. */
  per: string[];
}

export interface Rule {
  name: string;
  action: "allow" | "deny";
  mode: "enforce" | "shadow";
  callers: string[];
  /** Empty: every host. */
  hosts: string[];
  endpoints: Endpoint[];
  /** Names of issuers; empty: no token is asked for. */
  issuers: string[];
  scopes: string[];
  when: Evaluate | undefined;
  limits: string[];
  cost: bigint;
  startsMilliseconds: number;
  expiresMilliseconds: number;
}

export interface Endpoint {
  /** Undefined: every method. */
  methods: string[] | undefined;
  /** A literal, or a wildcard with its name if it has one. */
  segments: ({ literal: string } | { variable: string | undefined })[];
  tail: boolean;
}

type Mapping = Record<string, unknown>;

const seconds: Record<string, number> = { s: 1, m: 60, h: 3600 };
const entries = (value: unknown): [string, Mapping][] => Object.entries((value ?? {}) as Record<string, Mapping>);
const list = (value: unknown): string[] => (value === undefined ? [] : [value].flat().map(String));

/** Reads a policy and the files it includes, whose texts are given beside it. */
export function readPolicy(text: string, included: readonly string[], folder: string): Policy {
  const root = parse(text) as Mapping;
  const parts = [root, ...included.map((part) => parse(part) as Mapping)];
  const trust = root.trust as Mapping;
  const rules = parts.flatMap((part) => (part.rules as Mapping[] | undefined) ?? []).map(readRule);
  return {
    mode: root.mode === "shadow" ? "shadow" : "enforce",
    domains: list(trust.domains),
    identity: (trust.identity ?? "mtls") as Policy["identity"],
    svids: readSvids(trust.jwtSvid as Mapping | undefined, folder),
    svidPlaces: readPlaces(trust.jwtSvid as Mapping | undefined),
    forwarders: list(trust.forwarders),
    forward: new Map(entries(root.forward).map(([name, value]) => [name.toLowerCase(), String(value)])),
    issuers: new Map(byName(root.issuers).map(([name, one]) => [name, readIssuer(one, folder)])),
    callerSets: new Map(parts.flatMap(({ callers }) => entries(callers).map(([name, one]) => [name, list(one)]))),
    limits: new Map(parts.flatMap(({ limits }) => entries(limits).map(([name, one]) => [name, readLimit(one)]))),
    rules: rules.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))),
  };
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
    audiences: list(issuer.audiences),
    algorithms: list(issuer.algorithms),
    keys: keysOf(jwksOf(issuer.keys as Mapping, folder)),
    leewaySeconds: durationSeconds(issuer.leeway ?? "60s"),
    maxLifetimeSeconds: issuer.maxLifetime === undefined ? Infinity : durationSeconds(issuer.maxLifetime),
    places: readPlaces(issuer),
    bind: (issuer.bind ?? "none") as Issuer["bind"],
  };
}

/** JWT-SVIDs are tokens of their trust domain, without an `iss` that matters. */
function readSvids(svid: Mapping | undefined, folder: string): Map<string, Issuer> {
  const issuers = entries(svid?.bundles).map(([domain, bundle]): [string, Issuer] => [
    domain,
    {
      issuer: domain,
      audiences: list(svid?.audiences),
      algorithms: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"],
      keys: svidKeysOf(jwksOf(bundle, folder)),
      leewaySeconds: durationSeconds(svid?.leeway ?? "60s"),
      maxLifetimeSeconds: Infinity,
      places: readPlaces(svid),
      bind: "none",
    },
  ]);
  return new Map(issuers);
}

function durationSeconds(text: unknown): number {
  return Number.parseInt(String(text), 10) * seconds[String(text).slice(-1)]!;
}

function readLimit(limit: Mapping): Limit {
  const [tokens, unit] = String(limit.rate).split("/");
  return {
    tokens: BigInt(tokens!),
    periodNanoseconds: BigInt(seconds[unit!]!) * 1_000_000_000n,
    burst: BigInt(String(limit.burst ?? tokens)),
    per: list(limit.per),
  };
}

const rule_keys = "name callers hosts allow deny token scopes when limit cost mode starts expires".split(" ");

/** What this reading does not know of would be left out of each decision. */
function readRule(rule: Mapping): Rule {
  for (const key of Object.keys(rule))
    if (!rule_keys.includes(key)) throw new Error(`the second evaluator does not know the key ${key} of a rule`);
  return {
    name: String(rule.name),
    action: rule.allow === undefined ? "deny" : "allow",
    mode: rule.mode === "shadow" ? "shadow" : "enforce",
    callers: list(rule.callers),
    hosts: list(rule.hosts).map((host) => host.toLowerCase()),
    endpoints: list(rule.allow ?? rule.deny).map(readEndpoint),
    issuers: list(rule.token),
    scopes: list(rule.scopes),
    when: rule.when === undefined ? undefined : compileCondition(String(rule.when)),
    limits: [...new Set(list(rule.limit))],
    cost: BigInt(String(rule.cost ?? 1)),
    startsMilliseconds: rule.starts === undefined ? -Infinity : Date.parse(String(rule.starts)),
    expiresMilliseconds: rule.expires === undefined ? Infinity : Date.parse(String(rule.expires)),
  };
}

function readEndpoint(text: string): Endpoint {
  const [first, rest] = text.split(" ") as [string, string];
  const [methods, path] = first === "grpc" ? ["POST", `/${rest}`] : [first, rest];
  const tail = path.endsWith("/**");
  const body = tail ? path.slice(0, -3) : path;
  const parts = body === "" || body === "/" ? [] : body.slice(1).split("/");
  return {
    methods: methods === "*" ? undefined : methods.split("|"),
    segments: parts.map((part) => {
      if (part === "*") return { variable: undefined };
      const name = /^\{(.*)\}$/u.exec(part)?.[1];
      return name === undefined ? { literal: decodeURIComponent(part) } : { variable: name };
    }),
    tail,
  };
}
