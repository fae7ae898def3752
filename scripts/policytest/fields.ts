/** What keys of test files have in common: being there or not, and values of a few kinds. What is wrong is reported. */
import { isSourceAddress } from "../evaluate/engine.ts";
import type { Field, Reader, Slot } from "../policy/source/yaml.ts";
import { parseTime } from "./time.ts";

/** The fields of a mapping by key. */
export type Fields = ReadonlyMap<string, Field>;

/** Reads a key where it is there. */
export function optional<T>(field: Field | undefined, read: (field: Field) => T): T | undefined {
  return field === undefined ? undefined : read(field);
}

/** Reads a key that must be there; says so at the mapping where it is not. */
export function required<T>(
  reader: Reader,
  fields: Fields,
  key: string,
  mapping: Slot,
  what: string,
  read: (field: Field) => T | undefined,
): T | undefined {
  const field = fields.get(key);
  if (field !== undefined) return read(field);
  reader.reporter.error("missing_key", reader.at(mapping), `${what} needs \`${key}\``);
  return undefined;
}

/** Text that is not empty. */
export function readText(reader: Reader, field: Field): string | undefined {
  const text = reader.text(field, `\`${field.name}\``);
  if (text?.value === "") reader.reporter.error("value", text.at, `\`${field.name}\` is empty`);
  return text?.value;
}

/** A time, in milliseconds since 1970. */
export function readTime(reader: Reader, field: Field): number | undefined {
  const text = readText(reader, field);
  const time = text === undefined ? undefined : parseTime(text);
  if (text !== undefined && time === undefined) {
    reader.reporter.error("time", reader.at(field), `\`${field.name}\` must be a time such as 2026-11-21T10:00:00Z`);
  }
  return time;
}

/** A port. */
export function readPort(reader: Reader, field: Field): number | undefined {
  return reader.integer(field, `\`${field.name}\``, 1, 65535)?.value;
}

/** An IP address, with or without a port. */
export function readSourceAddress(reader: Reader, field: Field): string | undefined {
  const text = readText(reader, field);
  if (text !== undefined && !isSourceAddress(text)) {
    reader.reporter.error("value", reader.at(field), "`source` must be an IP address, with or without a port");
  }
  return text;
}
