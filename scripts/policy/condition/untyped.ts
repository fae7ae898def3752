/**
 * Comparisons that a claim of another type slips past: `claims.role == "guest"` is false of `["guest"]`. In a deny rule that is a
 * way around it, and in an allow rule wherever the comparison is denied, as in `claims.role != "guest"`. What is declared of a claim
 * is held against every token, so there it cannot happen.
 */
import * as code from "../../../assembly/policy/instructions.ts";
import { printClaimPath } from "../language/claimpath.ts";
import { partsOf } from "./cost.ts";
import type { OnWarning } from "./problem.ts";
import type { Term } from "./term.ts";

/** Claims that every token is held against a type for, declared or not (RFC 7519 §4.1). */
const always_typed = ["iss", "sub", "exp", "nbf", "iat"];

/** Warns of comparisons of undeclared claims, once of each claim. */
export function warnUntyped(term: Term, action: "allow" | "deny", onWarning: OnWarning): void {
  const told = new Set<string>();
  const isRisk = (isNegated: boolean): boolean => action === "deny" || isNegated;
  const visit = (one: Term, isNegated: boolean): void => {
    if (one.kind === "unary" && one.op === code.op_not) {
      visit(one.operand, !isNegated);
      return;
    }
    if (one.kind === "binary" && isComparison(one.op)) {
      const isDenied = (one.op === code.op_not_equal) !== isNegated;
      for (const path of isRisk(isDenied) ? [one.left, one.right].map(undeclaredClaim) : []) {
        const claim = path && printClaimPath(path);
        if (claim === undefined || told.has(claim) || isNull(one.left) || isNull(one.right)) continue;
        told.add(claim);
        onWarning("claim_untyped", one.start, message(claim, path!, one, action));
      }
    }
    // What is asked before `?` decides either way.
    if (one.kind === "choose") visit(one.condition, !isNegated);
    for (const part of partsOf(one)) visit(part, isNegated);
  };
  visit(term, false);
}

function isComparison(op: number): boolean {
  return op === code.op_equal || op === code.op_not_equal || op === code.op_in;
}

/** `null` is compared with to ask whether there is anything. */
function isNull(term: Term): boolean {
  return term.kind === "constant" && term.value === null;
}

/** The names that lead to a claim of which nothing is declared; undefined for anything else. */
function undeclaredClaim(term: Term): string[] | undefined {
  if (term.type !== "dyn" || term.declared !== undefined) return undefined;
  const path = pathOf(term);
  return path === undefined || always_typed.includes(path[0]!) ? undefined : path;
}

/** The names that lead to a claim from all of them. */
export function pathOf(term: Term): string[] | undefined {
  if (term.kind === "load") return term.op === code.op_claims ? [] : undefined;
  if (term.kind === "unary" && term.op === code.op_select) return join(term.operand, term.operands.text);
  if (term.kind === "binary" && term.op === code.op_index && term.right.kind === "constant")
    return join(term.left, term.right.value);
  return undefined;
}

function join(of: Term, name: unknown): string[] | undefined {
  const above = pathOf(of);
  return above === undefined || typeof name !== "string" ? undefined : [...above, name];
}

function message(claim: string, path: readonly string[], one: Term & { kind: "binary" }, action: string): string {
  const isContainer = one.op === code.op_in && pathOf(one.right)?.join("\0") === path.join("\0");
  const type = isContainer ? "list" : typeOf(one.left, one.right);
  const value = type === "list" ? "a text" : "a list";
  const what =
    action === "deny" ? `${value} in its place slips past this deny rule` : `${value} in its place is let through here`;
  const name = path.every((part) => /^[A-Za-z_][A-Za-z0-9_-]*$/u.test(part))
    ? path
    : path.map((part) => JSON.stringify(part));
  const declaration = name.reduceRight(
    (inner, part, index) => `{ ${part}: ${index === name.length - 1 ? type : inner} }`,
    "",
  );
  return `nothing says what \`${claim}\` is, and ${what}; declare it with the issuer: \`claims: ${declaration}\``;
}

/** The type of what a claim is compared with; of several, or of another claim, a string is the likely one. */
function typeOf(...sides: Term[]): string {
  for (const { type } of sides) {
    if (type === "bool" || type === "int" || type === "double" || type === "string") return type;
    if (typeof type === "object" && ["bool", "int", "double"].includes(String(type.element)))
      return String(type.element);
  }
  return "string";
}
