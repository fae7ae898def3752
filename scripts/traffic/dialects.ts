/** How the systems that hold access logs write what the query needs. Each function takes expressions of SQL and gives one. */

/** One of them. Patterns are those that RE2 and Java read alike. */
export interface Dialect {
  /** A text as a literal. */
  text(value: string): string;
  /** The query of `inner` with members of a JSON text beside its columns: as text, or NULL. A text that is no JSON has none. */
  members(inner: string, json: string, names: readonly (readonly [column: string, member: string])[]): string;
  /** How many bytes a text has. */
  bytes(text: string): string;
  /** Whether a pattern is somewhere in a text, or is all of it. */
  finds(text: string, pattern: string): string;
  matches(text: string, pattern: string): string;
  /** Whether a text has another one in it. */
  contains(text: string, part: string): string;
  startsWith(text: string, part: string): string;
  /** The text without what a pattern matches first. */
  without(text: string, pattern: string): string;
  /** What a pattern matches first; "" or NULL where it is not there. */
  extract(text: string, pattern: string): string;
  split(text: string, separator: string): string;
  /** What stands before the first `?`, or after it. */
  before(text: string, separator: string): string;
  after(text: string, separator: string): string;
  join(list: string, separator: string): string;
  each(list: string, name: string, body: string): string;
  /** The first so many of a list, and how long it is. */
  first(list: string, count: number): string;
  size(list: string): string;
  distinctSorted(list: string): string;
  append(list: string, item: string): string;
  /** A segment with its escapes decoded; NULL where that is no text. It has only sound escapes. */
  decode(text: string): string;
  /** Milliseconds since 1970 of a time as a log has it; NULL for none. */
  milliseconds(text: string): string;
  /** `2026-11-30` of a number of days since 1970; "" for 0. */
  day(days: string): string;
  /** Whole, downwards. */
  quotient(number: string, divisor: number): string;
  /** NULL where a text is no number. */
  integer(text: string): string;
  concat(...parts: string[]): string;
  countIf(condition: string): string;
  asText(number: string): string;
}

export const dialect_names = ["duckdb", "clickhouse", "bigquery", "spark"] as const;
export type DialectName = (typeof dialect_names)[number];

const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const path = (member: string): string => `$.${member}`;

export const duckdb: Dialect = {
  text: quoted,
  // All members in one go: each call reads the whole text.
  members: (inner, json, names) =>
    `SELECT * EXCLUDE (found), ${names.map(([column], index) => `found[${index + 1}] AS ${column}`).join(", ")}\n` +
    `  FROM (SELECT *, TRY(json_extract_string(${json}, [${names.map(([, member]) => quoted(path(member))).join(", ")}])) AS found FROM ${inner})`,
  bytes: (text) => `strlen(${text})`,
  finds: (text, pattern) => `regexp_matches(${text}, ${quoted(pattern)})`,
  matches: (text, pattern) => `regexp_full_match(${text}, ${quoted(pattern)})`,
  contains: (text, part) => `contains(${text}, ${quoted(part)})`,
  startsWith: (text, part) => `starts_with(${text}, ${quoted(part)})`,
  without: (text, pattern) => `regexp_replace(${text}, ${quoted(pattern)}, '')`,
  extract: (text, pattern) => `regexp_extract(${text}, ${quoted(pattern)})`,
  split: (text, separator) => `string_split(${text}, ${quoted(separator)})`,
  before: (text, separator) => `split_part(${text}, ${quoted(separator)}, 1)`,
  after: (text, separator) => `substr(${text}, strpos(${text}, ${quoted(separator)}) + 1)`,
  join: (list, separator) => `array_to_string(${list}, ${quoted(separator)})`,
  each: (list, name, body) => `list_transform(${list}, lambda ${name}: ${body})`,
  first: (list, count) => `list_slice(${list}, 1, ${count})`,
  size: (list) => `len(${list})`,
  distinctSorted: (list) => `list_sort(list_distinct(${list}))`,
  append: (list, item) => `list_append(${list}, ${item})`,
  decode: (text) => `TRY(url_decode(${text}))`,
  milliseconds: (text) => `epoch_ms(TRY_CAST(${text} AS TIMESTAMP))`,
  day: (days) => `CASE WHEN ${days} > 0 THEN CAST(DATE '1970-01-01' + CAST(${days} AS INTEGER) AS VARCHAR) ELSE '' END`,
  quotient: (number, divisor) => `${number} // ${divisor}`,
  integer: (text) => `TRY_CAST(${text} AS BIGINT)`,
  concat: (...parts) => parts.join(" || "),
  countIf: (condition) => `count(*) FILTER (WHERE ${condition})`,
  asText: (number) => `CAST(${number} AS VARCHAR)`,
};
