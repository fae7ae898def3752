/**
 * Files → rows in a table of the database. Files of JSON lines go into it as they are; what it cannot read as such is turned into such lines
 * here, file by file or line by line:
 *
 *   JSON access logs ───────────────────────────► read_json ──► table
 *     └─ lines of them that are something else ─┐     ▲
 *   all other formats, damaged files ───────────┴─► entries in a temporary file
 */

import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { printable } from "../common/screen.ts";
import { duckdb } from "./dialects.ts";
import type { Database } from "./duckdb.ts";
import { lineOf } from "./entry.ts";
import { entriesOf } from "./formats.ts";
import { har_bytes_max, har_start, harDocument } from "./har.ts";
import { bytesOf, faultOf, linesOf } from "./lines.ts";
import { line_members } from "./query.ts";
import type { Compression, Source } from "./sources.ts";
import type { ReadSummary } from "./usage.ts";
import { zstdFault } from "./zstd.ts";

/** So many bytes at a file's beginning say how it is read. */
const head_bytes = 64 * 1024;
/** So many lines that nobody knows are shown, and so many characters of each. */
const examples_max = 5;
const example_characters_max = 200;
/** The largest line that the database reads in a log; larger ones are read here. */
const object_bytes_max = 8 * 1024 * 1024;

const columns = `{${line_members.map(([column]) => `${column}: 'VARCHAR'`).join(", ")}}`;
const is_unknown = "COALESCE(method, path, tls_failure, status, response_code) IS NULL";

/** The database sees names of our own alone: those of the logs may have quotes and stars. */
export const linkOf = (folder: string, index: number): string => join(folder, `log-${index}`);

/** Makes the links. */
export async function linkSources(folder: string, sources: readonly Source[]): Promise<string[]> {
  const links = sources.map((_, index) => linkOf(folder, index));
  for (const [index, { path }] of sources.entries()) await symlink(resolve(path), links[index]!);
  return links;
}

interface Log extends Source {
  link: string;
  /** Whether the database reads it. */
  isDirect: boolean;
}

/** Reads all files into tables, as often as wanted. */
export class Scanner {
  readonly #database: Database;
  readonly #folder: string;
  readonly #logs: Log[];
  readonly #summary: ReadSummary;
  #isSorted = false;
  /** What was turned into entries; undefined until the first scan. */
  #converted: string | undefined;
  #writer: WriteStream | undefined;
  /** Lines that were read here, beside those that the database has counted. */
  #linesHere = 0;
  #unknownHere = 0;
  /** Lines that the database had counted as unknown, and that are none. */
  #recovered = 0;

  constructor(database: Database, folder: string, sources: readonly Source[], summary: ReadSummary) {
    this.#database = database;
    this.#folder = folder;
    this.#logs = sources.map((source, index) => ({ ...source, link: linkOf(folder, index), isDirect: true }));
    this.#summary = summary;
  }

  /**
   * Fills a table of that name, which has a column `kind` and a count of lines in `requests`.
   * @param select the query of a source of lines
   */
  async fill(table: string, select: (source: string) => string): Promise<void> {
    const { connection } = this.#database;
    await this.#sort();
    const none = line_members.map(([column]) => `NULL::VARCHAR AS ${column}`).join(", ");
    await connection.run(`CREATE OR REPLACE TEMP TABLE ${table} AS ${select(`(SELECT ${none} WHERE false)`)}`);
    const insert = async (source: string): Promise<void> => {
      await connection.run(`INSERT INTO ${table} ${select(source)}`);
    };
    for (const compression of ["none", "gzip", "zstd"] as const) {
      const logs = this.#logs.filter((log) => log.isDirect && log.compression === compression);
      if (logs.length === 0) continue;
      try {
        await insert(jsonLines(logs, compression));
      } catch (error) {
        if (isOutOfRoom(error)) throw error;
        await this.#eachAlone(logs, insert);
      }
    }
    const counted = await connection.runAndReadAll(
      `SELECT COALESCE(SUM(requests), 0)::DOUBLE, COALESCE(SUM(requests) FILTER (WHERE kind = 'unknown'), 0)::DOUBLE FROM ${table}`,
    );
    const [lines, unknown] = counted.getRowsJS()[0] as [number, number];
    if (this.#converted === undefined) await this.#convert(unknown);
    if (this.#linesHere + this.#recovered > 0) await insert(jsonLines([{ link: this.#converted! }], "none"));
    this.#summary.lines = lines + this.#linesHere;
    this.#summary.unknown = unknown - this.#recovered + this.#unknownHere;
  }

  /** One file for itself: what the database gives up on is read here. */
  async #eachAlone(logs: Log[], insert: (source: string) => Promise<void>): Promise<void> {
    for (const log of logs) {
      try {
        await insert(jsonLines([log], log.compression));
      } catch (error) {
        if (isOutOfRoom(error)) throw error;
        log.isDirect = false;
      }
    }
  }

  /** Looks how each file begins. */
  async #sort(): Promise<void> {
    if (this.#isSorted) return;
    this.#isSorted = true;
    for (const log of this.#logs) {
      const head = await headText(log);
      log.isDirect = head === undefined || (!har_start.test(head) && isMostlyFlat(head));
    }
  }

  /** Turns into entries what the database does not read. @param unknown how many lines it has read and does not know */
  async #convert(unknown: number): Promise<void> {
    this.#converted = join(this.#folder, "entries");
    this.#writer = createWriteStream(this.#converted, { mode: 0o600 });
    for (const log of this.#logs.filter(({ isDirect }) => !isDirect)) await this.#convertFile(log);
    if (unknown > 0) await this.#convertRest(unknown);
    // The database takes a file that is cut off for a shorter one: who asks what is never used must know.
    const damaged = new Set(this.#summary.damaged?.map(({ file }) => file));
    for (const log of this.#logs.filter(({ name }) => !damaged.has(name))) {
      const fault = await cutOf(log);
      if (fault !== undefined) this.#damaged(log, fault);
    }
    this.#writer.end();
    await once(this.#writer, "close");
  }

  async #convertFile(log: Log): Promise<void> {
    try {
      const head = await headText(log);
      if (head !== undefined && har_start.test(head) && (await this.#convertHar(log))) return;
      for await (const { text, number, isCut } of linesOf(log)) {
        this.#linesHere++;
        if (isCut || !(await this.#write(text))) {
          this.#unknownHere++;
          this.#example(log.name, number, text);
        }
      }
    } catch (error) {
      this.#damaged(log, String((error as Error).message));
    }
  }

  #damaged(log: Log, reason: string): void {
    this.#summary.damaged ??= [];
    this.#summary.damaged.push({ file: log.name, reason: printable(reason) });
  }

  /** A document is read at once. False where it is none after all. */
  async #convertHar(log: Log): Promise<boolean> {
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of bytesOf(log)) {
      size += part.length;
      if (size > har_bytes_max) throw new Error(`a HAR of more than ${har_bytes_max / 1024 / 1024} MiB`);
      parts.push(part);
    }
    const entries = harDocument(Buffer.concat(parts).toString("utf8"));
    if (entries === undefined) return false;
    this.#linesHere += entries.length;
    for (const entry of entries) await this.#put(lineOf(entry));
    return true;
  }

  /** Lines among those of JSON that the database did not know. */
  async #convertRest(unknown: number): Promise<void> {
    let seen = 0;
    for (const compression of ["none", "gzip", "zstd"] as const) {
      const logs = this.#logs.filter((log) => log.isDirect && log.compression === compression);
      if (logs.length === 0) continue;
      const lines = `(SELECT line, filename FROM read_csv([${links(logs)}], compression = '${named(compression)}', columns = {line: 'VARCHAR'}, header = false, auto_detect = false, delim = '', quote = '', escape = '', comment = '', ignore_errors = true, strict_mode = false, filename = true, max_line_size = ${object_bytes_max}, buffer_size = ${2 * object_bytes_max}))`;
      const names = new Map(logs.map(({ link, name }) => [link, name]));
      const result = await this.#database.connection.stream(
        `SELECT line, filename FROM (${duckdb.members(lines, "line", line_members)}) WHERE ${is_unknown}`,
      );
      for await (const rows of result.yieldRowsJs()) {
        for (const [line, filename] of rows as [string | null, string][]) {
          if (line === null || line.trim() === "") continue;
          seen++;
          if (await this.#write(line)) this.#recovered++;
          else this.#example(names.get(filename) ?? "", 0, line);
        }
      }
    }
    if (seen < unknown) await this.#convertUnsound();
    await this.#findExamples();
  }

  /** Lines that are no UTF-8: the database leaves them out where it reads lines. */
  async #convertUnsound(): Promise<void> {
    for (const log of this.#logs.filter(({ isDirect }) => isDirect)) {
      try {
        for await (const { text, number, isCut, isSound } of linesOf(log)) {
          if (isSound) continue;
          if (!isCut && (await this.#write(text))) this.#recovered++;
          else this.#example(log.name, number, text);
        }
      } catch {
        // What cannot be unpacked here is said elsewhere.
      }
    }
  }

  /** The numbers of the lines that are shown: the database does not count them. Those far behind stay without. */
  async #findExamples(): Promise<void> {
    for (const example of this.#summary.unknownExamples.filter(({ line }) => line === 0)) {
      const log = this.#logs.find(({ name }) => name === example.file);
      if (log === undefined) continue;
      let bytes = 0;
      try {
        for await (const { text, number } of linesOf(log)) {
          if (shown(text) === example.text) {
            example.line = number;
            break;
          }
          bytes += text.length;
          if (bytes > 64 * 1024 * 1024) break;
        }
      } catch {
        // Without a number it is shown as well.
      }
    }
  }

  /** Writes what a line has; false where nobody knows it. */
  async #write(line: string): Promise<boolean> {
    const entries = entriesOf(line);
    if (entries === undefined) return false;
    for (const entry of entries) await this.#put(lineOf(entry));
    return true;
  }

  async #put(line: string): Promise<void> {
    if (!this.#writer!.write(`${line}\n`)) await once(this.#writer!, "drain");
  }

  #example(file: string, line: number, text: string): void {
    const { unknownExamples } = this.#summary;
    if (unknownExamples.length < examples_max) unknownExamples.push({ file, line, text: shown(text) });
  }
}

function shown(text: string): string {
  const cut = text.length > example_characters_max ? `${text.slice(0, example_characters_max)}…` : text;
  return printable(cut.replace(/\p{Surrogate}/gu, "\ufffd"));
}

const links = (logs: readonly { link: string }[]): string => logs.map(({ link }) => duckdb.text(link)).join(", ");

function jsonLines(logs: readonly { link: string }[], compression: Compression): string {
  return `(SELECT * FROM read_json([${links(logs)}], format = 'newline_delimited', compression = '${named(compression)}', ignore_errors = true, maximum_object_size = ${object_bytes_max}, columns = ${columns}))`;
}

/** Why a packed file is not whole; undefined where it is, or where reading it here has found out. */
async function cutOf(log: Log): Promise<string | undefined> {
  if (log.compression === "zstd") return zstdFault(log.path);
  return log.compression === "gzip" && log.isDirect ? faultOf(log) : undefined;
}

/** A full disk or too little memory is nobody's file's fault. */
function isOutOfRoom(error: unknown): boolean {
  return /out of memory|no space|failed to offload|INTERRUPT/i.test(String((error as Error).message));
}

/** How a file begins; undefined where Node cannot unpack it. */
async function headText(log: Source): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of bytesOf(log)) {
      parts.push(part);
      size += part.length;
      if (size >= head_bytes) break;
    }
  } catch {
    if (size === 0) return log.compression === "zstd" ? undefined : "";
  }
  return Buffer.concat(parts).subarray(0, head_bytes).toString("utf8");
}

/** Whether most lines at a file's beginning are objects that the database reads. */
function isMostlyFlat(head: string): boolean {
  const lines = head.split("\n").filter((line) => line.trim() !== "");
  // The last one may be cut.
  const whole = lines.length > 1 ? lines.slice(0, -1) : lines;
  const flat = whole.filter((line) => {
    try {
      const value = JSON.parse(line) as Record<string, unknown>;
      return ["method", "path", "status", "response_code", "tls_failure"].some((name) => name in value);
    } catch {
      return false;
    }
  });
  return flat.length * 2 > whole.length;
}

/** As the database says it. */
function named(compression: Compression): string {
  return compression === "none" ? "uncompressed" : compression;
}
