/**
 * Refuses what the library's parser takes away without a word, where CEL has an error: `!(!x)` and `-(-x)` are `x` to it, also
 * where `x` is no bool and no number; the dot of `.x`, which says that no loop's `x` is meant; one `has` around another.
 */

import type { Token } from "./lexer.ts";
import type { OnFault } from "./problem.ts";

/** Reports the first of these, and is false if there is one. The words are in an order that checkOrder lets pass. */
export function checkKept(words: readonly Token[], onFault: OnFault): boolean {
  const partner = partners(words);
  for (const [index, { text, start, kind }] of words.entries()) {
    if (kind === "text" || kind === "number") continue;
    const message = lost(words, partner, index, text);
    if (message === undefined) continue;
    onFault("condition_unsupported", start, message);
    return false;
  }
  return true;
}

function lost(words: readonly Token[], partner: Map<number, number>, index: number, text: string): string | undefined {
  if (text === "!" && isNegatedAlone(words, partner, index))
    return "two `!` undo each other only around a bool; leave both out, or write `x == true`";
  const after = words[index + 1]?.text ?? "";
  if (text === "-" && isPrefix(words, index) && (after === "-" || after === "("))
    return "a minus is only for a number that is written out, and stands right before it";
  if (text === "." && isPrefix(words, index)) return `a name is written without the dot before it: \`${after}\``;
  if (text === "has" && isArgumentOfHas(words, index)) return "`has` asks for a member, not for another `has`";
  return undefined;
}

/** Whether this `!` stands around one more `!` and what that one is for, and nothing else but parentheses. */
function isNegatedAlone(words: readonly Token[], partner: Map<number, number>, index: number): boolean {
  const operand = index + 1;
  let inner = operand;
  while (words[inner]!.text === "(") inner++;
  if (words[inner]!.text !== "!") return false;
  const last = unaryEnd(words, partner, inner);
  for (let open = inner - 1; open >= operand; open--) if (partner.get(open) !== last + inner - open) return false;
  return unaryEnd(words, partner, index) === last + inner - operand;
}

/** The last word of an operator before a value, and of that value with all its members, calls and indices. */
export function unaryEnd(words: readonly Token[], partner: Map<number, number>, first: number): number {
  let at = first;
  while (words[at]!.text === "!" || words[at]!.text === "-" || words[at]!.text === ".") at++;
  at = partner.get(at) ?? at;
  for (;;) {
    const next = words[at + 1]?.text ?? "";
    if (next === ".") at += 2;
    else if (next !== "" && "([{".includes(next)) at = partner.get(at + 1)!;
    else return at;
  }
}

/** Whether a sign stands where a value begins. */
export function isPrefix(words: readonly Token[], index: number): boolean {
  const before = words[index - 1];
  if (before === undefined) return true;
  return before.kind === "sign" ? !")]}".includes(before.text) : before.text === "in";
}

function isArgumentOfHas(words: readonly Token[], index: number): boolean {
  let at = index - 1;
  while (words[at]?.text === "(") at--;
  return at < index - 1 && words[at]?.text === "has" && words[index + 1]?.text === "(";
}

/** Brackets by their place, and their partners'. */
export function partners(words: readonly Token[]): Map<number, number> {
  const partner = new Map<number, number>();
  const open: number[] = [];
  for (const [index, { text, kind }] of words.entries()) {
    if (kind !== "sign") continue;
    if ("([{".includes(text)) open.push(index);
    else if (")]}".includes(text)) {
      const from = open.pop()!;
      partner.set(from, index).set(index, from);
    }
  }
  return partner;
}
