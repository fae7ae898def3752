/**
 * Known tokens of several callers in a small cache, one of whom has far more than there is room for: entries are moved and give way all the
 * time (assembly/token/cache.ts), and each token still has its own claims.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { makeKey, providerAudience, providerIssuer } from "../support/jwks-server.ts";
import { recordOf } from "../support/plugin.ts";
import { Random, runSeed } from "../support/random.ts";
import { imageOf, jwks, Workers } from "../support/workers.ts";

/** So many key sets share the room that each has the least. */
const issuers = 16;

test("whoever's tokens are moved or give way, each that is known has its own claims", async () => {
  const seed = runSeed();
  console.log(`SEED=${seed}`);
  const random = new Random(seed);
  const key = await makeKey("one");
  const lines = Array.from(
    { length: issuers },
    (_, number) =>
      `  i${number}: { issuer: "${providerIssuer}${number === 0 ? "" : `/${number}`}", audiences: [${providerAudience}], algorithms: [ES256], keys: { file: one${number}.json } }\n`,
  );
  const text = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
${lines.join("")}rules:
  - { name: orders, callers: [any], allow: [GET /orders], token: i0, when: 'claims.sub == claims.copy' }
`;
  // Keys of their own, or sets that are alike would be one.
  const keys = [key, ...(await Promise.all(Array.from({ length: issuers - 1 }, (_, more) => makeKey(`other${more}`))))];
  const files = Object.fromEntries(keys.map((one, number) => [`one${number}.json`, jwks(one)]));
  const workers = new Workers(imageOf(text, files), 1);
  const tokens = await Promise.all(
    Array.from({ length: 160 }, async (_, number) => {
      const extra = Object.fromEntries(Array.from({ length: random.below(20) }, (_, more) => [`c${more}`, more]));
      const sub = `s${number}`;
      const claims = { sub, ...extra, copy: sub, fill: "x".repeat(random.below(4000)) };
      return { sub, caller: number < 120 ? "heavy" : `light${number % 4}`, token: await key.token(claims) };
    }),
  );
  let verified = 0;
  for (let count = 0; count < 3000; count++) {
    const { sub, caller, token } = random.pick(tokens);
    const asked = { caller: `spiffe://example.org/${caller}`, source: "10.0.0.1", method: "GET", path: "/orders" };
    const outcome = workers.hosts[0]!.request(
      workers.roots[0]!,
      hostRequest({ ...asked, host: "h", headers: [], token }),
    );
    const { reason, sub: subject } = recordOf(outcome);
    assert.deepEqual([reason, subject], ["allowed", sub], `request ${count}`);
    if (outcome.calls.some(({ name }) => name === "call_foreign_function")) verified++;
  }
  assert.ok(verified > 300 && verified < 2900, `${verified} were verified: the test no longer tests much`);
});
