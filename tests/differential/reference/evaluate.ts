/**
 * The order of a policy, said as plainly as docs/policy-language.md says it: each rule is looked at, one after the other.
 */
import type { ConditionInput } from "./condition.ts";
import { callerOf } from "./forwarded.ts";
import type { Json } from "./json.ts";
import { Buckets } from "./limits.ts";
import { plainHeaders, plainPath, stripHeaders, stripPath } from "./places.ts";
import type { Endpoint, Policy, Rule } from "./policy.ts";
import { furthest, type Reason, reasonName, statusOf } from "./reasons.ts";
import { type Arrived, identityFault, type Readable, readRequest } from "./request.ts";
import { type Claims, checkSvid, checkToken, hasScopes } from "./token.ts";

export interface Answer {
  decision: "allow" | "deny";
  status: number;
  reason: string;
  rule: string | null;
  shadow: { rule: string; decision: "allow" | "deny"; reason: string }[];
  /** What the upstream gets of a request that goes on, in one form; undefined of others. */
  upstream: Upstream | undefined;
}

export interface Upstream {
  path: string;
  headers: [name: string, value: string][];
}

/** A request in the middle of being judged. */
interface Asked {
  arrived: Arrived;
  readable: Readable;
  /** The caller's ID if it counts. */
  caller: string | null;
  /** Of the certificate that the caller has shown. */
  digest: string | null;
  nowMilliseconds: number;
}

/** The record tells of so many rules in shadow mode. */
const shadows_recorded = 8;

/** All that `onTrait` may be told. */
export const traitNames: readonly string[] = [
  ..."RS256 PS256 PS512 ES256 ES384 ES512 EdDSA".split(" ").map((algorithm) => `token ${algorithm}`),
  ...["header", "cookie", "query"].map((kind) => `token in ${kind}`),
  ...["none", "certificate", "caller"].map((bind) => `token bound to ${bind}`),
  "token beside another",
  "caller by JWT-SVID, jwt-svid",
  "caller by JWT-SVID, either",
  "header taken away",
  "cookie taken away",
  "parameter taken away",
];

/** A policy with its buckets. */
export class Reference {
  readonly #policy: Policy;
  readonly #buckets = new Buckets();
  /** Told of each condition's outcome, for counting. */
  onCondition: (rule: string, outcome: true | false | "error") => void = () => {};
  /** Told of what an admitted request has to it, for counting. */
  onTrait: (trait: string) => void = () => {};

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  ask(arrived: Arrived, nowMilliseconds: number): Answer {
    const { caller, digest, fault } = this.#identify(arrived, nowMilliseconds);
    const readable = readRequest(arrived);
    if (typeof readable === "string") return answer(readable, null, [], this.#cleaned(arrived));
    const asked: Asked = { arrived, readable, caller, digest, nowMilliseconds };
    const matching = this.#policy.rules
      .filter((rule) => rule.callers.some((text) => this.#isCaller(text, asked.caller)))
      .filter(({ hosts }) => hosts.length === 0 || hosts.some((host) => isHost(host, readable.host)))
      .map((rule) => ({ rule, endpoints: rule.endpoints.filter((one) => isEndpoint(one, readable, rule.action)) }))
      .filter(({ endpoints }) => endpoints.length > 0);
    const decided = this.#decide(matching, asked, fault ?? "no_rule");
    const shadow = matching
      .filter(({ rule }) => rule.mode === "shadow")
      .map(({ rule, endpoints }) => ({ rule, reason: this.#judge(rule, endpoints, asked, true) }))
      // A deny rule that does not match would have done nothing.
      .filter(({ rule, reason }) => rule.action === "allow" || reason === "rule_denied")
      .map(({ rule, reason }) => ({ rule: rule.name, reason }));
    return answer(decided.reason, decided.rule, shadow, this.#upstream(decided, asked));
  }

  #decide(
    matching: readonly { rule: Rule; endpoints: Endpoint[] }[],
    asked: Asked,
    otherwise: Reason,
  ): { reason: Reason; rule: string | null } {
    const enforced = matching.filter(({ rule }) => rule.mode === "enforce");
    for (const { rule, endpoints } of enforced.filter(({ rule: { action } }) => action === "deny")) {
      if (this.#judge(rule, endpoints, asked, true) === "rule_denied")
        return { reason: "rule_denied", rule: rule.name };
    }
    const stopped: { reason: Reason; rule: string }[] = [];
    for (const { rule, endpoints } of enforced.filter(({ rule: { action } }) => action === "allow")) {
      const reason = this.#judge(rule, endpoints, asked, false);
      if (reason === "allowed") return { reason, rule: rule.name };
      stopped.push({ reason, rule: rule.name });
    }
    const closest = furthest(stopped.map(({ reason }) => reason));
    return stopped.find(({ reason }) => reason === closest) ?? { reason: otherwise, rule: null };
  }

  /** Who calls, or why nobody does who counts. */
  #identify(
    arrived: Arrived,
    now: number,
  ): { caller: string | null; digest: string | null; fault: Reason | undefined } {
    const { identity, domains, forwarders } = this.#policy;
    const shown = identity === "jwt-svid" ? { ...arrived, caller: null } : arrived;
    const isAccepted = identityFault(shown.caller, domains) === undefined;
    const { id, digest } = isAccepted ? callerOf(shown, forwarders) : { id: shown.caller, digest: shown.digest };
    const fault = identityFault(id, domains);
    if (fault !== "identity_missing" || identity === "mtls")
      return { caller: fault === undefined ? id : null, digest, fault };
    const bearer = { arrived, caller: null, digest, nowSeconds: Math.floor(now / 1000) };
    const svid = checkSvid(bearer, this.#policy);
    if (typeof svid !== "string") this.onTrait(`caller by JWT-SVID, ${identity}`);
    if (typeof svid !== "string") return { caller: svid.id, digest, fault: undefined };
    return { caller: null, digest, fault: svid === "token_missing" ? fault : svid };
  }

  /** What the upstream gets: without tokens that are not for it, and with what is known of the caller. */
  #upstream({ reason, rule: name }: { reason: Reason; rule: string | null }, asked: Asked): Upstream | undefined {
    if (reason !== "allowed") return this.#cleaned(asked.arrived);
    const rule = this.#policy.rules.find((one) => one.name === name)!;
    const token = this.#checkToken(rule, asked);
    if (typeof token !== "string") for (const trait of token.traits) this.onTrait(trait);
    const values = [...this.#policy.forward].map(([header, what]): [string, string] => [
      header,
      forwardedValue(what, asked.caller, typeof token === "string" ? undefined : token.claims),
    ]);
    const set = values.filter(([, value]) => value !== "");
    return this.#clean(asked.arrived, set);
  }

  /** A request that is not admitted goes on only in shadow mode. */
  #cleaned(arrived: Arrived): Upstream | undefined {
    return this.#policy.mode === "shadow" ? this.#clean(arrived, []) : undefined;
  }

  #clean({ headers, path }: Arrived, set: Upstream["headers"]): Upstream {
    const { forward, issuers, svidPlaces } = this.#policy;
    const places = [...svidPlaces, ...[...issuers.values()].flatMap((issuer) => issuer.places)];
    // What comes from outside under the name of a forwarded header is removed, also where `_` stands for `-`.
    const stripped = stripHeaders(headers, places);
    const kept = stripped.filter(([name]) => !forward.has(name.replaceAll("_", "-")));
    const strippedPath = stripPath(path, places);
    if (stripped.length < headers.length) this.onTrait("header taken away");
    if (plainHeaders(stripped).length < plainHeaders(headers).length - headers.length + stripped.length)
      this.onTrait("cookie taken away");
    if (strippedPath !== plainPath(path)) this.onTrait("parameter taken away");
    return { path: plainPath(strippedPath), headers: plainHeaders([...kept, ...set]) };
  }

  /** The parts of one rule in their order. @param dry its limits are only looked at */
  #judge(rule: Rule, endpoints: readonly Endpoint[], asked: Asked, dry: boolean): Reason {
    const now = asked.nowMilliseconds;
    if (now < rule.startsMilliseconds || now >= rule.expiresMilliseconds) return "grant_inactive";
    const token = this.#checkToken(rule, asked);
    const claims = typeof token === "string" ? undefined : token.claims;
    if (rule.action === "deny") {
      const outcome = this.#condition(rule, endpoints, asked, claims);
      return outcome === false ? "condition_false" : "rule_denied";
    }
    if (typeof token === "string") return token;
    if (rule.scopes.length > 0 && !hasScopes(claims!, rule.scopes)) return "scope_missing";
    const outcome = this.#condition(rule, endpoints, asked, claims);
    if (outcome !== true) return outcome === false ? "condition_false" : "condition_error";
    const limits = rule.limits.map((name) => [name, this.#policy.limits.get(name)!] as const);
    return this.#buckets.take(limits, rule.cost, { caller: asked.caller, claims }, BigInt(now) * 1_000_000n, dry)
      ? "allowed"
      : "limit_exceeded";
  }

  #checkToken(
    rule: Rule,
    { arrived, caller, digest, nowMilliseconds }: Asked,
  ): { claims: Claims | undefined; traits: string[] } | Reason {
    if (rule.issuers.length === 0) return { claims: undefined, traits: [] };
    const issuers = [...this.#policy.issuers].filter(([name]) => rule.issuers.includes(name)).map(([, one]) => one);
    return checkToken({ arrived, caller, digest, nowSeconds: Math.floor(nowMilliseconds / 1000) }, issuers);
  }

  /** A rule with several endpoints for one request holds if it holds for any; a deny rule holds on an error too. */
  #condition(
    rule: Rule,
    endpoints: readonly Endpoint[],
    asked: Asked,
    claims: Claims | undefined,
  ): true | false | "error" {
    const { when } = rule;
    if (when === undefined) return true;
    const outcomes = endpoints.map((endpoint) => when({ ...asked, claims, path: variablesOf(endpoint, asked) }));
    const outcome = outcomes.includes(true) || (outcomes.includes("error") && "error");
    this.onCondition(rule.name, outcome);
    return outcome;
  }

  #isCaller(text: string, caller: string | null): boolean {
    if (text === "anonymous") return true;
    if (caller === null) return false;
    if (text === "any") return true;
    const members = this.#policy.callerSets.get(text);
    if (members !== undefined) return members.some((member) => this.#isCaller(member, caller));
    if (text.endsWith("/**")) return caller.startsWith(text.slice(0, -2));
    if (!text.endsWith("/*")) return caller === text;
    const above = text.slice(0, -1);
    return caller.startsWith(above) && !caller.slice(above.length).includes("/");
  }
}

function answer(
  reason: Reason,
  rule: string | null,
  shadow: readonly { rule: string; reason: Reason }[],
  upstream: Answer["upstream"],
): Answer {
  const decisionOf = (one: Reason): "allow" | "deny" => (one === "allowed" ? "allow" : "deny");
  return {
    decision: decisionOf(reason),
    status: statusOf(reason),
    reason: reasonName(reason),
    rule,
    shadow: shadow
      .slice(0, shadows_recorded)
      .map((one) => ({ rule: one.rule, decision: decisionOf(one.reason), reason: reasonName(one.reason) })),
    upstream,
  };
}

/** The value of a forwarded header, one character a byte; "" for none. */
function forwardedValue(what: string, caller: string | null, claims: Claims | undefined): string {
  const [, domain, path] = /^spiffe:\/\/([^/]*)(.*)$/u.exec(caller ?? "") ?? [];
  if (what === "caller.id") return caller ?? "";
  if (what === "caller.trust_domain") return domain ?? "";
  if (what === "caller.path") return path ?? "";
  let claim: Json | undefined = claims;
  for (const name of what.split(".").slice(1)) claim = claim instanceof Map ? claim.get(name) : undefined;
  if (claim === undefined || typeof claim === "object") return "";
  const text = Buffer.from(String(claim)).toString("latin1");
  // RFC 9110 §5.5: what a header cannot hold is not sent.
  return text !== text.trim() || /\p{Cc}/u.test(String(claim)) ? "" : text;
}

function isHost(pattern: string, host: string): boolean {
  return pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) && host.length >= pattern.length : host === pattern;
}

function isEndpoint({ methods, segments, tail }: Endpoint, request: Readable, action: "allow" | "deny"): boolean {
  const isMethod = (method: string): boolean =>
    method === request.method || (action === "deny" && method === request.method.toUpperCase());
  if (methods !== undefined && !methods.some(isMethod)) return false;
  const given = request.segments;
  if (tail ? given.length < segments.length : given.length !== segments.length) return false;
  return segments.every((segment, index) => !("literal" in segment) || segment.literal === given[index]);
}

function variablesOf({ segments }: Endpoint, { readable }: Asked): ConditionInput["path"] {
  const named = segments.map((segment, index) => ["variable" in segment && segment.variable, index] as const);
  return new Map(named.flatMap(([name, index]) => (name ? [[name, readable.segments[index]!]] : [])));
}
