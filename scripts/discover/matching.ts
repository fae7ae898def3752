/** Which rules of a policy are for a group of requests: by caller, host, method and path, without what a log does not have. */
import { methodsOf, type Endpoint as RuleEndpoint } from "../policy/language/endpoint.ts";
import type { Policy, Rule } from "../policy/language/model.ts";
import { ofLength, segmentHolds } from "../policy/language/pathpattern.ts";
import { type CallerPattern, callerCovers, parseCaller } from "../policy/language/spiffe.ts";
import type { Usage } from "../traffic/usage.ts";
import { kindOf } from "./names.ts";
import { hostHolds } from "./pins.ts";

/** Finds rules for usages. */
export class RuleMatcher {
  readonly #policy: Policy;
  readonly #sets: ReadonlyMap<string, readonly CallerPattern[]>;
  readonly #byCaller = new Map<string, readonly Rule[]>();

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#sets = new Map(policy.callerSets.map(({ name, callers }) => [name, callers]));
  }

  /** The patterns of a rule's callers, those of its sets too; `any` and `anonymous` have none. */
  patternsOf(rule: Rule): CallerPattern[] {
    return rule.callers.flatMap((caller) => {
      if (caller.kind === "pattern") return [caller.pattern];
      return caller.kind === "set" ? (this.#sets.get(caller.name) ?? []) : [];
    });
  }

  /** The rules that are for a caller. @param caller a SPIFFE ID; "" for nobody */
  rulesFor(caller: string): readonly Rule[] {
    const known = this.#byCaller.get(caller);
    if (known !== undefined) return known;
    const exact = idOf(caller);
    const rules = this.#policy.rules.filter(
      (rule) =>
        rule.callers.some(({ kind }) => kind === "anonymous" || (kind === "any" && this.#isTrusted(exact))) ||
        (exact !== undefined && this.patternsOf(rule).some((pattern) => callerCovers(pattern, exact))),
    );
    this.#byCaller.set(caller, rules);
    return rules;
  }

  #isTrusted(id: CallerPattern | undefined): boolean {
    return id !== undefined && this.#policy.trustDomains.includes(id.trustDomain);
  }

  /** The endpoint of a rule that a usage is for; undefined where none is, or where its host is another. */
  endpointOf(rule: Rule, usage: Usage): RuleEndpoint | undefined {
    if (rule.hosts.length > 0 && !rule.hosts.some((host) => hostHolds(host, usage.host))) return undefined;
    const segments = usage.path === "/" ? [] : usage.path.slice(1).split("/");
    return rule.endpoints.find((endpoint) => methodHolds(endpoint, usage.method) && pathHolds(endpoint, segments));
  }

  /** The rules that are for a usage, with the endpoint of each. */
  matches(usage: Usage): { rule: Rule; endpoint: RuleEndpoint }[] {
    return this.rulesFor(usage.caller).flatMap((rule) => {
      const endpoint = this.endpointOf(rule, usage);
      return endpoint === undefined ? [] : [{ rule, endpoint }];
    });
  }
}

/** A caller's ID as a pattern that holds it alone; undefined for what is no ID. */
export function idOf(caller: string): CallerPattern | undefined {
  const id = parseCaller(caller);
  return typeof id === "object" && id.kind === "exact" && id.wildcards === 0 ? id : undefined;
}

function methodHolds({ methods }: RuleEndpoint, method: string): boolean {
  return methods === "*" || methods.some((name) => methodsOf(name).includes(method));
}

function pathHolds(endpoint: RuleEndpoint, segments: readonly string[]): boolean {
  const patterns = ofLength(endpoint, segments.length);
  // A value of which only the kind is known is held by what holds any segment.
  return (
    patterns?.every((pattern, place) =>
      kindOf(segments[place]!) === undefined ? segmentHolds(pattern, segments[place]!) : pattern === null,
    ) ?? false
  );
}
