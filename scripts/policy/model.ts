/**
 * The policy as data. `Draft…` is what the file says, structure and types sound, each value with its place; `Policy` is
 * what is left once it is checked: complete, every name known, every value in its own unit.
 */
import type { Endpoint } from "./endpoint.ts";
import type { CallerPattern } from "./spiffe.ts";
import type { HostPattern, Rate, Selector } from "./values.ts";
import type { Located } from "./yaml.ts";

/** A checked policy. Rules are in the byte order of their names: a rule's index is its number in the engine. */
export interface Policy {
  name: string;
  mode: "enforce" | "shadow";
  trustDomains: string[];
  issuers: Issuer[];
  callerSets: CallerSet[];
  limits: Limit[];
  rules: Rule[];
}

/** Whose tokens are believed, and when. */
export interface Issuer {
  name: string;
  /** Compared exactly with `iss`. */
  issuer: string;
  audiences: string[];
  /** `alg` values (RFC 7518 §3.1), at least one. */
  algorithms: string[];
  keys: PolicyKey[];
  leewaySeconds: number;
  /** 0: unbounded. */
  maxLifetimeSeconds: number;
}

/** A public key in the form the image has it. */
export interface PolicyKey {
  /** "" when the key has none. */
  kid: string;
  /** Bit n: the key fits algorithm n of assembly/token/algorithms.ts. */
  algorithms: number;
  /** SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), DER. */
  spki: Uint8Array;
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
  /** Where it stands in its file, counted from 1. */
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
  limits: string[];
  /** Tokens taken from each limit. */
  cost: number;
  /** `shadow`: judged and recorded, without a part in the decision. */
  mode: "enforce" | "shadow";
  /** Seconds since 1970 from which, and before which, the rule holds; 0: always, for ever. */
  startsSeconds: number;
  expiresSeconds: number;
}

/** What a policy file says. */
export interface DraftPolicy {
  name: Located<string> | undefined;
  mode: "enforce" | "shadow";
  /** Where `mode` stands; 0 where it does not. */
  modeAt: number;
  domains: Located<string>[];
  issuers: DraftIssuer[];
  callerSets: DraftCallerSet[];
  limits: DraftLimit[];
  rules: DraftRule[];
}

export interface DraftIssuer {
  name: Located<string>;
  issuer: Located<string> | undefined;
  audiences: Located<string>[] | undefined;
  algorithms: Located<string>[] | undefined;
  keyFile: Located<string> | undefined;
  leeway: Located<string> | undefined;
  maxLifetime: Located<string> | undefined;
}

export interface DraftCallerSet {
  name: Located<string>;
  /** Undefined when it is no list, which has been reported. */
  callers: Located<string>[] | undefined;
}

export interface DraftLimit {
  name: Located<string>;
  rate: Located<string> | undefined;
  burst: Located<number> | undefined;
  per: Located<string>[];
}

export interface DraftRule {
  /** Where the rule begins. */
  at: number;
  name: Located<string> | undefined;
  callers: Located<string>[] | undefined;
  hosts: Located<string>[];
  /** `at` is where the key stands. */
  allow: Located<Located<string>[]> | undefined;
  deny: Located<Located<string>[]> | undefined;
  token: Located<Located<string>[]> | undefined;
  scopes: Located<Located<string>[]> | undefined;
  limits: Located<Located<string>[]> | undefined;
  cost: Located<number> | undefined;
  mode: "enforce" | "shadow";
  starts: Located<string> | undefined;
  expires: Located<string> | undefined;
}
