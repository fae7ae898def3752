/**
 * The order of a policy, said as plainly as docs/policy-language.md says it: each rule is looked at, one after the other.
 */
import type { ConditionInput } from "./condition.ts";
import { callerOf } from "./forwarded.ts";
import type { Json } from "./json.ts";
import { Buckets } from "./limits.ts";
import type { Endpoint, Policy, Rule } from "./policy.ts";
import { furthest, type Reason, reasonName, statusOf } from "./reasons.ts";
import { type Arrived, identityFault, type Readable, readRequest } from "./request.ts";
import { type Claims, checkToken, hasScopes } from "./token.ts";

export interface Answer {
  decision: "allow" | "deny";
  status: number;
  reason: string;
  rule: string | null;
  shadow: { rule: string; decision: "allow" | "deny"; reason: string }[];
  /** What an admitted request says of its caller to the upstream. */
  forwarded: [name: string, value: string][];
}

/** A request in the middle of being judged. */
interface Asked {
  arrived: Arrived;
  readable: Readable;
  /** The caller's ID if it counts. */
  caller: string | null;
  nowMilliseconds: number;
}

/** The record tells of so many rules in shadow mode. */
const shadows_recorded = 8;

/** A policy with its buckets. */
export class Reference {
  readonly #policy: Policy;
  readonly #buckets = new Buckets();
  /** Told of each condition's outcome, for counting. */
  onCondition: (rule: string, outcome: true | false | "error") => void = () => {};

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  ask(arrived: Arrived, nowMilliseconds: number): Answer {
    const isAccepted = identityFault(arrived.caller, this.#policy.domains) === undefined;
    const told = isAccepted ? callerOf(arrived, this.#policy.forwarders) : arrived.caller;
    const fault = identityFault(told, this.#policy.domains);
    const readable = readRequest(arrived);
    if (typeof readable === "string") return answer(readable, null, [], []);
    const asked: Asked = { arrived, readable, caller: fault === undefined ? told : null, nowMilliseconds };
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
    return answer(decided.reason, decided.rule, shadow, this.#forwarded(decided, asked));
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

  /** Headers for the upstream: what is known of the caller, and claims of the token that the admitting rule asked for. */
  #forwarded({ reason, rule: name }: { reason: Reason; rule: string | null }, asked: Asked): Answer["forwarded"] {
    if (reason !== "allowed") return [];
    const rule = this.#policy.rules.find((one) => one.name === name)!;
    const token = this.#checkToken(rule, asked);
    const values = [...this.#policy.forward].map(([header, what]): [string, string] => [
      header,
      forwardedValue(what, asked.caller, typeof token === "string" ? undefined : token.claims),
    ]);
    return values.filter(([, value]) => value !== "").sort(([a], [b]) => (a < b ? -1 : 1));
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

  #checkToken(rule: Rule, { arrived, nowMilliseconds }: Asked): { claims: Claims | undefined } | Reason {
    if (rule.issuers.length === 0) return { claims: undefined };
    const authorization = arrived.headers.filter(([name]) => name === "authorization").map(([, value]) => value);
    const issuers = rule.issuers.map((name) => this.#policy.issuers.get(name)!);
    return checkToken(authorization, issuers, Math.floor(nowMilliseconds / 1000));
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
  forwarded: Answer["forwarded"],
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
    forwarded,
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
