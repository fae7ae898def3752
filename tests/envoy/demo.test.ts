/** The demo (`sallyport demo`, `npm start`): that it ends well, and that it would not if an answer were not the expected one. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { conclude, isExpected, type Seen } from "../../scripts/demo/verdict.ts";
import { program } from "../support/program.ts";

test("it runs through, all answers as expected", async () => {
  const child = spawn(process.execPath, [program, "demo"], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 300_000,
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(
    stdout,
    /\nThe order API received 13 requests: those admitted, and no other\.\nAll 21 answers as expected\.\n$/,
  );
  const [, shown] = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8").split("```text\n");
  for (const line of shown!.split("\n```")[0]!.split("\n")) assert.ok(stdout.includes(`${line}\n`), `README: ${line}`);
  assert.ok(!stdout.includes("✗"));
  assert.ok(!stdout.includes("\u001b"), "no colour where nobody looks");
});

describe("an answer counts as expected only where everything about it fits", () => {
  const denied: Seen = {
    got: "429",
    record: { decision: "deny", reason: "limit_exceeded" },
    retryAfter: "10",
    earlierAdmitted: 5,
  };
  const expect = { status: 429, reason: "limit_exceeded" } as const;
  const cases: [name: string, expected: boolean, seen: Partial<Seen>][] = [
    ["all of it", true, {}],
    ["another status", false, { got: "403" }],
    ["another reason", false, { record: { decision: "deny", reason: "no_rule" } }],
    ["no record", false, { record: undefined }],
    ["no Retry-After", false, { retryAfter: undefined }],
    ["an earlier one denied", false, { earlierAdmitted: 4 }],
  ];
  for (const [name, expected, seen] of cases) {
    test(name, () => assert.equal(isExpected(expect, 6, { ...denied, ...seen }), expected));
  }

  test("admitted in fact, not only in status", () => {
    const seen = { got: "OK", retryAfter: undefined, earlierAdmitted: 0 };
    assert.equal(isExpected({ grpc: "OK" }, 1, { ...seen, record: { decision: "allow", reason: "allowed" } }), true);
    assert.equal(isExpected({ grpc: "OK" }, 1, { ...seen, record: { decision: "deny", reason: "no_rule" } }), false);
    assert.equal(isExpected({ grpc: "OK" }, 1, { ...seen, record: undefined }), false);
  });
});

test("one answer amiss, or one request too many at the order API, ends it with 1", () => {
  const good = { steps: 21, failed: 0, admitted: 13, arrived: 13 };
  assert.equal(conclude(good).exitCode, 0);
  const failed = conclude({ ...good, failed: 1 });
  assert.equal(failed.exitCode, 1);
  assert.deepEqual(failed.answers, { ok: false, text: "1 of 21 answers not as expected." });
  const leaked = conclude({ ...good, arrived: 14 });
  assert.equal(leaked.exitCode, 1);
  assert.deepEqual(leaked.arrivals, { ok: false, text: "The order API received 14 requests where 13 were admitted." });
});
