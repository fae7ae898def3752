/** A request that fills the arena is denied, and that counts: else a caller could probe with large requests and never be shut out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { arena_bytes_max } from "../../assembly/limits.ts";
import { Guarded, quarantinePolicy } from "../support/quarantine.ts";

test("every size of a request that is denied counts", () => {
  const policy = quarantinePolicy(
    "{ name: large, when: [headers_too_large, no_rule], denials: 3, within: 1m, for: 2m, max: 8m }",
  );
  const reasons = new Set<string>();
  for (let bytes = 1024; bytes < arena_bytes_max + 16384; bytes += bytes < arena_bytes_max - 16384 ? 30_011 : 509) {
    const guarded = new Guarded(policy, 1);
    const large = { path: "/nothing", headers: [["x-large", "a".repeat(bytes)]] } as const;
    for (let count = 0; count < 3; count++) reasons.add(guarded.reason(large));
    assert.equal(guarded.reason(), "quarantined", `${bytes} bytes`);
  }
  assert.deepEqual([...reasons].sort(), ["headers_too_large", "no_rule"]);
});
