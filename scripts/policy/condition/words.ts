/**
 * `claims.scope.contains("admin")` is true of `non-admins` too, and an error of a list. A text that looks like one word of a list was
 * most likely meant as one.
 */
import * as code from "../../../assembly/policy/instructions.ts";
import { printClaimPath } from "../language/claimpath.ts";
import { partsOf } from "./cost.ts";
import type { OnWarning } from "./problem.ts";
import type { Term } from "./term.ts";
import { pathOf } from "./untyped.ts";

/** A role, a scope, a group: no blanks, and nothing at its ends that only a part of a longer text would begin or end with. */
const word = /^[\p{L}\p{N}](?:[\p{L}\p{N}_:./-]*[\p{L}\p{N}])?$/u;

/** Warns of `contains` on a claim or a header, with a word. */
export function warnWords(term: Term, onWarning: OnWarning): void {
  for (const part of partsOf(term)) warnWords(part, onWarning);
  if (term.kind !== "binary" || term.op !== code.op_contains) return;
  const { left, right } = term;
  const text = right.kind === "constant" && typeof right.value === "string" ? right.value : undefined;
  const name = nameOf(left);
  if (text === undefined || name === undefined || !word.test(text)) return;
  const quoted = JSON.stringify(text);
  const message = `this holds for \`${text}\` inside a longer word too, such as \`non-${text}s\`${left.type === "string" ? "" : ", and is an error where it is a list"}; write ${waysOf(left, name, quoted)}`;
  onWarning("contains_word", term.start, message);
}

function waysOf(left: Term, name: string, quoted: string): string {
  const words = `\`${quoted} in words(${name})\` for a text of words`;
  return left.type === "string" ? words : `\`${quoted} in ${name}\` for a list, or ${words}`;
}

/** How a condition names a claim or a header; undefined for anything else. */
function nameOf(term: Term): string | undefined {
  if (term.kind === "load")
    return term.op === code.op_header ? `request.headers[${JSON.stringify(term.operands.text)}]` : undefined;
  const path = pathOf(term);
  return path === undefined ? undefined : printClaimPath(path);
}
