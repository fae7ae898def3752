/**
 * Shapes: what may stand at a place of a YAML file, said once. A shape reads a node into a typed value, reporting what
 * is something else, and has the JSON Schema that tells editors the same.
 */
import { didYouMean } from "../source/suggest.ts";
import type { Field, Located, Reader, Slot } from "../source/yaml.ts";

/** JSON Schema, draft-07. It may admit what the compiler refuses, but refuses nothing that the compiler admits. */
export type Schema = Readonly<Record<string, unknown>>;

/** What may stand at a place. */
export interface Shape<T> {
  readonly schema: Schema;
  /**
   * Reads what stands at a slot; undefined where it is something else, which is reported.
   * @param what how messages call it
   */
  read(reader: Reader, slot: Slot, what: string): T | undefined;
}

/** What a shape reads. */
export type Read<S> = S extends Shape<infer T> ? T : never;

/** A key that this version has. */
export interface Key<T> {
  shape: Shape<T>;
  isRequired: boolean;
  description: string;
  more: KeyDetails;
}

/** What else there is to say about a key. */
interface KeyDetails {
  default?: unknown;
  examples?: readonly unknown[];
  /** How a message about its absence shows it, as YAML. */
  asIn?: string;
}

type Keys = Readonly<Record<string, Key<unknown>>>;

/** What a mapping reads: its keys, each undefined where it is absent or wrong, where it begins, and whether something in it is wrong, which is reported. */
export type Values<K extends Keys> = { at: number; isWrong?: true } & {
  -readonly [N in keyof K]: K[N] extends Key<infer T> ? T | undefined : never;
};

/** A mapping of known keys. */
export interface Mapping<K extends Keys> extends Shape<Values<K>> {
  readonly keys: K;
  /** @param without a key whose value is read elsewhere */
  read(reader: Reader, slot: Slot, what: string, without?: string): Values<K> | undefined;
}

/** An entry of a mapping whose keys are names. */
export interface Named<T> {
  name: Located<string>;
  /** Undefined when it is something else, which has been reported. */
  value: T | undefined;
}

/** A key that must be there. */
export function required<T>(shape: Shape<T>, description: string, more: KeyDetails = {}): Key<T> {
  return { shape, isRequired: true, description, more };
}

/** A key that may be there. */
export function optional<T>(shape: Shape<T>, description: string, more: KeyDetails = {}): Key<T> {
  return { shape, isRequired: false, description, more };
}

/** Says that part of the language is not of this version: to leave out a condition would be to admit. */
function unsupported(reader: Reader, at: number, what: string): undefined {
  const message = `${what} is not supported in this version; the policy is refused, since to ignore it could admit more than you meant`;
  reader.reporter.error("unsupported", at, message);
  return undefined;
}

/** What is known of a text. The compiler checks it later, with messages of its own; here it goes into the schema. */
interface TextForm {
  pattern?: RegExp;
  words?: readonly string[];
  /** An example for messages. */
  like?: string;
  /** All that may stand there, for messages. */
  ways?: string;
}

/** Text. */
export function text({ pattern, words, like, ways }: TextForm = {}): Shape<Located<string>> {
  const hint = like === undefined ? "" : ` (such as \`${like}\`)`;
  return {
    schema: { type: "string", ...(pattern && { pattern: pattern.source }), ...(words && { enum: words }) },
    read: (reader, slot, what) => reader.text(slot, what + hint, ways),
  };
}

/** A whole number. */
export function integer(least: number, most: number): Shape<Located<number>> {
  return {
    schema: { type: "integer", minimum: least, maximum: most },
    read: (reader, slot, what) => reader.integer(slot, what, least, most),
  };
}

/** A whole number, or a text in its place. @param wanted how messages call both */
export function integerOrText(least: number, most: number, wanted: string): Shape<Located<number> | Located<string>> {
  const number = integer(least, most);
  const other = text();
  return {
    schema: { anyOf: [number.schema, other.schema] },
    read(reader, slot, what) {
      if (reader.isText(slot)) return other.read(reader, slot, what);
      return reader.isNumber(slot) ? number.read(reader, slot, what) : reader.refuse(slot, what, wanted);
    },
  };
}

/** `true` or `false`. Its place is that of its key. */
export const boolean: Shape<Located<boolean>> = {
  schema: { type: "boolean" },
  read(reader, slot, what) {
    const found = reader.boolean(slot, what);
    return found && { value: found.value, at: slot.at };
  },
};

/** One of a few words. Its place is that of its key. */
export function word<const T extends string>(words: readonly T[]): Shape<Located<T>> {
  const list = words.map((one) => `\`${one}\``).join(" or ");
  return {
    schema: { type: "string", enum: words },
    read(reader, slot, what) {
      const found = reader.text(slot, what, list);
      if (found === undefined) return undefined;
      const value = words.find((one) => one === found.value);
      if (value !== undefined) return { value, at: slot.at };
      reader.reporter.error("value", found.at, `${what} is ${list}, not \`${found.value}\``);
      return undefined;
    },
  };
}

/** What messages say about a list. */
interface ListWords {
  /** How they call an item. */
  item?: string;
  /** What is wrong with an empty list, and the way out: it follows "`key` is empty". None, and it may be empty. */
  empty?: string;
}

/** A list. Its place is that of its key. */
export function list<T>(shape: Shape<T>, { item, empty }: ListWords = {}): Shape<Located<T[]>> {
  return {
    schema: { type: "array", items: shape.schema, ...(empty !== undefined && { minItems: 1 }) },
    read(reader, slot, what) {
      const items = reader.items(slot, what);
      if (items === undefined) return undefined;
      if (items.length === 0 && empty !== undefined)
        reader.reporter.error("value", slot.at, `${what} is empty${empty}`);
      const values: T[] = [];
      for (const one of items) {
        const value = shape.read(reader, one, item ?? `an item of ${what}`);
        if (value !== undefined) values.push(value);
      }
      return { value: values, at: slot.at };
    },
  };
}

/** A list, or one item without brackets. */
export function oneOrMany<T>(shape: Shape<T>, words: ListWords = {}): Shape<Located<T[]>> {
  const many = list(shape, words);
  return {
    schema: { anyOf: [shape.schema, many.schema] },
    read(reader, slot, what) {
      if (reader.isList(slot)) return many.read(reader, slot, what);
      const value = shape.read(reader, slot, what);
      return value === undefined ? undefined : { value: [value], at: slot.at };
    },
  };
}

/** A list, or one word that stands for all there could be. */
export function listOrWord<T, const W extends string>(
  word: W,
  shape: Shape<T>,
  words: ListWords = {},
): Shape<Located<T[]> | Located<W>> {
  const many = list(shape, words);
  return {
    schema: { anyOf: [{ const: word }, many.schema] },
    read(reader, slot, what) {
      if (reader.isList(slot)) return many.read(reader, slot, what);
      const wanted = `a list, or \`${word}\``;
      const found = reader.text(slot, what, wanted);
      if (found === undefined) return undefined;
      if (found.value === word) return { value: word, at: slot.at };
      reader.reporter.error(
        "value",
        found.at,
        `${what} is ${wanted}, not \`${found.value}\`; write \`[${found.value}]\``,
      );
      return undefined;
    },
  };
}

/** One thing, or a mapping that says the same and more. @param from what the mapping reads as; undefined where it lacks something, which is reported */
export function orMapping<T, K extends Keys>(
  shape: Shape<T>,
  longer: Mapping<K>,
  from: (values: Values<K>) => T | undefined,
): Shape<T> {
  return {
    schema: { anyOf: [shape.schema, longer.schema] },
    read(reader, slot, what) {
      if (!reader.isMapping(slot)) return shape.read(reader, slot, what);
      const values = longer.read(reader, slot, what);
      return values === undefined ? undefined : from(values);
    },
  };
}

/** A list, or a mapping that says where the list is. */
export function listOrMapping<T, M>(
  many: Shape<Located<T[]>>,
  elsewhere: Shape<M>,
): Shape<{ list: Located<T[]> | undefined; elsewhere: M | undefined }> {
  return {
    schema: { anyOf: [many.schema, elsewhere.schema] },
    read: (reader, slot, what) =>
      reader.isMapping(slot)
        ? { list: undefined, elsewhere: elsewhere.read(reader, slot, what) }
        : { list: many.read(reader, slot, what), elsewhere: undefined },
  };
}

/** A mapping from names to things of one shape. @param kind how messages call one; @param pattern of the names */
export function named<T>(kind: string, shape: Shape<T>, pattern: RegExp): Shape<Named<T>[]> {
  return {
    schema: { type: "object", additionalProperties: shape.schema, propertyNames: { pattern: pattern.source } },
    read: (reader, slot, what) =>
      reader.entries(slot, what)?.map((field) => ({
        name: { value: field.name, at: field.at },
        value: shape.read(reader, field, `${kind} \`${field.name}\``),
      })),
  };
}

/**
 * A shape of which this version admits only some values.
 * @param schema what JSON Schema says of those
 * @param fault what is not supported about a value, undefined where it is
 */
export function only<T>(shape: Shape<T>, schema: Schema, fault: (value: T) => string | undefined): Shape<T> {
  return {
    schema: { ...shape.schema, ...schema },
    read(reader, slot, what) {
      const value = shape.read(reader, slot, what);
      const message = value === undefined ? undefined : fault(value);
      return message === undefined ? value : unsupported(reader, slot.at, message);
    },
  };
}

/**
 * A mapping of known keys; others are reported.
 * @param elsewhere keys that belong into another file, with what a message says about that
 */
export function mapping<const K extends Keys>(keys: K, elsewhere: ReadonlyMap<string, string> = new Map()): Mapping<K> {
  const names = Object.keys(keys);
  const needed = names.filter((name) => keys[name]!.isRequired);
  const blank = Object.fromEntries(names.map((name) => [name, undefined]));
  const readField = (reader: Reader, field: Field, what: string): unknown => {
    const key = Object.hasOwn(keys, field.name) ? keys[field.name]! : undefined;
    if (key === undefined) {
      const message =
        elsewhere.get(field.name) ?? `${what} has no key \`${field.name}\`${didYouMean(field.name, names)}`;
      reader.reporter.error("unknown_key", field.at, message);
    } else return key.shape.read(reader, field, `\`${field.name}\``);
    return undefined;
  };
  return {
    keys,
    schema: mappingSchema(keys),
    read(reader, slot, what, without) {
      const { errors } = reader.reporter.findings;
      const errorsBefore = errors.length;
      const fields = reader.entries(slot, what);
      if (fields === undefined) return undefined;
      const values: Record<string, unknown> = { at: slot.at, ...blank };
      for (const field of fields) {
        if (field.name === without) continue;
        const value = readField(reader, field, what);
        if (value !== undefined) values[field.name] = value;
      }
      for (const name of needed) {
        if (fields.some((field) => field.name === name)) continue;
        const { asIn } = keys[name]!.more;
        const hint = asIn === undefined ? "" : `, as in \`${asIn}\``;
        reader.reporter.error("missing_key", slot.at, `${what} needs \`${name}\`${hint}`);
      }
      if (errors.length > errorsBefore) values.isWrong = true;
      return values as Values<K>;
    },
  };
}

function mappingSchema(keys: Keys): Schema {
  const properties: Record<string, Schema> = {};
  const needed: string[] = [];
  for (const [name, key] of Object.entries(keys)) {
    const { shape, description, more } = key;
    properties[name] = {
      ...described(description),
      ...shape.schema,
      ...(more.default !== undefined && { default: more.default }),
      ...(more.examples && { examples: more.examples }),
    };
    if (key.isRequired) needed.push(name);
  }
  return {
    type: "object",
    properties,
    ...(needed.length > 0 && { required: needed }),
    additionalProperties: false,
  };
}

/** A description for every editor, and as Markdown for those that render it. */
export function described(description: string): Schema {
  return description.includes("`")
    ? { description: description.replaceAll("`", ""), markdownDescription: description }
    : { description };
}
