/** Random documents of GraphQL: most are sound, and some have what makes one be refused. */
import type { Random } from "../support/random.ts";

/** Few names, so that they meet. */
const fieldNames = ["a", "b", "c", "order", "orders", "on", "query", "fragment", "type", "true", "null", "_", "x1"];
const metaNames = ["__typename", "__typename", "__schema", "__type", "__other"];
const typeNames = ["Query", "T", "on", "Order", "_"];
const operationNames = ["A", "B", "query", "on", "Get_1"];
const directiveNames = ["skip", "include", "on", "x"];
const characters = ["a", " ", "#", "{", "}", "'", "é", "€", "😀", "\t", "\u007f", "\u2028", "\ufeff", ",", "..."];
const escapes = [
  '\\"',
  "\\\\",
  "\\/",
  "\\b",
  "\\n",
  "\\u0041",
  "\\uFEFF",
  "\\u0000",
  "\\ud83d\\ude00",
  "\\uD83D\\uDE00",
];
const definitions = [
  ["scalar", "T"],
  ["type", "T", "{", "a", ":", "Int", "}"],
  ["extend", "type", "T", "@", "x"],
  ["directive", "@", "x", "on", "QUERY", "|", "FIELD"],
  ["union", "U", "=", "|", "T"],
  ["schema", "{", "query", ":", "T", "}"],
];
const numbers = [
  "0",
  "-0",
  "7",
  "-12",
  "1.5",
  "0.0",
  "-0.5e10",
  "1e5",
  "2E-7",
  "10e+2",
  "123456789012345678901234567890",
];

/** How often something is done that is odd: one time in so many. */
interface Style {
  meta: number;
  alias: number;
  spread: number;
  inline: number;
  set: number;
  values: number;
  isAcyclic: boolean;
}

class Generator {
  readonly #random: Random;
  readonly #style: Style;
  readonly #fragments: string[];
  #tokens: string[] = [];
  /** Selections that may still be made, so that no document grows without end. */
  #left: number;

  constructor(random: Random) {
    this.#random = random;
    const odds = [2, 3, 6, 12, 50];
    this.#style = {
      meta: random.pick([3, 10, 30, 1000]),
      alias: random.pick(odds),
      spread: random.pick(odds),
      inline: random.pick(odds),
      set: random.pick(odds),
      values: random.pick(odds),
      isAcyclic: random.below(12) > 0,
    };
    this.#fragments = Array.from({ length: random.pick([0, 1, 2, 3, 8]) }, (_, index) => `F${index}`);
    this.#left = random.pick([4, 12, 40, 120]);
  }

  document(): string[] {
    const operations = this.#random.pick([1, 1, 1, 1, 2, 3]);
    const names = [...operationNames];
    const takeName = (): string =>
      this.#one(40) ? this.#random.pick(operationNames) : names.splice(this.#random.below(names.length), 1)[0]!;
    const parts: (() => void)[] = this.#fragments.map((name, index) => () => this.#fragment(name, index + 1));
    // Rarely one that is there twice, is named and not there, or is not named.
    if (this.#random.below(40) === 0) parts.push(() => this.#fragment("F0", 1));
    if (this.#random.below(40) === 0) parts.pop();
    for (let index = 0; index < operations; index++) {
      const at = this.#random.below(parts.length + 1);
      parts.splice(at, 0, () => this.#operation(operations > 1, takeName()));
    }
    if (this.#one(100)) parts.splice(this.#random.below(parts.length + 1), 0, () => this.#definition());
    for (const part of parts) part();
    return this.#tokens;
  }

  #one(of: number): boolean {
    return this.#random.below(of) === 0;
  }

  #put(...tokens: string[]): void {
    this.#tokens.push(...tokens);
  }

  /** What `graphql` takes too, and is not executed. */
  #definition(): void {
    this.#put(...this.#random.pick(definitions));
  }

  #describe(): void {
    if (this.#one(200)) this.#put(this.#one(2) ? '"what it is"' : '"""\nwhat it is\n"""');
  }

  #operation(isNamed: boolean, name: string): void {
    if (!this.#one(isNamed ? 60 : 3)) {
      this.#describe();
      this.#put(this.#random.pick(["query", "query", "query", "mutation", "subscription"]));
      if (this.#one(2) || (isNamed && !this.#one(60))) this.#put(name);
      if (this.#one(4)) this.#variables();
      this.#directives(false);
    }
    this.#set(0, 0);
  }

  #fragment(name: string, from: number): void {
    this.#describe();
    this.#put("fragment", name, "on", this.#random.pick(typeNames));
    this.#directives(false);
    this.#set(0, from);
  }

  /** @param from the first fragment that may be spread, where they may not spread each other */
  #set(depth: number, from: number): void {
    this.#put("{");
    for (let count = 1 + this.#random.below(depth === 0 ? 5 : 3); count > 0; count--) this.#selection(depth, from);
    this.#put("}");
  }

  #selection(depth: number, from: number): void {
    this.#left--;
    const mayNest = depth < 12 && this.#left > 0;
    const spreadable = this.#style.isAcyclic ? this.#fragments.slice(from) : this.#fragments;
    if (this.#one(this.#style.spread) && spreadable.length > 0) {
      this.#put("...", this.#one(60) ? "Missing" : this.#random.pick(spreadable));
      this.#directives(false);
    } else if (mayNest && this.#one(this.#style.inline)) {
      this.#put("...");
      if (this.#one(2)) this.#put("on", this.#random.pick(typeNames));
      this.#directives(false);
      this.#set(depth, from);
    } else {
      if (this.#one(this.#style.alias)) this.#put(this.#random.pick(fieldNames), ":");
      this.#put(this.#random.pick(this.#one(this.#style.meta) ? metaNames : fieldNames));
      this.#arguments(false);
      this.#directives(false);
      if (mayNest && this.#one(this.#style.set)) this.#set(depth + 1, from);
    }
  }

  #directives(isConstant: boolean): void {
    while (this.#one(this.#style.values * 3)) {
      this.#put("@", this.#random.pick(directiveNames));
      this.#arguments(isConstant);
    }
  }

  #arguments(isConstant: boolean): void {
    if (!this.#one(this.#style.values)) return;
    this.#put("(");
    for (let count = 1 + this.#random.below(3); count > 0; count--) {
      this.#put(this.#random.pick(fieldNames), ":");
      this.#value(isConstant, 0);
    }
    this.#put(")");
  }

  #variables(): void {
    this.#put("(");
    for (let count = 1 + this.#random.below(3); count > 0; count--) {
      this.#describe();
      this.#put("$", this.#random.pick(fieldNames), ":");
      this.#type();
      if (this.#one(3)) {
        this.#put("=");
        this.#value(true, 0);
      }
      this.#directives(true);
    }
    this.#put(")");
  }

  #type(): void {
    const lists = this.#random.pick([0, 0, 1, 2]);
    for (let count = 0; count < lists; count++) this.#put("[");
    this.#put(this.#random.pick(typeNames));
    if (this.#one(2)) this.#put("!");
    for (let count = 0; count < lists; count++) {
      this.#put("]");
      if (this.#one(2)) this.#put("!");
    }
  }

  #value(isConstant: boolean, depth: number): void {
    const kind = this.#random.below(depth < 4 ? 8 : 5);
    if (kind === 0 && !isConstant) this.#put("$", this.#random.pick(fieldNames));
    else if (kind <= 1) this.#put(this.#random.pick(numbers));
    else if (kind === 2) this.#put(this.#random.pick([...fieldNames, "true", "false", "null", "RED"]));
    else if (kind === 3) this.#put(this.#string());
    else if (kind === 4) this.#put(this.#block());
    else if (kind === 5) {
      this.#put("[");
      for (let count = this.#random.below(3); count > 0; count--) this.#value(isConstant, depth + 1);
      this.#put("]");
    } else {
      this.#put("{");
      for (let count = this.#random.below(3); count > 0; count--) {
        this.#put(this.#random.pick(fieldNames), ":");
        this.#value(isConstant, depth + 1);
      }
      this.#put("}");
    }
  }

  #string(): string {
    const parts = Array.from({ length: this.#random.pick([0, 0, 1, 3, 20]) }, () =>
      this.#random.pick(this.#one(4) ? escapes : characters),
    );
    if (this.#one(30)) parts.push(this.#random.pick(["\\u{41}", "\\u{1F600}", "\u0001"]));
    return `"${parts.join("")}"`;
  }

  #block(): string {
    const all = [...characters, '"', '""', '\\"""', "\\", "\\u", "\n", "\r\n", "\r"];
    const parts = Array.from({ length: this.#random.pick([0, 1, 3, 20]) }, () => this.#random.pick(all));
    // No more than two quotes may stand together, the last ones among them; and a backslash before the end would take it away.
    const text = parts
      .join("")
      .replaceAll(/(?<!\\)"""+/gu, '""')
      .replace(/["\\]+$/u, "");
    return `"""${text}"""`;
  }
}

/** The tokens of a document, which may be refused for what it says, and not for its syntax. */
export function generateTokens(random: Random): string[] {
  return new Generator(random).document();
}

const spaces = [" ", " ", " ", "  ", "\n", "\t", ",", "\r\n", "\r", ", ,", "#\n", '# "a" \\ é {\r', "#😀\ufeff}\n"];
const needsSpace = /^[\w".-]/u;
const endsOpen = /[\w"]$/u;

/** Tokens as text, with little or much between them. */
export function joinTokens(random: Random, tokens: readonly string[]): string {
  const isTight = random.below(3) === 0;
  let text = random.below(150) === 0 ? "\ufeff" : random.pick(["", "", " ", "#c\n", "\n,"]);
  let before = "";
  for (const token of tokens) {
    const mustPart = endsOpen.test(before) && needsSpace.test(token);
    if (mustPart || random.below(isTight ? 20 : 2) === 0) text += random.pick(isTight ? [" ", ","] : spaces);
    text += token;
    before = token;
  }
  return text + random.pick(["", "", "\n", " # end", ","]);
}

/** What a request says of the operation that it means: mostly one that is there, or nothing where there is one alone. */
export function generateName(random: Random, tokens: readonly string[]): string | undefined {
  if (random.below(12) === 0) return random.pick([...operationNames, "", "Missing", "F0", "é"]);
  const names = tokens.filter(
    (token, at) => operationNames.includes(token) && operationTypes.has(tokens[at - 1] ?? ""),
  );
  if (names.length === 0) return undefined;
  return names.length === 1 && random.below(2) === 0 ? undefined : random.pick(names);
}

const operationTypes = new Set(["query", "mutation", "subscription"]);
