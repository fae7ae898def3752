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
  /** What stands at the query's end. */
  ending: string;
}

/** Those that the query can be printed for. */
export const dialect_names = ["duckdb", "clickhouse", "bigquery", "spark"] as const;
export type DialectName = (typeof dialect_names)[number];

const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const path = (member: string): string => `$.${member}`;
/** What DuckDB is to read of a text: each member as text. */
const structure = (names: readonly (readonly [column: string, member: string])[]): string =>
  JSON.stringify(Object.fromEntries(names.map(([, member]) => [member, "VARCHAR"])));

export const duckdb: Dialect = {
  text: quoted,
  // All members in one go: each call reads the whole text. json_extract_string with a list of paths looks for each of them from the start; it says
  // the same, but for `1e21` where this says `1e+21`, as read_json does.
  members: (inner, json, names) =>
    `SELECT * EXCLUDE (found), ${names.map(([column, member]) => `found.${member} AS ${column}`).join(", ")}\n` +
    `  FROM (SELECT *, TRY(json_transform(${json}, ${quoted(structure(names))})) AS found FROM ${inner})`,
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
  decode: (text) => `TRY(url_decode(${text}))`,
  milliseconds: (text) => `epoch_ms(TRY_CAST(${text} AS TIMESTAMP))`,
  day: (days) => `CASE WHEN ${days} > 0 THEN CAST(DATE '1970-01-01' + CAST(${days} AS INTEGER) AS VARCHAR) ELSE '' END`,
  quotient: (number, divisor) => `${number} // ${divisor}`,
  integer: (text) => `TRY_CAST(${text} AS BIGINT)`,
  concat: (...parts) => parts.join(" || "),
  countIf: (condition) => `count(*) FILTER (WHERE ${condition})`,
  asText: (number) => `CAST(${number} AS VARCHAR)`,
  ending: "",
};

/** A literal in the systems where a backslash escapes. */
const escaped = (value: string): string => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
/** `$` would let a line's end pass in Java. */
const whole = (pattern: string): string => `^(?:${pattern})\\z`;

export const clickhouse: Dialect = {
  text: escaped,
  members: (inner, json, names) =>
    `SELECT *, ${names.map(([column, member]) => `JSONExtract(${json}, ${escaped(member)}, 'Nullable(String)') AS ${column}`).join(", ")} FROM ${inner}`,
  bytes: (text) => `length(${text})`,
  finds: (text, pattern) => `match(${text}, ${escaped(pattern)})`,
  matches: (text, pattern) => `match(${text}, ${escaped(whole(pattern))})`,
  contains: (text, part) => `position(${text}, ${escaped(part)}) > 0`,
  startsWith: (text, part) => `startsWith(${text}, ${escaped(part)})`,
  without: (text, pattern) => `replaceRegexpOne(${text}, ${escaped(pattern)}, '')`,
  extract: (text, pattern) => `extract(${text}, ${escaped(pattern)})`,
  // A list is of no type that may be NULL.
  split: (text, separator) => `splitByChar(${escaped(separator)}, COALESCE(${text}, ''))`,
  before: (text, separator) => `splitByChar(${escaped(separator)}, COALESCE(${text}, ''))[1]`,
  after: (text, separator) => `substring(${text}, position(${text}, ${escaped(separator)}) + 1)`,
  join: (list, separator) => `arrayStringConcat(${list}, ${escaped(separator)})`,
  each: (list, name, body) => `arrayMap(${name} -> ${body}, ${list})`,
  first: (list, count) => `arraySlice(${list}, 1, ${count})`,
  size: (list) => `length(${list})`,
  distinctSorted: (list) => `arraySort(arrayDistinct(${list}))`,
  decode: (text) => `if(isValidUTF8(decodeURLComponent(${text})), decodeURLComponent(${text}), NULL)`,
  milliseconds: (text) => `toUnixTimestamp64Milli(parseDateTime64BestEffortOrNull(${text}, 3, 'UTC'))`,
  day: (days) => `if(${days} > 0, toString(toDate('1970-01-01') + ${days}), '')`,
  quotient: (number, divisor) => `intDiv(${number}, ${divisor})`,
  integer: (text) => `toInt64OrNull(${text})`,
  concat: (...parts) => `concat(${parts.join(", ")})`,
  countIf: (condition) => `countIf(${condition})`,
  asText: (number) => `toString(${number})`,
  // Without it a name stands for what the same SELECT calls so, before it stands for a column.
  ending: "SETTINGS prefer_column_name_to_alias = 1",
};

export const bigquery: Dialect = {
  text: escaped,
  members: (inner, json, names) =>
    `SELECT *, ${names.map(([column, member]) => `SAFE.JSON_VALUE(${json}, ${escaped(path(member))}) AS ${column}`).join(", ")} FROM ${inner}`,
  bytes: (text) => `BYTE_LENGTH(${text})`,
  finds: (text, pattern) => `REGEXP_CONTAINS(${text}, ${escaped(pattern)})`,
  matches: (text, pattern) => `REGEXP_CONTAINS(${text}, ${escaped(whole(pattern))})`,
  contains: (text, part) => `STRPOS(${text}, ${escaped(part)}) > 0`,
  startsWith: (text, part) => `STARTS_WITH(${text}, ${escaped(part)})`,
  without: (text, pattern) => `REGEXP_REPLACE(${text}, ${escaped(pattern)}, '')`,
  extract: (text, pattern) => `REGEXP_EXTRACT(${text}, ${escaped(pattern)})`,
  split: (text, separator) => `SPLIT(${text}, ${escaped(separator)})`,
  before: (text, separator) => `SPLIT(${text}, ${escaped(separator)})[SAFE_OFFSET(0)]`,
  after: (text, separator) => `SUBSTR(${text}, STRPOS(${text}, ${escaped(separator)}) + 1)`,
  join: (list, separator) => `ARRAY_TO_STRING(${list}, ${escaped(separator)})`,
  each: (list, name, body) =>
    `ARRAY(SELECT ${body} FROM UNNEST(${list}) AS ${name} WITH OFFSET AS place ORDER BY place)`,
  first: (list, count) =>
    `ARRAY(SELECT item FROM UNNEST(${list}) AS item WITH OFFSET AS place WHERE place < ${count} ORDER BY place)`,
  size: (list) => `ARRAY_LENGTH(${list})`,
  distinctSorted: (list) => `ARRAY(SELECT DISTINCT item FROM UNNEST(${list}) AS item ORDER BY item)`,
  // There is no function for it: each escape is a byte, and what stands between them is bytes as it is.
  decode: (text) =>
    `SAFE_CONVERT_BYTES_TO_STRING((SELECT STRING_AGG(IF(STARTS_WITH(piece, '%'), FROM_HEX(SUBSTR(piece, 2)), CAST(piece AS BYTES)), b'' ORDER BY place)` +
    ` FROM UNNEST(REGEXP_EXTRACT_ALL(${text}, '%[0-9A-Fa-f]{2}|[^%]+')) AS piece WITH OFFSET AS place))`,
  milliseconds: (text) => `UNIX_MILLIS(SAFE_CAST(${text} AS TIMESTAMP))`,
  day: (days) => `IF(${days} > 0, CAST(DATE_ADD(DATE '1970-01-01', INTERVAL ${days} DAY) AS STRING), '')`,
  quotient: (number, divisor) => `DIV(${number}, ${divisor})`,
  integer: (text) => `SAFE_CAST(${text} AS INT64)`,
  concat: (...parts) => `CONCAT(${parts.join(", ")})`,
  countIf: (condition) => `COUNTIF(${condition})`,
  asText: (number) => `CAST(${number} AS STRING)`,
  ending: "",
};

export const spark: Dialect = {
  text: escaped,
  members: (inner, json, names) =>
    `SELECT * EXCEPT (found), ${names.map(([column, member]) => `found.${member} AS ${column}`).join(", ")}\n` +
    `  FROM (SELECT *, from_json(${json}, '${names.map(([, member]) => `${member} STRING`).join(", ")}') AS found FROM ${inner})`,
  bytes: (text) => `octet_length(${text})`,
  finds: (text, pattern) => `rlike(${text}, ${escaped(pattern)})`,
  matches: (text, pattern) => `rlike(${text}, ${escaped(whole(pattern))})`,
  contains: (text, part) => `contains(${text}, ${escaped(part)})`,
  startsWith: (text, part) => `startswith(${text}, ${escaped(part)})`,
  without: (text, pattern) => `regexp_replace(${text}, ${escaped(pattern)}, '')`,
  extract: (text, pattern) => `regexp_extract(${text}, ${escaped(pattern)}, 0)`,
  split: (text, separator) => `split(${text}, ${escaped(`[${separator}]`)})`,
  before: (text, separator) => `substring_index(${text}, ${escaped(separator)}, 1)`,
  after: (text, separator) => `substr(${text}, instr(${text}, ${escaped(separator)}) + 1)`,
  join: (list, separator) => `array_join(${list}, ${escaped(separator)})`,
  each: (list, name, body) => `transform(${list}, ${name} -> ${body})`,
  first: (list, count) => `slice(${list}, 1, ${count})`,
  size: (list) => `size(${list})`,
  distinctSorted: (list) => `array_sort(array_distinct(${list}))`,
  // It takes `+` for a blank. Bytes that are no UTF-8 become U+FFFD, which is hidden anyway.
  decode: (text) => `url_decode(replace(${text}, '+', '%2B'))`,
  milliseconds: (text) => `unix_millis(try_cast(${text} AS TIMESTAMP))`,
  day: (days) =>
    `CASE WHEN ${days} > 0 THEN CAST(date_add(DATE '1970-01-01', CAST(${days} AS INT)) AS STRING) ELSE '' END`,
  quotient: (number, divisor) => `${number} DIV ${divisor}`,
  integer: (text) => `try_cast(${text} AS BIGINT)`,
  concat: (...parts) => `concat(${parts.join(", ")})`,
  countIf: (condition) => `count_if(${condition})`,
  asText: (number) => `CAST(${number} AS STRING)`,
  ending: "",
};

/** All of them. */
export const dialects: Readonly<Record<DialectName, Dialect>> = { duckdb, clickhouse, bigquery, spark };
