/** What each file of tests is about, by its own first sentence: the table of tests/README.md. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A file of tests. */
export interface TestFile {
  path: string;
  /** The first sentence of the file's comment. */
  subject: string;
}

/** All files of tests, by folder and name. Throws where one does not begin with a comment. */
export function testFiles(): TestFile[] {
  return readdirSync("tests", { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(test|spec)\.ts$/u.test(name))
    .sort()
    .map((name) => join("tests", name))
    .map((path) => ({ path, subject: subjectOf(path) }));
}

function subjectOf(path: string): string {
  const [, comment] = /^\/\*\*(.*?)\*\//su.exec(readFileSync(path, "utf8")) ?? [];
  if (comment === undefined) throw new Error(`${path} does not begin with a comment that says what it tests`);
  const text = comment.replaceAll(/\n \*/gu, "").replaceAll(/\s+/gu, " ").trim();
  return text.split(/\.(?= |$)/u)[0]!;
}
