/** `headers: always` of limits of the fleet: what answers to admitted requests tell, as the service has said, and as buckets had it before. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Fleet } from "../support/fleet.ts";
import { over, type Status } from "../support/ratelimit.ts";
import { outcomeOf } from "../support/workers.ts";

const quiet = "rate: 100/m, scope: fleet";
const always = `${quiet}, headers: always`;

/** What the answer to a request tells that is admitted once the service has said so. */
function told(fleet: Fleet, statuses: readonly Status[] | number): string | undefined {
  const outcome = fleet.get("/a", "spiffe://example.org/web", 0, true);
  assert.equal(outcomeOf(outcome), "waits");
  fleet.tell(statuses);
  return toldBy(fleet, outcome.context);
}

function toldBy(fleet: Fleet, context: number): string | undefined {
  const [host] = fleet.hosts;
  const headers = new Map(host!.respond(context, [[":status", "200"]]));
  host!.deleteContext(context);
  return headers.get("ratelimit");
}

const left = (remaining: number, resetSeconds: number): Status => ({ code: 1, remaining, resetSeconds });

describe("an answer", () => {
  test("tells what the service has left, and when it counts anew", () => {
    const fleet = new Fleet({ limits: `x: { ${always} }` });
    assert.equal(told(fleet, [left(41, 17)]), '"x";r=41;t=17');
    assert.equal(told(fleet, [left(0, 1)]), '"x";r=0;t=1');
  });

  test("tells of the limit with the least left, in any order", () => {
    const limits = `x: { ${always} }, y: { ${always}, per: [caller] }`;
    for (const [x, y, expected] of [
      [5, 9, '"x";r=5;t=17'],
      [9, 5, '"y";r=5;t=18'],
    ] as const) {
      const fleet = new Fleet({ limits, limit: "[x, y]" });
      assert.equal(told(fleet, [left(x, 17), left(y, 18)]), expected);
    }
  });

  test("says nothing of a limit that does not tell, nor where the service does not answer", () => {
    assert.equal(told(new Fleet({ limits: `x: { ${quiet} }` }), [left(5, 9)]), undefined);
    assert.equal(told(new Fleet({ limits: `x: { ${always}, onError: allow }` }), 14), undefined);
  });

  test("tells of this Envoy's share where that is what holds", () => {
    const fleet = new Fleet({ limits: `x: { ${always}, burst: 8 }` });
    assert.match(told(fleet, 14)!, /^"x";r=1;t=[0-9]+$/u);
  });

  test("tells of a bucket of the rule that has less left, though it was taken from before the wait", () => {
    const limits = `x: { ${always}, burst: 400 }, own: { rate: 1/h, burst: 10, headers: always }`;
    assert.match(told(new Fleet({ limits, limit: "[x, own]" }), [left(99, 9)])!, /^"own";r=9;/u);
    assert.equal(told(new Fleet({ limits, limit: "[x, own]" }), [left(1, 9)]), '"x";r=1;t=9');
  });

  test("of a rule that did not admit tells nothing", () => {
    const rules = `  - { name: a, callers: [any], allow: [GET /a], limit: [x, own] }
  - { name: b, callers: [any], allow: [GET /a] }
`;
    const limits = `x: { ${always} }, own: { rate: 1/h, burst: 10, headers: always }`;
    assert.equal(told(new Fleet({ limits, rules }), [over(9)]), undefined);
  });
});
