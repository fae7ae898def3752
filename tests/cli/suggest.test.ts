/** `sallyport discover --suggest` and `--tighten`, with each command of docs/suggest.md. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { resultSummary } from "../../scripts/commands/traffic.ts";
import { type Usage, usages_max } from "../../scripts/traffic/usage.ts";
import { usage } from "../discover/usages.ts";
import { deniedLine, type LoggedRequest, loggedLine, logOf } from "../support/accesslog.ts";
import { folderOf, type Run, sallyport } from "./program.ts";

const web = "spiffe://example.org/ns/shop/sa/web";
const mobile = "spiffe://example.org/ns/shop/sa/mobile";
const billing = "spiffe://example.org/ns/pay/sa/billing";
const token = { issuer: "corp", rule: "order-writes" };

/** A day of the shop; reports are asked for on the first of the month alone. */
function day(date: string): string {
  const at = (given: LoggedRequest, n: number): LoggedRequest => ({
    host: "shop.example.org",
    time: `${date}T10:${String(n % 60).padStart(2, "0")}:00.000Z`,
    ...given,
  });
  const logged = (count: number, given: (n: number) => LoggedRequest): string[] =>
    Array.from({ length: count }, (_, n) => loggedLine(at(given(n), n)));
  return logOf([
    ...logged(20, (n) => ({ caller: n % 4 === 0 ? mobile : web, path: `/orders/${1000 + n}` })),
    ...logged(8, (n) => ({
      caller: n % 4 === 0 ? mobile : web,
      method: "POST",
      path: "/orders",
      status: 201,
      record: token,
    })),
    ...logged(6, (n) => ({ caller: n % 2 === 0 ? mobile : web, path: "/products", record: { rule: "catalog" } })),
    ...logged(2, () => ({ caller: billing, path: "/orders/export" })),
    ...logged(4, () => ({ caller: "", path: "/healthz", record: { rule: "health" } })),
    ...(date.endsWith("-01")
      ? logged(1, () => ({ caller: billing, path: "/reports", record: { rule: "reports" } }))
      : []),
    ...Array.from({ length: 5 }, (_, n) => deniedLine("no_rule", at({ caller: "", path: `/.env.${n}` }, n))),
  ]);
}

const page = readFileSync(new URL("../../docs/suggest.md", import.meta.url), "utf8");
/** What stands in the page between fences, by the line before it that has a command, or `policy.yaml`. */
function shown(begins: string): string {
  const at = page.indexOf(begins);
  const fenced = begins.startsWith("npx ") ? /^\n```\n\n```[a-z]*\n(.*?)```/su : /\n```[a-z]*\n(.*?)```/su;
  const [, text] = fenced.exec(page.slice(at + begins.length)) ?? [];
  assert.ok(at >= 0 && text !== undefined, `docs/suggest.md has no \`${begins}\``);
  return text;
}
const commands = [...page.matchAll(/^npx sallyport (.*)$/gmu)].map(([, line]) => line!);

const files = folderOf({ "policy.yaml": shown("a `policy.yaml` that has grown") });
after(files.remove);
const folder = files.path("");
mkdirSync(join(folder, "logs"));
for (let n = 0; n < 31; n++) {
  const date = new Date(Date.UTC(2026, 9, 31) + n * 86_400_000).toISOString().slice(0, 10);
  writeFileSync(join(folder, "logs", `${date}.log`), day(date));
}
const run = (command: string): Run => sallyport(command.split(" "), { cwd: folder });
const read = (name: string): string => readFileSync(files.path(name), "utf8");

describe("docs/suggest.md", () => {
  test("has these commands, and no others", () => {
    assert.deepEqual(commands, [
      "discover logs/ --suggest suggested.yaml --name shop",
      "check suggested.yaml",
      "discover logs/ --suggest suggested.yaml --policy policy.yaml --headroom 3",
      "discover logs/ --tighten policy.yaml",
      "discover logs/ --tighten policy.yaml --days 14 -o tighter.patch",
    ]);
  });

  test("a policy is suggested, which names what a person has to fill in", () => {
    const { code, stdout, stderr } = run(commands[0]!);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, shown(`npx sallyport ${commands[0]}`));
    assert.equal(read("suggested.yaml"), shown("It has written"));
    const checked = run(commands[1]!);
    assert.deepEqual([checked.code, checked.stderr], [2, shown(`npx sallyport ${commands[1]}`)]);
  });

  test("with a policy it is complete", () => {
    const { code, stdout, stderr } = run(commands[2]!);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, shown(`npx sallyport ${commands[2]}`));
    const { stdout: sound, code: checked } = run("check suggested.yaml");
    assert.deepEqual([checked, sound.slice(0, 29)], [0, "suggested.yaml: sound: 6 rule"]);
    assert.match(read("suggested.yaml"), /rate: \d+\/m/u);
  });

  test("a policy is tightened by a patch, which git takes", () => {
    const { code, stdout, stderr } = run(commands[3]!);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, shown(`npx sallyport ${commands[3]}`));
    assert.equal(stderr, shown("On standard error"));
    const written = run(commands[4]!);
    assert.equal(written.code, 0, written.stderr);
    copyFileSync(files.path("policy.yaml"), files.path("before.yaml"));
    const git = spawnSync("git", ["apply", "tighter.patch"], { cwd: folder, encoding: "utf8" });
    assert.equal(git.status, 0, git.stderr);
    assert.equal(run("diff before.yaml policy.yaml --no-new-access").code, 0);
    assert.match(
      run("discover logs/ --tighten policy.yaml --days 14").stderr,
      /all of it was used from 2026-11-17 to 2026-11-30/u,
    );
    copyFileSync(files.path("before.yaml"), files.path("policy.yaml"));
  });
});

describe("options of --suggest and --tighten", () => {
  test("JSON", () => {
    const suggested = JSON.parse(
      run("discover logs --suggest json.yaml --policy policy.yaml --headroom 0 --format json").stdout,
    );
    assert.deepEqual([suggested.file, suggested.rules, suggested.leftOut, suggested.unread], ["json.yaml", 5, [], 0]);
    assert.doesNotMatch(read("json.yaml"), /limits:/u);
    const tightened = JSON.parse(run("discover logs --tighten policy.yaml --format json").stdout);
    assert.deepEqual(tightened.files, ["policy.yaml"]);
    assert.match(tightened.patch, /^--- a\/policy\.yaml\n/u);
  });

  test("-o writes the policy, over another of its kind alone", () => {
    assert.equal(run("discover logs --tighten policy.yaml -o tight.yaml").code, 0);
    assert.doesNotMatch(read("tight.yaml"), /old-app/u);
    writeFileSync(files.path("notes.txt"), "notes");
    assert.equal(run("discover logs --tighten policy.yaml -o notes.txt").code, 2);
    assert.equal(run("discover logs --suggest notes.txt").code, 2);
    assert.equal(read("notes.txt"), "notes");
  });

  test("a log that is cut off is told of, and nothing is called unused by it", () => {
    mkdirSync(join(folder, "cut"));
    const packed = gzipSync(day("2026-11-29"));
    writeFileSync(join(folder, "cut", "29.log.gz"), packed.subarray(0, packed.length - 20));
    assert.match(run("discover cut").stdout, /^cut\/29\.log\.gz: read in part: unexpected end of file\n/u);
    assert.match(run("discover cut --suggest cut.yaml").stdout, /cut\/29\.log\.gz: read in part/u);
    assert.match(run("discover logs --compare cut").stderr, /^cut\/29\.log\.gz: read in part/u);
    assert.match(run("report policy.yaml --log cut -o cut.html").stderr, /^cut\/29\.log\.gz: read in part/u);
    const { code, stdout, stderr } = run("discover cut --tighten policy.yaml --days 1");
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /cut\/29\.log\.gz could be read in part alone .* leave it out/u);
  });

  test("a result with as many rows as there may be is one that was cut", () => {
    const usages = Array<Usage>(usages_max).fill(usage("GET /", { count: 2 }));
    const reason = "it has 200000 rows, which is where the query stops";
    assert.deepEqual(resultSummary("a.csv", usages).damaged, [{ file: "a.csv", reason }]);
    assert.deepEqual(resultSummary("a.csv", usages.slice(1)), {
      ...{ files: 1, lines: 2 * usages_max - 2, unknown: 0, unknownExamples: [], leftOut: 0 },
    });
  });

  test("what does not go together, or says too little, is told", () => {
    for (const [command, message] of [
      ["--suggest a.yaml --tighten policy.yaml", /give one of them/u],
      ["--suggest a.yaml --since 1d", /--suggest is asked for by itself: leave out --since/u],
      ["--tighten policy.yaml --openapi x.yaml", /--tighten is asked for by itself: leave out --openapi/u],
      ["--tighten policy.yaml --policy policy.yaml", /leave out --policy/u],
      ["--headroom 2", /go with --suggest/u],
      ["--days 2", /go with --tighten/u],
      ["--suggest a.yaml --headroom 0.5", /a factor from 1 to 1000/u],
      ["--suggest a.yaml --headroom x", /It is a number/u],
      ["--suggest a.yaml --name a/b", /cannot be called `a\/b`/u],
      ["--tighten policy.yaml --days 60", /the log covers 31 days/u],
      ["--tighten absent.yaml", /there is no such file/u],
    ] as const) {
      const { code, stderr } = run(`discover logs ${command}`);
      assert.match(stderr, message);
      assert.ok(code !== 0 && !/\n {4}at /u.test(stderr), `${command} ends with ${code}: ${stderr}`);
    }
  });
});
