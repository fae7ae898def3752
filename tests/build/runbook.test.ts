/** docs/runbook.md: the reasons, codes and lines of log that it names are those of the program, and its commands run. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createProgram } from "../../scripts/commands/verbs.ts";
import { type ReasonName, reasons, statusOf } from "../../scripts/evaluate/reasons.ts";
import { status_codes } from "../../scripts/status/codes.ts";
import { program } from "../support/program.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/runbook.md"), "utf8");
const commands = [...page.matchAll(/```console\n(.*?)```/gsu)].flatMap(([, block]) => block!.trim().split("\n"));

test("each reason is one, with the status that stands before it", () => {
  const rows = [...page.matchAll(/^\| (\d{3}), (`sallyport_denied.*?) \|/gmu)];
  assert.ok(rows.length >= 8, `${rows.length} rows`);
  for (const [, status, cell] of rows) {
    const [first, ...others] = [...cell!.matchAll(/\{(\w+)\}/gu)].map(([, name]) => name!);
    // What stands behind `internal` is its cause.
    const names = first === "internal" ? [first] : [first!, ...others];
    for (const name of names) {
      assert.ok(Object.hasOwn(reasons, name), `${name} is a reason`);
      assert.equal(statusOf(name as ReasonName), Number(status), name);
    }
  }
});

test("each code of `status` is one", () => {
  const named = [...page.matchAll(/((?:`\w+`(?:, | and )?)+) of `status`/gu)].flatMap(([, list]) =>
    [...list!.matchAll(/`(\w+)`/gu)].map(([, code]) => code!),
  );
  assert.ok(named.length >= 8, `${named.length} codes`);
  for (const code of named) assert.ok(Object.hasOwn(status_codes, code), `${code} is a code of status`);
});

test("each command is one of a verb, with options that it has", () => {
  const verbs = createProgram().commands;
  const inText = [...page.matchAll(/`(npx sallyport [^`]+)`/gu)].map(([, command]) => command!);
  for (const command of [...commands, ...inText]) {
    const [, , name, ...args] = command.split(" ");
    const verb = verbs.find((one) => one.name() === name);
    assert.ok(verb !== undefined, `${name} is a verb`);
    for (const arg of args.filter((text) => text.startsWith("--"))) {
      assert.ok(
        verb.options.some(({ long }) => long === arg),
        `${name} has ${arg}`,
      );
    }
  }
});

test("explain, as it stands there, on the policy of `init`", () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-runbook-"));
  try {
    execFileSync(process.execPath, [program, "init", "."], { cwd: folder, stdio: "pipe" });
    const line = commands.find((command) => command.includes(" explain "))!;
    writeFileSync(join(folder, "run.sh"), line.replace("npx sallyport", `'${process.execPath}' '${program}'`));
    const told = execFileSync("/bin/sh", ["run.sh"], { cwd: folder, encoding: "utf8" });
    assert.match(told, /read-catalog/u);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
