/** Reading the files of a policy. */
import { readFileSync, statSync } from "node:fs";
import { Findings, PolicyError, Reporter } from "./diagnostic.ts";
import { type Source, sourceOf } from "./source.ts";

/** A file larger than this is no policy: 100,000 rules take about 20 MB. */
export const source_bytes = 134217728;

/**
 * Reads a file of UTF-8 text.
 * @throws PolicyError `file` at 1:1 when it cannot be read, is not UTF-8 or is larger than `source_bytes`
 */
export function readSource(path: string): Source {
  const fail = (message: string): never => {
    throw new PolicyError([{ file: path, line: 1, column: 1, code: "file", message }]);
  };
  let bytes: Uint8Array;
  try {
    const { size } = statSync(path);
    if (size > source_bytes) return fail(`the file has ${size} bytes; at most ${source_bytes} are read`);
    bytes = readFileSync(path);
  } catch (error) {
    return fail(`cannot read the file: ${reasonOf(error)}`);
  }
  try {
    return sourceOf(path, new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes));
  } catch {
    return fail("the file is not UTF-8 text");
  }
}

/** A reporter of its own for a text, as tests and tools need it. */
export function reporterFor(file: string, text: string): Reporter {
  return new Reporter(sourceOf(file, text), new Findings());
}

/** The system's words for why a file call failed. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES") return "permission denied";
  if (code === "EISDIR") return "it is a directory";
  return message ?? String(error);
}
