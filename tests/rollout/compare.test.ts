/** What `rollout --log` makes of an access log: requests that both policies judged, and in which of them they differ. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { boundedLines } from "../../scripts/common/lines.ts";
import { type Comparison, compareLog } from "../../scripts/rollout/compare.ts";

const policies = { inForce: "shop", tried: "shop-next" };

interface Decision {
  decision?: string;
  reason?: string;
  rule?: string;
  path?: string;
}

function record(policy: string, { decision = "allow", reason = "allowed", ...rest }: Decision): string {
  const shadow = policy === "shop" ? {} : { mode: "shadow" };
  const admit = policy !== "shop" || decision === "allow";
  const request = { method: "GET", path: "/a", caller: "spiffe://example.org/web" };
  return JSON.stringify({ admit, policy, ...shadow, decision, reason, ...request, ...rest });
}

/** A line with what each of them decided; undefined: it has no record. */
function line(old: Decision | undefined, tried: Decision | undefined): string {
  return JSON.stringify({
    status: 200,
    record: old === undefined ? null : record("shop", old),
    next: tried === undefined ? null : record("shop-next", tried),
  });
}

async function comparisonOf(...lines: string[]): Promise<Comparison> {
  async function* each(): AsyncGenerator<string> {
    yield* lines;
  }
  return compareLog(each(), policies);
}

const denied = { decision: "deny", reason: "no_rule" };

describe("logs that others have written", () => {
  test("members of other types are no words, and decisions of no known kind are none", async () => {
    const odd = JSON.stringify({
      policy: "shop-next",
      decision: "deny",
      reason: {},
      caller: { toString: 1 },
      rule: [],
    });
    const unknown = JSON.stringify({ policy: "shop-next", decision: "no_such" });
    const lines = [odd, unknown].map((next) => JSON.stringify({ record: record("shop", {}), next }));
    const { denied: lost, undecided, compared, admittedCount } = await comparisonOf(...lines);
    assert.deepEqual(lost, [{ caller: "", method: "", path: "", reason: "", rule: undefined, count: 1 }]);
    assert.deepEqual([compared, undecided, admittedCount], [1, 1, 0]);
  });

  test("a line without an end is not kept, and those behind it are read", async () => {
    const good = `${line({}, denied)}\n`;
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(good.slice(0, 20));
      yield Buffer.from(good.slice(20));
      for (let times = 0; times < 2_000; times++) yield Buffer.alloc(65_536, "x");
      yield Buffer.from(`\n\n${good}${good.trimEnd()}`);
    }
    const before = process.memoryUsage().arrayBuffers;
    const { compared, deniedCount, unreadable } = await compareLog(boundedLines(chunks(), 100_000), policies);
    assert.deepEqual([compared, deniedCount, unreadable], [3, 3, 1]);
    assert.ok(process.memoryUsage().arrayBuffers - before < 100_000_000, "the line is in memory");
  });
});

describe("comparing", () => {
  test("counts what is the same, and groups what is not, most frequent first", async () => {
    const few = line({}, { ...denied, path: "/few" });
    const many = line({}, { ...denied, reason: "scope_missing", rule: "reads" });
    const gained = line({ ...denied, path: "/new" }, { path: "/new" });
    const { denied: lost, admitted, ...counts } = await comparisonOf(line({}, {}), few, many, many, gained, "");
    assert.deepEqual(counts, {
      compared: 5,
      same: 1,
      deniedCount: 3,
      admittedCount: 1,
      alone: 0,
      undecided: 0,
      unreadable: 0,
    });
    const caller = "spiffe://example.org/web";
    assert.deepEqual(lost, [
      { caller, method: "GET", path: "/a", reason: "scope_missing", rule: "reads", count: 2 },
      { caller, method: "GET", path: "/few", reason: "no_rule", rule: undefined, count: 1 },
    ]);
    assert.deepEqual(admitted, [{ caller, method: "GET", path: "/new", reason: "no_rule", rule: undefined, count: 1 }]);
  });

  test("denied by both is the same, for whatever reasons", async () => {
    const { same } = await comparisonOf(line(denied, { decision: "deny", reason: "token_expired" }));
    assert.equal(same, 1);
  });

  test("tells what only one has judged, and what ended undecided", async () => {
    const { compared, alone, undecided } = await comparisonOf(
      line({}, undefined),
      line(undefined, {}),
      line({ decision: "wait" }, {}),
      line(undefined, undefined),
    );
    assert.deepEqual([compared, alone, undecided], [0, 2, 1]);
  });

  test("takes no other policy's record for one of these", async () => {
    const other = JSON.stringify({ record: record("other", {}), next: record("shop-next", denied) });
    const swapped = JSON.stringify({ record: record("shop-next", {}), next: record("shop", denied) });
    const { compared, alone } = await comparisonOf(other, swapped);
    assert.deepEqual([compared, alone], [0, 1]);
  });

  test("survives lines of any kind", async () => {
    const lines = ["{", "[]", "null", "7", '"x"', '{"record":"{"}', '{"record":7,"next":{}}', "\u0000"];
    const { compared, unreadable } = await comparisonOf(...lines);
    assert.deepEqual([compared, unreadable], [0, 6]);
  });

  test("keeps a thousand groups, and counts all", async () => {
    const lines = Array.from({ length: 1_500 }, (_, index) => line({}, { ...denied, path: `/${index}` }));
    const { denied: groups, deniedCount } = await comparisonOf(...lines);
    assert.deepEqual([groups.length, deniedCount], [1_000, 1_500]);
  });
});
