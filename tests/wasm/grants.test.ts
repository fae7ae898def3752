/** Rules that hold for a while, and rules in shadow mode: to the second, and in the record and the metrics. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { recordOf, TestPlugin } from "../support/plugin.ts";

const get = (path: string) => ({ caller: "spiffe://example.org/x", method: "GET", path });
const at = (time: string) => ({ clock: () => BigInt(Date.parse(time)) * 1_000_000n });

test("a grant holds from its first second to the one before its last", () => {
  const ask = (time: string) => new TestPlugin("grants", at(time)).request(get("/begun"));
  // Until 2026 a deny rule holds, too, which ends in the same second.
  assert.equal(recordOf(ask("2025-12-31T23:59:59.999Z")).reason, "rule_denied");
  assert.equal(ask("2026-01-01T00:00:00Z").action, "continue");
  assert.equal(ask("2026-12-30T23:59:59.999Z").action, "continue");
  assert.equal(recordOf(ask("2026-12-31T00:00:00Z")).reason, "grant_inactive");
});

test("an offset is reckoned with", () => {
  const ask = (time: string) => new TestPlugin("grants", at(time)).request(get("/ended"));
  assert.equal(ask("2025-12-31T22:59:59Z").action, "continue");
  assert.equal(ask("2025-12-31T23:00:00Z").action, "pause");
});

test("what a rule in shadow mode would have done is recorded and counted", () => {
  const plugin = new TestPlugin("grants");
  const open = plugin.request(get("/open"));
  assert.equal(open.action, "continue");
  assert.deepEqual(recordOf(open).shadow, [{ rule: "open-denied", decision: "deny", reason: "rule_denied" }]);
  const wanted = plugin.request(get("/wanted"));
  assert.equal(wanted.action, "pause");
  assert.equal(recordOf(wanted).rule, undefined);
  assert.deepEqual(recordOf(wanted).shadow, [{ rule: "wanted", decision: "allow", reason: "allowed" }]);
  const metrics = plugin.host.metrics();
  assert.equal(metrics.get("sallyport_rules.policy.grants;.rule.open-denied;.decision.shadow_deny"), 1n);
  assert.equal(metrics.get("sallyport_rules.policy.grants;.rule.wanted;.decision.shadow_allow"), 1n);
  assert.equal(metrics.get("sallyport_rules.policy.grants;.rule.open;.decision.allow"), 1n);
});
