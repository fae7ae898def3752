/** Reading WebAssembly's text format as asc prints it: S-expressions, nothing more. */

/** A list of the text format, or one of its words; strings keep their quotes. */
export type Expression = string | Expression[];

const tokens = /"(?:[^"\\]|\\.)*"|;;[^\n]*|\(;[\s\S]*?;\)|[()]|[^\s()";]+/g;

/** Parses a module's text. Throws where parentheses do not balance. */
export function parseText(text: string): Expression[] {
  const root: Expression[] = [];
  const open: Expression[][] = [root];
  for (const [token] of text.matchAll(tokens)) {
    if (token.startsWith(";;") || token.startsWith("(;")) continue;
    const list = open[open.length - 1]!;
    if (token === "(") {
      const inner: Expression[] = [];
      list.push(inner);
      open.push(inner);
    } else if (token === ")") {
      open.pop();
      if (open.length === 0) throw new Error("module text closes more lists than it opens");
    } else {
      list.push(token);
    }
  }
  if (open.length !== 1) throw new Error("module text leaves a list open");
  return root;
}

/** All lists below `expression`, itself included, whose first word is `head`. */
export function* listsOf(expression: Expression, head?: string): Generator<Expression[]> {
  if (typeof expression === "string") return;
  if (head === undefined || expression[0] === head) yield expression;
  for (const inner of expression) yield* listsOf(inner, head);
}
