/** The question of `usages` for the system where the logs are: one query, whose result `readAggregate` reads. */
import { type DialectName, dialect_names, dialects } from "./dialects.ts";
import { entrySteps, groupSteps, key_columns, line_members } from "./query.ts";
import { usages_max } from "./usage.ts";

/** Columns of the result, in their order: the members of `Usage` in snake case. Lists are texts with blanks between their elements. */
export const aggregate_columns = [
  ...key_columns,
  "count",
  "first_seen",
  "last_seen",
  "bytes_in",
  "bytes_out",
  "durations",
  "peak_minute",
] as const;

/** What to ask. */
export interface SqlOptions {
  /** Requests from this time on, and before that one. */
  since?: Date;
  until?: Date;
  /** The table, as the system writes its name; by default `access_log`. */
  table?: string;
  /** Its column that has a line of the JSON access log as text; by default `line`. */
  column?: string;
}

/** Whether a text is a name of a table or a column, with dots, dashes and the quotes of names: it becomes a part of the query. */
export function isSqlName(name: string): boolean {
  return /^[\w.`"-]{1,300}$/u.test(name);
}

/**
 * The query that groups the lines of a table.
 * @throws Error for a dialect, a table or a column that cannot be
 */
export function sqlFor(dialect: DialectName, options: SqlOptions = {}): string {
  const d = dialects[dialect];
  if (d === undefined) throw new Error(`no dialect ${dialect}: there are ${dialect_names.join(", ")}`);
  const { since, until, table = "access_log", column = "line" } = options;
  for (const name of [table, column])
    if (!isSqlName(name)) throw new Error(`${JSON.stringify(name)} is no name of a table or a column`);
  const logged = d.members(`(SELECT ${column} AS log_line FROM ${table}) AS lines`, "log_line", line_members);
  const period = {
    ...(since === undefined ? {} : { sinceMs: since.getTime() }),
    ...(until === undefined ? {} : { untilMs: until.getTime() }),
  };
  const keys = key_columns.filter((key) => key !== "day").join(", ");
  return `WITH ${[`logged AS (${logged})`, ...entrySteps(d, "logged", period), ...groupSteps(d)].join(",\n")}
SELECT ${d.day("day_number")} AS day, ${keys}, total AS count, first_seen, last_seen, bytes_in, bytes_out, durations,
  CASE WHEN day_number > 0 THEN most ELSE 0 END AS peak_minute
FROM grouped
ORDER BY CASE WHEN admitted THEN total ELSE 0 END DESC, total DESC
LIMIT ${usages_max}${d.ending === "" ? "" : `\n${d.ending}`}
`;
}
