/** Limits that count by what a request may lack, or what every request lacks. */
import type { ClaimType } from "../language/claims.ts";
import { captureName } from "../language/condition.ts";
import type { DraftFile, Rule } from "../language/model.ts";
import { parseSelector, printSelector, printVariable, type Selector } from "../language/selector.ts";
import { didYouMean } from "../source/suggest.ts";
import type { Located } from "../source/yaml.ts";
import { type Context, patternsOf } from "./names.ts";

/**
 * Reports variables that no rule of a limit has: as its `tier`, so that nobody is ever in one, and in `per` where who lacks one is
 * denied. Of other limits each rule must have all that they count by (variables.ts).
 * @param rules all that there are, and sound: a wrong one might have what is looked for
 */
export function checkUnnamed(context: Context, files: readonly DraftFile[], rules: readonly Rule[]): void {
  for (const { reporter, part } of files) {
    for (const { name, value } of part.limits ?? []) {
      if (value === undefined) continue;
      const users = rules.filter(({ limits }) => limits.includes(name.value));
      const check = (text: Located<string>, consequence: string): void => {
        const selector = parseSelector(text.value);
        if (typeof selector === "string" || selector.kind !== "variable") return;
        const capture = captureName(selector.name);
        const known = new Set(users.flatMap((rule) => namesOf(context, rule, capture === undefined)));
        const wanted = capture ?? selector.name;
        if (users.length === 0 || known.has(wanted)) return;
        const [where, place, code] =
          capture === undefined
            ? (["endpoint", "a segment of its path", "unknown_path_variable"] as const)
            : (["caller", "a segment of its ID", "unknown_name"] as const);
        const way = didYouMean(wanted, known) || `; name it, or take \`${printVariable(selector.name)}\` out`;
        const lack = `no ${where} of a rule with the limit \`${name.value}\` has \`{${wanted}}\` for ${place}`;
        reporter.error(code, text.at, `${lack}, ${consequence}${way}`);
      };
      if (value.tier !== undefined) check(value.tier, "so that nobody would ever be in one of its `tiers`");
      if (value.absent?.value !== "deny") continue;
      for (const one of value.per?.value ?? []) check(one, "so that with `absent: deny` it would deny every request");
    }
  }
}

/** What segments of a rule's paths, or of its callers' IDs, are named. */
function namesOf(context: Context, { endpoints, callers }: Rule, isOfPath: boolean): string[] {
  if (isOfPath) return endpoints.flatMap(({ variables }) => [...variables.keys()]);
  const patterns = callers.flatMap((caller) => patternsOf(context, caller));
  return patterns.flatMap((pattern) => [...(pattern?.captures.keys() ?? [])]);
}

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
