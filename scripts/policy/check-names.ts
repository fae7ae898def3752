/** Names and callers, as every part of a policy is checked for them. */
import type { Reporter } from "./diagnostic.ts";
import type { CallerSet, Issuer, Limit } from "./model.ts";
import { type CallerPattern, parseCaller } from "./spiffe.ts";
import { nearest } from "./suggest.ts";
import { nameFault } from "./values.ts";
import type { Located } from "./yaml.ts";

/** What rules are checked against. */
export interface Context {
  reporter: Reporter;
  trustDomains: Set<string>;
  issuers: Map<string, Issuer | undefined>;
  callerSets: Map<string, CallerSet>;
  limits: Map<string, Limit | undefined>;
}

/** Names that stand for callers without being sets. */
export const caller_words: readonly string[] = ["any", "anonymous"];

/** Reports a name that cannot be one. */
export function checkName(reporter: Reporter, name: Located<string> | undefined): void {
  const fault = name === undefined ? undefined : nameFault(name.value);
  if (fault !== undefined) reporter.error("invalid_name", name!.at, fault);
}

/** Checks a SPIFFE ID or pattern; reported, and undefined, if it is none. */
export function checkCaller(context: Context, caller: Located<string>): CallerPattern | undefined {
  const pattern = parseCaller(caller.value);
  const { reporter, trustDomains } = context;
  if (typeof pattern === "string") {
    const isName = !caller.value.includes(":") && !caller.value.includes("/");
    const hint = isName ? "; a set names its callers one by one, not other sets" : "";
    reporter.error("invalid_spiffe_id", caller.at, pattern + hint);
    return undefined;
  }
  if (trustDomains.size > 0 && !trustDomains.has(pattern.trustDomain)) {
    const near = nearest(pattern.trustDomain, trustDomains);
    const hint = near === undefined ? "" : `; did you mean \`${near}\`?`;
    const message = `\`${pattern.trustDomain}\` is not in \`trust.domains\`, so no caller can match${hint || "; add it there, or remove this caller"}`;
    reporter.warn("caller_untrusted", caller.at, message);
  }
  return pattern;
}
