/** Files of texts, one a line. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { reporterFor } from "../../../scripts/policy/source/read.ts";
import { readWordList } from "../../../scripts/policy/source/wordlist.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-list-"));
after(() => rmSync(folder, { recursive: true }));

/** What a file reads as, and what is said of it: each finding as `file:line:column code`. */
function read(bytes: string | Buffer, most = 100): { texts: string[] | undefined; said: string[]; words: string } {
  writeFileSync(join(folder, "list.txt"), bytes);
  const reporter = reporterFor(join(folder, "policy.yaml"), "");
  const list = readWordList(
    reporter,
    { value: "list.txt", at: 0 },
    {
      what: "tenant",
      texts_max: most,
      text_bytes_max: 20,
      fault: (text) => (text.includes(" ") ? "blanks" : undefined),
    },
  );
  const { errors, warnings } = reporter.findings;
  const all = [...errors, ...warnings];
  return {
    texts: list?.texts.map(({ value }) => value),
    said: all.map(({ file, line, column, code }) => `${file.slice(folder.length + 1)}:${line}:${column} ${code}`),
    words: all.map(({ message }) => message).join("\n"),
  };
}

test("blanks, comments, empty lines, line ends and a byte order mark mean nothing", () => {
  const bytes = "\ufeff# all of them\r\n\r\n  acme  \r\n\tglobex # since May\ninitech#1\rhooli\n   # gone\n";
  assert.deepEqual(read(bytes), { texts: ["acme", "globex", "initech#1", "hooli"], said: [], words: "" });
  assert.deepEqual(read("a").texts, ["a"]);
});

test("a text that stands twice is told of once", () => {
  const { texts, said, words } = read("a\nb\n a\nb\nb\n");
  assert.deepEqual(texts, ["a", "b"]);
  assert.deepEqual(said, [["list.txt:3:2", "list_duplicate"].join(" ")]);
  assert.match(words, /`a` stands twice, and so do 2 more/);
});

test("a file without a text, or with a wrong one, is refused where it is wrong", () => {
  assert.deepEqual(read("# none\n\n").said, ["list.txt:1:1 value"]);
  assert.deepEqual(read("").said, ["list.txt:1:1 value"]);
  assert.deepEqual(read("a\n  b c\n").said, ["list.txt:2:3 value"]);
  assert.deepEqual(read("a\nb\u0000c\n").said, ["list.txt:2:1 value"]);
  assert.deepEqual(read(`${"a".repeat(21)}\n`).said, ["list.txt:1:1 value"]);
  assert.equal(read("a b\n".repeat(50)).said.length, 10);
});

test("a file that cannot be read, is not UTF-8 or is too long is refused where it is named", () => {
  assert.deepEqual(read(Buffer.from("\ufeffacme", "utf16le")).said, ["policy.yaml:1:1 file"]);
  assert.deepEqual(read("a\nb\nc\n", 2).said, ["policy.yaml:1:1 bound"]);
});
