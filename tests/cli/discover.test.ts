/** `sallyport discover`, with each command of docs/discover.md. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { parse } from "yaml";
import { deniedLine, type LoggedRequest, loggedLine, logOf } from "../support/accesslog.ts";
import { folderOf, type Run, sallyport } from "./program.ts";

const [web, app, batch] = ["spiffe://example.org/web", "spiffe://example.org/mobile/ios", "spiffe://example.org/batch"];

/** A day of the shop. */
function day(date: string, more: readonly string[] = []): string {
  const at = (given: LoggedRequest, hour: number): LoggedRequest => ({
    time: `${date}T${String(hour).padStart(2, "0")}:00:00.000Z`,
    ...given,
  });
  const catalog = { host: "shop.example.org", record: { rule: "catalog" } };
  return logOf([
    ...Array.from({ length: 200 }, (_, n) =>
      loggedLine(at({ caller: n % 4 === 0 ? app : web, path: `/orders/${1000 + n}` }, n % 24)),
    ),
    ...Array.from({ length: 40 }, (_, n) =>
      loggedLine(
        at({ method: "POST", path: "/orders", status: n === 0 ? 503 : 201, record: { issuer: "corp" } }, n % 24),
      ),
    ),
    ...Array.from({ length: 60 }, (_, n) =>
      loggedLine(at({ ...catalog, caller: app, path: `/products/thing-${n}?page=${n}` }, n % 24)),
    ),
    ...Array.from({ length: 30 }, (_, n) => deniedLine("no_rule", at({ caller: "", path: `/.env.${n}` }, n % 24))),
    ...more,
  ]);
}

const page = readFileSync(new URL("../../docs/discover.md", import.meta.url), "utf8");
const files = folderOf({
  "policy.yaml": `version: 1
name: shop
trust: { domains: [example.org] }
rules:
  - name: orders
    callers: [${web}, ${app}, spiffe://example.org/old]
    allow: ["GET /orders/{id}", POST /orders, "PUT /orders/{id}"]
  - name: catalog
    callers: [any]
    hosts: [shop.example.org]
    allow: ["GET /products/{sku}"]
  - name: reports
    callers: [${batch}]
    allow: [GET /reports]
    expires: 2026-11-29T00:00:00Z
`,
  "openapi.yaml": `openapi: 3.1.0
info: { title: Orders, version: "1" }
paths:
  /orders: { post: { deprecated: true, responses: { "201": { description: Created } } } }
  /orders/{id}: { get: { responses: { "200": { description: OK } } }, delete: { responses: { "204": { description: Gone } } } }
`,
});
after(files.remove);
const folder = files.path("");
for (const name of ["logs", "yesterday", "quiet"]) mkdirSync(join(folder, name));
const hostile = "\u202e\u001b[31m<b>: *x {{y}}";
writeFileSync(join(folder, "quiet/29.log"), day("2026-11-29"));
writeFileSync(join(folder, "yesterday/29.log"), day("2026-11-29"));
writeFileSync(join(folder, "logs/29.log"), day("2026-11-29"));
writeFileSync(
  join(folder, "logs/30.log"),
  day("2026-11-30", [
    loggedLine({ caller: batch, path: "/orders/7" }),
    ...Array.from({ length: 50 }, () => deniedLine("no_rule", { caller: batch, method: "DELETE", path: "/orders/7" })),
    deniedLine("grant_inactive", { caller: batch, path: "/reports", record: { rule: "reports" } }),
    loggedLine({ path: `/x/${hostile}?${hostile}=1`, record: { issuer: hostile, rule: hostile } }),
    `forged ${hostile}`,
  ]),
);
const discover = (...args: string[]): Run => sallyport(["discover", ...args], { cwd: folder });
const json = (...args: string[]) => {
  const { stdout, stderr } = discover(...args, "--format", "json");
  assert.doesNotMatch(stdout, steering, "JSON with characters that steer");
  assert.ok(stdout.startsWith("{"), stderr);
  return JSON.parse(stdout);
};
/** Runs a query of DuckDB over lines in a table, and writes what it answers: `result.csv` and `result.parquet`. */
async function answer(query: string, log: string): Promise<void> {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  await connection.run("CREATE TABLE logs AS SELECT unnest(string_split($log, chr(10))) AS text", { log: log.trim() });
  for (const format of ["csv", "parquet"])
    await connection.run(`COPY (${query}) TO '${files.path(`result.${format}`)}' (FORMAT ${format})`);
  connection.closeSync();
}

/** What no output may have, whatever the log says. */
const steering = /(?!\n)[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u;

describe("sallyport discover", () => {
  test("the inventory, for people as the page has it, and as JSON", () => {
    const { code, stdout, stderr } = discover("quiet");
    assert.equal(code, 0, stderr);
    const [, shown] = /\n\n```\n(.*?)```/su.exec(page) ?? [];
    assert.equal(stdout, shown);
    const { endpoints, noise, failed, read } = json("quiet");
    assert.deepEqual([noise.requests, failed, read.lines], [30, [], 330]);
    const [post] = endpoints;
    assert.deepEqual(
      [post.template, post.statuses, post.issuers, post.serverErrors, post.firstSeen],
      ["/orders", { "201": 39, "503": 1 }, ["corp"], 1, "2026-11-29T00:00:00.000Z"],
    );
    assert.deepEqual(post.callers[0], {
      caller: web,
      requests: 40,
      admitted: 40,
      denied: 0,
      firstSeen: "2026-11-29T00:00:00.000Z",
      lastSeen: "2026-11-29T23:00:00.000Z",
    });
    assert.deepEqual(endpoints[1].variables, [{ variable: "orderId", kinds: ["number"] }]);
  });

  test("a hostile line is counted, cut and escaped", () => {
    const { code, stdout } = discover("logs");
    assert.equal(code, 0);
    assert.match(stdout, /^1 line of no format that is known/u);
    assert.doesNotMatch(stdout, steering);
  });

  test("--openapi writes a document, over another one alone", () => {
    const { code, stdout, stderr } = discover("logs", "--openapi", "seen.yaml");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /seen\.yaml: OpenAPI 3\.1 of what was seen\n$/u);
    const text = readFileSync(files.path("seen.yaml"), "utf8");
    assert.doesNotMatch(text, steering);
    const { openapi, paths } = parse(text);
    assert.equal(openapi, "3.1.0");
    assert.deepEqual(Object.keys(paths), ["/orders", "/orders/{orderId}", "/x/{value}", "/products/{product}"]);
    assert.equal(discover("logs", "--openapi", "seen.yaml").code, 0);
    const refused = discover("logs", "--openapi", "policy.yaml");
    assert.deepEqual([refused.code, /is no OpenAPI document/u.test(refused.stderr)], [2, true]);
    // What it has written is a document that it reads.
    assert.deepEqual(json("logs", "--spec", "seen.yaml").spec.shadow, []);
  });

  test("--spec, and --fail-on for what differs", () => {
    const { spec } = json("logs", "--spec", "openapi.yaml");
    const names = (list: { method: string; template?: string; path?: string }[]) =>
      list.map((one) => `${one.method} ${one.template ?? one.path}`);
    assert.deepEqual(names(spec.shadow), ["GET /x/{value}", "GET /products/{product}"]);
    assert.deepEqual(names(spec.zombie), ["POST /orders"]);
    assert.deepEqual(spec.dead, [{ method: "DELETE", path: "/orders/{id}", isDeprecated: false, denied: 50 }]);
    const { code, stdout, stderr } = discover("logs", "--spec", "openapi.yaml", "--fail-on", "zombie,dead");
    assert.equal(code, 1);
    assert.equal(stderr, "--fail-on: 1 zombie, 1 dead\n");
    assert.match(stdout, /\nZombies: deprecated, and used: 1\n/u);
    assert.equal(discover("logs", "--spec", "openapi.yaml", "--fail-on", "parameters").code, 0);
  });

  test("--since and --compare: the same drift, and --fail-on", () => {
    const within = json("logs", "--since", "1d").drift;
    const against = json("logs/30.log", "--compare", "yesterday").drift;
    assert.deepEqual(within, against);
    assert.deepEqual(json("logs", "--since", "2026-11-30").drift, against);
    assert.deepEqual(against.newCallers, [{ caller: batch, before: 0, after: 1 }]);
    assert.deepEqual(
      [against.newEndpoints.length, against.newPairs.length, against.vanishedEndpoints.length],
      [1, 2, 0],
    );
    assert.equal(against.denials.length, 2);
    const { code, stdout, stderr } = discover(
      "logs",
      "--since",
      "1d",
      "--fail-on",
      "new-caller,new-endpoint,new-pair,vanished,volume,denials",
    );
    assert.deepEqual([code, stderr], [1, "--fail-on: 1 new-caller, 1 new-endpoint, 2 new-pair, 2 denials\n"]);
    assert.match(stdout, /\nNew callers: 1\n {2}spiffe:\/\/example\.org\/batch: 1 a day\n/u);
    const same = discover(
      "quiet",
      "--compare",
      "yesterday",
      "--fail-on",
      "new-caller,new-endpoint,new-pair,vanished,volume,denials",
    );
    assert.deepEqual([same.code, same.stderr], [0, ""]);
    assert.match(same.stdout, /nothing has changed/u);
  });

  test("--policy: what was used, and what never", () => {
    const { policy, endpoints } = json("logs", "--policy", "policy.yaml");
    assert.equal(
      endpoints.some(({ template }: { template: string }) => template === "/products/{sku}"),
      true,
    );
    const [orders, catalog] = policy.rules;
    assert.deepEqual(
      [orders.unusedEndpoints, orders.unusedCallers, orders.days],
      [["PUT /orders/{id}"], ["spiffe://example.org/old"], 2],
    );
    assert.deepEqual(orders.unusedPairs, [{ caller: app, endpoint: "POST /orders" }]);
    assert.equal(catalog.requests, 120);
    assert.deepEqual(policy.expired, [
      {
        rule: "reports",
        expires: "2026-11-29T00:00:00Z",
        requests: 1,
        callers: [batch],
        lastSeen: "2026-11-30T10:00:00.000Z",
      },
    ]);
    assert.deepEqual([policy.attempts.length, policy.attempts[0].requests, policy.deniedOnly], [1, 50, []]);
    const { stdout } = discover("logs", "--policy", "policy.yaml", "--since", "1d", "--spec", "openapi.yaml");
    assert.doesNotMatch(stdout, steering);
    assert.match(stdout, /\n {2}reports {2}allow, ended +0 .* all of it\n/u);
  });

  test("--sql prints the query, whose result --from and --compare read: the same inventory", async () => {
    const { code, stdout: query, stderr } = discover("--sql", "duckdb", "--table", "logs", "--column", "text");
    assert.equal(code, 0, stderr);
    await answer(query, readFileSync(files.path("quiet/29.log"), "utf8"));
    const { read, ...inventory } = json("quiet");
    for (const format of ["csv", "parquet"]) {
      const { read: _, ...same } = json("--from", `result.${format}`);
      assert.deepEqual(same, inventory);
      const { drift } = json("quiet", "--compare", `result.${format}`);
      assert.deepEqual([drift.before.requests, drift.newEndpoints, drift.vanishedEndpoints], [read.lines, [], []]);
    }
    const spark = JSON.parse(discover("--sql", "spark", "--format", "json").stdout);
    assert.deepEqual([spark.dialect, /access_log/u.test(spark.sql)], ["spark", true]);
  });

  test("wrong usage ends with 2 and says what to do", () => {
    const wrong: [string[], RegExp][] = [
      [[], /say which access logs to read/u],
      [["nowhere"], /nowhere/u],
      [["logs", "--since", "1d", "--compare", "yesterday"], /give one of them/u],
      [["logs", "--since", "soon"], /7d for the last seven days/u],
      [["logs", "--from", "result.csv"], /--from takes the place of logs/u],
      [["--from", "policy.yaml"], /policy\.yaml/u],
      [["logs", "--sql", "duckdb"], /leave out the logs/u],
      [["--sql", "oracle"], /Allowed choices are duckdb/u],
      [["--sql", "duckdb", "--table", "a; drop table b"], /--table: `a; drop table b` is no name/u],
      [["logs", "--table", "a"], /--table and --column go with --sql/u],
      [["logs", "--fail-on", "shadows"], /"shadows" is none of shadow, zombie/u],
      [["logs", "--fail-on", "shadow"], /--fail-on shadow needs --spec/u],
      [["logs", "--fail-on", "denials"], /needs --since or --compare/u],
      [["logs", "--spec", "policy.yaml"], /policy\.yaml: `openapi` is missing/u],
      [["logs", "--spec", "none.yaml"], /there is no such file/u],
      [["logs", "--policy", "openapi.yaml"], /unknown/u],
    ];
    for (const [args, message] of wrong) {
      const { code, stderr } = discover(...args);
      assert.equal(code, 2, args.join(" "));
      assert.match(stderr, message);
    }
  });
});

describe("docs/discover.md", () => {
  const commands = [...page.matchAll(/```console\n(.*?)```/gsu)].flatMap(([, block]) => block!.trim().split("\n"));

  test("each command does what the page says", async () => {
    await answer(discover("--sql", "duckdb", "--table", "logs", "--column", "text").stdout, loggedLine());
    assert.ok(commands.length >= 5, "the page has hardly a command");
    for (const command of commands) {
      const [, args, expected = "0"] = /^npx sallyport (discover .*?)(?: +# ends with (\d))?$/u.exec(command) ?? [];
      assert.ok(args !== undefined, `the test does not know how to run: ${command}`);
      const { code, stderr } = sallyport(args.split(/ +/u), { cwd: folder });
      assert.equal(code, Number(expected), `${command}\n${stderr}`);
    }
  });
});
