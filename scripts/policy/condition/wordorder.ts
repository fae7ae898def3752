/**
 * Finds where a text stops being an expression: the library's parser knows that it does, but often points at the last
 * place where it could have ended instead.
 */

import type { Token } from "./lexer.ts";
import type { OnFault } from "./problem.ts";

const binary = new Set(["&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "?", ":", ".", "in"]);
const closing: Record<string, string> = { "(": ")", "[": "]", "{": "}" };
/** What people write for an operator in other languages. */
const foreign: ReadonlyMap<string, string> = new Map(
  Object.entries({
    and: "&&",
    AND: "&&",
    or: "||",
    OR: "||",
    is: "==",
    eq: "==",
    IN: "in",
    like: "startsWith` or `contains",
  }),
);

/** Reports the first word that cannot stand where it does; false if there is one. */
export function checkOrder(words: readonly Token[], length: number, onFault: OnFault): boolean {
  const open: Token[] = [];
  /** Parentheses that follow `in`. */
  const lists = new Set<Token>();
  const fault = (at: number, message: string): false => {
    onFault("condition_syntax", at, message);
    return false;
  };
  let wantsOperand = true;
  for (const [index, word] of words.entries()) {
    const { text, start } = word;
    const before = words[index - 1]?.text ?? "";
    // After a dot `in` is a name, though a reserved one, which the parser has more to say about.
    const isOperand = word.kind !== "sign" && (text !== "in" || before === ".");
    if (wantsOperand) {
      if (isOperand) {
        if (text === "not" || text === "NOT") return fault(start, `\`${text}\` is written \`!\` here`);
        wantsOperand = false;
      } else if (text in closing) {
        open.push(word);
        if (text === "(" && before === "in") lists.add(word);
      } else if (Object.values(closing).includes(text) && mayBeEmpty(before, text)) {
        if (open.pop() === undefined) return fault(start, `\`${text}\` closes nothing`);
        wantsOperand = false;
      } else if (text === "?" && [".", "[", "{", ","].includes(before)) {
        onFault("condition_unsupported", start, "optional values are not supported; write `has(…) && …`");
        return false;
      } else if (text !== "!" && text !== "-" && !(text === "." && words[index + 1]?.kind === "name")) {
        return fault(start, `\`${text}\` cannot stand here: a value is missing before it`);
      }
    } else if (isOperand) {
      const meant = foreign.get(text);
      if (meant !== undefined) return fault(start, `\`${text}\` is no operator; did you mean \`${meant}\`?`);
      return fault(start, `an operator is missing before \`${text}\``);
    } else if (Object.values(closing).includes(text)) {
      const opened = open.pop();
      if (opened === undefined) return fault(start, `\`${text}\` closes nothing`);
      if (closing[opened.text] !== text) return fault(start, `\`${opened.text}\` is closed by \`${text}\``);
    } else if (text in closing) {
      open.push(word);
      wantsOperand = true;
    } else if (text === "," && open.length > 0 && lists.has(open.at(-1)!)) {
      return fault(open.at(-1)!.start, "a list stands in brackets: write `x in [a, b]`");
    } else if (binary.has(text) || (text === "," && open.length > 0)) wantsOperand = true;
    else return fault(start, `\`${text}\` cannot stand here: an operator is missing before it`);
  }
  if (words.length === 0) return fault(0, "a condition is empty; leave `when` out, or say what it asks for");
  if (wantsOperand) return fault(length, `a value is missing after \`${words.at(-1)!.text}\``);
  const unclosed = open.pop();
  return unclosed === undefined || fault(unclosed.start, `\`${unclosed.text}\` is not closed`);
}

/** `f()`, `[]` and `{}`, and a comma before the end of a list. */
function mayBeEmpty(before: string, text: string): boolean {
  return closing[before] === text || (before === "," && text !== ")");
}
