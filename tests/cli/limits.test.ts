/** What `sallyport explain` and `sallyport test` tell of limits: what a request cost, which one had no room, what a fleet's service did not answer. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { folderOf, sallyport } from "./program.ts";

const folder = folderOf({
  "policy.yaml": `version: 1
name: shop
trust: { domains: [example.org] }
fleet: { replicas: 2 }
limits:
  few: { rate: 1/h, burst: 3, per: [caller], tier: 'request.headers["x-plan"]', tiers: { gold: { rate: 5/h, burst: 4 }, silver: { rate: 1/h, burst: 3 } } }
  seen: { rate: 1/h, burst: 1, per: ['request.headers["x-id"]'], absent: deny, mode: shadow }
  loop: { hops: x-hops, most: 1 }
  all: { rate: 10/s, scope: fleet, onError: deny }
rules:
  - { name: chosen, callers: [any], allow: [GET /chosen], limit: few, cost: 'request.query["n"] == "all" ? 10 : 1' }
  - { name: capped, callers: [any], allow: [GET /capped], limit: few, cost: { value: 'int(request.query["n"])', most: 2 } }
  - { name: plain, callers: [any], allow: [GET /plain], limit: [few, seen] }
  - { name: looped, callers: [any], allow: [GET /looped], limit: loop }
  - { name: shared, callers: [any], allow: [GET /shared], limit: all }
`,
  "tests.yaml": `policy: policy.yaml
defaults: { caller: spiffe://example.org/web }
tests:
  - { name: own rate, repeat: 4, request: GET /plain, expect: allow }
  - { name: a tier, repeat: 5, request: { method: GET, path: /plain, headers: { x-plan: gold } }, expect: allow }
  - { name: a tier of the same rate, repeat: 4, request: { method: GET, path: /plain, headers: { x-plan: silver } }, expect: allow }
  - { name: a cost, request: GET /chosen, expect: allow }
  - { name: seen, request: GET /plain, expect: deny }
  - { name: shared, request: GET /shared, expect: allow }
`,
  "beside.yaml": `version: 1
name: shop
trust: { domains: [example.org] }
fleet: { replicas: 4 }
limits:
  local: { rate: 8/s, burst: 8, per: [caller], scope: fleet }
  strict: { rate: 8/s, scope: fleet, onError: deny }
  lax: { rate: 8/s, scope: fleet, onError: allow }
  open: { concurrency: 1 }
quarantine: [{ name: probing, when: [no_rule], denials: 3, within: 1m, for: 5m }]
rules:
${["local", "strict", "lax", "open"].map((name) => `  - { name: ${name}, callers: [any], allow: [GET /${name}], limit: ${name} }\n`).join("")}`,
  "beside.tests.yaml": `policy: beside.yaml
defaults: { caller: spiffe://example.org/web }
tests:
  - { name: the last that counts, repeat: 3, request: GET /x, expect: { deny: no_rule } }
  - { name: shut out, repeat: 4, request: GET /x, expect: { deny: quarantined } }
  - { name: not shut out by another test, request: GET /local, expect: allow }
  - { name: the share, repeat: 2, request: GET /local, expect: allow }
  - { name: beyond the share, repeat: 3, request: GET /local, expect: { deny: limit_exceeded } }
  - { name: without the service, request: GET /strict, expect: { deny: internal } }
  - { name: no limit without the service, repeat: 100, request: GET /lax, expect: allow }
  - { name: one after the other, repeat: 9, request: GET /open, expect: allow }
`,
  "null.yaml": "policy: beside.yaml\ntests: [{ name: a, request: GET /x, expect: null }]\n",
});
after(folder.remove);

describe("explain, of limits", () => {
  const run = (request: string, ...more: string[]): string => {
    const caller = ["--caller", "spiffe://example.org/web"];
    const { stdout, stderr } = sallyport([
      ...["explain", folder.path("policy.yaml"), ...caller, "--request", request],
      ...more,
    ]);
    assert.equal(stderr, "");
    return stdout;
  };
  const parts = (request: string, rule: string) => {
    const { rules } = JSON.parse(run(request, "--format", "json"));
    return rules.find((one: { rule: string }) => one.rule === rule).parts.at(-1);
  };

  test("a cost that is chosen between says what it came to", () => {
    assert.match(run("GET /chosen?n=x"), /✓ limit \(cost 1\)\n +request\.query\["n"\] == "all" \? 10 : 1 +1$/mu);
    const error = run("GET /chosen");
    assert.match(error, /! limit\n +request\.query\["n"\] == "all" \? 10 : 1 +error$/mu);
  });

  test("a cost of which the most, or the least, is taken says so", () => {
    const capped = run("GET /chosen?n=all");
    assert.match(
      capped,
      /✓ limit \(cost 3: it came to 10, at most 3\)\n +request\.query\["n"\] == "all" \? 10 : 1 +10$/mu,
    );
    assert.match(run("GET /capped?n=7"), /✓ limit \(cost 2: it came to 7, at most 2\)$/mu);
    assert.match(run("GET /capped?n=0"), /✓ limit \(cost 1: it came to 0, at least 1\)$/mu);
    assert.match(run("GET /capped?n=2"), /✓ limit \(cost 2\)$/mu);
    const { cost, cameTo } = parts("GET /capped?n=7", "capped");
    assert.deepEqual({ cost, cameTo }, { cost: 2, cameTo: 7 });
  });

  test("the limit that had no room is named", () => {
    const stdout = run("GET /looped", "--header", "x-hops: 5");
    assert.match(
      stdout,
      /^DENY 429 limit_exceeded \(rule looped\): .*: the limit `loop`: the request has made more hops/u,
    );
    assert.match(stdout, /✗ limit \(loop\)$/mu);
  });

  test("a limit in shadow mode that would have denied is shown", () => {
    assert.match(run("GET /plain"), /^ALLOW 200.*\n {2}the limit seen of plain, in shadow mode, would deny it$/msu);
    assert.doesNotMatch(run("GET /plain", "--header", "x-id: 1"), /would deny/u);
  });

  test("a fleet's limit that denies without its service says so", () => {
    const stdout = run("GET /shared");
    const first =
      /^DENY 503 internal \(rule shared\): .*: rate_limit_service: the limit `all` has `onError: deny`.*none behind `explain`/u;
    assert.match(stdout, first);
    assert.match(stdout, /✓ method {3}✗ limit$/mu);
  });
});

test("a test that fails for a limit names it, and its tier", () => {
  const { stdout, code } = sallyport(["test", folder.path("tests.yaml")]);
  assert.equal(code, 1);
  const got = (name: string): string =>
    new RegExp(`FAIL ${name}\n(?: .*\n)*? +got +([^]*?)(?=FAIL|\n\n)`, "u").exec(stdout)![1]!.trim();
  assert.match(got("own rate"), /^deny, reason limit_exceeded.*: the limit `few`$/u);
  assert.match(got("a tier"), /^deny, reason limit_exceeded.*: the limit `few`, tier `gold`$/u);
  assert.match(got("a tier of the same rate"), /: the limit `few`$/u);
  assert.match(got("a cost"), /^deny, reason condition_error.*\n +the `cost` of chosen\n/u);
  assert.match(got("seen"), /^allow, .*\n +the limit seen of plain, in shadow mode, would deny it$/u);
  assert.match(got("shared"), /^deny, reason internal.*: rate_limit_service: the limit `all`/u);
  const { tests } = JSON.parse(sallyport(["test", folder.path("tests.yaml"), "--format", "json"]).stdout);
  assert.equal(tests[1].detail, "the limit `few`, tier `gold`");
});

test("each test has full buckets and nobody shut out, and no service of a fleet", () => {
  const { stdout, code } = sallyport(["test", folder.path("beside.tests.yaml")]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /8 passed, 0 failed/);
});

test("nothing to expect is an error that says what there may be", () => {
  const { stderr, code } = sallyport(["test", folder.path("null.yaml")]);
  assert.equal(code, 2);
  assert.match(stderr, /`expect` is empty, but must be `allow`, `deny`, or a mapping such as `\{ deny: no_rule \}`/);
});
