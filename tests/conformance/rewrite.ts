/**
 * What the suite writes and conditions do not have, said otherwise: variables and map literals become claims, and
 * `dyn(x)` becomes an element of a list of mixed types.
 */
import { type Token, tokenize } from "../../scripts/policy/condition/lexer.ts";
import { claims_name } from "./engine.ts";

/** Rewrites an expression; values of map literals are added to the claims. */
export function rewrite(expr: string, claims: Record<string, unknown>): string {
  const words = tokenize(expr, () => {})?.words;
  if (words === undefined) return expr;
  const variables = new Set(Object.keys(claims));
  let text = "";
  let copied = 0;
  const replace = (from: number, to: number, by: string): void => {
    text += expr.slice(copied, from) + by;
    copied = to;
  };
  const closing = new Set<number>();
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    const before = words[index - 1];
    if (closing.has(index)) replace(word.start, word.end, ", null, 0][0]");
    else if (word.kind === "name" && variables.has(word.text) && before?.text !== ".")
      replace(word.start, word.end, `claims.${claims_name}.${word.text}`);
    else if (word.text === "dyn" && words[index + 1]?.text === "(") {
      closing.add(partner(words, index + 1));
      replace(word.start, words[index + 1]!.end, "[");
      index++;
    } else if (word.text === "{" && before?.kind !== "name") {
      const map = new LiteralReader(words, index).read();
      if (map === undefined) continue;
      const name = `map_${Object.keys(claims).length}`;
      claims[name] = map.value;
      replace(word.start, words[map.next - 1]!.end, `claims.${claims_name}.${name}`);
      index = map.next - 1;
    }
  }
  return text + expr.slice(copied);
}

function partner(words: readonly Token[], open: number): number {
  let depth = 0;
  for (let index = open; index < words.length; index++) {
    if (words[index]!.text === "(") depth++;
    else if (words[index]!.text === ")" && --depth === 0) return index;
  }
  return -1;
}

/** Reads a literal that JSON has too: undefined for any other. */
class LiteralReader {
  readonly #words: readonly Token[];
  #at: number;

  constructor(words: readonly Token[], at: number) {
    this.#words = words;
    this.#at = at;
  }

  /** The value, and the index of the word after it. */
  read(): { value: unknown; next: number } | undefined {
    const value = this.#value();
    return value === undefined ? undefined : { value, next: this.#at };
  }

  #value(): unknown {
    const word = this.#words[this.#at++];
    switch (word?.kind) {
      case "text":
        return /^(["'])[^\\"']*\1$/u.test(word.text) ? word.text.slice(1, -1) : undefined;
      case "number":
        return /^(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,3})?$/u.test(word.text) ? Number(word.text) : undefined;
      case "name":
        return word.text === "null" ? null : { true: true, false: false }[word.text];
      default:
        if (word?.text === "[") return this.#list();
        return word?.text === "{" ? this.#map() : undefined;
    }
  }

  #list(): unknown[] | undefined {
    const values: unknown[] = [];
    while (!this.#take("]")) {
      const value = this.#value();
      if (value === undefined || !this.#separated("]")) return undefined;
      values.push(value);
    }
    return values;
  }

  #map(): Record<string, unknown> | undefined {
    const entries = new Map<string, unknown>();
    while (!this.#take("}")) {
      const key = this.#value();
      const value = this.#take(":") ? this.#value() : undefined;
      if (typeof key !== "string" || value === undefined || entries.has(key) || !this.#separated("}")) return undefined;
      entries.set(key, value);
    }
    return Object.fromEntries(entries);
  }

  #take(text: string): boolean {
    if (this.#words[this.#at]?.text !== text) return false;
    this.#at++;
    return true;
  }

  #separated(end: string): boolean {
    return this.#take(",") || this.#words[this.#at]?.text === end;
  }
}
