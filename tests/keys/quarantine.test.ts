/** Who is shut out by a quarantine does not wait for keys, and has none fetched. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { caller, fetchingPolicy, imageOf, jwks, makeTwoKeys, outcomeOf, Workers } from "../support/workers.ts";

const quarantine = "quarantine: [{ name: a, when: [token_malformed], denials: 3, within: 1h, for: 1h }]";

test("a caller that is shut out does not wait with a token of an unknown key, and nothing is fetched", async () => {
  const { one, tokenTwo } = await makeTwoKeys();
  const workers = new Workers(imageOf(fetchingPolicy().replace("issuers:", `${quarantine}\nissuers:`)), 1);
  workers.fetch({ status: 200, body: jwks(one) });
  workers.pass(30);
  for (let count = 0; count < 3; count++) assert.equal(outcomeOf(workers.ask(0, "")), "token_malformed");
  assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "quarantined");
  workers.tickAll();
  assert.equal(workers.fetches, 0);
  const other = workers.ask(0, tokenTwo, { caller: `${caller}-2` });
  workers.tickAll();
  assert.deepEqual([outcomeOf(other), workers.fetches], ["waits", 1]);
});
