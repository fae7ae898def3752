/**
 * A header that is sent where keys are fetched, for servers that ask for a credential. Its value comes from a file, so that no policy
 * holds a secret, and is in no message: it is never printed.
 */
import { readFileSync, statSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { key_header_bytes_max } from "../../../assembly/limits.ts";
import type { DraftKeys, KeySource } from "../language/model.ts";
import { forms } from "../language/values.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { reasonOf } from "../source/read.ts";

/** Headers that say how the request is sent, or that the filter sends itself. */
const reserved: readonly string[] = [
  "accept",
  "accept-encoding",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "if-modified-since",
  "if-none-match",
  "keep-alive",
  "proxy-connection",
  "range",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** Reads the header of a key server; undefined where there is none, or where something is wrong, which is reported. */
export function checkKeyHeader(reporter: Reporter, draft: DraftKeys["header"]): KeySource["header"] {
  if (draft === undefined) return undefined;
  const { name, file, prefix } = draft;
  const isSound = name !== undefined && isName(reporter, name.value.toLowerCase(), name.at);
  if (prefix !== undefined && !forms.prefix.test(prefix.value))
    reporter.error("key_header", prefix.at, "a prefix has at most 64 visible ASCII characters and blanks");
  if (file === undefined) return undefined;
  const text = readSecret(reporter, file.value, file.at);
  if (text === undefined || !isSound) return undefined;
  const value = (prefix?.value ?? "") + text;
  if (value.length <= key_header_bytes_max) return { name: name.value.toLowerCase(), value };
  reporter.error("bound", file.at, `the value of a header has at most ${key_header_bytes_max} bytes`);
  return undefined;
}

function isName(reporter: Reporter, name: string, at: number): boolean {
  if (!forms.field.test(name)) {
    reporter.error("key_header", at, "the name of a header has 1 to 64 letters, digits and signs such as `-`");
    return false;
  }
  if (!reserved.includes(name) && !name.startsWith("x-envoy-") && !name.startsWith("x-forwarded-")) return true;
  reporter.error("key_header", at, `\`${name}\` is no header for a credential: it says how a request is sent`);
  return false;
}

/** The file's one line, without the line break at its end. What it says is in no message. */
function readSecret(reporter: Reporter, file: string, at: number): string | undefined {
  const path = isAbsolute(file) ? file : join(dirname(reporter.source.file), file);
  let bytes: Uint8Array;
  try {
    if (statSync(path).size > 2 * key_header_bytes_max) {
      reporter.error("bound", at, `\`${path}\` is too large for a header of at most ${key_header_bytes_max} bytes`);
      return undefined;
    }
    bytes = readFileSync(path);
  } catch (error) {
    reporter.error("file", at, `the value of the header, \`${path}\`: cannot read the file: ${reasonOf(error)}`);
    return undefined;
  }
  const text = Buffer.from(bytes)
    .toString("latin1")
    .replace(/(?:\r?\n)+$/u, "");
  if (/^[!-~](?:[ -~]*[!-~])?$/u.test(text)) return text;
  const wrong = [...text].findIndex((letter) => !/[ -~]/u.test(letter));
  const what =
    text === ""
      ? "is empty"
      : wrong < 0
        ? "begins or ends with a blank"
        : `has as its byte ${wrong + 1} what no value of a header has: one is a line of visible ASCII characters and blanks`;
  reporter.error("key_header", at, `\`${path}\` ${what}`);
  return undefined;
}
