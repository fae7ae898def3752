/** Many issuers: each token is held against its own, and nothing of one request is known to the next. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fetched_key_sets_max, policy_issuers_max } from "../../assembly/limits.ts";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { makeKey, providerAudience } from "../support/jwks-server.ts";
import { recordOf } from "../support/plugin.ts";
import { imageOf, jwks, Workers } from "../support/workers.ts";

const key = await makeKey("one");
const issuerOf = (number: number): string => `https://${number}.example.net`;
const numbers = Array.from({ length: policy_issuers_max }, (_, number) => number);

/** A policy with so many issuers, of which each has a rule of its own, and one rule is for all. */
function policy(count: number, keysOf: (number: number) => string): string {
  const some = numbers.slice(0, count);
  return `version: 1
name: many
trust: { domains: [example.org] }
issuers:
${some.map((number) => `  i${number}: { issuer: "${issuerOf(number)}", audiences: [${providerAudience}], algorithms: [ES256], keys: { ${keysOf(number)} }, leeway: 30s }`).join("\n")}
rules:
${some.map((number) => `  - { name: r${number}, callers: [any], allow: [GET /${number}], token: i${number} }`).join("\n")}
  - { name: all, callers: [any], allow: [GET /all], token: [${some.map((number) => `i${number}`).join(", ")}] }
`;
}

/** Asks for a path with a token. */
type Ask = (path: string, token: string | null) => { reason: string; issuer?: string };

function asker(workers: Workers): Ask {
  return (path, token) => {
    const request = {
      caller: "spiffe://example.org/web",
      source: "10.0.0.1",
      method: "GET",
      path,
      host: "h",
      headers: [],
      token,
    };
    const record = recordOf(workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request)));
    const { reason, issuer } = record as { reason: string; issuer?: string };
    return issuer === undefined ? { reason } : { reason, issuer };
  };
}

/** Issuers around each bound, some of them twice: the first one is known by then. */
const tried = [policy_issuers_max - 1, 0, 63, 64, 65, policy_issuers_max - 1];

test("as many issuers as there may be, with one key set", async () => {
  const files = { "one.json": jwks(key) };
  const ask = asker(
    new Workers(
      imageOf(
        policy(policy_issuers_max, () => "file: one.json"),
        files,
      ),
      1,
    ),
  );
  for (const number of tried) {
    const token = await key.token({ iss: issuerOf(number) });
    for (const path of [`/${number}`, "/all"])
      assert.deepEqual(ask(path, token), { reason: "allowed", issuer: `i${number}` });
    assert.deepEqual(ask("/7", token), { reason: "token_issuer" });
    assert.deepEqual(ask(`/${number}`, null), { reason: "token_missing" });
  }
});

test("as many issuers, each with a key set of its own, of which some are fetched", async () => {
  const keys = await Promise.all(numbers.map((number) => makeKey(`k${number}`)));
  const files = Object.fromEntries(keys.map((one, number) => [`${number}.json`, jwks(one)]));
  const isFetched = (number: number): boolean => number >= 100 && number < 100 + fetched_key_sets_max;
  const keysOf = (number: number): string =>
    isFetched(number) ? `url: "https://idp.example.org/${number}", cluster: idp` : `file: ${number}.json`;
  const workers = new Workers(imageOf(policy(policy_issuers_max, keysOf), files), 1);
  const ask = asker(workers);
  for (const number of tried) {
    const token = await keys[number]!.token({ iss: issuerOf(number) });
    for (const path of [`/${number}`, "/all", `/${number}`])
      assert.deepEqual(ask(path, token), { reason: "allowed", issuer: `i${number}` });
    assert.deepEqual(ask("/7", token), { reason: "token_issuer" });
    // The key of another issuer is none of this one's.
    const forged = await keys[(number + 64) % policy_issuers_max]!.token({ iss: issuerOf(number) });
    assert.deepEqual(ask(`/${number}`, forged), { reason: "token_key_unknown" });
    const borrowed = await keys[(number + 64) % policy_issuers_max]!.token(
      { iss: issuerOf(number) },
      { kid: `k${number}` },
    );
    assert.deepEqual(ask(`/${number}`, borrowed), { reason: "token_signature" });
  }
  for (const number of [100, 100 + fetched_key_sets_max - 1]) {
    const token = await keys[number]!.token({ iss: issuerOf(number) });
    assert.deepEqual(ask(`/${number}`, token), { reason: "keys_unavailable" });
  }
});

test("more fetched key sets than there may be are refused", () => {
  const url = (number: number): string => `url: "https://idp.example.org/${number}", cluster: idp`;
  imageOf(policy(fetched_key_sets_max, url), {});
  assert.throws(
    () => imageOf(policy(fetched_key_sets_max + 1, url), {}),
    /65 key sets are fetched, of 64 at most; issuers and bundles whose `keys` are the same share one/,
  );
});
