/**
 * The policy as data. `Draft…` is what its files say, structure and types sound, each value with its place (the types come
 * from the shapes of language.ts); `Policy` is what is left once it is checked: complete, every name known, every value in its own unit.
 */

import type { Reporter } from "../source/diagnostic.ts";
import type { Located } from "../source/yaml.ts";
import type { ClaimType } from "./claims.ts";
import type { Condition } from "./condition.ts";
import type { Endpoint } from "./endpoint.ts";
import type { keys_shape, places_shape, tenants_shape } from "./issuers.ts";
import type { PathOptions } from "./pathoptions.ts";
import type { part_shape, policy_shape } from "./policy.ts";
import type { Protocol } from "./protocols.ts";
import type { Selector } from "./selector.ts";
import type { Read } from "./shape.ts";
import type { CallerPattern } from "./spiffe.ts";
import type { TemplatePart } from "./template.ts";
import type { ForwardValue, HostPattern, Rate } from "./values.ts";

/** A checked policy. Rules are in the byte order of their names: a rule's index is its number in the engine. */
export interface Policy {
  name: string;
  /** The SPIFFE ID of the service that it guards; undefined: it does not say. It decides nothing. */
  service?: string | undefined;
  mode: "enforce" | "shadow";
  /** How many bytes a token may have. */
  tokenBytes: number;
  /** The version that signed images of the policy have at least; undefined: any. */
  minimumVersion?: number | undefined;
  trustDomains: string[];
  /** Trust domains whose IDs are IDs of another one, by the name of the former. */
  aliases: ReadonlyMap<string, string>;
  /**
   * What says who the caller is: its certificate, its JWT-SVID, the certificate and, where there is none, the JWT-SVID, or filter
   * state that a listener in front has written.
   */
  identity: Identity;
  /** The key of that filter state; undefined with any other identity. */
  filterState?: string | undefined;
  /** Whose JWT-SVIDs are believed: `name` and `issuer` are the trust domain; empty without any. No rule names them. */
  svids: Issuer[];
  /** Whether `source.ip` may be what `x-forwarded-for` says. */
  sourceAddress: "connection" | "forwarded";
  /** SPIFFE IDs of gateways whose `x-forwarded-client-cert` is believed. */
  forwarders: string[];
  /** Headers that are set on admitted requests, and removed from what comes from outside. */
  forwards: Forward[];
  /** Where a rule has no keys of its own. */
  paths: PathOptions;
  /** Paths on which requests are calls of a protocol; left out: none. */
  protocols?: readonly Protocol[];
  issuers: Issuer[];
  callerSets: CallerSet[];
  limits: Limit[];
  /** Whom limits of the fleet are asked of; undefined where there are none. */
  fleet?: Fleet | undefined;
  quarantines: Quarantine[];
  /** Those that conditions look into. */
  lists: NamedList[];
  rules: Rule[];
}

export type Identity = "mtls" | "jwt-svid" | "either" | "filter-state";

/** Whose tokens are believed, and when. */
export interface Issuer {
  name: string;
  /** Compared exactly with `iss`, unless it is a template. */
  issuer: string;
  /** What `iss` is made of; empty: it is the one text. */
  template: TemplatePart[];
  /** What the one claim of the template may be; undefined: anything. */
  tenants: string[] | undefined;
  /** One of them must be in the audience claim; empty: the token may be for anybody. */
  audiences: string[];
  /** The names that lead to the claim that says whom a token is for; empty where that is not asked. */
  audienceClaim: readonly string[];
  /** The claims that scopes are read from, of which the first that a token has counts. */
  scopeClaims: readonly (readonly string[])[];
  /** The values of `typ` that are accepted, in lower case and without `application/`; "" for a token that has none. */
  types: readonly string[];
  /** `alg` values (RFC 7518 §3.1), at least one. */
  algorithms: string[];
  keySet: KeySet;
  leewaySeconds: number;
  /** 0: unbounded. */
  maxLifetimeSeconds: number;
  /** Where its tokens may stand in a request, at least one. */
  places: Place[];
  /** `false`: the token is taken away before the upstream sees it. */
  forwardToken: boolean;
  /** `certificate`: to the caller's certificate (`cnf.x5t#S256`); `caller`: its `sub` is the caller's SPIFFE ID. */
  bind: "none" | "certificate" | "caller";
  /** What `WWW-Authenticate` says where a token of this issuer is asked for; undefined: nothing of its own. */
  challenge?: Challenge;
  /** What its tokens' claims must be, in the order of their paths; a map before its members. */
  claims: ClaimType[];
}

/** Parameters of a challenge, each as it stands between quotes. */
export interface Challenge {
  /** Left out: the policy's name. */
  realm?: string;
  /** A URL (RFC 9728 §5.1). */
  resourceMetadata?: string;
}

/** Where an issuer's keys come from. Issuers whose sets are equal share one in the image. */
export interface KeySet {
  /** Which keys of a JWKS count, by their `use`. */
  use: KeyUse;
  /** Embedded; where there is a source, they serve until its first answer. */
  keys: PolicyKey[];
  /** Undefined: nothing is fetched. */
  source: KeySource | undefined;
}

export type KeyUse = "sig" | "jwt-svid";

/** Where a JWKS is fetched from while Envoy runs. */
export interface KeySource {
  url: string;
  /** Of the URL: what goes into `:authority`, and into `:path` with the query. */
  authority: string;
  path: string;
  /** The Envoy cluster that leads there. */
  cluster: string;
  refreshSeconds: number;
  /** The URL is that of a discovery document, which names the JWKS; undefined: it is that of the JWKS. */
  discovery?: Discovery;
  /** Sent with every request for it; the value is a secret. */
  header?: { name: string; value: string };
}

/** What is known of a JWKS that a discovery document names. */
export interface Discovery {
  /** What the document must say its `issuer` is. */
  issuer: string;
  /** Where the document of RFC 8414 is, on the same host, where there is none of OpenID Connect. */
  secondPath: string;
  /** Hosts that the JWKS may be on, the issuer's own first, without the port of `https`; and the cluster that leads to each. */
  hosts: { authority: string; cluster: string }[];
}

/** Where a token may stand in a request. */
export interface Place {
  kind: "header" | "cookie" | "query";
  /** A header's in lower case. */
  name: string;
  /** What stands before the token; "" but in headers. */
  prefix: string;
}

/** A public key in the form the image has it. */
export interface PolicyKey {
  /** "" when the key has none. */
  kid: string;
  /** Bit n: the key fits algorithm n of assembly/crypto/algorithms.ts. */
  algorithms: number;
  /** SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), DER. */
  spki: Uint8Array;
  /** RSA: the modulus without leading zeros; EC: x and y; Ed25519: the key. */
  raw: Uint8Array;
  /** Of RSA; 0 for others. */
  exponent: number;
}

/** A request header with what the engine knows of the caller. */
export interface Forward {
  /** In lower case. */
  header: string;
  value: ForwardValue;
}

/** A name for a set of callers. */
export interface CallerSet {
  name: string;
  callers: CallerPattern[];
}

/** How much a bucket gives. */
export interface Allowance {
  rate: Rate;
  burstTokens: number;
}

/** What a limit gives to those who have this text. */
export interface Tier extends Allowance {
  name: string;
}

/** What a limit counts: tokens of a bucket, requests that are open, or hops that a request has made. */
export type LimitKind = "rate" | "concurrency" | "hops";

/** A limit. What is none of a rate has for its burst how many may be open, or made, and for its rate one that nobody looks at. */
export interface Limit extends Allowance {
  name: string;
  kind: LimitKind;
  /** The header that counts hops, in lower case; empty for other limits. */
  header: string;
  /** Empty: one bucket for everybody. */
  per: Selector[];
  /** What becomes of requests that lack something it counts by; undefined: they share a bucket, and the policy does not say so. */
  absent?: "share" | "deny" | undefined;
  /** What chooses a tier, and the tiers; none: there is one rate for all. */
  tier?: Selector | undefined;
  tiers?: Tier[];
  /** `shadow`: it counts, and denies nothing. */
  mode?: "enforce" | "shadow";
  /** Of a limit of the fleet: what holds while its service does not answer. Undefined for one of each Envoy. */
  onError?: "local" | "deny" | "allow" | undefined;
  /** Of a limit of the fleet: workers ask for blocks of it, and not for each request. */
  isLeased?: boolean;
  /** Which answers have `RateLimit` and `RateLimit-Policy`: those to requests that it has no room for, or to admitted ones too. */
  headers?: "denied" | "always" | undefined;
}

/** The rate limit service of a fleet. */
export interface Fleet {
  /** The Envoy cluster that leads there. */
  cluster: string;
  /** Undefined: the policy's name. */
  domain: string | undefined;
  deadlineMilliseconds: number;
  replicas: number;
}

/** Who is shut out for a while, and after what. */
export interface Quarantine {
  name: string;
  /** `shadow`: nobody is shut out, and what would be is told. */
  mode: "enforce" | "shadow";
  /** What a key is made of; of a caller that is not known the address. */
  per: Selector[];
  /** Names of reasons. */
  when: string[];
  denials: number;
  withinSeconds: number;
  forSeconds: number;
  maxSeconds: number;
  /** What is let out: SPIFFE IDs and trust domains, and addresses as their bytes. */
  releases: (string | Uint8Array)[];
  /** Where a key is counted and shut out: by one Envoy, or by all of the fleet. */
  scope: "proxy" | "fleet";
}

/** Data with a name, which conditions look into. */
export interface NamedList {
  name: string;
  /** In order, each once; networks as they are written. */
  entries: string[];
  /** Of a list of networks: the addresses in them, in ascending order; IPv4 as `::ffff:a.b.c.d`. Undefined for texts. */
  ranges: AddressRange[] | undefined;
}

/** Addresses from the first to the last, numbers of 128 bits. */
export interface AddressRange {
  first: bigint;
  last: bigint;
}

/** Who a rule is for. `any`: every authenticated caller of a trusted domain; `anonymous`: everybody, identified or not. */
export type RuleCaller =
  | { kind: "any" }
  | { kind: "anonymous" }
  | { kind: "set"; name: string }
  | { kind: "pattern"; pattern: CallerPattern };

/** How many bytes a request may have; undefined: any number. */
export interface MostBytes {
  /** Of names and values of all headers together. */
  headers: number | undefined;
  /** Behind the `?`. */
  query: number | undefined;
  body: number | undefined;
}

/** One rule. */
export interface Rule {
  name: string;
  /** Where it stands, counted from 1. */
  file: string;
  line: number;
  column: number;
  action: "allow" | "deny";
  callers: RuleCaller[];
  /** Empty: every host. */
  hosts: HostPattern[];
  endpoints: Endpoint[];
  /** The policy's, and what the rule says otherwise. */
  paths: PathOptions;
  /** Names of issuers, of which one must have issued the token; empty: no token is asked for. */
  issuers: string[];
  /** Without a token at their places the rule holds too, with claims that have nothing in them. */
  isTokenOptional: boolean;
  /** In the order in which they are written. */
  scopes: string[];
  /** Whether one of the scopes is enough. */
  isAnyScope: boolean;
  /** CEL; undefined: none. */
  condition: Condition | undefined;
  /**
   * By the name of a segment that the condition reads, where each caller's ID has it: the segment's index where that is the same for
   * all, else a text of its own.
   */
  captures: ReadonlyMap<string, string>;
  limits: string[];
  /** The variables that its limits count by, as `Condition.variables` has them. */
  limitVariables: string[];
  /** Those of its limits that keep buckets for each rule. */
  ownLimits: string[];
  /** Variables that headers for the upstream tell of, as far as a caller of the rule has them. */
  forwardVariables: string[];
  /** Tokens taken from each limit; with `costFrom` the most that are. */
  cost: number;
  /** CEL that says how many tokens are taken; undefined: `cost` of them. */
  costFrom: Condition | undefined;
  /** Bounds on the size of requests, as far as the rule sets them. */
  mostBytes: MostBytes | undefined;
  /** `shadow`: judged and recorded, without a part in the decision. */
  mode: "enforce" | "shadow";
  /** What its endpoints hold is sensitive, for reports; it decides nothing. */
  isSensitive?: boolean;
  /** Seconds since 1970 from which, and before which, the rule holds; 0: always, for ever. */
  startsSeconds: number;
  expiresSeconds: number;
}

/** What a policy's main file says. */
export type DraftPolicy = Read<typeof policy_shape>;

/** What an included file says. The main file says it too. */
export type DraftPart = Read<typeof part_shape>;

type Item<List> = List extends Located<(infer T)[]> ? T : never;
type Entry<Entries> = Entries extends (infer T)[] ? T : never;

export type DraftIssuer = Entry<NonNullable<DraftPolicy["issuers"]>>;
export type DraftTenants = Read<typeof tenants_shape>;
export type DraftKeys = Read<typeof keys_shape>;
export type DraftChallenge = NonNullable<NonNullable<DraftIssuer["value"]>["challenge"]>;
export type DraftPlaces = Read<typeof places_shape>;
export type DraftTrust = NonNullable<DraftPolicy["trust"]>;
export type DraftForward = Entry<NonNullable<DraftPolicy["forward"]>>;
export type DraftCallerSet = Entry<NonNullable<DraftPart["callers"]>>;
export type DraftFleet = NonNullable<DraftPolicy["fleet"]>;
export type DraftLimit = Entry<NonNullable<DraftPart["limits"]>>;
export type DraftQuarantine = Item<NonNullable<DraftPolicy["quarantine"]>>;
export type DraftList = Entry<NonNullable<DraftPart["lists"]>>;
export type DraftRule = Item<NonNullable<DraftPart["rules"]>>;

/** One file of a policy. Offsets in its draft are into the text that its reporter knows. */
export interface DraftFile {
  reporter: Reporter;
  part: DraftPart;
}

/** A policy as its files say it. */
export interface Draft {
  policy: DraftPolicy;
  /** The main file, then the included ones. */
  files: DraftFile[];
}
