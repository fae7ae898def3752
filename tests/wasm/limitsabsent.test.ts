/** Limits of requests that lack what they count by, limits in shadow mode, and tiers. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { recordOf } from "../support/plugin.ts";
import { imageOf, Workers } from "../support/workers.ts";

type Headers = readonly (readonly [string, string])[];

/** Asks one after the other for `/items/1`, or another path. */
class Asking {
  readonly #workers: Workers;

  constructor(limits: string, rules: string) {
    const text = `version: 1\nname: shop\ntrust: { domains: [example.org] }\nlimits: { ${limits} }\nrules:\n${rules}`;
    this.#workers = new Workers(imageOf(text), 1);
  }

  ask(
    headers: Headers = [],
    { caller = null, path = "/items/1" }: { caller?: string | null; path?: string } = {},
  ): Outcome {
    const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers, token: null };
    return this.#workers.hosts[0]!.request(this.#workers.roots[0]!, hostRequest(request));
  }

  /** Shared data fails, or does no more. */
  fail(fails: boolean): void {
    this.#workers.hosts[0]!.faults = fails ? [{ call: "get_shared_data", result: WasmResult.InternalFailure }] : [];
  }

  counted(name: string): bigint {
    return this.#workers.counted(name);
  }
}

const rule = '  - { name: a, callers: [anonymous], allow: ["GET /items/{id}", GET /others], limit: one }\n';
const byHeader = (more: string): Asking =>
  new Asking(`one: { rate: 1/h, burst: 1, per: ['request.headers["x-a"]']${more} }`, rule);
const a: Headers = [["x-a", "1"]];

describe("a request that lacks what a limit counts by", () => {
  test("shares a bucket with others", () => {
    for (const more of ["", ", absent: share"]) {
      const asking = byHeader(more);
      assert.deepEqual(
        [asking.ask().action, asking.ask().action, asking.ask(a).action],
        ["continue", "pause", "continue"],
      );
    }
  });

  test("is denied, and told of no time to come back", () => {
    const asking = byHeader(", absent: deny");
    for (const headers of [[], [...a, ...a]]) {
      const outcome = asking.ask(headers);
      const { reason, limit, detail } = recordOf(outcome);
      assert.deepEqual(
        { reason, limit, detail },
        { reason: "limit_exceeded", limit: "one", detail: "limit_key_absent" },
      );
      assert.equal(outcome.localResponse?.status, 429);
      const names = outcome.localResponse!.headers.map(([name]) => name);
      assert.deepEqual(
        names.filter((name) => /^r/u.test(name)),
        [],
      );
    }
    assert.equal(asking.ask(a).action, "continue");
    const full = asking.ask(a);
    assert.equal(recordOf(full).detail, undefined);
    assert.ok(full.localResponse!.headers.some(([name]) => name === "retry-after"));
  });

  test("takes nothing from other limits of the rule", () => {
    const limits = `all: { rate: 1/h, burst: 1 }, one: { rate: 1/h, burst: 1, per: ['request.headers["x-a"]'], absent: deny }`;
    const asking = new Asking(limits, rule.replace("limit: one", "limit: [all, one]"));
    assert.deepEqual([asking.ask().action, asking.ask(a).action], ["pause", "continue"]);
  });

  test("of a caller, its domain or a segment of the path", () => {
    const caller = "spiffe://example.org/a";
    for (const per of ["caller", "caller.trust_domain"]) {
      const asking = new Asking(`one: { rate: 1/h, burst: 2, per: [${per}], absent: deny }`, rule);
      assert.deepEqual([asking.ask().action, asking.ask([], { caller }).action], ["pause", "continue"], per);
    }
    const asking = new Asking("one: { rate: 1/h, burst: 1, per: [path.id], absent: deny }", rule);
    assert.deepEqual([asking.ask([], { path: "/others" }).action, asking.ask().action], ["pause", "continue"]);
  });
});

describe("a limit in shadow mode", () => {
  const limits = "seen: { rate: 1/h, burst: 1, mode: shadow }, real: { rate: 1/h, burst: 3 }";

  test("is taken from, denies nothing, and is told of", () => {
    const asking = new Asking(limits, rule.replace("limit: one", "limit: [real, seen]"));
    assert.equal(recordOf(asking.ask()).shadow, undefined);
    for (let count = 0; count < 2; count++) {
      const outcome = asking.ask();
      assert.equal(outcome.action, "continue");
      assert.deepEqual(recordOf(outcome).shadow, [
        { rule: "a", limit: "seen", decision: "deny", reason: "limit_exceeded" },
      ]);
    }
    const denied = recordOf(asking.ask());
    assert.deepEqual([denied.reason, denied.limit, denied.shadow], ["limit_exceeded", "real", undefined]);
    assert.equal(asking.counted("sallyport_limits.policy.shop;.decision.shadow_deny"), 2n);
  });

  test("is not taken from by a request that another limit refuses", () => {
    const rules =
      rule.replace("limit: one", "limit: [none, seen]") +
      "  - { name: b, callers: [anonymous], allow: [GET /b], limit: seen }\n";
    const asking = new Asking("none: { rate: 1/h, burst: 1 }, seen: { rate: 1/h, burst: 2, mode: shadow }", rules);
    const actions = [asking.ask().action, asking.ask().action];
    assert.deepEqual(actions, ["continue", "pause"]);
    const seen = [0, 1].map(() => recordOf(asking.ask([], { path: "/b" })).shadow !== undefined);
    assert.deepEqual(seen, [false, true]);
  });

  test("that the host fails to look at denies nothing, and is not told of", () => {
    const asking = new Asking(limits, rule.replace("limit: one", "limit: seen"));
    asking.ask();
    asking.fail(true);
    const outcome = asking.ask();
    assert.deepEqual([outcome.action, recordOf(outcome).shadow], ["continue", undefined]);
    asking.fail(false);
    assert.notEqual(recordOf(asking.ask()).shadow, undefined);
  });

  test("beside rules in shadow mode", () => {
    const rules = `${rule.replace("limit: one", "limit: seen")}  - { name: b, callers: [anonymous], allow: ["GET /items/*"], mode: shadow }\n`;
    const asking = new Asking(limits, rules);
    asking.ask();
    assert.deepEqual(recordOf(asking.ask()).shadow, [
      { rule: "b", decision: "allow", reason: "allowed" },
      { rule: "a", limit: "seen", decision: "deny", reason: "limit_exceeded" },
    ]);
  });
});

describe("tiers of a limit", () => {
  const tiers = `tier: 'request.headers["x-plan"]', tiers: { gold: { rate: 2/h, burst: 3 }, free: 2/d }`;
  const limits = `one: { rate: 1/h, burst: 1, per: [caller], absent: share, ${tiers} }`;
  const plan = (...values: string[]): Headers => values.map((value) => ["x-plan", value] as const);
  const drained = (asking: Asking, headers: Headers, caller?: string): number => {
    let count = 0;
    for (; asking.ask(headers, { caller: caller ?? null }).action === "continue"; count++)
      assert.ok(count < 100, "nothing is denied");
    return count;
  };

  test("have rates of their own, and who has none of them has the limit's", () => {
    const asking = new Asking(limits, rule);
    const counts = [plan("gold"), plan("free"), plan("silver"), plan(), plan("gold", "free"), plan("GOLD")];
    // The last four share the limit's own bucket.
    assert.deepEqual(
      counts.map((headers) => drained(asking, headers)),
      [3, 2, 1, 0, 0, 0],
    );
    assert.equal(drained(asking, plan("gold"), "spiffe://example.org/x"), 3);
  });

  test("are what the answer tells of, and a change between them gives no more than each", () => {
    const asking = new Asking(limits, rule);
    let admitted = 0;
    for (let count = 0; count < 30; count++)
      for (const name of ["gold", "free", "none"]) if (asking.ask(plan(name)).action === "continue") admitted++;
    assert.equal(admitted, 3 + 2 + 1);
    const policyOf = (name: string): string | undefined =>
      new Map(asking.ask(plan(name)).localResponse!.headers).get("ratelimit-policy");
    assert.deepEqual(["gold", "free", "none"].map(policyOf), [
      '"one";q=3;w=5400',
      '"one";q=2;w=86400',
      '"one";q=1;w=3600',
    ]);
    assert.equal(recordOf(asking.ask(plan("gold"))).limit, "one");
  });
});
