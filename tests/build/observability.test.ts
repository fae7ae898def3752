/** What observability/ has for operators, without the systems that use it: the dashboard is what its panels make, and no query asks for what is not there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { metricEntries } from "../../scripts/evaluate/metrics.ts";
import { reasonNames } from "../../scripts/evaluate/reasons.ts";
import { record_members } from "../../scripts/evaluate/record.ts";
import { dashboard_path, dashboardText } from "../../scripts/observability/dashboard.ts";
import { panel_rows } from "../../scripts/observability/panels.ts";
import { status_codes } from "../../scripts/status/codes.ts";

interface Rule {
  record?: string;
  alert?: string;
  expr: string;
  labels?: { severity: string };
  annotations?: { summary: string; description: string };
}

const read = (path: string): string => readFileSync(path, "utf8");
const rules = (parse(read("observability/rules.yaml")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const alerts = rules.filter(({ alert }) => alert !== undefined);

test("the dashboard is what its panels make", () => {
  assert.equal(read(dashboard_path), dashboardText(), "run `npm run dashboard`");
});

const queries: [where: string, query: string][] = [
  ...panel_rows.flatMap(({ panels }) =>
    panels.flatMap(({ title, queries }) => queries.map(({ expr }) => [`panel "${title}"`, expr] as [string, string])),
  ),
  ...rules.map(({ record, alert, expr }) => [`rule ${record ?? alert}`, expr] as [string, string]),
];

test("queries ask for metrics, labels and values that there are", () => {
  const metrics = new Map<string, Readonly<Record<string, readonly string[]>>>(
    metricEntries.map(([name, { labels }]) => [name, labels]),
  );
  const labels = new Set(["policy", ...metricEntries.flatMap(([, entry]) => Object.keys(entry.labels))]);
  const records = new Set(rules.flatMap(({ record }) => (record === undefined ? [] : [record])));
  for (const [where, query] of queries) {
    for (const [name] of query.matchAll(/\bsallyport:[a-z0-9_:]+/gu))
      assert.ok(records.has(name), `${where} asks for ${name}, which no rule records`);
    for (const [name] of query.matchAll(/\bsallyport_[a-z_]+/gu)) {
      const known = metrics.has(name) || labels.has(name.slice("sallyport_".length));
      assert.ok(known, `${where} asks for ${name}, which is neither a metric nor a label`);
    }
    for (const [, label, values] of query.matchAll(
      /\bsallyport_(decision|event|result|mode|reason)=~?"([a-z_|]+)"/gu,
    )) {
      const all: readonly string[] =
        label === "reason"
          ? reasonNames
          : metricEntries.flatMap(([, entry]) => (entry.labels as Record<string, readonly string[]>)[label!] ?? []);
      for (const value of values!.split("|")) assert.ok(all.includes(value), `${where}: ${label} is never ${value}`);
    }
  }
});

test("alerts say how bad they are, what is wrong, and which finding of `sallyport status` tells more", () => {
  const named = alerts.flatMap(({ alert, labels, annotations }) => {
    assert.match(labels?.severity ?? "", /^(critical|warning|info)$/u, alert);
    assert.ok((annotations?.summary ?? "") !== "" && (annotations?.description ?? "") !== "", alert);
    const [, codes = ""] = /`sallyport status`: ([a-z_, ]+)\./u.exec(annotations!.description) ?? [];
    return codes.split(", ").filter((code) => code !== "");
  });
  for (const code of named) assert.ok(code in status_codes, `${code} is no finding of status`);
  assert.ok(named.length > 8, `${named.length} findings`);
});

test("each alert is in the documents, and each alert there is one", () => {
  const [, section] = /^## What to alert on\n([\s\S]*?)^## /mu.exec(read("docs/observability.md"))!;
  const told = [...section!.matchAll(/^\| `(Sallyport[A-Za-z]+)`/gmu)].map(([, name]) => name);
  assert.deepEqual(told.sort(), alerts.map(({ alert }) => alert).sort());
});

test("the access log by OTLP has all members of the record, but lists and numbers, and what Envoy tells of a request anyway", () => {
  const { access_log } = parse(read("observability/opentelemetry.yaml"));
  const keys: string[] = access_log[0].typed_config.attributes.values.map(({ key }: { key: string }) => key);
  const members = keys.flatMap((key) => (key.startsWith("sallyport.") ? [key.slice("sallyport.".length)] : []));
  const elsewhere = ["admit", "shadow", "path_bytes", "method", "host", "path"];
  assert.deepEqual(
    members,
    Object.keys(record_members).filter((name) => !elsewhere.includes(name)),
  );
});
