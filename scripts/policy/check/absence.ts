/** Limits that count by what a request may lack, and do not say what becomes of it then. */
import type { ClaimType } from "../language/claims.ts";
import type { DraftFile, Rule } from "../language/model.ts";
import { parseSelector, printSelector, type Selector } from "../language/selector.ts";
import type { Context } from "./names.ts";

/** Warns of each part of a limit that some request of a rule may lack. */
export function warnAbsent(context: Context, files: readonly DraftFile[], rules: readonly Rule[]): void {
  for (const { reporter, part } of files) {
    for (const { name, value } of part.limits ?? []) {
      if (value === undefined || value.absent !== undefined) continue;
      const users = rules.filter(({ limits }) => limits.includes(name.value));
      for (const { value: text, at } of value.per?.value ?? []) {
        const selector = parseSelector(text);
        if (typeof selector === "string") continue;
        const rule = users.find((one) => mayLack(context, one, selector));
        if (rule === undefined) continue;
        const message = `a request that the rule \`${rule.name}\` is for may lack \`${printSelector(selector)}\`, and then shares one bucket with all others that do; say so with \`absent: share\`, or deny it with \`absent: deny\``;
        reporter.warn("limit_absent", at, message);
      }
    }
  }
}

/** Variables are there, or that they are not is an error; so is an address. */
function mayLack({ issuers }: Context, rule: Rule, selector: Selector): boolean {
  switch (selector.kind) {
    case "caller":
    case "trust_domain":
      return rule.callers.some(({ kind }) => kind === "anonymous");
    case "header":
      return true;
    case "claim":
      return rule.isTokenOptional || !rule.issuers.every((name) => isThere(selector.path, issuers.get(name)?.claims));
    default:
      return false;
  }
}

/** Whether a claim is in each token: it must be, and so must all that it is in. */
function isThere(path: readonly string[], claims: readonly ClaimType[] = []): boolean {
  return path.every((_, last) => {
    const outer = JSON.stringify(path.slice(0, last + 1));
    return claims.some((claim) => claim.isRequired && JSON.stringify(claim.path) === outer);
  });
}
