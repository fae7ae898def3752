/** Who may call what by a policy, as examples for people to try. */
import type { Endpoint } from "../policy/endpoint.ts";
import type { Policy, RuleCaller } from "../policy/model.ts";
import type { CallerPattern } from "../policy/spiffe.ts";

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

/** One example for each caller and allow rule, save rules in shadow mode, which admit nobody. */
export function callerExamples(policy: Policy): CallerExample[] {
  return policy.rules
    .filter(({ action, mode }) => action === "allow" && mode === "enforce")
    .flatMap((rule) => {
      const [host] = rule.hosts;
      const request = {
        rule: rule.name,
        ...exampleRequest(rule.endpoints[0]!),
        ...(host === undefined ? {} : { host: host.kind === "exact" ? host.text : `example.${host.text}` }),
        issuers: rule.issuers,
        ...(rule.condition === undefined ? {} : { when: rule.condition.text }),
      };
      return rule.callers.flatMap((caller) => exampleIds(policy, caller)).map((id) => ({ id, ...request }));
    });
}

function exampleIds(policy: Policy, caller: RuleCaller): (string | null)[] {
  switch (caller.kind) {
    case "anonymous":
      return [null];
    case "any":
      return [`spiffe://${policy.trustDomains[0]}/example`];
    case "set":
      return policy.callerSets.find(({ name }) => name === caller.name)!.callers.map(exampleId);
    case "pattern":
      return [exampleId(caller.pattern)];
  }
}

function exampleId({ kind, text }: CallerPattern): string {
  return kind === "exact" ? text : `${text}/example`;
}

function exampleRequest({ methods, segments, tail }: Endpoint): { method: string; path: string } {
  const parts = segments.map((segment) => (segment === null ? "7" : encodeURIComponent(segment)));
  if (tail) parts.push("example");
  return { method: methods === "*" ? "GET" : methods[0]!, path: `/${parts.join("/")}` };
}
