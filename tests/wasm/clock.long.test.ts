/**
 * A clock that jumps, back and forth and to its ends: what is decided depends on the time of the request alone, and on no time
 * that was seen before. Key sets that rotate and limits have tests of their own. The seed is printed; SEED brings a run back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FilterRequest } from "../../scripts/evaluate/engine.ts";
import { mintFor } from "../../scripts/policytest/cases.ts";
import { nowSeconds, policyNamed, recordOf, TestPlugin } from "../support/plugin.ts";
import { Random, runSeed } from "../support/random.ts";

const seed = runSeed();
console.log(`SEED=${seed}`);

const second = 1_000_000_000n;
const base = BigInt(nowSeconds) * second;
const caller = "spiffe://example.org/x";
const asked = (path: string, token: string | null = null): Partial<FilterRequest> => ({
  caller,
  method: "GET",
  path,
  host: "example.org",
  token,
});

/** A token of issuer corp of that policy, good from a minute before the base time to five minutes after. */
const tokenOf = (policy: string, claims: Record<string, unknown> = {}): string =>
  mintFor({ issuer: "corp", header: {}, claims: { nbf: nowSeconds - 60, ...claims } }, policyNamed(policy), nowSeconds);

const requests: Record<string, Partial<FilterRequest>[]> = {
  grants: ["/begun", "/ended", "/not-yet", "/open"].map((path) => asked(path)),
  tokens: [
    asked("/corp", tokenOf("tokens")),
    asked("/corp", tokenOf("tokens", { exp: 9007199254740991, iat: 9007199254740000, nbf: 9007199254740991 })),
    asked("/corp", tokenOf("tokens", { iat: 0, nbf: 0, exp: 1 })),
  ],
  conditions: [asked("/now", tokenOf("conditions")), asked("/now", tokenOf("conditions", { iat: 253402300799 }))],
};

/** Around every time that matters, and where arithmetic might overflow. */
const times = [
  ...[-3_600n, -91n, -90n, -60n, -30n, 0n, 1n, 299n, 300n, 329n, 330n, 360n, 86_400n].map((by) => base + by * second),
  ...[1n, second, 2n ** 31n * second, 2n ** 32n * second, 2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
  ...["2025-12-31T23:00:00Z", "2026-12-31T00:00:00Z", "2098-01-01T00:00:00Z"].map(
    (time) => BigInt(Date.parse(time)) * 1_000_000n,
  ),
];

for (const [name, all] of Object.entries(requests)) {
  test(`the verdicts of \`${name}\` follow the clock alone`, () => {
    let now = base;
    const fresh = times.map((time) =>
      all.map((request) => {
        const outcome = new TestPlugin(name, { clock: () => time }).request(request);
        assert.equal(outcome.trapped, false);
        return recordOf(outcome).reason;
      }),
    );
    const random = new Random(seed);
    const plugin = new TestPlugin(name, { clock: () => now });
    for (let step = 0; step < 500; step++) {
      const time = random.below(times.length);
      const request = random.below(all.length);
      now = times[time]!;
      const outcome = plugin.request(all[request]!);
      assert.equal(outcome.trapped, false);
      assert.equal(recordOf(outcome).reason, fresh[time]![request], `step ${step}, at ${now}, SEED=${seed}`);
    }
    assert.ok(fresh.flat().includes("allowed") && new Set(fresh.flat()).size > 1);
  });
}

test("leeway and lifetime count at the second, and a token from the far future is none", () => {
  const token = tokenOf("tokens");
  const reasonAt = (seconds: number, sent = token): unknown =>
    recordOf(new TestPlugin("tokens", { clock: () => BigInt(seconds) * second }).request(asked("/corp", sent))).reason;
  assert.equal(reasonAt(nowSeconds - 31), "token_not_yet_valid");
  assert.equal(reasonAt(nowSeconds - 30), "allowed");
  assert.equal(reasonAt(nowSeconds + 329), "allowed");
  assert.equal(reasonAt(nowSeconds + 330), "token_expired");
  const far = tokenOf("tokens", { iat: 9007199254740000, nbf: 0, exp: 9007199254740991 });
  assert.equal(reasonAt(nowSeconds, far), "token_not_yet_valid");
});
