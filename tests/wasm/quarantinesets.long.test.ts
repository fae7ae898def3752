/** More callers that are denied than a quarantine has room for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Guarded, mobile, probing, quarantinePolicy } from "../support/quarantine.ts";

const policy = quarantinePolicy(probing);

test("a set that is full counts no newcomers, and pushes nobody out, until those in it are forgotten", () => {
  const guarded = new Guarded(policy, 1);
  guarded.probe(3);
  guarded.pass(70);
  guarded.probe(2, { caller: mobile });
  for (let count = 0; count < 30_000; count++) guarded.probe(1, { caller: `spiffe://example.org/c${count}` });
  const counted = (name: string): number => {
    const callers = Array.from({ length: 20 }, (_, number) => `spiffe://example.org/${name}${number}`);
    for (const caller of callers) guarded.probe(3, { caller });
    return callers.filter((caller) => guarded.reason({ caller }) === "quarantined").length;
  };
  assert.ok(counted("new") < 10, "newcomers");
  assert.equal(guarded.reason(), "quarantined", "shut out");
  assert.equal(guarded.reason({ caller: mobile }), "allowed");
  guarded.probe(1, { caller: mobile });
  assert.equal(guarded.reason({ caller: mobile }), "quarantined", "counted before");
  guarded.pass(50);
  assert.equal(guarded.reason(), "allowed");
  guarded.probe(3);
  assert.equal(guarded.retryAfter(), 240, "how often it was shut out is kept too");
  guarded.pass(240 + 480 + 60 + 2);
  assert.equal(counted("later"), 20);
});
