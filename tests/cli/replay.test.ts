/** `sallyport replay` as a user runs it, and docs/replay.md: its files, its commands and what it shows of their output. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { sallyport } from "./program.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-replay-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const document = readFileSync(join(import.meta.dirname, "../../docs/replay.md"), "utf8");
const blocks = [...document.matchAll(/^```(\S+)(?: (\S+))?\n(.*?)^```$/gmsu)].map(([, language, file = "", text]) => ({
  language: language!,
  file,
  text: text!,
}));
for (const { file, text } of blocks) if (file !== "") writeFileSync(join(folder, file), text);

const policies = ["policy.yaml", "new.yaml"];
const log = ["--log", "access.log"];
const replay = (...args: string[]) => sallyport(["replay", ...args], { cwd: folder });

describe("docs/replay.md", () => {
  const commands = blocks.filter(({ language }) => language === "console").map(({ text }) => text);
  test("has commands", () => assert.equal(commands.length, 3));
  for (const command of commands) {
    const [first, ...shown] = command.split("\n");
    test(first!, () => {
      const args = first!.replace(/^(?:\$ )?npx sallyport /u, "").split(" ");
      const { code, stdout, stderr } = sallyport(args, { cwd: folder });
      assert.equal(stderr, "");
      assert.equal(code, first!.includes("--fail-on") ? 1 : 0);
      if (first!.startsWith("$")) assert.equal(stdout, shown.join("\n"));
    });
  }
});

describe("bounds", () => {
  const cases: [args: string[], code: number, failures: string[]][] = [
    [["--fail-on-new-denials", "2"], 0, []],
    [["--fail-on-new-denials", "1"], 1, ["new-denials"]],
    [["--fail-on-new-denials", "40%"], 0, []],
    [["--fail-on-new-denials", "39.9%"], 1, ["new-denials"]],
    [["--fail-on-unknown", "1"], 0, []],
    [["--fail-on-unknown", "0"], 1, ["unknown"]],
    [["--fail-on-unknown", "0%", "--fail-on-new-denials", "0.01%"], 1, ["new-denials", "unknown"]],
  ];
  for (const [args, expected, failures] of cases) {
    test(args.join(" "), () => {
      const { code, stdout } = replay(...policies, ...log, ...args, "--format", "json");
      assert.deepEqual(JSON.parse(stdout).failures, failures);
      assert.equal(code, expected);
    });
  }

  test("are told of", () => {
    const { stdout } = replay(...policies, ...log, "--fail-on-unknown", "0", "--fail-on-new-denials", "1%");
    assert.match(
      stdout,
      /\nmore than 1% would be denied that are admitted now\nmore than 0 may be denied, as far as the log tells\n$/u,
    );
  });
});

describe("usage: exit 2 with the way out", () => {
  const cases: [args: string[], says: RegExp][] = [
    [policies, /required option '--log <paths\.\.\.>' not specified/u],
    [
      [...policies, ...log, "--fail-on-new-denials", "some"],
      /a number of requests, such as 5, or a share of all of them, such as 0\.01%/u,
    ],
    [[...policies, ...log, "--fail-on-unknown", "101%"], /a share of all of them/u],
    [[...policies, ...log, "--since", "yesterday"], /a time looks like/u],
    [[...policies, "--log", "nowhere.log"], /nowhere\.log/u],
    [["nowhere.yaml", "new.yaml", ...log], /nowhere\.yaml/u],
  ];
  for (const [args, says] of cases) {
    test(args.join(" "), () => {
      const { code, stderr } = replay(...args);
      assert.match(stderr, says);
      assert.equal(code, 2);
    });
  }
});

test("--since and --until: a part of the log", () => {
  const times = ["--since", "2026-11-30T10:00:01Z", "--until", "2026-11-30T10:00:03Z"];
  const { requests, denied } = JSON.parse(replay(...policies, ...log, ...times, "--format", "json").stdout);
  assert.deepEqual([requests, denied.count], [2, 2]);
});

test("the same policy: nothing changes, and what it reads beside the log is known by the record", () => {
  const { code, stdout } = replay("policy.yaml", "policy.yaml", ...log, "--fail-on-unknown", "0");
  assert.match(stdout, /^policy shop: 5 requests of 4 kinds decided again\n {2}5 as before\n/u);
  assert.equal(code, 0);
});

test("another policy's log proves nothing", () => {
  const other = readFileSync(join(folder, "policy.yaml"), "utf8").replace("name: shop", "name: other");
  writeFileSync(join(folder, "other.yaml"), other);
  const { code, stdout } = replay("other.yaml", "new.yaml", ...log);
  assert.equal(stdout, "no request of policy other in these logs\n5 requests of other policies left out\n");
  assert.equal(code, 1);
});

test("what callers write comes to no terminal as it is", () => {
  const record = {
    ...{ admit: true, policy: "shop", decision: "allow", reason: "allowed", rule: "orders\u001b[2J", method: "GET" },
    ...{ host: "shop.example.org", path: "/orders/\u001b]0;owned\u0007", caller: "spiffe://example.org/\u001b[31mweb" },
  };
  const lines = [
    JSON.stringify({ method: "GET", path: "/\u001b[2J", status: 200, record: JSON.stringify(record) }),
    JSON.stringify({ method: "GET\u001b[2J", path: "/a", status: 200, record: `${JSON.stringify(record)}x` }),
    JSON.stringify({ method: "GET", path: "/a".repeat(100_000), status: 200, record: "{}" }),
    "\u001b[2J no log at all",
    JSON.stringify({ record: 7, method: [], path: {} }),
  ];
  writeFileSync(join(folder, "hostile.log"), `${lines.join("\n")}\n`);
  const { code, stdout, stderr } = replay(...policies, "--log", "hostile.log");
  assert.equal(stderr, "");
  assert.doesNotMatch(stdout, /[^\P{Cc}\n]/u);
  assert.equal(code, 0);
});
