/**
 * Bounded patterns: the subset of regular expressions that a guard takes. Literals, `.`, classes, `\d \w \s \D \W \S`, groups,
 * `|`, `?`, `{n}` and `{n,m}`; `(?i)` at the beginning; `\b` at the beginning and the end. `*`, `+` and `{n,}` have no bound and are
 * refused, as is all that looks around or back. Classes are of ASCII; other characters stand for their UTF-8 bytes. `.` is any byte
 * but a line end.
 */

/** A pattern as a tree over bytes. */
export type Node =
  | { kind: "bytes"; bytes: readonly boolean[] }
  | { kind: "sequence"; parts: readonly Node[] }
  | { kind: "choice"; parts: readonly Node[] }
  | { kind: "repeat"; part: Node; least: number; most: number };

/** A pattern, and whether a match must not begin, or end, inside a word. */
export interface Expression {
  tree: Node;
  atBegin: boolean;
  atEnd: boolean;
}

/** What is wrong with a pattern, and at which character of it. */
export class PatternError extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

const repeats_max = 128;
const byteSet = (holds: (byte: number) => boolean): boolean[] => Array.from({ length: 256 }, (_, byte) => holds(byte));
const isWord = (byte: number): boolean => /[A-Za-z0-9_]/.test(String.fromCharCode(byte));
const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
/** Classes by their letter; a capital is all other ASCII. */
const named: Readonly<Record<string, (byte: number) => boolean>> = {
  d: isDigit,
  w: isWord,
  s: isSpace,
  D: (byte) => byte < 0x80 && !isDigit(byte),
  W: (byte) => byte < 0x80 && !isWord(byte),
  S: (byte) => byte < 0x80 && !isSpace(byte),
};
const controls: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c, v: 0x0b };

/** The tree of a literal. */
export function parseLiteral(text: string, ignoreCase = false): Expression {
  const parts = [...Buffer.from(text)].map((byte): Node => oneByte(byte, ignoreCase));
  return { tree: { kind: "sequence", parts }, atBegin: false, atEnd: false };
}

/** The tree of a pattern. @throws PatternError */
export function parsePattern(source: string): Expression {
  return new Parser(source).parse();
}

function oneByte(byte: number, ignoreCase: boolean): Node {
  return {
    kind: "bytes",
    bytes: folded(
      byteSet((one) => one === byte),
      ignoreCase,
    ),
  };
}

/** A set with both cases of each letter in it. */
function folded(bytes: boolean[], ignoreCase: boolean): boolean[] {
  if (!ignoreCase) return bytes;
  return bytes.map(
    (holds, byte) => holds || (/[A-Za-z]/.test(String.fromCharCode(byte)) && bytes[byte ^ 0x20] === true),
  );
}

class Parser {
  readonly #source: string;
  #at = 0;
  #ignoreCase = false;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): Expression {
    this.#ignoreCase = this.#take("(?i)");
    const atBegin = this.#take("\\b");
    const atEnd = /(?<!\\)(\\\\)*\\b$/.test(this.#source.slice(this.#at));
    const tree = this.#choice(this.#source.length - (atEnd ? 2 : 0));
    return { tree, atBegin, atEnd };
  }

  #fail(message: string): never {
    throw new PatternError(message, this.#at);
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #choice(end: number): Node {
    const parts = [this.#sequence(end)];
    while (this.#at < end && this.#take("|")) parts.push(this.#sequence(end));
    if (this.#at < end && this.#source[this.#at] === ")") this.#fail("`)` closes no group");
    return parts.length === 1 ? parts[0]! : { kind: "choice", parts };
  }

  #sequence(end: number): Node {
    const parts: Node[] = [];
    while (this.#at < end && this.#source[this.#at] !== "|" && this.#source[this.#at] !== ")") {
      parts.push(this.#repeated(this.#atom()));
    }
    return { kind: "sequence", parts };
  }

  #repeated(part: Node): Node {
    if (this.#take("?")) return this.#once({ kind: "repeat", part, least: 0, most: 1 });
    const sign = this.#source[this.#at];
    if (sign === "*" || sign === "+") this.#fail(`\`${sign}\` has no bound: say how many there may be, as in {0,32}`);
    if (sign !== "{") return part;
    const [all, least, comma, most] =
      /^\{(\d{1,3})(,?)(\d{0,3})\}/.exec(this.#source.slice(this.#at)) ??
      this.#fail("a number of times is {n} or {n,m}");
    if (comma !== "" && most === "") this.#fail("{n,} has no bound: say how many there may be");
    const count = { least: Number(least), most: Number(comma === "" ? least : most) };
    if (count.most > repeats_max || count.least > count.most || count.most === 0)
      this.#fail(`a part may be there 1 to ${repeats_max} times`);
    this.#at += all!.length;
    return this.#once({ kind: "repeat", part, ...count });
  }

  #once(node: Node): Node {
    if (/^[?*+{]/.test(this.#source.slice(this.#at)))
      this.#fail("a number of times stands here already; matches are the longest there are");
    return node;
  }

  #atom(): Node {
    const sign = this.#source[this.#at]!;
    if (sign === "(") return this.#group();
    if (sign === "[") return { kind: "bytes", bytes: this.#class() };
    if (sign === ".") {
      this.#at++;
      return { kind: "bytes", bytes: byteSet((byte) => byte !== 0x0a && byte !== 0x0d) };
    }
    if (/[*+?{^$]/.test(sign)) this.#fail(`\`${sign}\` stands for itself only as \\${sign}`);
    if (sign === "\\") {
      const escaped = this.#escape();
      return typeof escaped === "number"
        ? oneByte(escaped, this.#ignoreCase)
        : { kind: "bytes", bytes: byteSet(escaped) };
    }
    const character = String.fromCodePoint(this.#source.codePointAt(this.#at)!);
    this.#at += character.length;
    return parseLiteral(character, this.#ignoreCase).tree;
  }

  #group(): Node {
    this.#at++;
    if (!this.#take("?:") && this.#source[this.#at] === "?") this.#fail("a group neither looks around nor has flags");
    const parts = [this.#sequence(this.#source.length)];
    while (this.#take("|")) parts.push(this.#sequence(this.#source.length));
    if (!this.#take(")")) this.#fail("a group has no `)`");
    return { kind: "choice", parts };
  }

  /** A byte, or a class of bytes. */
  #escape(): number | ((byte: number) => boolean) {
    const letter = this.#source[this.#at + 1] ?? this.#fail("`\\` escapes nothing");
    const hex = /^x[0-9A-Fa-f]{2}/.exec(this.#source.slice(this.#at + 1));
    if (hex) {
      this.#at += 4;
      return Number.parseInt(hex[0].slice(1), 16);
    }
    if (letter === "b") this.#fail("`\\b` stands at the beginning or the end of a pattern");
    if (/[A-Za-z0-9]/.test(letter) && !(letter in named) && !(letter in controls))
      this.#fail(`\\${letter} is not known here`);
    this.#at += 2;
    return named[letter] ?? controls[letter] ?? letter.charCodeAt(0);
  }

  #class(): boolean[] {
    this.#at++;
    const isNegated = this.#take("^");
    const bytes = byteSet(() => false);
    let isFirst = true;
    while (isFirst || this.#source[this.#at] !== "]") {
      isFirst = false;
      const first = this.#member();
      if (typeof first === "number" && this.#source[this.#at] === "-" && this.#source[this.#at + 1] !== "]") {
        this.#at++;
        const last = this.#member();
        if (typeof last !== "number" || last < first) this.#fail("a range goes from a character to a later one");
        for (let byte = first; byte <= last; byte++) bytes[byte] = true;
      } else if (typeof first === "number") bytes[first] = true;
      else for (let byte = 0; byte < 256; byte++) bytes[byte] ||= first(byte);
    }
    this.#at++;
    const all = folded(bytes, this.#ignoreCase);
    return isNegated ? all.map((holds, byte) => !holds && byte < 0x80) : all;
  }

  #member(): number | ((byte: number) => boolean) {
    const sign = this.#source[this.#at] ?? this.#fail("a class has no `]`");
    if (sign === "\\") return this.#escape();
    if (sign.charCodeAt(0) >= 0x80) this.#fail("a class is of ASCII characters");
    this.#at++;
    return sign.charCodeAt(0);
  }
}
