/** `sallyport report`. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import type { ReportData } from "../../scripts/report/data.ts";
import type { aggregate_columns } from "../../scripts/traffic/sqlfor.ts";
import { folderOf, plain_policy, sallyport } from "./program.ts";

const policy = (name: string, service: string, rules: string): string => `version: 1
name: ${name}
${service === "" ? "" : `service: spiffe://example.org/${service}\n`}trust: { domains: [example.org] }
rules:
${rules}`;

const shop = policy(
  "shop",
  "shop",
  `  - { name: browse, callers: [spiffe://example.org/web], allow: [GET /orders, "GET /orders/{id}"] }
  - { name: health, callers: [anonymous], allow: [GET /healthz] }
  - { name: until, callers: [spiffe://example.org/partner], allow: [GET /export], expires: 2026-12-31T00:00:00Z }
`,
);
const line = (path: string, caller: string): string =>
  JSON.stringify({
    time: "2026-11-30T10:00:00.000Z",
    method: "GET",
    host: "shop.example.org",
    path,
    status: 200,
    record: JSON.stringify({
      admit: true,
      policy: "shop",
      decision: "allow",
      reason: "allowed",
      rule: "browse",
      method: "GET",
      host: "shop.example.org",
      path,
      caller,
    }),
  });

const folder = folderOf({
  "shop.yaml": shop,
  "older.yaml": shop.replace('GET /orders, "', '"'),
  "pay.yaml": policy(
    "pay",
    "",
    "  - { name: charge, callers: [spiffe://example.org/shop], allow: [POST /charge], sensitive: true }\n",
  ),
  "again.yaml": shop,
  "invalid.yaml": shop.replace("[anonymous]", "[anonymos]"),
  "plain.yaml": plain_policy,
  "access.log": `${line("/orders/7", "spiffe://example.org/web")}\n${line("/orders/8", "spiffe://example.org/web")}\n`,
  "other.html": "a page of somebody",
});
after(folder.remove);
const at = ["--at", "2026-11-30T00:00:00Z"];
const run = (...args: string[]) =>
  sallyport(["report", ...args.map((arg) => (/^[a-z]+\.(?:yaml|html|json|log)$/u.test(arg) ? folder.path(arg) : arg))]);
const data = (...args: string[]): ReportData => {
  const { code, stderr } = run(...args, "-o", "made.html", "--json", "made.json", ...at);
  assert.equal(code, 0, stderr);
  return JSON.parse(readFileSync(folder.path("made.json"), "utf8"));
};

test("a page that stands alone, and a summary", () => {
  const { code, stdout, stderr } = run("shop.yaml", "-o", "report.html", ...at);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /report\.html: 1 policy, \d+ callers, 4 endpoints, \d+ grants, \d+ findings?\n/);
  const page = readFileSync(folder.path("report.html"), "utf8");
  assert.match(page, /^<!doctype html>/);
  assert.match(
    page,
    /Content-Security-Policy" content="default-src 'none'; script-src 'sha256-[\w+/=]+'; style-src 'sha256-/,
  );
  assert.doesNotMatch(
    page.replace(/<script type="application\/json" id="licences">.*/u, ""),
    /(?:src|href)="(?!#)/,
    "it asks for something",
  );
});

test("--format json", () => {
  const { stdout } = run(
    "shop.yaml",
    "pay.yaml",
    "-o",
    "report.html",
    "--format",
    "json",
    "--service",
    "pay=spiffe://example.org/pay",
    ...at,
  );
  const { policies, dangerous } = JSON.parse(stdout);
  assert.equal(policies, 2);
  assert.deepEqual(dangerous[0], { id: "spiffe://example.org/web", endpoints: 4, sensitive: 1 });
});

test("--service, by the name and by the file", () => {
  for (const name of ["pay", folder.path("pay.yaml")]) {
    const { policies } = data("shop.yaml", "pay.yaml", "--service", `${name}=spiffe://example.org/pay`);
    assert.deepEqual(
      policies.map(({ service }) => service),
      ["spiffe://example.org/shop", "spiffe://example.org/pay"],
    );
  }
  for (const wrong of ["pay", "pay=shop", "pay=spiffe://example.org/*", "=spiffe://example.org/pay"])
    assert.match(run("pay.yaml", "--service", wrong).stderr, /as in `--service shop=spiffe:/, wrong);
  assert.match(run("pay.yaml", "--service", "paid=spiffe://example.org/a").stderr, /no policy `paid` here: pay/);
});

test("--against", () => {
  const { changes } = data("shop.yaml", "--against", "older.yaml");
  assert.deepEqual(
    changes.map(({ gained, lost }) => [gained.map(({ endpoints }) => endpoints), lost]),
    [[[["GET /orders"]], []]],
  );
  assert.match(
    run("shop.yaml", "--against", "pay.yaml").stderr,
    /is policy `pay`, of which there is no other version here: shop/,
  );
  assert.match(
    run("shop.yaml", "--against", "older.yaml", "--against", "again.yaml").stderr,
    /both versions of `shop`/,
  );
});

test("--log", () => {
  const { usage, cells, callers, endpoints } = data("shop.yaml", "--log", "access.log");
  assert.equal(usage?.requests, 2);
  const web = callers.findIndex(({ id }) => id === "spiffe://example.org/web");
  const used = cells
    .filter(([caller]) => caller === web)
    .map(([, endpoint, , admitted]) => [endpoints[endpoint]!.path, admitted]);
  assert.deepEqual(used, [
    ["/healthz", 0],
    ["/orders", 0],
    ["/orders/{id}", 2],
  ]);
  assert.match(run("shop.yaml", "--log", "access.log", "-o", "report.html").stdout, /grants, \d+ of them never used/);
});

test("--from: what another system made of logs", () => {
  const row: Record<(typeof aggregate_columns)[number], string | number> = {
    day: "2026-11-30",
    host: "shop.example.org",
    method: "GET",
    path: "/orders/{number}",
    parameters: "",
    operation: "",
    caller: "spiffe://example.org/web",
    issuer: "",
    scopes: "",
    policy: "shop",
    rule: "browse",
    decision: "allow",
    reason: "allowed",
    admitted: "true",
    status: 200,
    count: 41,
    first_seen: 0,
    last_seen: 0,
    bytes_in: 0,
    bytes_out: 0,
    durations: Array<number>(14).fill(0).join(" "),
    peak_minute: 9,
  };
  writeFileSync(folder.path("usage.csv"), `${Object.keys(row).join()}\n${Object.values(row).join()}\n`);
  const { usage, cells } = data("shop.yaml", "--from", folder.path("usage.csv"));
  assert.equal(usage?.requests, 41);
  assert.deepEqual(
    cells.flatMap(([, , , admitted]) => (admitted === 0 ? [] : [admitted])),
    [41],
  );
  const both = run("shop.yaml", "--from", folder.path("usage.csv"), "--log", "access.log");
  assert.deepEqual([both.code, /--from takes the place of --log/u.test(both.stderr)], [2, true]);
  const none = run("shop.yaml", "--from", "/nowhere/usage.csv");
  assert.deepEqual([none.code, /\/nowhere\/usage\.csv/u.test(none.stderr)], [2, true]);
});

test("--at: a grant that has ended is none", () => {
  const { code, stderr } = run(
    "shop.yaml",
    "-o",
    "report.html",
    "--json",
    "later.json",
    "--at",
    "2027-01-01T00:00:00Z",
  );
  assert.equal(code, 0, stderr);
  const later: ReportData = JSON.parse(readFileSync(folder.path("later.json"), "utf8"));
  assert.deepEqual(later.policies[0]!.endedRules, ["until"]);
  assert.ok(!later.endpoints.some(({ path }) => path === "/export"), "the endpoint of a rule that has ended is there");
});

test("--no-open-footholds", () => {
  const reach = ({ blast, callers }: ReportData): number =>
    blast.identities[callers.findIndex(({ id }) => id === "spiffe://example.org/partner")]!.reach.sensitive;
  assert.equal(reach(data("shop.yaml", "pay.yaml", "--no-open-footholds")), 1, "by the export, which is its own");
  const health = data("shop.yaml", "pay.yaml", "--no-open-footholds").blast.identities[0]!.reach;
  assert.equal(health.sensitive, 0);
  assert.equal(data("shop.yaml", "pay.yaml").blast.identities[0]!.reach.sensitive, 1);
});

describe("what it refuses", () => {
  test("two policies of one name", () => {
    const { code, stderr } = run("shop.yaml", "again.yaml");
    assert.equal(code, 2);
    assert.match(stderr, /are both policy `shop`.*--against/);
  });

  test("a policy that is not sound", () => {
    const { code, stderr } = run("invalid.yaml", "-o", "none.html");
    assert.equal(code, 2);
    assert.match(stderr, /unknown_callers/);
  });

  test("to write over something else", () => {
    assert.match(run("plain.yaml", "-o", "other.html").stderr, /exists and is no page of a report/);
    assert.match(run("plain.yaml", "-o", "made.html", "--json", "plain.yaml").stderr, /is no JSON file/);
  });

  test("logs that are not there", () => {
    const { code, stderr } = run("plain.yaml", "--log", "/nowhere/access.log");
    assert.equal(code, 2);
    assert.match(stderr, /\/nowhere\/access\.log/);
  });
});

test("its findings are those of check", () => {
  const { policies } = data("shop.yaml");
  const { warnings } = JSON.parse(sallyport(["check", folder.path("shop.yaml"), "--format", "json"]).stdout);
  assert.deepEqual(policies[0]!.findings, warnings);
});
