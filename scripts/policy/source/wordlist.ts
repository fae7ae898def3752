/**
 * Files of texts, one a line: the tenants of an issuer, and other named data. What follows a `#` at the beginning of a line or
 * after a blank is a comment; blanks around a text, empty lines, a byte order mark and either kind of line end mean nothing.
 */
import { dirname, isAbsolute, join } from "node:path";
import { PolicyError, Reporter } from "./diagnostic.ts";
import { readSource } from "./read.ts";
import type { Located } from "./yaml.ts";

/** Faults of one file that are shown; a file of another kind has one in each line. */
const shown_faults = 10;

/** What may stand in a file of texts. */
export interface WordListForm {
  /** How messages call one text: `tenant`. */
  what: string;
  /** How many texts there may be, and how long one may be, in bytes. */
  texts_max: number;
  text_bytes_max: number;
  /** What is wrong with a text, or undefined. */
  fault?: (text: string) => string | undefined;
}

/** A file of texts that was read: each text once, in the order of the file, at its place there. */
export interface WordList {
  /** For findings about the texts. */
  reporter: Reporter;
  texts: Located<string>[];
}

/**
 * Reads a file of texts, found from where the policy file is. Undefined, and reported, where it cannot be read, has no text or
 * one that is wrong.
 */
export function readWordList(reporter: Reporter, file: Located<string>, form: WordListForm): WordList | undefined {
  const path = isAbsolute(file.value) ? file.value : join(dirname(reporter.source.file), file.value);
  let list: Reporter;
  try {
    list = new Reporter(readSource(path), reporter.findings);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    reporter.error("file", file.at, `\`${path}\`: ${error.diagnostics[0]!.message}`);
    return undefined;
  }
  const texts = new Map<string, Located<string>>();
  const doubles: Located<string>[] = [];
  let faults = 0;
  for (const one of linesOf(list)) {
    const fault = textFault(one.value, form);
    if (fault !== undefined) {
      if (++faults <= shown_faults) list.error("value", one.at, fault);
    } else if (texts.has(one.value)) doubles.push(one);
    else texts.set(one.value, one);
  }
  warnOfDoubles(list, doubles);
  if (faults > 0) return undefined;
  if (texts.size === 0) {
    list.error("value", 0, `the file has no ${form.what}; write one a line, without quotes and commas`);
    return undefined;
  }
  if (texts.size > form.texts_max) {
    reporter.error("bound", file.at, `\`${path}\` has ${texts.size} texts, of ${form.texts_max} at most`);
    return undefined;
  }
  return { reporter: list, texts: [...texts.values()] };
}

/** The texts of a file, each at its first character. */
function linesOf({ source }: Reporter): Located<string>[] {
  const { text, lineStarts } = source;
  return lineStarts.flatMap((start, line) => {
    const whole = text.slice(start, lineStarts[line + 1] ?? text.length);
    const value = whole.replace(/(?:^|\s)#.*/su, "").trim();
    return value === "" ? [] : [{ value, at: start + whole.indexOf(value) }];
  });
}

/** What is wrong with a text of a list, or undefined. */
export function textFault(text: string, { what, text_bytes_max, fault }: WordListForm): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f\p{Cs}]/u.test(text)) return `a ${what} has no control characters`;
  if (Buffer.byteLength(text) > text_bytes_max) return `a ${what} has at most ${text_bytes_max} bytes`;
  return fault?.(text);
}

/** Harmless, and told once: lists are written by programs. */
export function warnOfDoubles(reporter: Reporter, doubles: readonly Located<string>[]): void {
  const [first, ...others] = doubles;
  if (first === undefined) return;
  const more = others.length === 0 ? "" : `, and so do ${others.length} more`;
  reporter.warn("list_duplicate", first.at, `\`${first.value}\` stands twice${more}; it counts once`);
}
