/** Rules that can never match: a deny rule that denies nobody means less than it says. */
import type { Policy, Rule } from "../language/model.ts";
import { type CallerPattern, callerText } from "../language/spiffe.ts";
import { nearest } from "../source/suggest.ts";
import type { Located } from "../source/yaml.ts";
import type { Context } from "./names.ts";

/** Trust domains whose members can be callers: without a bundle, of its own or of an alias, nobody can show a JWT-SVID of a domain. */
export function callableDomains(
  trustDomains: ReadonlySet<string>,
  aliases: ReadonlyMap<string, string>,
  { identity, svids }: Pick<Policy, "identity" | "svids">,
): Set<string> {
  if (identity !== "jwt-svid") return new Set(trustDomains);
  const shown = new Set(svids.map(({ name }) => aliases.get(name) ?? name));
  return new Set([...trustDomains].filter((domain) => shown.has(domain)));
}

/**
 * Reports callers of a deny rule that nobody can be.
 * @param named what the rule names, and the patterns that this stands for
 */
export function checkDeniedCallers(
  { reporter, trustDomains, callableDomains }: Context,
  rule: string,
  named: readonly { caller: Located<string>; patterns: readonly CallerPattern[] }[],
): void {
  // Where the trust domains are wrong, that is reported.
  if (trustDomains.size === 0) return;
  for (const { caller, patterns } of named) {
    const lost = patterns.find(({ trustDomain }) => !callableDomains.has(trustDomain));
    if (lost === undefined) continue;
    const text = callerText(lost);
    const isMember = text !== caller.value && !text.startsWith("spiffe:");
    const who = isMember || caller.value !== text ? `\`${caller.value}\` (${text})` : `\`${text}\``;
    const near = nearest(lost.trustDomain, callableDomains);
    const way = near === undefined ? "add it there, or remove this caller" : `did you mean \`${near}\`?`;
    const why = trustDomains.has(lost.trustDomain)
      ? `there is no bundle for \`${lost.trustDomain}\` in \`trust.jwtSvid.bundles\``
      : `\`${lost.trustDomain}\` is not in \`trust.domains\``;
    reporter.error(
      "deny_never",
      caller.at,
      `\`${rule}\` never denies ${who}: ${why}, so nobody can be that caller; ${way}`,
    );
  }
}

/** Warns where no rule admits anything. @param unreachable names of allow rules that never admit */
export function warnNothingAdmitted(
  { reporter }: Pick<Context, "reporter">,
  at: number,
  rules: readonly Rule[],
  unreachable: ReadonlySet<string>,
): void {
  const now = Date.now() / 1000;
  const why = (rule: Rule): string | undefined => {
    if (rule.action === "deny") return "denies";
    if (rule.mode === "shadow") return "is in shadow mode";
    if (rule.expiresSeconds !== 0 && rule.expiresSeconds <= now) return "has expired";
    return unreachable.has(rule.name) ? "never admits" : undefined;
  };
  if (rules.some((rule) => why(rule) === undefined)) return;
  const allows = rules.filter(({ action }) => action === "allow").map((rule) => `\`${rule.name}\` ${why(rule)}`);
  const shown = allows.slice(0, 3).join(", ") + (allows.length > 3 ? ", …" : "");
  const rest = allows.length === 0 ? (rules.length === 0 ? "it has no rules" : "it has deny rules alone") : shown;
  const message = `the policy admits nothing: ${rest}, and what no rule allows is denied; add an \`allow\` rule, such as \`allow: ["* /**"]\` for everything that no deny rule matches`;
  reporter.warn("nothing_admitted", at, message);
}
