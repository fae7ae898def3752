/** The arithmetic of the soak: a stretch of the file, wherever it begins and however often it goes round. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Account } from "./account.ts";
import { type Expectation, expectedCounts } from "./mix.ts";

const file: Expectation[] = ["allowed", "token_missing", "allowed", "aborted", "no_rule", "limited", "token_expired"];

test("a stretch is counted as if line by line", () => {
  for (const [first, count] of [
    [0, 7],
    [3, 2],
    [5, 4],
    [6, 1],
    [20, 100],
    [4, 0],
  ] as const) {
    const counted = new Map<string, number>();
    for (let at = first; at < first + count; at++) {
      const expectation = file[at % file.length]!;
      counted.set(expectation, (counted.get(expectation) ?? 0) + 1);
    }
    const sorted = (counts: Map<string, number>) => [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(sorted(expectedCounts(file, first, count)), sorted(counted), `${count} from ${first}`);
  }
});

const right = { "200": 2, "401": 2, "403": 1, "429": 1, aborted: 1 };

test("a run that came to what it must leaves no problem", () => {
  const account = new Account(file);
  account.add("a", 7, { statuses: right, failures: 0 });
  // The limit had room.
  account.add("a", 7, { statuses: { ...right, "200": 3, "429": 0 }, failures: 0 });
  assert.deepEqual(account.problems, []);
  assert.equal(account.limitedAdmitted, 1);
});

test("one request that came to something else is a problem", () => {
  for (const statuses of [
    { ...right, "200": 3, "403": 0 },
    { ...right, "200": 1, "503": 1 },
    { ...right, "200": 4, "401": 0 },
    { ...right, "429": 0 },
  ]) {
    const account = new Account(file);
    account.add("a", 7, { statuses, failures: 0 });
    assert.notEqual(account.problems.length, 0, JSON.stringify(statuses));
  }
});

test("a request without an answer is a problem", () => {
  const account = new Account(file);
  account.add("a", 7, { statuses: right, failures: 1, first_failure: "GET /: the connection broke" });
  assert.match(account.problems[0]!, /GET \/: the connection broke/);
});

test("metrics that disagree with what was sent are a problem", () => {
  const metric = "wasmcustom.sallyport_";
  const stats = new Map([
    [`${metric}requests.policy.soak;.decision.allow`, 2],
    [`${metric}denials.policy.soak;.reason.token_missing`, 1],
    [`${metric}denials.policy.soak;.reason.token_expired`, 1],
    [`${metric}denials.policy.soak;.reason.no_rule`, 1],
    [`${metric}denials.policy.soak;.reason.limit_exceeded`, 1],
    [`${metric}denials.policy.soak;.reason.scope_missing`, 0],
    ["http.inbound.downstream_cx_protocol_error", 0],
  ]);
  const close = (changed: Map<string, number>): string[] => {
    const account = new Account(file);
    account.add("a", 7, { statuses: right, failures: 0 });
    account.close(changed, 1);
    return account.problems;
  };
  assert.deepEqual(close(stats), []);
  for (const [name, count] of stats) assert.equal(close(new Map([...stats, [name, count + 1]])).length, 1, name);
  assert.equal(close(new Map([...stats, [`${metric}failures.policy.soak;.cause.arena_full`, 1]])).length, 1);
});
