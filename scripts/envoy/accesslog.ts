/** Reading the access log the example bootstraps write: one JSON object a line. */
import { statSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { AuditRecord } from "../evaluate/record.ts";

/** One request, or one refused connection. */
export interface AccessLogLine {
  /** Absent for a refused connection. */
  status?: number;
  method?: string;
  path?: string;
  host?: string;
  peer?: string | null;
  /** Envoy's response code details; for our denials `sallyport_denied{reason}{rule}`. */
  details?: string;
  /** Why TLS failed; only for a refused connection. */
  tls_failure?: string;
  /** Absent where the filter wrote none. */
  record?: AuditRecord;
  [field: string]: unknown;
}

/**
 * Reads the whole log, once it has at least so many lines.
 * @param minimumLines how many lines to wait for; Envoy writes a line when the request has ended, and flushes later.
 * @throws Error if the lines have not come after five seconds.
 */
export async function readAccessLog(path: string, minimumLines = 0): Promise<AccessLogLine[]> {
  const timeoutMs = 5_000;
  // No clock that somebody may set ends or prolongs the wait.
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const text = await readFile(path, "utf8").catch(() => "");
    // A last line without its end is still being written.
    const lines = text.split("\n").slice(0, -1);
    if (lines.length >= minimumLines) return lines.map(parseLine);
    if (performance.now() > deadlineMs) {
      throw new Error(`the access log has ${lines.length} lines where ${minimumLines} are expected`);
    }
    await sleep(10);
  }
}

/** Reads one line. */
export function parseLine(line: string): AccessLogLine {
  const { record, ...fields } = JSON.parse(line) as AccessLogLine & { record?: string | null };
  // The record is JSON within a JSON string; a hyphen stands for none.
  if (typeof record !== "string" || !record.startsWith("{")) return fields;
  return { ...fields, record: JSON.parse(record) as AuditRecord };
}

/**
 * Calls back for every line that is written from now on, reading only what is new.
 * @returns a function that ends this.
 */
export function followAccessLog(path: string, onLine: (line: AccessLogLine) => void): () => void {
  const pollIntervalMs = 100;
  let offset = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let rest = "";
  let busy = false;
  const poll = async (): Promise<void> => {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (size <= offset) return;
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - offset), 0, size - offset, offset);
      offset += bytesRead;
      const lines = (rest + buffer.toString("utf8", 0, bytesRead)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(parseLine(line));
    } finally {
      await file.close();
    }
  };
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    poll()
      // A file that is not there yet, or a line that is no JSON, is no reason to end the run.
      .catch(() => {})
      .finally(() => {
        busy = false;
      });
  }, pollIntervalMs);
  return () => clearInterval(timer);
}
