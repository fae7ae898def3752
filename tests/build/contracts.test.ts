/**
 * Each contract is one table in the code. What is in one is documented, emitted and tested, or a test here
 * fails and says what is missing.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { block_names, blocksOf, documents, withTables } from "../../scripts/build/documents.ts";
import { type CodeEntry, code_tables } from "../../scripts/policy/source/codes.ts";

/** The files below a folder whose names end so. */
function filesIn(folder: string, ending = ".ts"): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

const texts = (files: readonly string[]): string => files.map((file) => readFileSync(file, "utf8")).join("\n");

/** What tests say; tables, and this file, prove nothing. */
const tests = texts(filesIn("tests").filter((file) => file !== join("tests", "build", "contracts.test.ts")));

/** Fails for names that a text does not have in quotes. */
function assertNamed(names: readonly string[], text: string, what: string): void {
  const isNamed = (name: string): boolean => ['"', "'", "`"].some((quote) => text.includes(quote + name + quote));
  assert.deepEqual(
    names.filter((name) => !isNamed(name)),
    [],
    what,
  );
}

describe("tables of the documents", () => {
  for (const document of documents) {
    test(`${document}: its tables are what the code says; if not, \`npm run docs\` writes them again`, () => {
      const text = readFileSync(document, "utf8");
      assert.equal(text, withTables(text));
    });
  }

  test("each stands in one document, and each mark has its end", () => {
    const all = documents.map((document) => readFileSync(document, "utf8"));
    assert.deepEqual(all.flatMap(blocksOf).sort(), [...block_names].sort());
    const begun = all.flatMap((text) => [...text.matchAll(/^<!-- generated: /gmu)]);
    const ended = all.flatMap((text) => [...text.matchAll(/^<!-- end -->$/gmu)]);
    assert.deepEqual([begun.length, ended.length], [block_names.length, block_names.length]);
  });
});

describe("diagnostics", () => {
  const entries = Object.values(code_tables).flatMap((codes) => Object.entries(codes) as [string, CodeEntry][]);

  test("no code is in two tables", () => {
    const names = entries.map(([name]) => name);
    assert.deepEqual(names, [...new Set(names)]);
  });

  // Those with an example are raised by it in tests/policy/source/codes.test.ts.
  test("a code without an example is said by the code and by a test", () => {
    const without = entries.filter(([, { example }]) => example === undefined).map(([name]) => name);
    assertNamed(without, tests, "named in no test");
    const sources = filesIn("scripts/policy").filter(
      (file) => !/source.(?:errors|warnings|testcodes)\.ts$/u.test(file),
    );
    assertNamed(without, texts(sources), "said by no part of the compiler");
  });
});
