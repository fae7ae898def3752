/**
 * CEL's grammar (cel-spec, langdef.md "Syntax") as a parser of its own, so that what the product reads in a condition is held
 * against something that neither its library nor its tokenizer had a part in. Nothing is rewritten, save what cannot be told
 * apart: chains of `&&` and `||` are one list, and a minus before a number belongs to the number.
 */

/** An expression: what it is, and what it is made of. */
export type Tree = [kind: string, ...parts: (Tree | string)[]];

/** No expression of CEL. */
export class NoExpression extends Error {}

const reserved = new Set(
  "as break const continue else for function if import let loop package namespace return var void while".split(" "),
);
const keywords = new Set(["true", "false", "null", "in"]);
const simple_escapes: Record<string, string> = {
  ...{ a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" },
  ...{ "\\": "\\", "?": "?", '"': '"', "'": "'", "`": "`" },
};
const relations = ["<=", "<", ">=", ">", "==", "!="];
const number_pattern = /-?(?:0x[0-9a-fA-F]+|[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+(?:[eE][+-]?[0-9]+)?)/uy;

/** Parses a whole text. */
export function parseGrammar(text: string): Tree {
  const reader = new Reader(text);
  const tree = reader.expression();
  if (!reader.isAtEnd()) throw new NoExpression(`at ${reader.at}`);
  return tree;
}

class Reader {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  isAtEnd(): boolean {
    this.#skip();
    return this.at === this.text.length;
  }

  expression(): Tree {
    const condition = this.#chain("||", () => this.#chain("&&", () => this.#relation()));
    if (!this.#take("?")) return condition;
    const yes = this.#chain("||", () => this.#chain("&&", () => this.#relation()));
    this.#expect(":");
    return ["?:", condition, yes, this.expression()];
  }

  #chain(op: string, operand: () => Tree): Tree {
    const operands = [operand()];
    while (this.#take(op)) operands.push(operand());
    if (operands.length === 1) return operands[0]!;
    return [op, ...operands.flatMap((one) => (one[0] === op ? (one.slice(1) as Tree[]) : [one]))];
  }

  #relation(): Tree {
    let left = this.#sums();
    for (;;) {
      const op = relations.find((one) => this.#take(one)) ?? (this.#takeWord("in") ? "in" : undefined);
      if (op === undefined) return left;
      left = [op, left, this.#sums()];
    }
  }

  #sums(): Tree {
    return this.#binary(["+", "-"], () => this.#binary(["*", "/", "%"], () => this.#unary()));
  }

  #binary(operators: string[], operand: () => Tree): Tree {
    let left = operand();
    for (;;) {
      const op = operators.find((one) => this.#take(one));
      if (op === undefined) return left;
      left = [op, left, operand()];
    }
  }

  #unary(): Tree {
    const op = this.#peekSign("!") ? "!" : "-";
    let count = 0;
    while (!this.#isNegativeNumber() && this.#take(op)) count++;
    let tree = this.#member();
    // `- 1` is `-1`.
    if (count > 0 && op === "-" && tree[0] === "number" && !(tree[1] as string).startsWith("-")) {
      tree = ["number", tree[1] === "0" ? "0" : `-${tree[1] as string}`];
      count--;
    }
    for (; count > 0; count--) tree = [op, tree];
    return tree;
  }

  #member(): Tree {
    let tree = this.#primary();
    for (;;) {
      if (this.#take(".")) {
        const name = this.#name();
        if (keywords.has(name)) throw new NoExpression(`the keyword ${name}`);
        tree = this.#take("(") ? this.#methodCall(tree, name) : [".", tree, name];
      } else if (this.#take("[")) {
        tree = ["[]", tree, this.expression()];
        this.#expect("]");
      } else return tree;
    }
  }

  /** A minus that touches its number is a part of it. */
  #isNegativeNumber(): boolean {
    return this.#peek() === "-" && /^-\.?[0-9]/u.test(this.text.slice(this.at, this.at + 3));
  }

  #methodCall(target: Tree, name: string): Tree {
    const args = this.#list(")", false);
    const [variable, body] = args;
    if (args.length === 2 && variable![0] === "name" && (name === "exists" || name === "all"))
      return [`.${name}()`, target, variable![1]!, body!];
    return [`.${name}()`, target, ...args];
  }

  #primary(): Tree {
    const next = this.#peek();
    if (this.#take("(")) {
      const inner = this.expression();
      this.#expect(")");
      return inner;
    }
    if (this.#take("[")) return ["list", ...this.#list("]", true)];
    if (this.#take("{")) return ["map", ...this.#entries(() => this.expression())];
    const text = this.#text();
    if (text !== undefined) return text;
    const number = this.#match(number_pattern);
    if (number !== undefined)
      return this.#match(/[uU]/uy) === undefined ? ["number", numberOf(number)] : ["uint", number];
    const dot = this.#take(".") ? "." : "";
    const name = this.#name();
    if (dot === "" && keywords.has(name) && name !== "in") return ["literal", name];
    if (keywords.has(name) || next === "") throw new NoExpression(`the keyword ${name}`);
    return this.#named(dot, name);
  }

  #named(dot: string, name: string): Tree {
    const before = this.at;
    let path = name;
    while (this.#take(".")) path += `.${this.#name()}`;
    if (this.#take("{")) return ["message", dot + path, ...this.#entries(() => ["field", this.#name()])];
    this.at = before;
    if (reserved.has(name)) throw new NoExpression(`the reserved word ${name}`);
    if (!this.#take("(")) return ["name", dot + name];
    const args = this.#list(")", false);
    const [member] = args;
    if (dot === "" && name === "has" && args.length === 1) {
      if (member![0] === ".") return ["has", ...member!.slice(1)];
      // Not of the grammar, but of the policy language: a member whose name is written as a text.
      const [kind, of, key] = member!;
      if (kind === "[]" && Array.isArray(key) && key[0] === "text") return ["has", of!, key[1]!];
    }
    return [`${dot}${name}()`, ...args];
  }

  #list(end: string, mayEndWithComma: boolean): Tree[] {
    const elements: Tree[] = [];
    if (this.#take(end)) return elements;
    if (mayEndWithComma && this.#take(",")) {
      this.#expect(end);
      return elements;
    }
    for (;;) {
      elements.push(this.expression());
      if (this.#take(end)) return elements;
      this.#expect(",");
      if (mayEndWithComma && this.#take(end)) return elements;
    }
  }

  #entries(key: () => Tree): Tree[] {
    const entries: Tree[] = [];
    while (!this.#take("}")) {
      if (entries.length > 0) {
        this.#expect(",");
        if (this.#take("}")) break;
      } else if (this.#take(",")) {
        this.#expect("}");
        break;
      }
      const name = key();
      this.#expect(":");
      entries.push(["entry", name, this.expression()]);
    }
    return entries;
  }

  #text(): Tree | undefined {
    this.#skip();
    const opening = /(?:[bB][rR]?|[rR])?(?:"""|'''|"|')/uy;
    const found = this.#match(opening);
    if (found === undefined) return undefined;
    const quote = found.replace(/^[a-zA-Z]+/u, "");
    const isRaw = /[rR]/u.test(found);
    const kind = /^[bB]/u.test(found) ? "bytes" : "text";
    let content = "";
    while (!this.text.startsWith(quote, this.at)) {
      const character = this.text[this.at];
      if (character === undefined || (quote.length === 1 && /[\r\n]/u.test(character)))
        throw new NoExpression("a text without end");
      if (character === "\\" && !isRaw) content += this.#escape();
      else {
        content += character;
        this.at++;
      }
    }
    this.at += quote.length;
    return [kind, content];
  }

  #escape(): string {
    const simple = simple_escapes[this.text[this.at + 1] ?? ""];
    if (simple !== undefined) {
      this.at += 2;
      return simple;
    }
    const found = /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/uy;
    found.lastIndex = this.at;
    const [whole, byte, short, long, octal] = found.exec(this.text) ?? [];
    if (whole === undefined) throw new NoExpression("an escape that is none");
    this.at += whole.length;
    const point = octal === undefined ? Number.parseInt((byte ?? short ?? long)!, 16) : Number.parseInt(octal, 8);
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) throw new NoExpression("no code point");
    return String.fromCodePoint(point);
  }

  #name(): string {
    const name = this.#match(/[_a-zA-Z][_a-zA-Z0-9]*/uy);
    if (name === undefined) throw new NoExpression(`no name at ${this.at}`);
    return name;
  }

  #skip(): void {
    const blank = /(?:[\t\n\f\r ]|\/\/[^\n\r]*)*/uy;
    blank.lastIndex = this.at;
    this.at += blank.exec(this.text)![0].length;
  }

  #peek(): string {
    this.#skip();
    return this.text[this.at] ?? "";
  }

  /** `!` but not `!=`. */
  #peekSign(sign: string): boolean {
    return this.#peek() === sign && this.text[this.at + 1] !== "=";
  }

  #match(pattern: RegExp): string | undefined {
    this.#skip();
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  #take(sign: string): boolean {
    this.#skip();
    if (!this.text.startsWith(sign, this.at)) return false;
    if (sign === "!" && this.text[this.at + 1] === "=") return false;
    this.at += sign.length;
    return true;
  }

  #takeWord(word: string): boolean {
    const before = this.at;
    if (this.#match(/[_a-zA-Z][_a-zA-Z0-9]*/uy) === word) return true;
    this.at = before;
    return false;
  }

  #expect(sign: string): void {
    if (!this.#take(sign)) throw new NoExpression(`no ${sign} at ${this.at}`);
  }
}

/** By its value: ints as they are, doubles with a point or an exponent. */
function numberOf(written: string): string {
  if (!/^-?(?:0x[0-9a-fA-F]+|[0-9]+)$/u.test(written)) return doubleText(Number(written));
  const value = BigInt(written.replace("-", ""));
  return String(written.startsWith("-") ? -value : value);
}

/** A double as text that no int has. */
export function doubleText(value: number): string {
  const text = Object.is(value, -0) ? "-0" : String(value);
  return /[.e]/u.test(text) ? text : `${text}.0`;
}
