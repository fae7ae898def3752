/**
 * The order of a policy, said as plainly as docs/policy-language.md says it: each rule is looked at, one after the other.
 */
import type { ConditionInput } from "./condition.ts";
import { forwardedValue } from "./forward.ts";
import { callerOf } from "./forwarded.ts";
import { Buckets, inTier, isKeyless } from "./limits.ts";
import { type Match, matchesOf, refusesForm, takesAll } from "./matches.ts";
import { type Form, takes } from "./paths.ts";
import { plainHeaders, plainPath, stripHeaders, stripPath } from "./places.ts";
import type { Policy, Rule } from "./policy.ts";
import { Quarantines, type Someone } from "./quarantine.ts";
import { furthest, type Reason, reasonName, statusOf } from "./reasons.ts";
import {
  type Arrived,
  contentLength,
  headerBytes,
  identityFault,
  isFormed,
  queryBytes,
  type Readable,
  readRequest,
  withoutAlias,
} from "./request.ts";
import { type Claims, checkSvid, checkToken, hasScopes } from "./token.ts";

export interface Answer {
  decision: "allow" | "deny";
  status: number;
  reason: string;
  rule: string | null;
  shadow: { rule: string; limit?: string; decision: "allow" | "deny"; reason: string }[];
  /** What the upstream gets of a request that goes on, in one form; undefined of others. */
  upstream: Upstream | undefined;
}

export interface Upstream {
  path: string;
  headers: [name: string, value: string][];
}

/** A rule, and why it does not admit. */
interface Stopped {
  reason: Reason;
  rule: string | null;
}

/** The one that came furthest; of those that came as far the first by its name. */
function closestOf(stopped: readonly Stopped[]): Stopped | undefined {
  const closest = furthest(stopped.map(({ reason }) => reason));
  return stopped
    .filter(({ reason }) => reason === closest)
    .sort((a, b) => Buffer.compare(Buffer.from(a.rule!), Buffer.from(b.rule!)))[0];
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

/**
 * One way in which a rule speaks of a request: by one of its endpoints for one reading of the path, and by one of its callers with the
 * names of its segments.
 */
interface Way extends Match {
  names: ReadonlyMap<string, string>;
}

/** The record tells of so many rules in shadow mode. */
const shadows_recorded = 8;

/** All that `onTrait` may be told. */
export const traitNames: readonly string[] = [
  ..."RS256 PS256 PS512 ES256 ES384 ES512 EdDSA".split(" ").map((algorithm) => `token ${algorithm}`),
  ...["header", "cookie", "query"].map((kind) => `token in ${kind}`),
  ...["none", "certificate", "caller"].map((bind) => `token bound to ${bind}`),
  "token beside another",
  "optional token good",
  "optional token left out",
  "optional token refused",
  "caller by an alias",
  "caller by filter state",
  "caller by JWT-SVID, jwt-svid",
  "caller by JWT-SVID, either",
  "header from a segment of the caller's ID",
  "header taken away",
  "cookie taken away",
  "parameter taken away",
  "limit without a key",
  "tier of a limit",
  "limit in shadow mode without room",
  ...["local", "deny", "allow"].map((onError) => `limit of the fleet, ${onError}`),
  "cost",
  "cost in error",
  "cost below 1",
  "cost above the most",
];

/** A policy with its buckets. */
export class Reference {
  readonly #policy: Policy;
  readonly #buckets = new Buckets();
  /** Limits in shadow mode that would have denied the request. */
  #fullShadows: { rule: string; limit: string }[] = [];
  readonly #quarantines: Quarantines;
  /** Told of each condition's outcome, for counting. */
  onCondition: (rule: string, outcome: true | false | "error") => void = () => {};
  /** Told of what an admitted request has to it, for counting. */
  onTrait: (trait: string) => void = () => {};

  constructor(policy: Policy) {
    this.#policy = policy;
    const gateways = policy.forwarders.map((one) => withoutAlias(one, policy.aliases));
    this.#quarantines = new Quarantines(policy.quarantines, gateways);
  }

  ask(arrived: Arrived, nowMilliseconds: number): Answer {
    const someone = this.#someone(arrived, nowMilliseconds);
    if (isFormed(arrived) && this.#quarantines.shutOut(someone, nowMilliseconds))
      return answer("quarantined", null, [], this.#cleaned(arrived, someone.caller));
    const answered = this.#answer(arrived, nowMilliseconds);
    if (answered.decision === "deny") this.#quarantines.count(answered.reason, someone, nowMilliseconds);
    return answered;
  }

  /** Whose request it is, as far as it is known when a quarantine is asked: of one that is not formed, not what it says of its caller. */
  #someone(arrived: Arrived, now: number): Someone {
    const { domains, aliases, forwarders, takesForwardedAddress } = this.#policy;
    const shown = withoutAlias(this.#shown(arrived), aliases);
    const peer = identityFault(shown, domains) === undefined ? shown : null;
    return {
      caller: isFormed(arrived) ? this.#identify(arrived, now).caller : peer,
      isBehind: shown !== null && forwarders.some((one) => withoutAlias(one, aliases) === shown),
      source: arrived.source,
      takesForwardedAddress,
    };
  }

  #answer(arrived: Arrived, nowMilliseconds: number): Answer {
    const { caller, digest, fault } = this.#identify(arrived, nowMilliseconds);
    const readable = readRequest(arrived);
    if (typeof readable === "string")
      return answer(readable, null, [], this.#cleaned(arrived, this.#someone(arrived, nowMilliseconds).caller));
    const asked: Asked = { arrived, readable, caller, digest, nowMilliseconds };
    const forms = [...readable.path.forms].filter((form) => form !== "dots");
    const isOpen = (form: Form): boolean =>
      this.#policy.rules.some((rule) => rule.action === "allow" && takes(rule.paths, form));
    if (!forms.every(isOpen)) return answer("path_ambiguous", null, [], this.#cleaned(arrived, caller));
    const near = this.#policy.rules
      .map((rule) => ({ rule, callers: rule.callers.flatMap((text) => this.#waysOf(text, asked.caller)) }))
      .filter(({ callers }) => callers.length > 0)
      .filter(({ rule: { hosts } }) => hosts.length === 0 || hosts.some((host) => isHost(host, readable.host)));
    const matching = near
      .map(({ rule, callers }) => ({
        rule,
        ways: matchesOf(rule, readable).flatMap((match) => callers.map((names) => ({ ...match, names }))),
      }))
      .filter(({ ways }) => ways.length > 0);
    const isAmbiguous = near.some(({ rule }) => refusesForm(rule, readable)) || !takesAll(this.#policy.paths, readable);
    const decided = this.#decide(matching, asked, isAmbiguous ? "path_ambiguous" : (fault ?? "no_rule"));
    const shadow = matching
      .filter(({ rule }) => rule.mode === "shadow")
      .map(({ rule, ways }) => ({ rule, reason: this.#judge(rule, ways, asked, true) }))
      // A deny rule that does not match would have done nothing.
      .filter(({ rule, reason }) => rule.action === "allow" || reason === "rule_denied")
      .map(({ rule, reason }) => ({ rule: rule.name, reason }));
    const answered = answer(decided.reason, decided.rule, shadow, this.#upstream(decided, asked));
    const full = this.#fullShadows.splice(0).map(({ rule, limit }) => {
      return { rule, limit, decision: "deny" as const, reason: "limit_exceeded" };
    });
    return { ...answered, shadow: [...answered.shadow, ...full] };
  }

  #decide(
    matching: readonly { rule: Rule; ways: Way[] }[],
    asked: Asked,
    otherwise: Reason,
  ): { reason: Reason; rule: string | null } {
    const enforced = matching.filter(({ rule }) => rule.mode === "enforce");
    for (const { rule, ways } of enforced.filter(({ rule: { action } }) => action === "deny")) {
      if (this.#judge(rule, ways, asked, true) === "rule_denied") return { reason: "rule_denied", rule: rule.name };
    }
    const allows = enforced.filter(({ rule: { action } }) => action === "allow");
    const stopped: Stopped[] = [];
    const admits = (isAmong: (rule: Rule) => boolean): Stopped | undefined => {
      for (const { rule, ways } of allows.filter((one) => isAmong(one.rule))) {
        const reason = this.#judge(rule, ways, asked, false);
        if (reason === "allowed") return { reason, rule: rule.name };
        // What a failure of ours hides is not known, so that no other rule admits.
        if (reason === "internal") return { reason, rule: rule.name };
        stopped.push({ reason, rule: rule.name });
      }
      return undefined;
    };
    const needsNone = (rule: Rule): boolean => rule.issuers.length === 0 || this.#isLeftOut(rule, asked);
    const admitted = admits((rule) => !needsNone(rule));
    if (admitted !== undefined) return admitted;
    const isBad = ({ reason, rule: name }: Stopped): boolean =>
      allows.some(({ rule }) => rule.name === name && rule.isTokenOptional) &&
      (reason.startsWith("token_") || reason === "keys_unavailable");
    const bad = stopped.filter(isBad);
    if (bad.length > 0) {
      this.onTrait("optional token refused");
      return closestOf(stopped.filter(({ reason }) => reason === "keys_unavailable")) ?? closestOf(bad)!;
    }
    return admits(needsNone) ?? closestOf(stopped) ?? { reason: otherwise, rule: null };
  }

  /** Whether a rule does without the token that it would take. */
  #isLeftOut(rule: Rule, asked: Asked): boolean {
    return rule.isTokenOptional && this.#checkToken(rule, asked) === "token_missing";
  }

  /** The ID that the request came with, before anybody asks what it is worth. */
  #shown({ caller, filterState = {} }: Arrived): string | null {
    const { identity, filterState: key } = this.#policy;
    if (identity === "jwt-svid") return null;
    if (identity !== "filter-state") return caller;
    return filterState[key] || null;
  }

  /** Who calls, or why nobody does who counts. */
  #identify(
    arrived: Arrived,
    now: number,
  ): { caller: string | null; digest: string | null; fault: Reason | undefined } {
    const { identity, domains, aliases } = this.#policy;
    const shown = { ...arrived, caller: withoutAlias(this.#shown(arrived), aliases) };
    const isAccepted = identityFault(shown.caller, domains) === undefined;
    const told = isAccepted ? callerOf(shown, this.#policy) : { id: shown.caller, digest: shown.digest };
    const { digest } = told;
    const id = withoutAlias(told.id, aliases);
    for (const one of [this.#shown(arrived), told.id])
      if (one !== withoutAlias(one, aliases)) this.onTrait("caller by an alias");
    const fault = identityFault(id, domains);
    if (fault === undefined && identity === "filter-state") this.onTrait("caller by filter state");
    if (fault !== "identity_missing" || identity === "mtls" || identity === "filter-state")
      return { caller: fault === undefined ? id : null, digest, fault };
    const bearer = { arrived, caller: null, aliases, digest, nowSeconds: Math.floor(now / 1000) };
    const svid = checkSvid(bearer, this.#policy);
    if (typeof svid !== "string") this.onTrait(`caller by JWT-SVID, ${identity}`);
    if (typeof svid !== "string") return { caller: withoutAlias(svid.id, aliases), digest, fault: undefined };
    return { caller: null, digest, fault: svid === "token_missing" ? fault : svid };
  }

  /** What the upstream gets: without tokens that are not for it, and with what is known of the caller. */
  #upstream({ reason, rule: name }: { reason: Reason; rule: string | null }, asked: Asked): Upstream | undefined {
    if (reason !== "allowed") return this.#cleaned(asked.arrived, asked.caller);
    const rule = this.#policy.rules.find((one) => one.name === name)!;
    const token = this.#checkToken(rule, asked);
    if (typeof token !== "string") for (const trait of token.traits) this.onTrait(trait);
    if (rule.isTokenOptional) this.onTrait(`optional token ${typeof token === "string" ? "left out" : "good"}`);
    // Where several patterns of the rule have a name, it is one segment (`capture_ambiguous`).
    const names = new Map(rule.callers.flatMap((text) => this.#waysOf(text, asked.caller)).flatMap((one) => [...one]));
    const values = [...this.#policy.forward].map(([header, what]): [string, string] => [
      header,
      forwardedValue(what, asked.caller, names, typeof token === "string" ? undefined : token.claims),
    ]);
    const set = values.filter(([, value]) => value !== "");
    set.push(...this.#counted(asked));
    if (set.some(([header]) => header === "x-team")) this.onTrait("header from a segment of the caller's ID");
    return this.#clean(asked.arrived, set);
  }

  /** The headers that count hops, counted on. */
  #counted(asked: Pick<Asked, "arrived" | "caller">): [string, string][] {
    const limits = [...this.#policy.limits.values()];
    const names = new Set(limits.flatMap(({ hops }) => (hops === undefined ? [] : [hops.header])));
    return [...names].map((name) => [name, String(this.#hopsOf(name, asked) + 1)]);
  }

  /** How many hops a request has made, by the word of a caller that is known; 1,001 where that cannot be read. */
  #hopsOf(header: string, { arrived, caller }: Pick<Asked, "arrived" | "caller">): number {
    const said = arrived.headers.filter(([name]) => name === header).map(([, value]) => value);
    if (caller === null || said.length === 0) return 0;
    return said.length === 1 && /^[0-9]{1,5}$/u.test(said[0]!) ? Number(said[0]) : 1001;
  }

  /** A request that is not admitted goes on only in shadow mode. */
  #cleaned(arrived: Arrived, caller: string | null): Upstream | undefined {
    return this.#policy.mode === "shadow" ? this.#clean(arrived, this.#counted({ arrived, caller })) : undefined;
  }

  #clean({ headers, path }: Arrived, set: Upstream["headers"]): Upstream {
    const { forward, issuers, svidPlaces } = this.#policy;
    const places = [...svidPlaces, ...[...issuers.values()].flatMap((issuer) => issuer.places)];
    // What comes from outside under the name of a forwarded header is removed, also where `_` stands for `-`.
    const stripped = stripHeaders(headers, places);
    const ours = new Set([...forward.keys(), ...set.map(([name]) => name)]);
    const kept = stripped.filter(([name]) => !ours.has(name.replaceAll("_", "-")));
    const strippedPath = stripPath(path, places);
    if (stripped.length < headers.length) this.onTrait("header taken away");
    if (plainHeaders(stripped).length < plainHeaders(headers).length - headers.length + stripped.length)
      this.onTrait("cookie taken away");
    if (strippedPath !== plainPath(path)) this.onTrait("parameter taken away");
    return { path: plainPath(strippedPath), headers: plainHeaders([...kept, ...set]) };
  }

  /** The parts of one rule in their order. @param dry its limits are only looked at */
  #judge(rule: Rule, ways: readonly Way[], asked: Asked, dry: boolean): Reason {
    const now = asked.nowMilliseconds;
    if (headerBytes(asked.arrived) > rule.maxHeaderBytes || queryBytes(asked.arrived) > rule.maxQueryBytes)
      return "headers_too_large";
    const length = rule.maxBodyBytes === Infinity ? 0 : contentLength(asked.arrived);
    if (length === undefined || length > rule.maxBodyBytes)
      return length === undefined ? "request_malformed" : "body_too_large";
    if (now < rule.startsMilliseconds || now >= rule.expiresMilliseconds) return "grant_inactive";
    const isLeftOut = this.#isLeftOut(rule, asked);
    const token = isLeftOut ? { claims: new Map() } : this.#checkToken(rule, asked);
    const claims = typeof token === "string" ? undefined : token.claims;
    if (rule.action === "deny") {
      const outcome = this.#condition(rule, ways, asked, claims);
      return outcome === false ? "condition_false" : "rule_denied";
    }
    if (typeof token === "string") return token;
    if (rule.scopes.length > 0 && !hasScopes(token as Parameters<typeof hasScopes>[0], rule.scopes, rule.held))
      return "scope_missing";
    const outcome = this.#condition(rule, ways, asked, claims);
    if (outcome !== true) return outcome === false ? "condition_false" : "condition_error";
    const { takesForwardedAddress } = this.#policy;
    const { caller, arrived, readable } = asked;
    const who = { rule: rule.name, host: readable.host, caller, claims, arrived, takesForwardedAddress };
    const limits = rule.limits.map((name) => [name, inTier(this.#policy.limits.get(name)!, who)] as const);
    if (limits.some(([name, { burst }]) => burst !== this.#policy.limits.get(name)!.burst))
      this.onTrait("tier of a limit");
    const cost = this.#costOf(rule, ways, asked, claims);
    if (cost === "error") return "condition_error";
    const nanoseconds = BigInt(now) * 1_000_000n;
    const enforced = limits.filter(([, { isShadow }]) => !isShadow);
    // One request is open at a time here, so that there is always room for it.
    for (const [, { hops }] of enforced)
      if (hops !== undefined && this.#hopsOf(hops.header, asked) > hops.most) return "limit_exceeded";
    if (enforced.some(([, limit]) => isKeyless(limit, who))) {
      this.onTrait("limit without a key");
      return "limit_exceeded";
    }
    const rates = enforced.filter(([, { open, hops }]) => open === undefined && hops === undefined);
    const own = rates.filter(([, { onError }]) => onError === undefined);
    if (!this.#buckets.take(own, cost, who, nanoseconds, dry)) return "limit_exceeded";
    // Here no rate limit service ever answers, so that limits of the fleet hold as `onError` says, once the others have given; those in
    // shadow mode ask nobody.
    const ofFleet = dry ? [] : rates.filter(([, { onError }]) => onError !== undefined);
    const taken = [...own];
    for (const [name, limit] of ofFleet.sort(([a], [b]) => (a < b ? -1 : 1))) {
      this.onTrait(`limit of the fleet, ${limit.onError}`);
      if (limit.onError === "allow") continue;
      const isTaken = limit.onError === "local" && this.#buckets.take([[name, limit]], cost, who, nanoseconds, false);
      if (!isTaken) {
        this.#buckets.giveBack(taken, cost, who, nanoseconds);
        return limit.onError === "deny" ? "internal" : "limit_exceeded";
      }
      taken.push([name, limit]);
    }
    if (dry) return "allowed";
    const shadowed = limits.filter(([, { isShadow }]) => isShadow).sort(([a], [b]) => (a < b ? -1 : 1));
    this.#fullShadows = shadowed
      .filter((one) => {
        const { open, hops } = one[1];
        if (hops !== undefined) return this.#hopsOf(hops.header, asked) > hops.most;
        const isFull = open === undefined && !this.#buckets.take([one], cost, who, nanoseconds, false);
        return isKeyless(one[1], who) || isFull;
      })
      .map(([limit]) => ({ rule: rule.name, limit }));
    if (this.#fullShadows.length > 0) this.onTrait("limit in shadow mode without room");
    return "allowed";
  }

  /** What the request costs, by the first way in which the rule's condition holds: between 1 and the most that it may be. */
  #costOf(rule: Rule, ways: readonly Way[], asked: Asked, claims: Claims | undefined): bigint | "error" {
    const { costFrom, cost: most } = rule;
    if (costFrom === undefined) return most;
    const holding = this.#inputs(ways, asked, claims).find((input) => (rule.when?.(input) ?? true) === true);
    const cost = costFrom(holding!);
    this.onTrait(
      cost === "error" ? "cost in error" : cost < 1n ? "cost below 1" : cost > most ? "cost above the most" : "cost",
    );
    if (cost === "error") return cost;
    return cost < 1n ? 1n : cost > most ? most : cost;
  }

  #checkToken(
    rule: Rule,
    { arrived, caller, digest, nowMilliseconds }: Asked,
  ): { claims: Claims | undefined; traits: string[] } | Reason {
    if (rule.issuers.length === 0) return { claims: undefined, traits: [] };
    const issuers = [...this.#policy.issuers].filter(([name]) => rule.issuers.includes(name)).map(([, one]) => one);
    return checkToken(
      { arrived, caller, aliases: this.#policy.aliases, digest, nowSeconds: Math.floor(nowMilliseconds / 1000) },
      issuers,
    );
  }

  /** A rule with several endpoints for one request, or readings of it, holds if it holds for any; a deny rule holds on an error too. */
  #condition(rule: Rule, ways: readonly Way[], asked: Asked, claims: Claims | undefined): true | false | "error" {
    const { when } = rule;
    if (when === undefined) return true;
    const outcomes = this.#inputs(ways, asked, claims).map(when);
    const outcome = outcomes.includes(true) || (outcomes.includes("error") && "error");
    this.onCondition(rule.name, outcome);
    return outcome;
  }

  /** What a condition of the rule may speak of, for each of the ways. */
  #inputs(ways: readonly Way[], asked: Asked, claims: Claims | undefined): ConditionInput[] {
    const { takesForwardedAddress } = this.#policy;
    return ways.map(({ path, reading, names }) => {
      const readable = { ...asked.readable, reading };
      return { ...asked, readable, takesForwardedAddress, claims, path, names };
    });
  }

  /** For each way in which a caller is one that a rule names, the names that segments of its ID have. */
  #waysOf(text: string, caller: string | null): ReadonlyMap<string, string>[] {
    if (text === "anonymous") return [new Map()];
    if (caller === null) return [];
    if (text === "any") return [new Map()];
    const members = this.#policy.callerSets.get(text);
    if (members !== undefined) return members.flatMap((member) => this.#waysOf(member, caller));
    const wanted = withoutAlias(text.replaceAll(/[*{}]/gu, "_"), this.#policy.aliases).split("/");
    const pattern = text.split("/").map((segment, index) => (index < 3 ? wanted[index]! : segment));
    const given = caller.split("/");
    if (pattern.at(-1) === "**" ? given.length < pattern.length : given.length !== pattern.length) return [];
    const names = new Map<string, string>();
    for (const [index, segment] of pattern.entries()) {
      const name = /^\{(.*)\}$/u.exec(segment)?.[1];
      if (name !== undefined) names.set(name, given[index]!);
      else if (segment !== "*" && segment !== "**" && segment !== given[index]) return [];
    }
    return [names];
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

function isHost(pattern: string, host: string): boolean {
  return pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) && host.length >= pattern.length : host === pattern;
}
