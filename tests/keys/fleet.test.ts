/** Keys that lack are fetched also while a request waits for its fleet, since it may be admitted without its token. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedData } from "../../scripts/host/shared.ts";
import { fetchingPolicy, imageOf, jwks, makeTwoKeys, outcomeOf, Workers } from "../support/workers.ts";

test("a token with an unknown key has keys fetched, although the request waits for its fleet", async () => {
  const { one, tokenTwo } = await makeTwoKeys();
  const policy = fetchingPolicy({ refresh: "1h" })
    .replace("issuers:", "fleet: { cluster: rls }\nlimits: { x: { rate: 8/m, scope: fleet, onError: deny } }\nissuers:")
    .concat("  - { name: open, callers: [any], allow: [GET /orders], limit: x }\n");
  const workers = new Workers(imageOf(policy), 1, new SharedData(), { clusters: ["idp", "rls"] });
  workers.fetch({ status: 200, body: jwks(one) });
  workers.pass(30);
  assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "waits");
  assert.equal(workers.hosts[0]!.grpcCalls.length, 1, "it waits for its fleet");
  workers.tickAll();
  assert.equal(workers.fetches, 1);
});
