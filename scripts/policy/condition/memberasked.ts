/**
 * `has(claims["x"])`: the library takes only members after a dot. Such a member is handed to it under a plain name, at the same
 * place and of the same length, and has its own again in the tree.
 */
import { parse } from "@bufbuild/cel";
import type { Token } from "./lexer.ts";
import { isPrefix, partners, unaryEnd } from "./lossless.ts";

/** The text as the library takes it, and the member that each `has` asks for, by the place of the `has`. */
export interface MembersAsked {
  text: string;
  members: ReadonlyMap<number, string>;
}

/** Looks for members in brackets. @param words those of the text, in an order that checkOrder lets pass */
export function membersAsked(text: string, words: readonly Token[]): MembersAsked {
  const members = new Map<number, string>();
  const partner = partners(words);
  let taken = text;
  for (const [index, { text: name, start }] of words.entries()) {
    const close = name === "has" && words[index - 1]?.text !== "." ? partner.get(index + 1) : undefined;
    if (close === undefined || words[index + 1]!.text !== "(" || !isOneValue(words, partner, index + 2, close - 1))
      continue;
    const open = partner.get(close - 1);
    const key = words[close - 2];
    if (open !== close - 3 || words[open]!.text !== "[" || isPrefix(words, open) || key?.kind !== "text") continue;
    const value = textOf(key.text);
    if (value === undefined) continue;
    members.set(start, value);
    const from = words[open]!.start;
    const to = words[close - 1]!.end;
    taken = `${taken.slice(0, from)}${"._".padEnd(to - from)}${taken.slice(to)}`;
  }
  return { text: taken, members };
}

/** Whether words are one value with its members, without an operator around it. */
function isOneValue(words: readonly Token[], partner: Map<number, number>, first: number, last: number): boolean {
  return !["!", "-"].includes(words[first]!.text) && unaryEnd(words, partner, first) === last;
}

/** What a literal says; undefined where it is bytes. */
function textOf(literal: string): string | undefined {
  const { exprKind } = parse(literal).expr;
  if (exprKind.case !== "constExpr") return undefined;
  const { constantKind } = exprKind.value;
  return constantKind.case === "stringValue" ? constantKind.value : undefined;
}
