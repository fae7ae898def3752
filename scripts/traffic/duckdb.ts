/** The database that reads and groups: an optional dependency, loaded when a verb needs it. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DuckDBConnection } from "@duckdb/node-api";

/** The release that this program was tried with: the one in `peerDependencies`. */
export const duckdb_version = "1.5.6-r.1";

/** Thrown where DuckDB is not installed; its message says how to. */
export class DuckDbMissing extends Error {
  constructor() {
    super(
      `reading traffic needs DuckDB, which is not installed. Install it in this folder, or where sallyport is: npm install @duckdb/node-api@${duckdb_version}`,
    );
    this.name = "DuckDbMissing";
  }
}

/** How much of the machine it may take. */
export interface Resources {
  /** Bytes of memory, by default 640 MiB; beyond it, groups go to the temporary folder. */
  memoryBytes?: number;
  /** By default as many as the machine has processors. */
  threads?: number;
}

type Api = typeof import("@duckdb/node-api");

/** Loads it from beside this program, or from the user's working folder. @throws DuckDbMissing */
export async function loadDuckDb(folder = process.cwd()): Promise<Api> {
  // No literal: esbuild leaves it alone then, and it stays outside of the bundle.
  const name = "@duckdb/node-api";
  try {
    return (await import(name)) as Api;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
  }
  let found: string;
  try {
    found = createRequire(join(folder, "package.json")).resolve(name);
  } catch {
    throw new DuckDbMissing();
  }
  return (await import(pathToFileURL(found).href)) as Api;
}

/** A database in memory that reads what lies in `folder` and nothing else, and writes what it has no memory for there. */
export interface Database {
  connection: DuckDBConnection;
  close(): void;
}

/**
 * @param folder only for this database; the caller removes it
 * @param links links in it to files elsewhere, which it may read too
 * @param keepsOrder whether rows come in the order of their file, which takes memory
 */
export async function openDatabase(
  folder: string,
  links: readonly string[],
  { memoryBytes, threads, keepsOrder = false }: Resources & { keepsOrder?: boolean } = {},
): Promise<Database> {
  const api = await loadDuckDb();
  // `default` is where a CommonJS module has its exports, if it was found by its path.
  const { DuckDBInstance: Instance } =
    api.DuckDBInstance === undefined ? (api as unknown as { default: Api }).default : api;
  const instance = await Instance.create(":memory:", {
    memory_limit: `${Math.ceil((memoryBytes ?? 640 * 1024 * 1024) / 1024)}KiB`,
    ...(threads === undefined ? {} : { threads: String(threads) }),
    temp_directory: join(folder, "spill"),
    preserve_insertion_order: String(keepsOrder),
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = 'UTC'`);
  const list = (names: readonly string[]): string =>
    `[${names.map((name) => `'${name.replaceAll("'", "''")}'`).join(", ")}]`;
  await connection.run(`SET allowed_directories = ${list([`${folder}/`])}`);
  // A link is followed here: what it leads to lies elsewhere.
  await connection.run(`SET allowed_paths = ${list(links)}`);
  await connection.run("SET enable_external_access = false");
  await connection.run("SET lock_configuration = true");
  return {
    connection,
    close: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}
