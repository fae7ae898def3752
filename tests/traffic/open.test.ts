/** Access logs as the examples write them → groups, and the requests behind them. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openTraffic } from "../../scripts/traffic/open.ts";
import type { RecordedRequest } from "../../scripts/traffic/usage.ts";
import { logLine as line } from "./sample.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-traffic-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const web = "spiffe://example.org/web";

test("requests that are alike are one group, with its counts", async () => {
  const file = join(folder, "it's [one]*.log");
  const denial = { admit: false, decision: "deny", reason: "no_rule", rule: undefined };
  const lines = [
    line("/orders/1"),
    line("/orders/2", { time: "2026-11-30T10:00:59.999Z", duration_ms: 20_000 }),
    line("/orders/3", { time: "2026-11-30T11:00:00.000Z" }),
    line("/orders/3", { status: 403 }, denial),
    "what is this",
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const traffic = await openTraffic([file], { threads: 1 });
  try {
    const usages = await traffic.usages();
    assert.deepEqual(usages[0], {
      day: "2026-11-30",
      host: "orders.example.org",
      method: "GET",
      path: "/orders/{number}",
      parameters: [],
      operation: "",
      caller: web,
      issuer: "",
      scopes: "",
      policy: "shop",
      rule: "orders",
      decision: "allow",
      reason: "allowed",
      admitted: true,
      status: 200,
      count: 3,
      firstSeen: Date.UTC(2026, 10, 30, 10),
      lastSeen: Date.UTC(2026, 10, 30, 11),
      bytesIn: 0,
      bytesOut: 0,
      durations: [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
      peakMinute: 2,
    });
    assert.deepEqual(
      usages.map(({ admitted, count }) => [admitted, count]),
      [
        [true, 3],
        [false, 1],
      ],
    );
    assert.equal(traffic.summary.lines, 5);
    assert.equal(traffic.summary.unknown, 1);
    assert.deepEqual(traffic.summary.unknownExamples, [{ file, line: 5, text: "what is this" }]);
    const requests: RecordedRequest[] = [];
    for await (const request of traffic.requests()) requests.push(request);
    assert.deepEqual(requests.map(({ path, source, decision, count }) => [path, source, decision, count]).sort(), [
      ["/orders/1", "10.0.0.1:1", "allow", 1],
      ["/orders/2", "10.0.0.1:1", "allow", 1],
      ["/orders/3", "10.0.0.1:1", "allow", 1],
      ["/orders/3", "10.0.0.1:1", "deny", 1],
    ]);
  } finally {
    await traffic.close();
  }
});
