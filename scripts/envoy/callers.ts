/** Who may call what by a policy, as examples for people to try. */

import type { Endpoint } from "../policy/language/endpoint.ts";
import type { Policy, Rule, RuleCaller } from "../policy/language/model.ts";
import { isAffix, type SegmentPattern } from "../policy/language/pathpattern.ts";
import { callPlace } from "../policy/language/protocols.ts";
import type { CallerPattern } from "../policy/language/spiffe.ts";

/** One request a rule is about. */
export interface CallerExample {
  /** A SPIFFE ID: the one the rule names, or one that fits its pattern. Null for `anonymous`. */
  id: string | null;
  rule: string;
  method: string;
  path: string;
  /** The rule's first host; absent where it has none. */
  host?: string;
  /** Names of the issuers the rule takes tokens of; empty where it wants none. */
  issuers: string[];
  /** The rule's condition, which the request may or may not meet; absent where it has none. */
  when?: string;
}

/** Whether some allow rule is for callers that show no certificate. */
export function admitsAnonymous(policy: Policy): boolean {
  return policy.rules.some(
    ({ action, callers }) => action === "allow" && callers.some(({ kind }) => kind === "anonymous"),
  );
}

/**
 * One example for each caller and allow rule, save rules in shadow mode, which admit nobody, and requests that could not be
 * sent: those whose caller can show no JWT-SVID where only that counts, or can have none of the tokens that the rule takes.
 */
export function callerExamples(policy: Policy): CallerExample[] {
  return policy.rules
    .filter(({ action, mode }) => action === "allow" && mode === "enforce")
    .flatMap((rule) => {
      const [host] = rule.hosts;
      const request = {
        rule: rule.name,
        ...exampleRequest(rule.endpoints.find(({ call }) => call === undefined) ?? rule.endpoints[0]!),
        ...(host === undefined ? {} : { host: host.kind === "exact" ? host.text : `example.${host.text}` }),
        issuers: rule.issuers,
        ...(rule.condition === undefined ? {} : { when: rule.condition.text }),
      };
      return rule.callers
        .flatMap((caller) => exampleIds(policy, caller))
        .map((id) => ({ id, ...request, issuers: issuersFor(policy, rule, id) }))
        .filter(({ id, issuers }) => isProvable(policy, id) && (issuers.length > 0 || rule.issuers.length === 0));
    });
}

/** The rule's issuers whose tokens the caller can have: one bound to a caller is no token of somebody unknown. */
function issuersFor(policy: Policy, rule: Rule, id: string | null): string[] {
  if (id !== null) return rule.issuers;
  return rule.issuers.filter((name) => policy.issuers.find((one) => one.name === name)?.bind !== "caller");
}

/** Whether such a caller can show who it is: by a JWT-SVID only where its trust domain has a bundle. */
function isProvable({ identity, svids }: Policy, id: string | null): boolean {
  return identity !== "jwt-svid" || id === null || svids.some(({ name }) => name === trustDomainOf(id));
}

/** The trust domain of a SPIFFE ID. */
export function trustDomainOf(id: string): string {
  return /^spiffe:\/\/([^/]*)/u.exec(id)?.[1] ?? "";
}

function exampleIds(policy: Policy, caller: RuleCaller): (string | null)[] {
  switch (caller.kind) {
    case "anonymous":
      return [null];
    case "any":
      return [exampleCaller(policy)];
    case "set":
      return policy.callerSets.find(({ name }) => name === caller.name)!.callers.map(exampleId);
    case "pattern":
      return [exampleId(caller.pattern)];
  }
}

/** Somebody of a trusted domain who can show it. */
export function exampleCaller({ identity, svids, trustDomains }: Policy): string {
  const domain = identity === "jwt-svid" ? svids[0]?.name : undefined;
  return `spiffe://${domain ?? trustDomains[0]}/example`;
}

function exampleId({ kind, text }: CallerPattern): string {
  const id = kind === "exact" ? text : `${text}/*`;
  return id.replaceAll(/\/\*(?=\/|$)/gu, "/example");
}

function exampleSegment(segment: SegmentPattern): string {
  if (!isAffix(segment)) return segment === null ? "7" : encodeURIComponent(segment);
  return `${encodeURIComponent(segment.prefix)}7${encodeURIComponent(segment.suffix)}`;
}

function exampleRequest({ methods, segments, tail, after = [] }: Endpoint): { method: string; path: string } {
  const place = methods === "*" ? undefined : callPlace(methods.at(-1)!);
  if (place !== undefined) return { method: place.carrier, path: place.path };
  const parts = segments.map(exampleSegment);
  if (tail) parts.push("example");
  parts.push(...after.map(exampleSegment));
  return { method: methods === "*" ? "GET" : methods[0]!, path: `/${parts.join("/")}` };
}
