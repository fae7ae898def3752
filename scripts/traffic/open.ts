/** Access logs → groups of requests: `openTraffic` is what verbs call. */
import { mkdtemp, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { duckdb } from "./dialects.ts";
import { type Database, openDatabase, type Resources } from "./duckdb.ts";
import { entrySteps, groupSteps, key_columns, line_members, type Period } from "./query.ts";
import { usageOf } from "./rows.ts";
import type { ReadSummary, RecordedRequest, Usage } from "./usage.ts";
import { usages_max } from "./usage.ts";

/** How far it is. */
export interface Progress {
  files: number;
  bytes: number;
  lines: number;
}

/** What to read of the logs, and with how much of the machine. */
export interface TrafficOptions extends Resources {
  /** Requests from this time on, and before that one; requests of which the log has no time are then left out. */
  since?: Date;
  until?: Date;
  /** Called now and then. */
  progress?: (progress: Progress) => void;
}

/** Logs that are read when they are asked. */
export interface Traffic {
  /** The groups, those with the most admitted requests first, at most `usages_max`. */
  usages(): Promise<Usage[]>;
  /** Requests that replay decides alike, each kind once; most frequent first is not promised. */
  requests(): AsyncIterable<RecordedRequest>;
  /** What was read besides: complete once `usages` or `requests` is. */
  readonly summary: ReadSummary;
  /** Ends the database and removes its temporary files. */
  close(): Promise<void>;
}

/**
 * Opens access logs.
 * @param paths files, folders, patterns with `*`, or `-` for standard input
 * @throws DuckDbMissing where DuckDB is not installed; Error where a path names nothing
 */
export async function openTraffic(paths: readonly string[], options: TrafficOptions = {}): Promise<Traffic> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-traffic-"));
  try {
    let bytes = 0;
    for (const [index, path] of paths.entries()) {
      bytes += (await stat(path)).size;
      await symlink(resolve(path), linkOf(folder, index));
    }
    const links = paths.map((_, index) => linkOf(folder, index));
    const database = await openDatabase(folder, links, options);
    return new OpenTraffic(folder, database, paths, bytes, options);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The database sees names of our own alone: those of the logs may have quotes and stars. */
const linkOf = (folder: string, index: number): string => join(folder, `${index}.log`);

class OpenTraffic implements Traffic {
  readonly summary: ReadSummary;
  readonly #folder: string;
  readonly #database: Database;
  readonly #options: TrafficOptions;
  readonly #bytes: number;

  constructor(folder: string, database: Database, paths: readonly string[], bytes: number, options: TrafficOptions) {
    this.#folder = folder;
    this.#database = database;
    this.#options = options;
    this.#bytes = bytes;
    this.summary = { files: paths.length, lines: 0, unknown: 0, unknownExamples: [], leftOut: 0 };
  }

  #steps(): string[] {
    const { since, until } = this.#options;
    const period: Period = {
      ...(since === undefined ? {} : { sinceMs: since.getTime() }),
      ...(until === undefined ? {} : { untilMs: until.getTime() }),
    };
    const columns = line_members.map(([column]) => `${column}: 'VARCHAR'`).join(", ");
    const files = Array.from({ length: this.summary.files }, (_, index) => duckdb.text(linkOf(this.#folder, index)));
    const source = `(SELECT * FROM read_json([${files.join(", ")}], format='newline_delimited', ignore_errors=true, columns={${columns}}))`;
    return entrySteps(duckdb, source, period);
  }

  async usages(): Promise<Usage[]> {
    const { connection } = this.#database;
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE grouped AS WITH ${[...this.#steps(), ...groupSteps(duckdb)].join(",\n")} SELECT * FROM groups`,
    );
    const kinds = await connection.runAndReadAll("SELECT kind, SUM(count)::DOUBLE FROM grouped GROUP BY kind");
    const counts = new Map(kinds.getRowsJS() as [string, number][]);
    this.summary.lines = [...counts.values()].reduce((sum, count) => sum + count, 0);
    this.summary.unknown = counts.get("unknown") ?? 0;
    const read = await connection.runAndReadAll(
      `SELECT * FROM grouped WHERE kind = 'request' ORDER BY CASE WHEN admitted THEN count ELSE 0 END DESC, count DESC, ${key_columns.join(", ")} LIMIT ${usages_max}`,
    );
    const usages = read.getRowObjectsJS().map((row) => usageOf(row));
    this.summary.leftOut = (counts.get("request") ?? 0) - usages.reduce((sum, { count }) => sum + count, 0);
    this.#options.progress?.({ files: this.summary.files, bytes: this.#bytes, lines: this.summary.lines });
    return usages;
  }

  async *requests(): AsyncIterable<RecordedRequest> {
    const keys = "host, method, judged_path, caller, source, issuer, scopes, decision, reason, rule, admitted";
    const result = await this.#database.connection.stream(
      `WITH ${this.#steps().join(",\n")} SELECT ${keys}, CAST(COUNT(*) AS DOUBLE) AS count FROM entries WHERE kind = 'request' GROUP BY ${keys}`,
    );
    for await (const rows of result.yieldRowObjectJs()) {
      for (const row of rows) {
        const { judged_path, source, ...same } = row as unknown as Omit<RecordedRequest, "path"> & {
          judged_path: string;
        };
        yield { ...same, path: judged_path, source: source.replace(/:\d+$/, "") };
      }
    }
  }

  async close(): Promise<void> {
    this.#database.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
