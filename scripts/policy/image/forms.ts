/** The forms of paths that upstreams read in several ways, as bits of the image (assembly/policy/layout-rules.ts). */
import * as layout from "../../../assembly/policy/layout.ts";
import { readsPath } from "../language/condition.ts";
import type { Rule } from "../language/model.ts";
import { isFolded, type PathOptions } from "../language/pathoptions.ts";

/** The forms of paths that options take. */
export function formsOf({ trailingSlash, encodedSlash, emptySegments, semicolons }: PathOptions): number {
  return (
    (trailingSlash === "refuse" ? 0 : layout.form_slash) |
    (trailingSlash === "distinct" ? layout.form_distinct : 0) |
    (encodedSlash === "segment" ? layout.form_encoded_slash : 0) |
    (emptySegments === "keep" ? layout.form_empty : 0) |
    (semicolons === "keep" ? layout.form_semicolon : 0)
  );
}

/** What a rule takes, and what its condition looks at. */
export function formsOfRule(rule: Rule): number {
  const folded = isFolded(rule) ? layout.form_case : 0;
  return formsOf(rule.paths) | folded | (readsPath(rule.condition) ? layout.form_read : 0);
}

/** What allow rules take, and whether any rule folds. */
export function openForms(rules: readonly Rule[]): number {
  let forms = 0;
  for (const rule of rules) {
    if (rule.action === "allow") forms |= formsOf(rule.paths) & ~layout.form_distinct;
    if (isFolded(rule)) forms |= layout.form_case;
  }
  return forms;
}
