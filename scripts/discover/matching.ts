/** Which rules of a policy are for a group of requests: by caller, host, method and path, without what a log does not have. */
import { methodsOf, type Endpoint as RuleEndpoint } from "../policy/language/endpoint.ts";
import type { CallerSet, Policy, Rule } from "../policy/language/model.ts";
import {
  isAffix,
  leastSegments,
  ofLength,
  type PathPattern,
  type SegmentPattern,
  segmentHolds,
} from "../policy/language/pathpattern.ts";
import { callPlace } from "../policy/language/protocols.ts";
import { type CallerPattern, callerCovers, callerText, parseCaller, withoutAlias } from "../policy/language/spiffe.ts";
import { patternsOf, setsOf } from "../policy/meaning/classes.ts";
import { path_segments_max, segmentShape, segmentsOf } from "../traffic/segments.ts";
import { isCallerUnknown, type Usage } from "../traffic/usage.ts";
import { kindOf } from "./names.ts";
import { hostHolds } from "./pins.ts";

/** Denials that a rule met which would have let the request in at another time: it is in use. */
const passing_reasons: ReadonlySet<string> = new Set([
  "limit_exceeded",
  "keys_unavailable",
  "headers_too_large",
  "body_too_large",
  "internal",
]);
/** Without a record, what answers like this was kept out. */
const kept_out: ReadonlySet<number> = new Set([401, 403]);

/** Finds rules for usages, whose callers are those of `usagesFor`. */
export class RuleMatcher {
  readonly #policy: Policy;
  readonly #sets: ReadonlyMap<string, CallerSet>;
  readonly #byCaller = new Map<string, readonly Rule[]>();

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#sets = setsOf(policy);
  }

  /** The patterns of a rule's callers, those of its sets too; `any` and `anonymous` have none. */
  patternsOf(rule: Rule): CallerPattern[] {
    return patternsOf(rule, this.#sets);
  }

  /** The rules that are for a caller. @param caller a SPIFFE ID; "" for nobody */
  rulesFor(caller: string): readonly Rule[] {
    const known = this.#byCaller.get(caller);
    if (known !== undefined) return known;
    const exact = idOf(caller);
    const isTrusted = exact !== undefined && this.#policy.trustDomains.includes(exact.trustDomain);
    const rules = this.#policy.rules.filter(
      (rule) =>
        rule.callers.some(({ kind }) => kind === "anonymous" || (kind === "any" && isTrusted)) ||
        (exact !== undefined && this.patternsOf(rule).some((pattern) => callerCovers(pattern, exact))),
    );
    this.#byCaller.set(caller, rules);
    return rules;
  }

  /** The endpoint of a rule that a usage is for; undefined where none is, or where its host is another. */
  endpointOf(rule: Rule, usage: Usage): RuleEndpoint | undefined {
    if (rule.hosts.length > 0 && !rule.hosts.some((host) => hostHolds(host, usage.host))) return undefined;
    const segments = segmentsOf(usage.path);
    if (segments === undefined) return undefined;
    return rule.endpoints.find((endpoint) => methodHolds(endpoint, usage.method) && pathHolds(endpoint, segments));
  }

  /** The rules that may be for who called: all of them where the log does not say it. */
  rulesOf(usage: Pick<Usage, "decision" | "caller">): readonly Rule[] {
    return isCallerUnknown(usage) ? this.#policy.rules : this.rulesFor(usage.caller);
  }

  /** The rules that are for a usage, with the endpoint of each; who called counts where the log says it. */
  matches(usage: Usage): { rule: Rule; endpoint: RuleEndpoint }[] {
    return this.rulesOf(usage).flatMap((rule) => {
      const endpoint = this.endpointOf(rule, usage);
      return endpoint === undefined ? [] : [{ rule, endpoint }];
    });
  }
}

/**
 * The usages that a policy has judged, or may have: without those that name another, and with callers as the policy's rules know them. Where
 * no record says who it is, a log has an ID of an old trust domain (`trust.aliases`) as the certificate has it, and of what came through a
 * gateway (`trust.forwarders`) the gateway's, so that nobody knows who called.
 */
export function usagesFor(usages: readonly Usage[], { name, aliases, forwarders }: Policy): Usage[] {
  const own = usages.filter(({ policy }) => policy === "" || policy === name);
  if (aliases.size === 0 && forwarders.length === 0) return own;
  return own.map((usage) => {
    const id = idOf(usage.caller);
    if (id === undefined) return usage;
    const caller = callerText(withoutAlias(id, aliases));
    return { ...usage, caller: usage.decision === "" && forwarders.includes(caller) ? "" : caller };
  });
}

/** Whether something is to be had from a group of requests, so that nobody can call it unused: they were let in, or would have been. */
export function isUse({ decision, reason, admitted, status }: Usage): boolean {
  if (decision === "deny") return passing_reasons.has(reason);
  return decision !== "" || admitted || !kept_out.has(status);
}

/** A caller's ID as a pattern that holds it alone; undefined for what is no ID. */
export function idOf(caller: string): CallerPattern | undefined {
  const id = parseCaller(caller);
  return typeof id === "object" && id.kind === "exact" && id.wildcards === 0 ? id : undefined;
}

/** Whether a method is one of an endpoint's. */
export function methodHolds({ methods }: RuleEndpoint, method: string): boolean {
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

/**
 * The places of a rule's endpoints that a usage may be for, by host, method and path: also those that a log does not tell from others,
 * such as `/orders/7` where it has `/orders/{number}`. Only what is not among them can be said to be unused.
 */
export function possibleEndpoints(rule: Rule, { host, method, path, policy }: Usage): number[] {
  if (host !== "" && rule.hosts.length > 0 && !rule.hosts.some((one) => hostHolds(one, host))) return [];
  const seen = seenPath({ path, policy });
  return rule.endpoints.flatMap((endpoint, place) => (mayBeFor(endpoint, method, seen) ? [place] : []));
}

/** Whether requests with a method and a path may be for an endpoint: no log says which calls one has. */
function mayBeFor(endpoint: RuleEndpoint, method: string, seen: SeenPath): boolean {
  if (endpoint.call === undefined || endpoint.methods === "*")
    return methodHolds(endpoint, method) && pathMayHold(endpoint, seen);
  return endpoint.methods.some((one) => {
    const { carrier, segments } = callPlace(one)!;
    return carrier === method && pathMayHold({ segments, tail: false }, seen);
  });
}

/** A path as a log has it, by its segments. */
export interface SeenPath {
  segments: readonly string[];
  /** What follows is not in the log. */
  isCut: boolean;
}

/** The path of a usage, to be held against patterns. */
export function seenPath({ path, policy }: Pick<Usage, "path" | "policy">): SeenPath {
  const segments = path.split("/").filter((segment) => segment !== "");
  // Of a long path the log has the first segments, or the record its first bytes, and one that stands for all others.
  return { segments, isCut: segments.at(-1) === "{other}" && (segments.length > path_segments_max || policy !== "") };
}

/**
 * Whether a path of the log may have been one of a pattern: without regard to case and to slashes that `paths` may open, and with every
 * value that a kind may stand for.
 */
export function pathMayHold(endpoint: PathPattern, { segments, isCut }: SeenPath): boolean {
  const written = { ...endpoint, segments: endpoint.segments.filter((segment) => segment !== "") };
  const least = leastSegments(written);
  const length = isCut
    ? least + (written.tail ? segments.length : Math.max(0, segments.length - least))
    : segments.length;
  return ofLength(written, length)?.every((pattern, place) => mayHold(pattern, segments[place] ?? "{other}")) ?? false;
}

function mayHold(pattern: SegmentPattern, segment: string): boolean {
  if (pattern === null) return true;
  const kind = kindOf(segment);
  if (kind === "other" || (kind !== undefined && isAffix(pattern))) return true;
  if (kind !== undefined) return segmentShape(pattern as string) === segment;
  const text = segment.toLowerCase();
  if (!isAffix(pattern)) return pattern.toLowerCase() === text;
  return text.startsWith(pattern.prefix.toLowerCase()) && text.endsWith(pattern.suffix.toLowerCase());
}
