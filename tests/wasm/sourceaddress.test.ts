/** Addresses that Envoy took from a header: they have port 0, and conditions do not take them unless the policy says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { recordOf } from "../support/plugin.ts";
import { caller, imageOf, Workers } from "../support/workers.ts";

const policy = (rules: string, trust = ""): string => `
version: 1
name: shop
trust: { domains: [example.org]${trust} }
rules:
${rules}
`;
const rule = (name: string, action: string, when: string): string =>
  `  - { name: ${name}, callers: [any], ${action}: [GET /orders], when: '${when}' }`;

function ask(workers: Workers, source: string): { reason?: unknown; detail?: unknown; rule?: unknown } {
  const request = { caller, source, method: "GET", path: "/orders", host: "h", headers: [], token: null };
  return recordOf(workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request)));
}

function reasonOf(rules: string, source: string, trust?: string): string {
  const { reason, detail = "no detail" } = ask(new Workers(imageOf(policy(rules, trust)), 1), source);
  return `${reason}, ${detail}`;
}

const forwarded = ["10.0.0.1:0", "[2001:db8::1]:0", "10.0.0.1:00000"];

test("are errors, also their ports", () => {
  for (const source of forwarded) {
    for (const when of ['source.ip != "192.0.2.1"', "source.port < 70000"]) {
      assert.equal(reasonOf(rule("a", "allow", when), source), "condition_error, source_forwarded");
      assert.equal(reasonOf(rule("a", "deny", when), source), "rule_denied, source_forwarded");
      assert.equal(reasonOf(rule("a", "allow", when), source, ", sourceAddress: forwarded"), "allowed, no detail");
    }
  }
  for (const port of [1, 10, 100, 65530])
    assert.equal(reasonOf(rule("a", "allow", 'source.ip == "10.0.0.1"'), `10.0.0.1:${port}`), "allowed, no detail");
});

test("are not why a condition is false, or an error by something else", () => {
  const [source] = forwarded as [string];
  assert.equal(
    reasonOf(rule("a", "allow", 'source.ip == "x" && request.method == "POST"'), source),
    "condition_false, no detail",
  );
  assert.equal(
    reasonOf(rule("a", "allow", 'source.ip == "x" || request.method == "GET"'), source),
    "allowed, no detail",
  );
  const rules = `${rule("a", "allow", 'source.ip == "x" && request.method == "POST"')}\n${rule("b", "allow", 'request.headers["x-none"] == "x"')}`;
  assert.equal(reasonOf(rules, source), "condition_error, no detail");
});

test("are told of once in the log, with what to set", () => {
  const workers = new Workers(imageOf(policy(rule("a", "allow", 'source.ip == "10.0.0.1"'))), 1);
  for (let time = 0; time < 3; time++) ask(workers, "10.0.0.1:0");
  const lines = workers.hosts[0]!.logs.filter(({ message }) => message.includes("x-forwarded-for"));
  assert.equal(lines.length, 1);
  assert.match(lines[0]!.message, /use_remote_address: true.*trust\.sourceAddress: forwarded/u);
});
