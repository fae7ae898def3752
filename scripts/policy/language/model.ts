/**
 * The policy as data. `Draft…` is what its files say, structure and types sound, each value with its place (the types come
 * from the shapes of language.ts); `Policy` is what is left once it is checked: complete, every name known, every value in its own unit.
 */

import type { Reporter } from "../source/diagnostic.ts";
import type { Located } from "../source/yaml.ts";
import type { Condition } from "./condition.ts";
import type { Endpoint } from "./endpoint.ts";
import type { keys_shape, places_shape } from "./issuers.ts";
import type { part_shape, policy_shape } from "./policy.ts";
import type { Read } from "./shape.ts";
import type { CallerPattern } from "./spiffe.ts";
import type { ForwardValue, HostPattern, Rate, Selector } from "./values.ts";

/** A checked policy. Rules are in the byte order of their names: a rule's index is its number in the engine. */
export interface Policy {
  name: string;
  mode: "enforce" | "shadow";
  trustDomains: string[];
  /** What says who the caller is: its certificate, its JWT-SVID, or the certificate and, where there is none, the JWT-SVID. */
  identity: Identity;
  /** Whose JWT-SVIDs are believed: `name` and `issuer` are the trust domain; empty with `mtls`. No rule names them. */
  svids: Issuer[];
  /** SPIFFE IDs of gateways whose `x-forwarded-client-cert` is believed. */
  forwarders: string[];
  /** Headers that are set on admitted requests, and removed from what comes from outside. */
  forwards: Forward[];
  issuers: Issuer[];
  callerSets: CallerSet[];
  limits: Limit[];
  rules: Rule[];
}

export type Identity = "mtls" | "jwt-svid" | "either";

/** Whose tokens are believed, and when. */
export interface Issuer {
  name: string;
  /** Compared exactly with `iss`. */
  issuer: string;
  audiences: string[];
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

/** A token bucket. */
export interface Limit {
  name: string;
  rate: Rate;
  burstTokens: number;
  /** Empty: one bucket for everybody. */
  per: Selector[];
}

/** Who a rule is for. `any`: every authenticated caller of a trusted domain; `anonymous`: everybody, identified or not. */
export type RuleCaller =
  | { kind: "any" }
  | { kind: "anonymous" }
  | { kind: "set"; name: string }
  | { kind: "pattern"; pattern: CallerPattern };

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
  /** Names of issuers, of which one must have issued the token; empty: no token is asked for. */
  issuers: string[];
  scopes: string[];
  /** CEL; undefined: none. */
  condition: Condition | undefined;
  limits: string[];
  /** Tokens taken from each limit. */
  cost: number;
  /** `shadow`: judged and recorded, without a part in the decision. */
  mode: "enforce" | "shadow";
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
export type DraftKeys = Read<typeof keys_shape>;
export type DraftPlaces = Read<typeof places_shape>;
export type DraftTrust = NonNullable<DraftPolicy["trust"]>;
export type DraftForward = Entry<NonNullable<DraftPolicy["forward"]>>;
export type DraftCallerSet = Entry<NonNullable<DraftPart["callers"]>>;
export type DraftLimit = Entry<NonNullable<DraftPart["limits"]>>;
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
