/** Two periods compared: what is new, what is gone, and what counts as a jump. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Drift, driftOf, splitAt } from "../../scripts/discover/drift.ts";
import { firstDayOf, parseSince } from "../../scripts/discover/period.ts";
import type { Usage } from "../../scripts/traffic/usage.ts";
import { denied, usage } from "./usages.ts";

const [web, app, job] = ["spiffe://example.org/web", "spiffe://example.org/app", "spiffe://example.org/job"];
const [first, second, third] = ["2026-11-20", "2026-11-21", "2026-11-22"];
const by = (caller: string, request: string, given: Partial<Usage> = {}) => usage(request, { caller, ...given });

/** Names of what has changed. */
function told(drift: Drift): Record<string, string[]> {
  const endpoint = (one: { method: string; template: string }) => `${one.method} ${one.template}`;
  const pair = (one: Drift["newPairs"][number]) => `${one.caller.slice(21)} ${endpoint(one)}`;
  const lists = {
    newEndpoints: drift.newEndpoints.map(endpoint),
    newCallers: drift.newCallers.map(({ caller }) => caller.slice(21)),
    newPairs: drift.newPairs.map(pair),
    vanishedEndpoints: drift.vanishedEndpoints.map(endpoint),
    vanishedCallers: drift.vanishedCallers.map(({ caller }) => caller.slice(21)),
    vanishedPairs: drift.vanishedPairs.map(pair),
    volume: drift.volume.map(endpoint),
    denials: drift.denials.map((one) => ("caller" in one ? one.caller.slice(21) : endpoint(one))),
  };
  return Object.fromEntries(Object.entries(lists).filter(([, names]) => names.length > 0));
}

test("the same traffic on another day is no drift, whatever its values and its order", () => {
  const day = (name: string): Usage[] => [
    ...Array.from({ length: 60 }, (_, at) => by(web, `GET /products/thing-${name}-${at}`, { day: name })),
    by(app, "GET /orders/{number}", { day: name, count: 5_000 }),
    denied("GET /orders/{number}", "no_rule", { day: name, caller: job, count: 50 }),
  ];
  assert.deepEqual(told(driftOf(day(first), day(second).reverse())), {});
  assert.deepEqual(told(driftOf(day(first), [...day(second), ...day(third)])), {});
});

test("new and vanished callers, endpoints and pairs", () => {
  const before = [by(web, "GET /a"), by(web, "GET /b"), by(app, "GET /a"), by(job, "GET /a"), by(app, "GET /c")];
  const after = [
    by(web, "GET /a", { day: second }),
    by(app, "GET /b", { day: second }),
    by(web, "GET /d", { day: second }),
    by("", "GET /a", { day: second }),
    by(app, "GET /e", { day: second, status: 404 }),
    denied("GET /f", "no_rule", { day: second }),
  ];
  const drift = driftOf(before, after);
  assert.deepEqual(told(drift), {
    newEndpoints: ["GET /d"],
    newCallers: [""],
    newPairs: [" GET /a", "app GET /b", "web GET /d"],
    vanishedEndpoints: ["GET /c"],
    vanishedCallers: ["job"],
    vanishedPairs: ["app GET /a", "web GET /b"],
  });
  assert.deepEqual(
    drift.newPairs.map(({ isCallerNew, isEndpointNew }) => [isCallerNew, isEndpointNew]),
    [
      [true, false],
      [false, false],
      [false, true],
    ],
  );
  assert.deepEqual(drift.vanishedEndpoints[0]!.callers, [app]);
});

test("jumps are by the day: three times as many, and enough of them", () => {
  const at = (day: string, counts: Record<string, number>): Usage[] =>
    Object.entries(counts).map(([path, count]) => by(web, `GET ${path}`, { day, count }));
  const before = [
    ...at(first, { "/up": 100, "/down": 1_000, "/less": 100, "/few": 10 }),
    ...at(second, { "/up": 100 }),
  ];
  const after = at(third, { "/up": 300, "/down": 100, "/less": 299, "/few": 90 });
  assert.deepEqual(told(driftOf(before, after)), { volume: ["GET /down", "GET /less", "GET /up"] });
  const denials = (day: string, count: number): Usage[] => [
    by(web, "GET /a", { day }),
    denied("GET /a", "no_rule", { day, count, caller: app }),
    by(web, "GET /a", { day, count: 500, status: 404, admitted: false }),
  ];
  assert.deepEqual(told(driftOf(denials(first, 10), denials(second, 30))), { denials: ["GET /a", "app"] });
  assert.deepEqual(told(driftOf(denials(first, 10), denials(second, 29))), {});
});

test("periods within one log", () => {
  const usages = [first, second, third, ""].map((day) => usage("GET /a", { day }));
  const days = (since: string) =>
    splitAt(usages, firstDayOf(parseSince(since)!, usages)!).map((some) => some.map(({ day }) => day));
  assert.deepEqual(days("1d"), [[first, second], [third]]);
  assert.deepEqual(days("2d"), [[first], [second, third]]);
  assert.deepEqual(days(second), [[first], [second, third]]);
  assert.equal(firstDayOf({ days: 1 }, [usage("GET /a", { day: "" })]), undefined);
  for (const wrong of ["", "7", "0d", "-1d", "7h", "2026-02-30", "2026-13-01", "2026-1-1", "yesterday"])
    assert.equal(parseSince(wrong), undefined, wrong);
});
