/**
 * JSON (RFC 8259) with what `JSON.parse` loses: whether a number is an integer, and whether a member stands twice, which
 * two parsers could read in two ways.
 */

export type Json = null | boolean | bigint | number | string | Json[] | Map<string, Json> | Unread;

/** What is JSON but is not read: a number longer than others hold, and what lies too deep. */
export class Unread {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Lists and objects nest so deep where they are read. */
const depth_max = 16;
/** At most 19 digits on each side of the point, and an exponent below 300. */
const read_number = /^-?[0-9]{1,19}(?:\.[0-9]{1,19})?(?:[eE][+-]?(?:[0-9]{1,2}|[0-2][0-9]{2}))?$/u;

const int64 = { least: -(2n ** 63n), most: 2n ** 63n - 1n };
const token =
  /[ \t\n\r]*(?:([{}[\]:,]|true|false|null)|(-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)|("(?:[^"\\\p{Cc}]|\\.|[\x7f-\x9f])*"))/uy;

/** The value of a text, or undefined where it is refused. Numbers are bigint where they are CEL ints, else number. */
export function parseJson(bytes: Uint8Array): Json | undefined {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
  const parser = new Parser(text);
  try {
    const value = parser.value();
    return parser.atEnd() ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    return /^[ \t\n\r]*$/u.test(this.#text.slice(this.#at));
  }

  #next(): RegExpExecArray {
    token.lastIndex = this.#at;
    const match = token.exec(this.#text);
    if (match === null) throw new SyntaxError(`no JSON at ${this.#at}`);
    this.#at = token.lastIndex;
    return match;
  }

  value(match = this.#next(), depth = 0): Json {
    const at = this.#at;
    const [, sign, number, fraction, exponent, string] = match;
    if (string !== undefined) return this.#string(string);
    if (number !== undefined) {
      if (!read_number.test(number)) return new Unread(number);
      const int = fraction === undefined && exponent === undefined ? BigInt(number) : undefined;
      return int !== undefined && int >= int64.least && int <= int64.most ? int : Number(number);
    }
    if (sign === "{" || sign === "[") {
      const value = sign === "{" ? this.#object(depth + 1) : this.#array(depth + 1);
      return depth < depth_max ? value : new Unread(this.#text.slice(at - 1, this.#at));
    }
    if (sign === "true") return true;
    if (sign === "false") return false;
    if (sign === "null") return null;
    throw new SyntaxError(`${sign} is no value`);
  }

  /** Refuses half characters and NUL, which other languages cut strings at. */
  #string(quoted: string): string {
    const value = JSON.parse(quoted) as string;
    if (/\p{Cs}/u.test(value) || value.includes("\0")) throw new SyntaxError("no text");
    return value;
  }

  #object(depth: number): Map<string, Json> {
    const members = new Map<string, Json>();
    for (let match = this.#next(); ; match = this.#next()) {
      if (match[1] === "}" && members.size === 0) return members;
      if (match[5] === undefined) throw new SyntaxError("no name");
      const name = this.#string(match[5]);
      if (members.has(name) && depth <= depth_max) throw new SyntaxError(`${name} stands twice`);
      if (this.#next()[1] !== ":") throw new SyntaxError("no colon");
      members.set(name, this.value(undefined, depth));
      const after = this.#next()[1];
      if (after === "}") return members;
      if (after !== ",") throw new SyntaxError("no comma");
    }
  }

  #array(depth: number): Json[] {
    const elements: Json[] = [];
    for (let match = this.#next(); ; match = this.#next()) {
      if (match[1] === "]" && elements.length === 0) return elements;
      elements.push(this.value(match, depth));
      const after = this.#next()[1];
      if (after === "]") return elements;
      if (after !== ",") throw new SyntaxError("no comma");
    }
  }
}

/** The claim that a policy names: plain names after dots, others in brackets and quotes. */
export function claimAt(what: string, claims: Json | undefined): Json | undefined {
  let claim = claims;
  for (const [, plain, text] of what.matchAll(/\.([\w-]+)|\[("(?:[^"\\]|\\.)*")\]/gu)) {
    const name = plain ?? (JSON.parse(text!) as string);
    claim = claim instanceof Map ? claim.get(name) : undefined;
  }
  return claim;
}
