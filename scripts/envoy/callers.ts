/**
 * A light reading of a policy file: who may call what, as examples for people to try. The compiler has checked the file
 * before; what this does not understand it leaves out.
 */
import { parse } from "yaml";

/** One request a rule is about. */
export interface CallerExample {
  /** A SPIFFE ID: the one the rule names, or one that fits its pattern. Null for `anonymous`. */
  id: string | null;
  rule: string;
  method: string;
  path: string;
  /** The rule's first host; absent where it has none. */
  host?: string;
  /** The first issuer the rule takes tokens of; absent where it wants none. */
  token?: string;
}

/** What a policy file says about callers. */
export interface PolicyCallers {
  /** The trust domains, the first one being the policy's own. */
  trustDomains: string[];
  /** One for each caller and allow rule. */
  examples: CallerExample[];
}

interface RuleShape {
  name?: unknown;
  callers?: unknown;
  hosts?: unknown;
  allow?: unknown;
  token?: unknown;
}

/** Reads the text of a policy file that is known to be valid. */
export function readCallers(policyYaml: string): PolicyCallers {
  const policy = (parse(policyYaml) ?? {}) as {
    trust?: { domains?: unknown };
    callers?: Record<string, unknown>;
    rules?: RuleShape[];
  };
  const trustDomains = texts(policy.trust?.domains);
  const examples: CallerExample[] = [];
  for (const rule of Array.isArray(policy.rules) ? policy.rules : []) {
    const endpoint = texts(rule.allow)[0];
    if (endpoint === undefined) continue;
    const named = texts(rule.callers).flatMap((caller) => {
      const set = policy.callers?.[caller];
      return set === undefined ? [caller] : texts(set);
    });
    for (const caller of named) {
      const id = exampleId(caller, trustDomains[0]);
      if (id === undefined) continue;
      const [host] = texts(rule.hosts);
      const [token] = texts(rule.token);
      examples.push({
        id,
        rule: String(rule.name ?? ""),
        ...exampleRequest(endpoint),
        ...(host === undefined ? {} : { host: host.replace(/^\*/, "example") }),
        ...(token === undefined ? {} : { token }),
      });
    }
  }
  return { trustDomains, examples };
}

/** A list of texts, or a single one; anything else is none. */
function texts(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((item): item is string => typeof item === "string");
}

function exampleId(caller: string, trustDomain: string | undefined): string | null | undefined {
  if (caller === "anonymous") return null;
  if (caller === "any") return trustDomain === undefined ? undefined : `spiffe://${trustDomain}/example`;
  return caller.startsWith("spiffe://") ? caller.replace(/\/\*{1,2}$/, "/example") : undefined;
}

function exampleRequest(endpoint: string): { method: string; path: string } {
  const [methods = "", pattern = "/"] = endpoint.trim().split(/\s+/);
  // `grpc package.Service/Method` stands for the POST it is.
  if (methods === "grpc") return { method: "POST", path: `/${pattern}` };
  const method = methods.split("|")[0] ?? "GET";
  const path = pattern.replace(/\{[^}]*\}/g, "7").replace(/\*{1,2}/g, "example");
  return { method: method === "*" ? "GET" : method, path };
}
