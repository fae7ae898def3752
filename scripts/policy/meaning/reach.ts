/**
 * Who may call what by one policy, for each caller and each endpoint that its rules tell apart: the same cuts that `diff` makes, laid
 * out whole. A caller here is a pattern without the narrower ones in it.
 */
import type { Policy, Rule } from "../language/model.ts";
import { type PathPattern, pathCovers } from "../language/pathpattern.ts";
import { callPlace } from "../language/protocols.ts";
import { endpointWords } from "../language/reads.ts";
import { type CallerPattern, callerCovers, callerText, parseCaller, withoutAlias } from "../language/spiffe.ts";
import { accessOf } from "./access.ts";
import { callsWithin } from "./calls.ts";
import { byCaptures } from "./captures.ts";
import { anonymous, callersOf, hostsOf, namedBy, type Side } from "./classes.ts";
import { type Clause, ClauseTable } from "./clauses.ts";
import { type Conditions, isUnconditional } from "./conditions.ts";
import { type ConditionWords, wordsOf } from "./difference.ts";
import type { Family } from "./hierarchy.ts";
import { withLimitsInForce } from "./limits.ts";
import { PathIndex, pathText } from "./paths.ts";
import { deniedMethods, heldMethods, type Overlap } from "./relations.ts";
import { speller } from "./spellings.ts";

/** One host, method and path that a rule names. */
export interface ReachedEndpoint {
  /** A host pattern; `*` for every host. */
  host: string;
  method: string;
  /** As a policy writes it. */
  path: string;
  pattern: PathPattern;
  /** It has something in common with the endpoints of a rule that is `sensitive`. */
  isSensitive: boolean;
}

/** What a policy says to some callers at an endpoint that some allow rule of theirs has something in common with. */
export interface Grant {
  /** Its place in `Reach.endpoints`. */
  endpoint: number;
  /** `part`: no allow rule holds all of it; those that hold some are told in `parts`. */
  extent: "whole" | "part";
  /** `free`: who the caller is suffices; `conditional`: more is asked for, or a deny rule with conditions may hold; `denied`: never. */
  level: "free" | "conditional" | "denied";
  /** Each is a way to be admitted; none where it is denied. */
  ways: ConditionWords[];
  /** Names of the allow rules, and of the deny rules that hold some or all of it. */
  rules: string[];
  denies: string[];
  /** Of an endpoint that is admitted in part: what of it is. */
  parts: string[];
  /** Endpoints in it that are denied; those that are only on conditions have `(conditional)` after them. */
  except: string[];
}

/** Callers to whom the policy says the same, by the same rules. */
export interface ReachGroup {
  callers: string[];
  grants: Grant[];
}

/** Who may call what. */
export interface Reach {
  endpoints: ReachedEndpoint[];
  groups: ReachGroup[];
  /** Whom the policy takes a caller, or an ID from a log, for: one of the callers of `groups`. */
  takenFor: (caller: string) => string;
}

interface RulePart {
  rule: Rule;
  clauses: Clause[];
  /** Those that stand for the rule's endpoints as they are written, of endpoints in upper and lower case the one in lower case. */
  written: Clause[];
}

/** Allow rules that begin later count, with that as a condition; deny rules do not, and rules that have ended neither. */
function isCounted({ mode, action, startsSeconds, expiresSeconds }: Rule, atSeconds: number): boolean {
  if (mode === "shadow" || (expiresSeconds > 0 && expiresSeconds <= atSeconds)) return false;
  return action === "allow" || startsSeconds <= atSeconds;
}

/** What has begun begins no more. */
function begun(rule: Rule, atSeconds: number): Rule {
  return rule.startsSeconds <= atSeconds ? { ...rule, startsSeconds: 0 } : rule;
}

/**
 * @param also callers that are told apart though no rule names them
 * @param atSeconds since 1970: rules that have ended by then are left out
 */
export function reachOf(policy: Policy, also: readonly CallerPattern[], atSeconds: number): Reach {
  const table = new ClauseTable();
  const spelled = speller([policy]);
  const callsOf = callsWithin([policy]);
  const naming = { issuer: (name: string) => name, limit: (name: string) => name };
  const partsOf = (one: Rule): RulePart[] => {
    const endpoints = [...spelled(one), ...callsOf(one)];
    const rule = begun({ ...withLimitsInForce(one, policy), endpoints }, atSeconds);
    const written = one.endpoints.map((endpoint) => spelled({ ...one, endpoints: [endpoint] })[0]!);
    return byCaptures(rule, policy.callerSets).map((part) => ({
      rule: part,
      clauses: table.of(part, naming),
      written: table.of({ ...part, endpoints: written }, naming),
    }));
  };
  const rules = policy.rules.filter((rule) => isCounted(rule, atSeconds)).flatMap(partsOf);
  // Endpoints are worth guarding whether the rule that says so has a part in decisions or not.
  const sensitive = policy.rules.filter((rule) => rule.isSensitive === true).flatMap(partsOf);
  const sides: Side[] = [{ policy, rules: [...rules, ...sensitive] }];
  const { family, domains } = callersOf(
    sides,
    also.map((pattern) => withoutAlias(pattern, policy.aliases)),
  );
  const places = new Places(hostsOf(sides));
  for (const { written } of [...rules, ...sensitive]) for (const clause of written) places.add(clause);
  for (const { clauses } of sensitive) for (const clause of clauses) places.markSensitive(clause);
  const trusted = new Set(policy.trustDomains);
  const named = namedBy({ policy, rules }, family);
  const groups = new Map<string, { callers: string[]; rules: number[] }>();
  for (const [member, { isHollow, text }] of family.members.entries()) {
    if (isHollow) continue;
    const around = trusted.has(domains[member]!) ? family.around(member) : [anonymous];
    const met = [...new Set(around.flatMap((one) => named[one] ?? []))].sort((a, b) => a - b);
    const key = met.join();
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { callers: [text], rules: met });
    else known.callers.push(text);
  }
  return {
    endpoints: places.endpoints,
    groups: [...groups.values()].map(({ callers, rules: met }) => ({
      callers,
      grants: places.grants(met.map((number) => rules[number]!)),
    })),
    takenFor: narrowest(policy, family),
  };
}

/** Finds the narrowest pattern of a family that holds a caller, itself a pattern or an ID. */
function narrowest({ aliases, trustDomains }: Policy, family: Family): (caller: string) => string {
  const known = new Map<string, string>();
  const find = (caller: string): string => {
    const parsed = parseCaller(caller);
    if (typeof parsed === "string") return "anonymous";
    const pattern = withoutAlias(parsed, aliases);
    if (!trustDomains.includes(pattern.trustDomain)) return "anonymous";
    const own = callerText(pattern);
    if (family.find(own) !== undefined) return own;
    // What two patterns have in common is a member too, and each comes after those it lies in: the last is the narrowest.
    const around = family.members.findLast(({ text, isHollow }) => {
      const wider = isHollow ? undefined : parseCaller(text);
      return typeof wider === "object" && callerCovers(wider, pattern);
    });
    return around?.text ?? "anonymous";
  };
  return (caller) => {
    const found = known.get(caller) ?? find(caller);
    known.set(caller, found);
    return found;
  };
}

/** A clause of some callers, and the rules of theirs that it stands in. */
interface Met {
  clause: Clause;
  rules: string[];
}

type Said = Pick<Grant, "level" | "ways">;

/** The endpoints of a policy, and what rules have in common with each. */
class Places {
  readonly endpoints: ReachedEndpoint[] = [];
  readonly #hosts: Family;
  readonly #known = new Map<string, number>();
  readonly #written = new Set<number>();
  readonly #index = new PathIndex<number>();
  readonly #near = new Map<string, Map<number, Overlap>>();
  /** What clauses say together, whichever rules they stand in and wherever it is. */
  readonly #said = new Map<string, Said>();

  constructor(hosts: Family) {
    this.#hosts = hosts;
  }

  add({ id, host, method, path, names }: Clause): void {
    this.#written.add(id);
    // An endpoint of GraphQL is for both HTTP methods that carry operations: one of them stands for both.
    if (callPlace(method)?.carrier === "GET") return;
    const key = `${host} ${method} ${pathText(path)}`;
    if (this.#known.has(key)) return;
    this.#known.set(key, this.endpoints.length);
    this.#index.add(path, this.endpoints.length);
    this.endpoints.push({ host, method, path: pathText(path, names), pattern: path, isSensitive: false });
  }

  markSensitive(clause: Clause): void {
    for (const place of this.#nearTo(clause, "deny").keys()) this.endpoints[place]!.isSensitive = true;
  }

  /** What some rules, all of them of the same callers, say of each endpoint that an allow rule among them touches. */
  grants(rules: readonly RulePart[]): Grant[] {
    const met = new Map<number, Met>();
    for (const { rule, clauses } of rules) {
      for (const clause of clauses) {
        const known = met.get(clause.id);
        if (known === undefined) met.set(clause.id, { clause, rules: [rule.name] });
        else if (!known.rules.includes(rule.name)) known.rules.push(rule.name);
      }
    }
    const touched = new Map<number, { whole: Met[]; part: Met[]; denying: Met[]; cutting: Met[] }>();
    const all = [...met.values()];
    for (const one of all.filter(({ clause }) => clause.action === "allow")) {
      for (const [place, overlap] of this.#nearTo(one.clause)) {
        const known = touched.get(place) ?? { whole: [], part: [], denying: [], cutting: [] };
        known[overlap].push(one);
        touched.set(place, known);
      }
    }
    for (const one of all.filter(({ clause }) => clause.action === "deny")) {
      for (const [place, overlap] of this.#nearTo(one.clause))
        touched.get(place)?.[overlap === "whole" ? "denying" : "cutting"].push(one);
    }
    return [...touched]
      .map(([place, { whole, part, denying, cutting }]) => this.#grant(place, whole, part, denying, cutting))
      .sort((a, b) => a.endpoint - b.endpoint);
  }

  #grant(
    endpoint: number,
    whole: readonly Met[],
    part: readonly Met[],
    denying: readonly Met[],
    cutting: readonly Met[],
  ): Grant {
    const allowing = whole.length > 0 ? whole : part;
    const key = [allowing, denying].map((met) => met.map(({ clause }) => clause.id).join()).join("|");
    const { level, ways } = this.#said.get(key) ?? said(allowing, denying);
    this.#said.set(key, { level, ways });
    return {
      endpoint,
      extent: whole.length > 0 ? "whole" : "part",
      level,
      ways,
      rules: namesOf(allowing),
      denies: namesOf([...denying, ...cutting]),
      parts: whole.length > 0 ? [] : this.#texts(part),
      except: level === "denied" ? [] : this.#texts(cutting),
    };
  }

  /** Clauses as endpoints. Other spellings of one that is denied in upper and lower case go without saying. */
  #texts(met: readonly Met[]): string[] {
    const texts = met
      .filter(({ clause }) => this.#written.has(clause.id))
      .map(({ clause: { action, host, method, path, names, conditions } }) => {
        const on = host === "*" ? "" : ` on ${host}`;
        const how = action === "deny" && !isUnconditional(conditions) ? " (conditional)" : "";
        return `${endpointWords([method], pathText(path, names))}${on}${how}`;
      });
    return [...new Set(texts)].sort();
  }

  /** The endpoints that a clause has something in common with; as what deny rules hold, in every spelling of its method. */
  #nearTo(clause: Clause, action = clause.action): Map<number, Overlap> {
    const key = `${action} ${clause.id}`;
    const known = this.#near.get(key);
    if (known !== undefined) return known;
    const near = new Map<number, Overlap>();
    const own = this.#hosts.find(clause.host)!;
    const methods = action === "deny" ? deniedMethods : heldMethods;
    for (const place of this.#index.overlapping(clause.path)) {
      const { host, method, pattern } = this.endpoints[place]!;
      const other = this.#hosts.find(host)!;
      const isHeld = this.#hosts.isWithin(other, own);
      const held = methods(clause.method, method);
      if (held === undefined || !(isHeld || this.#hosts.isWithin(own, other))) continue;
      near.set(place, isHeld && held === "whole" && pathCovers(clause.path, pattern) ? "whole" : "part");
    }
    this.#near.set(key, near);
    return near;
  }
}

function said(allowing: readonly Met[], denying: readonly Met[]): Said {
  const conditions = (met: readonly Met[]): Conditions[] => met.map(({ clause }) => clause.conditions);
  const access = accessOf(conditions(allowing), conditions(denying));
  const isFree = access.unless.length === 0 && access.alternatives.some(asksNothing);
  const isDenied = conditions(denying).some(isUnconditional);
  return { level: isDenied ? "denied" : isFree ? "free" : "conditional", ways: wordsOf(access) };
}

/** Whether whoever is the caller is admitted; limits and sizes keep nobody out for good. */
function asksNothing({ issuers, isTokenOptional, scopes, when, startsSeconds, others }: Conditions): boolean {
  return (
    (issuers.length === 0 || isTokenOptional) &&
    scopes.length + when.length + others.length === 0 &&
    startsSeconds === 0
  );
}

function namesOf(met: readonly Met[]): string[] {
  return [...new Set(met.flatMap(({ rules }) => rules))].sort();
}
