/** Access logs → groups of requests: `openTraffic` is what verbs call. */
import type { Readable } from "node:stream";
import { type Database, loadDuckDb, openDatabase, type Resources } from "./duckdb.ts";
import { askedQuery, partsQuery, requestsQuery, usagesQuery } from "./grouping.ts";
import type { Period } from "./query.ts";
import { usageOf } from "./rows.ts";
import { linkSources, Scanner } from "./scan.ts";
import { findSources, type Source } from "./sources.ts";
import { makeTemporaryFolder, removeTemporaryFolder } from "./temporary.ts";
import type { ReadSummary, RecordedRequest, Usage } from "./usage.ts";

/** How far it is: bytes as they lie in the files. */
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
  /** What `-` stands for; by default standard input. */
  input?: Readable;
  /** Called now and then. */
  progress?: (progress: Progress) => void;
}

/** Logs that are read when they are asked. */
export interface Traffic {
  /** The groups, those with the most admitted requests first, at most `usages_max`. */
  usages(): Promise<Usage[]>;
  /** Requests that replay decides alike, each kind once, in no order. */
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
  // Before a long standard input is copied.
  await loadDuckDb();
  const folder = makeTemporaryFolder();
  try {
    const sources = await findSources(paths, folder, options.input);
    const database = await openDatabase(folder, await linkSources(folder, sources), options);
    return new OpenTraffic(folder, database, sources, options);
  } catch (error) {
    await removeTemporaryFolder(folder);
    throw error;
  }
}

class OpenTraffic implements Traffic {
  readonly summary: ReadSummary;
  readonly #folder: string;
  readonly #database: Database;
  readonly #options: TrafficOptions;
  readonly #bytes: number;
  readonly #scanner: Scanner;
  readonly #period: Period;

  constructor(folder: string, database: Database, sources: readonly Source[], options: TrafficOptions) {
    this.#folder = folder;
    this.#database = database;
    this.#options = options;
    this.#bytes = sources.reduce((sum, { bytes }) => sum + bytes, 0);
    this.summary = { files: sources.length, lines: 0, unknown: 0, unknownExamples: [], leftOut: 0 };
    this.#scanner = new Scanner(database, folder, sources, this.summary);
    const { since, until } = options;
    this.#period = {
      ...(since === undefined ? {} : { sinceMs: since.getTime() }),
      ...(until === undefined ? {} : { untilMs: until.getTime() }),
    };
  }

  async usages(): Promise<Usage[]> {
    const { connection } = this.#database;
    await this.#watched(() => this.#scanner.fill("parts", (source) => partsQuery(source, this.#period)));
    const counted = await connection.runAndReadAll(
      "SELECT COALESCE(SUM(requests), 0)::DOUBLE FROM parts WHERE kind = 'request'",
    );
    const usages: Usage[] = [];
    const result = await connection.stream(usagesQuery("parts"));
    for await (const rows of result.yieldRowObjectJs()) for (const row of rows) usages.push(usageOf(row));
    this.summary.leftOut = Number(counted.getRowsJS()[0]![0]) - usages.reduce((sum, { count }) => sum + count, 0);
    await connection.run("DROP TABLE parts");
    return usages;
  }

  async *requests(): AsyncIterable<RecordedRequest> {
    const { connection } = this.#database;
    await this.#watched(() => this.#scanner.fill("asked", (source) => askedQuery(source, this.#period)));
    const result = await connection.stream(requestsQuery("asked"));
    for await (const rows of result.yieldRowObjectJs()) yield* rows as unknown as RecordedRequest[];
    await connection.run("DROP TABLE asked");
  }

  /** Says how far a scan is while it runs. */
  async #watched(scan: () => Promise<void>): Promise<void> {
    const { progress } = this.#options;
    const { files } = this.summary;
    const tell = (): void => {
      const { percentage, rows_processed } = this.#database.connection.progress;
      const share = Math.max(0, percentage) / 100;
      progress?.({ files, bytes: Math.round(share * this.#bytes), lines: Number(rows_processed) });
    };
    const timer = progress === undefined ? undefined : setInterval(tell, 250);
    try {
      await scan();
    } finally {
      clearInterval(timer);
    }
    progress?.({ files, bytes: this.#bytes, lines: this.summary.lines });
  }

  async close(): Promise<void> {
    this.#database.close();
    await removeTemporaryFolder(this.#folder);
  }
}
