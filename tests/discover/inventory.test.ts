/** The inventory: what is summed, and how. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inventoryOf } from "../../scripts/discover/inventory.ts";
import { latencyOf } from "../../scripts/discover/use.ts";
import { duration_bounds_ms } from "../../scripts/traffic/usage.ts";
import { denied, usage } from "./usages.ts";

test("requests, callers, tokens, errors and times are summed for each endpoint", () => {
  const [web, app] = ["spiffe://example.org/web", "spiffe://example.org/app"];
  const { endpoints, requests, admitted, days } = inventoryOf([
    usage("GET /orders/{number}", { count: 5, issuer: "corp", scopes: "orders:read orders:write", bytesIn: 10 }),
    usage("GET /orders/{uuid}", {
      count: 2,
      issuer: "corp",
      scopes: "orders:read",
      parameters: ["full"],
      day: "2026-11-21",
    }),
    usage("GET /orders/{number}", { count: 3, status: 503, caller: app, issuer: "partner", scopes: "orders:read" }),
    usage("GET /orders/{number}", { status: 404, issuer: "corp", scopes: "orders:read" }),
    denied("GET /orders/{number}", "scope_missing", {
      count: 4,
      scopes: "nothing",
      issuer: "other",
      parameters: ["x"],
    }),
  ]);
  assert.deepEqual([requests, admitted, days], [15, 11, ["2026-11-20", "2026-11-21"]]);
  const [{ usages, segments, ...use }, ...others] = endpoints as [(typeof endpoints)[0]];
  assert.deepEqual(others, []);
  const [first, last] = [Date.parse("2026-11-20T00:00:00Z"), Date.parse("2026-11-21T12:00:00Z")];
  const noon = Date.parse("2026-11-20T12:00:00Z");
  assert.deepEqual(
    { ...use, reasons: { ...use.reasons } },
    {
      key: '["shop.example.org","GET",["orders",0],""]',
      ...{
        host: "shop.example.org",
        method: "GET",
        template: "/orders/{orderId}",
        operation: "",
        isNameable: true,
        isPinned: false,
      },
      ...{ requests: 15, admitted: 11, denied: 4, clientErrors: 1, serverErrors: 3 },
      statuses: { "200": 7, "404": 1, "503": 3 },
      reasons: { scope_missing: 4 },
      callers: [
        { caller: app, requests: 3, admitted: 3, denied: 0, firstSeen: first, lastSeen: noon },
        { caller: web, requests: 12, admitted: 8, denied: 4, firstSeen: first, lastSeen: last },
      ],
      ...{ issuers: ["corp", "partner"], scopes: ["orders:read", "orders:write"], scopesOfAll: ["orders:read"] },
      ...{
        withoutToken: 0,
        parameters: ["full"],
        days: ["2026-11-20", "2026-11-21"],
        firstSeen: first,
        lastSeen: last,
      },
      ...{ bytesIn: 10, bytesOut: 0, latency: undefined, peakMinute: 1 },
    },
  );
});

test("noise is summed, and its most frequent are told", () => {
  const scanned = Array.from({ length: 100 }, (_, at) =>
    denied(`GET /x${at}`, "no_rule", { caller: "", count: at + 1 }),
  );
  const { endpoints, attempts, noise } = inventoryOf([...scanned, usage("GET /favicon.ico", { status: 404 })]);
  assert.deepEqual([endpoints, attempts], [[], []]);
  assert.deepEqual([noise.requests, noise.denied, noise.notFound, noise.paths], [5_051, 5_050, 1, 101]);
  assert.deepEqual(noise.callers, [
    { caller: "", requests: 5_050 },
    { caller: "spiffe://example.org/web", requests: 1 },
  ]);
  assert.equal(noise.most.length, 20);
  assert.deepEqual(noise.most[0], { host: "shop.example.org", method: "GET", path: "/x99", requests: 100 });
});

test("percentiles are interpolated within their bucket", () => {
  const histogram = (counts: Record<number, number>): number[] =>
    Array.from({ length: duration_bounds_ms.length + 1 }, (_, bucket) => counts[bucket] ?? 0);
  assert.equal(latencyOf(histogram({})), undefined);
  assert.deepEqual(latencyOf(histogram({ 0: 100 })), { p50: 0.5, p90: 0.9, p99: 1 });
  assert.deepEqual(latencyOf(histogram({ 3: 50, 4: 50 })), { p50: 10, p90: 18, p99: 19.8 });
  assert.deepEqual(latencyOf(histogram({ 0: 60, 13: 40 })), { p50: 0.8, p90: 10_000, p99: 10_000 });
});
