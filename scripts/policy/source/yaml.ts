/**
 * YAML read strictly: what a person could have meant in two ways is an error at its place. Anchors, aliases and tags
 * are refused (an alias can blow up memory, and a policy has names for sets), and so are duplicate keys.
 */
import { isAlias, isMap, isScalar, isSeq, type Node, parseDocument, type Scalar } from "yaml";
import type { Reporter } from "./diagnostic.ts";
import { didYouMean } from "./suggest.ts";

/** A value and the offset where it begins. */
export interface Located<T> {
  value: T;
  at: number;
}

/** A place that may hold a node: the value of a key, or an element of a list. */
export interface Slot {
  /** Where the key or element begins: the place of errors about an absent value. */
  at: number;
  node: Node | null;
}

/** A key of a mapping with its value. */
export interface Field extends Slot {
  name: string;
}

/** What a person can do about an error of the YAML library, by its code. */
const ways_out: Record<string, string> = {
  TAB_AS_INDENT: "indent with spaces",
  BAD_ALIAS: 'a value that begins with `*` needs quotes, as in "* /orders"',
  BAD_SCALAR_START: "put the value in quotes",
  MISSING_CHAR: "a value with `{`, `}`, `[`, `]`, `,` or `: ` in it needs quotes, and each item of `[…]` a comma",
  BAD_COLLECTION_TYPE: 'a value with `{` or `[` in it needs quotes, as in "GET /orders/{id}"',
  MULTIPLE_DOCS: "a file is one document: remove the second `---`",
  UNEXPECTED_TOKEN: "if it is part of a value, put the value in quotes",
  BLOCK_AS_IMPLICIT_KEY: "a value with `: ` in it needs quotes; a key needs its own line",
};

/** What to do about YAML that sees its own characters in a condition. */
export const way_out = "put the whole condition in '…', or write `when: |` and the condition on the next line";

/** A line that has a condition, up to where the condition begins. */
const condition_line = /^[ \t]*(?:- +)*(?:\{ *)?when:[ \t]+(?=\S)/u;

/** Where the condition begins in whose line an error is; undefined for an error that is elsewhere. */
function conditionAt(text: string, at: number): number | undefined {
  const start = text.lastIndexOf("\n", at - 1) + 1;
  const end = text.indexOf("\n", start);
  const before = condition_line.exec(text.slice(start, end < 0 ? text.length : end))?.[0];
  // What is wrong with the key itself, such as its indent, is before the condition.
  return before === undefined || at < start + before.length ? undefined : start + before.length;
}

/**
 * Parses one document.
 * @param base offset of `text` in the source, for the places of errors
 * @returns the root, or undefined when there is an error (reported) or nothing
 */
export function parseYaml(
  reporter: Reporter,
  text: string,
  base = 0,
  place = (at: number) => at + base,
): Node | undefined {
  let document: ReturnType<typeof parseDocument>;
  try {
    // Duplicate keys are looked for by Reader.entries: the library's own search takes quadratic time. Types are told
    // apart by scalarValue where one is asked for, instead of by a dozen expressions for every scalar.
    document = parseDocument(text, {
      uniqueKeys: false,
      merge: false,
      version: "1.2",
      schema: "failsafe",
      prettyErrors: false,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    reporter.error("yaml", place(0), "the document is nested too deeply");
    return undefined;
  }
  const conditions = new Set<number>();
  for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
    const condition = conditionAt(text, pos[0]);
    if (condition !== undefined) {
      // One character out of place makes YAML say several things of a line.
      if (!conditions.has(condition))
        reporter.error(
          "yaml",
          place(condition),
          `YAML gives a character of this condition a meaning of its own; ${way_out}`,
        );
      conditions.add(condition);
      continue;
    }
    const way = ways_out[code];
    reporter.error(
      "yaml",
      place(pos[0]),
      lowerFirst(message.replace(/\.$/u, "")) + (way === undefined ? "" : `; ${way}`),
    );
  }
  if (document.errors.length + document.warnings.length > 0) return undefined;
  return (document.contents as Node | null) ?? undefined;
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/u.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text;
}

/** YAML 1.2.2 §10.3.2, the core schema: plain scalars that are no text. */
const core_null = /^(?:~|null|Null|NULL)?$/u;
const core_boolean = /^(?:true|True|TRUE|false|False|FALSE)$/u;
const core_number = /^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+)$/u;
const core_no_finite = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/u;

/** The value of a scalar in the core schema. */
export function scalarValue(node: Scalar): string | number | boolean | null {
  const text = String(node.value ?? "");
  if (node.type !== "PLAIN") return text;
  // Most texts begin with none of the characters that other values begin with.
  if (!/^[-+.~0-9nNtTfF]|^$/u.test(text)) return text;
  if (core_null.test(text)) return null;
  if (core_boolean.test(text)) return text[0] === "t" || text[0] === "T";
  if (core_number.test(text)) return Number(text);
  return core_no_finite.test(text) ? Number.NaN : text;
}

/** Reads nodes as the types the policy language has, and reports those that are something else. */
export class Reader {
  readonly reporter: Reporter;
  /** Where an offset of the parsed text is in the source. */
  place: (at: number) => number;

  constructor(reporter: Reporter, place = (at: number) => at) {
    this.reporter = reporter;
    this.place = place;
  }

  /** Where the value of a slot begins, or the slot itself when it is empty. */
  at(slot: Slot): number {
    return slot.node?.range ? this.place(slot.node.range[0]) : slot.at;
  }

  /** The keys of a mapping, in order; duplicates, and keys that are no text, are reported and left out. */
  entries(slot: Slot, what: string): Field[] | undefined {
    if (!this.isPlain(slot, what)) return undefined;
    if (!isMap(slot.node)) return this.mismatch(slot, what, "a mapping (`key: value` lines)");
    const fields: Field[] = [];
    const seen = new Set<string>();
    for (const pair of slot.node.items) {
      const key: Slot = { at: this.at(slot), node: pair.key as Node | null };
      const name = this.text(key, "a key");
      if (name === undefined) continue;
      if (seen.has(name.value)) {
        this.reporter.error("duplicate", name.at, `\`${name.value}\` stands twice in ${what}; remove one`);
        continue;
      }
      seen.add(name.value);
      fields.push({ name: name.value, at: name.at, node: pair.value as Node | null });
    }
    return fields;
  }

  /** The keys of a mapping that may only have the `known` ones, by name; others are reported. */
  fields(slot: Slot, what: string, known: readonly string[]): Map<string, Field> | undefined {
    const entries = this.entries(slot, what);
    if (entries === undefined) return undefined;
    const fields = new Map<string, Field>();
    for (const field of entries) {
      if (known.includes(field.name)) fields.set(field.name, field);
      else {
        const message = `${what} has no key \`${field.name}\`${didYouMean(field.name, known)}`;
        this.reporter.error("unknown_key", field.at, message);
      }
    }
    return fields;
  }

  text(slot: Slot, what: string, choices?: string): Located<string> | undefined {
    if (!this.isPlain(slot, what)) return undefined;
    const { node } = slot;
    const value = isScalar(node) ? scalarValue(node) : null;
    if (typeof value === "string") return { value, at: this.at(slot) };
    // A shape that shows what it is like, as in "(such as `30s`)", shows the unit that a bare number lacks.
    const unit = /\(such as `\d+(\D+)`\)$/u.exec(what)?.[1];
    if (typeof value === "number" && Number.isInteger(value) && unit !== undefined)
      return this.mismatch(slot, what, `a number and a unit: write \`${value}${unit}\``);
    return this.mismatch(slot, what, choices ?? (value === null ? "text" : "text: put it in quotes"));
  }

  /** A whole number from `least` to `most`, in decimal digits: `0x10` and `1e3` are more likely slips. */
  integer(slot: Slot, what: string, least: number, most: number): Located<number> | undefined {
    if (!this.isPlain(slot, what)) return undefined;
    const value = isScalar(slot.node) ? scalarValue(slot.node) : undefined;
    if (typeof value !== "number") return this.mismatch(slot, what, "a whole number");
    const isDecimal = /^[-+]?[0-9]+$/u.test(String((slot.node as Scalar).value));
    if (!isDecimal || !Number.isInteger(value) || value < least || value > most) {
      this.reporter.error("value", this.at(slot), `${what} must be a whole number from ${least} to ${most}`);
      return undefined;
    }
    return { value, at: this.at(slot) };
  }

  boolean(slot: Slot, what: string): Located<boolean> | undefined {
    if (!this.isPlain(slot, what)) return undefined;
    const value = isScalar(slot.node) ? scalarValue(slot.node) : undefined;
    if (typeof value !== "boolean") return this.mismatch(slot, what, "`true` or `false`");
    return { value, at: this.at(slot) };
  }

  /** The elements of a list. */
  items(slot: Slot, what: string): Slot[] | undefined {
    if (!this.isPlain(slot, what)) return undefined;
    if (!isSeq(slot.node)) return this.mismatch(slot, what, "a list: `[a, b]`, or lines that begin with `- `");
    const at = this.at(slot);
    return slot.node.items.map((item) => {
      const node = item as Node | null;
      return { at: this.at({ at, node }), node };
    });
  }

  /** The elements of a list of texts. */
  texts(slot: Slot, what: string): Located<string>[] | undefined {
    const items = this.items(slot, what);
    if (items === undefined) return undefined;
    const texts: Located<string>[] = [];
    for (const item of items) {
      const text = this.text(item, `an item of ${what}`);
      if (text !== undefined) texts.push(text);
    }
    return texts;
  }

  /** One text, or a list of them. */
  textOrTexts(slot: Slot, what: string): Located<string>[] | undefined {
    if (isSeq(slot.node)) return this.texts(slot, what);
    const text = this.text(slot, what);
    return text === undefined ? undefined : [text];
  }

  /** Whether the slot is empty or says `null`. */
  isNull({ node }: Slot): boolean {
    return node === null || (isScalar(node) && node.tag === undefined && scalarValue(node) === null);
  }

  /** Whether a text stands there. */
  isText({ node }: Slot): boolean {
    return isScalar(node) && typeof scalarValue(node) === "string";
  }

  /** Whether a list stands there. */
  isList({ node }: Slot): boolean {
    return isSeq(node);
  }

  /** Whether a number stands there. */
  isNumber({ node }: Slot): boolean {
    return isScalar(node) && typeof scalarValue(node) === "number";
  }

  /** Whether a mapping stands there. */
  isMapping({ node }: Slot): boolean {
    return isMap(node);
  }

  /** Whether a mapping stands there that has one of these keys. */
  hasKey({ node }: Slot, names: readonly string[]): boolean {
    return isMap(node) && names.some((name) => node.has(name));
  }

  /** A value of any kind JSON has. */
  json(slot: Slot, what: string): unknown {
    if (isMap(slot.node)) {
      const fields = this.entries(slot, what) ?? [];
      return Object.fromEntries(fields.map((field) => [field.name, this.json(field, `\`${field.name}\``)]));
    }
    if (isSeq(slot.node)) return this.items(slot, what)?.map((item) => this.json(item, `an item of ${what}`));
    if (!this.isPlain(slot, what)) return undefined;
    const value = isScalar(slot.node) ? scalarValue(slot.node) : null;
    return Number.isNaN(value) ? this.mismatch(slot, what, "a number that JSON has") : value;
  }

  /** Reports that something else stands there than must. */
  refuse(slot: Slot, what: string, wanted: string): undefined {
    return this.isPlain(slot, what) ? this.mismatch(slot, what, wanted) : undefined;
  }

  private isPlain(slot: Slot, what: string): boolean {
    const { node } = slot;
    if (node === null) return true;
    let refused: string | undefined;
    if (isAlias(node))
      refused = `\`*${node.source}\` is a YAML alias, which ${what} cannot be; write the value out, or put it in quotes`;
    else if ((isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined) {
      refused = `\`&${node.anchor}\` is a YAML anchor, which ${what} cannot have; remove it, or put the value in quotes`;
    } else if (node.tag !== undefined)
      refused = `YAML tags (\`!…\`) have no meaning here: ${what} cannot have one; remove it, or use quotes`;
    if (refused === undefined) return true;
    this.reporter.error("yaml", this.at(slot), refused);
    return false;
  }

  private mismatch(slot: Slot, what: string, wanted: string): undefined {
    this.reporter.error("type", this.at(slot), `${what} is ${describe(slot.node)}, but must be ${wanted}`);
    return undefined;
  }
}

function describe(node: Node | null): string {
  if (isMap(node)) return "a mapping";
  if (isSeq(node)) return "a list";
  const value = isScalar(node) ? scalarValue(node) : null;
  if (value === null) return "empty";
  return typeof value === "string" ? "text" : `the ${typeof value} ${String(value)}`;
}
