/**
 * A case from the field is a folder: the files that somebody has, and `case.yaml`, which says what he needs, what he runs
 * and what the command line must answer.
 *
 *   what: one sentence on the need or the input
 *   run: explain policy.yaml --request 'GET /x'     arguments of `sallyport`; blanks part them, '…' holds them together
 *   exit: 0                                         the exit status; 0 where it is left out
 *   says: [ALLOW 200]                               what must stand in the output, each as it is written
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { sallyport } from "../cli/program.ts";

interface Case {
  what: string;
  run: string;
  exit?: number;
  says: string[];
}

const root = fileURLToPath(new URL("../../tests/field/", import.meta.url));

function argumentsOf(run: string): string[] {
  return [...run.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word);
}

/** Makes a test of each folder in `tests/field/<kind>/`. */
export function testCases(kind: string): void {
  const folders = readdirSync(join(root, kind), { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && !entry.name.startsWith("_"),
  );
  for (const { name } of folders) {
    const cwd = join(root, kind, name);
    const { what, run, exit = 0, says } = parse(readFileSync(join(cwd, "case.yaml"), "utf8")) as Case;
    test(`${name}: ${what}`, () => {
      const { code, stdout, stderr } = sallyport(argumentsOf(run), { cwd });
      const output = stdout + stderr;
      for (const text of says) assert.ok(output.includes(text), `it does not say \`${text}\` but\n${output}`);
      assert.equal(code, exit, output);
    });
  }
}
