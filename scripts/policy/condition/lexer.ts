/**
 * The words of a condition (cel-spec, langdef.md "Syntax"). The library parses them; this pass is for what it does not
 * give: where an expression ends, which escapes it let pass, and the exact place of a slip.
 */
import type { OnFault } from "./problem.ts";

/** A word of the text. */
export interface Token {
  kind: "name" | "number" | "text" | "sign";
  text: string;
  start: number;
  end: number;
}

/** Everything a condition's text is made of, as far as it could be told apart. */
export interface Tokens {
  words: Token[];
  comments: { start: number; end: number }[];
}

const space = /[\t\n\f\r ]+/uy;
const comment = /\/\/[^\n\r]*/uy;
const name = /[A-Za-z_][A-Za-z0-9_]*/uy;
const number = /0x[0-9a-fA-F]+[uU]?|(?:[0-9]*\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?[uU]?/uy;
const text =
  /[rRbB]{0,2}(?:"""(?:\\[\s\S]|[^\\])*?"""|'''(?:\\[\s\S]|[^\\])*?'''|"(?:\\.|[^"\\\n\r])*"|'(?:\\.|[^'\\\n\r])*')/uy;
/** In a raw text a backslash means itself, save that the text does not end at a quote it stands before. */
const raw = /[bB]?[rR][bB]?(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"[^"\n\r]*"|'[^'\n\r]*')/uy;
const sign = /&&|\|\||[=!<>]=|[-+*/%<>!?:.,()[\]{}]/uy;
const escapes =
  /\\(?:[abfnrtv\\?"'`]|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[0-3][0-7]{2})|\\(?:[\s\S]|$)/gu;

/** Takes a text apart; undefined where there is something no CEL text has, which is reported. */
export function tokenize(source: string, onFault: OnFault): Tokens | undefined {
  const words: Token[] = [];
  const comments: Tokens["comments"] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  while (at < source.length) {
    const start = at;
    const blank = take(space);
    const note = blank === undefined ? take(comment) : undefined;
    if (blank !== undefined || note !== undefined) {
      at += (blank ?? note)!.length;
      if (note !== undefined) comments.push({ start, end: at });
      continue;
    }
    const token = readToken(take);
    if (token === undefined) {
      const code = source[at] === "`" ? "condition_unsupported" : "condition_syntax";
      onFault(code, at, strayCharacter(source, at));
      return undefined;
    }
    at += token.text.length;
    words.push({ ...token, start, end: at });
    if (token.kind === "text" && !checkText(token.text, start, onFault)) return undefined;
  }
  return { words, comments };
}

function readToken(take: (pattern: RegExp) => string | undefined): { kind: Token["kind"]; text: string } | undefined {
  for (const [kind, pattern] of [
    ["text", raw],
    ["text", text],
    ["name", name],
    ["number", number],
    ["sign", sign],
  ] as const) {
    const found = take(pattern);
    if (found !== undefined) return { kind, text: found };
  }
  return undefined;
}

function strayCharacter(source: string, at: number): string {
  const character = String.fromCodePoint(source.codePointAt(at)!);
  switch (character) {
    case '"':
    case "'":
      return `a text that begins here has no closing ${character}`;
    case "=":
      return "`=` is no operator; to compare, write `==`";
    case "&":
    case "|":
      return `\`${character}\` is no operator; did you mean \`${character}${character}\`?`;
    case "`":
      return 'backquotes have no meaning here; a name with other characters is written `claims["…"]`';
    case "“":
    case "”":
    case "‘":
    case "’":
      return `\`${character}\` is no quote; texts stand in \`"…"\` or \`'…'\``;
    default:
      return `\`${character}\` has no meaning here`;
  }
}

/** Escapes that CEL has; the library takes others for the character itself. */
function checkText(literal: string, start: number, onFault: OnFault): boolean {
  if (/^[bB]?[rR]/u.test(literal)) return true;
  for (const match of literal.matchAll(escapes)) {
    const at = start + match.index;
    const code = match[1] ?? match[2] ?? match[3];
    const known = code !== undefined || /^\\(?:[abfnrtv\\?"'`]|[0-3][0-7]{2})$/u.test(match[0]);
    if (!known) {
      onFault("condition_syntax", at, `\`${match[0]}\` is no escape; a backslash itself is written \`\\\\\``);
      return false;
    }
    const value = Number.parseInt(code ?? "0", 16);
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
      onFault("condition_syntax", at, `\`${match[0]}\` is no character of Unicode`);
      return false;
    }
  }
  return true;
}
