/** Tokens without `kid` and keys without one, in sets that are fetched: which keys are tried, how often, and what has the set fetched anew. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { makeKey, type ProviderKey } from "../support/jwks-server.ts";
import { fetchingPolicy, imageOf, outcomeOf, Workers } from "../support/workers.ts";

/** As many as are tried, and one more. */
let keys: ProviderKey[];
const image = imageOf(fetchingPolicy());

before(async () => {
  keys = await Promise.all(["a", "b", "c", "d", "e"].map((kid) => makeKey(kid)));
});

const named = (...some: ProviderKey[]): string => JSON.stringify({ keys: some.map(({ jwk }) => jwk) });
const nameless = (...some: ProviderKey[]): string =>
  JSON.stringify({ keys: some.map(({ jwk: { kid: _, ...jwk } }) => jwk) });
const unnamed = (key: ProviderKey): Promise<string> => key.token({}, { kid: undefined });

function fetched(body: string): Workers {
  const workers = new Workers(image, 1);
  workers.fetch({ body });
  workers.pass(3);
  return workers;
}

/** The outcome, and how many signatures the host verified for it. */
function tried(workers: Workers, token: string): [outcome: string, verified: number] {
  const outcome = workers.ask(0, token);
  return [outcomeOf(outcome), outcome.calls.filter(({ name }) => name === "call_foreign_function").length];
}

describe("a token without kid", () => {
  test("is tried with every key that fits, whatever its ID, and with no more once one verifies it", async () => {
    const workers = fetched(named(...keys.slice(0, 4)));
    for (const [index, key] of keys.slice(0, 4).entries()) {
      assert.deepEqual(tried(workers, await unnamed(key)), ["allowed", index + 1]);
    }
  });

  test("that nothing verifies costs four verifications, and does not wait", async () => {
    const workers = fetched(named(...keys.slice(0, 4)));
    assert.deepEqual(tried(workers, await unnamed(keys[4]!)), ["token_signature", 4]);
  });

  test("costs none where more keys fit than are tried, and has nothing fetched", async () => {
    const workers = fetched(named(...keys));
    assert.deepEqual(tried(workers, await unnamed(keys[0]!)), ["token_key_unknown", 0]);
    workers.tickAll();
    assert.equal(workers.fetches, 0);
  });

  test("costs one where the same key stands there many times", async () => {
    const again = Array.from({ length: 50 }, (_, n) => ({ ...keys[0]!.jwk, kid: `k${n % 40}` }));
    const workers = fetched(JSON.stringify({ keys: again }));
    assert.deepEqual(tried(workers, await unnamed(keys[0]!)), ["allowed", 1]);
    assert.deepEqual(tried(workers, await unnamed(keys[1]!)), ["token_signature", 1]);
  });

  test("is good soon after its key was published", async () => {
    const workers = fetched(named(keys[0]!));
    const token = await unnamed(keys[1]!);
    assert.deepEqual(tried(workers, token), ["token_signature", 1]);
    workers.fetch({ body: named(keys[0]!, keys[1]!) });
    assert.deepEqual(tried(workers, token), ["allowed", 2]);
  });

  test("in a flood has the set fetched every two seconds at the most", async () => {
    const workers = fetched(named(keys[0]!));
    const token = await unnamed(keys[1]!);
    let fetches = 0;
    for (let step = 0; step < 100; step++) {
      for (let request = 0; request < 3; request++) tried(workers, token);
      workers.tickAll();
      if (workers.fetches > 0) {
        fetches++;
        workers.answer({ body: named(keys[0]!) });
      }
      workers.pass(0.1);
    }
    assert.ok(fetches >= 4 && fetches <= 6, `${fetches} in 10 seconds`);
  });
});

describe("a token with kid, where keys have none", () => {
  test("is tried with those, and with none that has another", async () => {
    const body = JSON.stringify({ keys: [keys[0]!.jwk, ...JSON.parse(nameless(keys[1]!, keys[2]!)).keys] });
    const workers = fetched(body);
    assert.deepEqual(tried(workers, await keys[2]!.token()), ["allowed", 2]);
    const foreign = await keys[0]!.token({}, { kid: "nobody" });
    assert.equal(tried(workers, foreign)[1], 2);
    assert.deepEqual(tried(workers, await keys[1]!.token({}, { kid: "a" })), ["token_signature", 1]);
  });

  test("waits after a rotation, as any whose kid is unknown", async () => {
    const workers = fetched(nameless(keys[0]!));
    // The worker is told of the end of a stream.
    workers.ask(0, await keys[0]!.token());
    const waiting = workers.ask(0, await keys[1]!.token());
    assert.equal(outcomeOf(waiting), "waits");
    workers.fetch({ body: nameless(keys[1]!) });
    assert.equal(outcomeOf(waiting), "allowed");
    assert.equal(outcomeOf(workers.ask(0, await keys[0]!.token({ sub: "late" }))), "waits", "that of before is none");
  });

  test("is refused as what it is when the fetch brings nothing", async () => {
    const workers = fetched(nameless(keys[0]!));
    const waiting = workers.ask(0, await keys[1]!.token());
    workers.fetch({ body: nameless(keys[0]!) });
    assert.equal(outcomeOf(waiting), "token_signature");
    const many = fetched(nameless(...keys));
    const late = many.ask(0, await keys[1]!.token());
    many.fetch({ body: nameless(...keys) });
    assert.equal(outcomeOf(late), "token_key_unknown");
  });
});

describe("kid and key", () => {
  test("several keys with one kid are tried", async () => {
    const workers = fetched(JSON.stringify({ keys: keys.slice(0, 4).map(({ jwk }) => ({ ...jwk, kid: "a" })) }));
    assert.deepEqual(tried(workers, await keys[3]!.token({}, { kid: "a" })), ["allowed", 4]);
    const five = fetched(JSON.stringify({ keys: keys.map(({ jwk }) => ({ ...jwk, kid: "a" })) }));
    assert.deepEqual(tried(five, await keys[3]!.token({}, { kid: "a" })), ["token_key_unknown", 0]);
  });

  test("numbers with zeros before them, and Ed25519 by its own name", async () => {
    const rsa = await makeKey("rsa", "RS256");
    const ed = await makeKey("ed", "EdDSA");
    const zeros = (text: string, count: number): string =>
      Buffer.concat([Buffer.alloc(count), Buffer.from(text, "base64url")]).toString("base64url");
    for (const count of [1, 2, 3, 4, 6, 300, 3000]) {
      const jwk = { ...rsa.jwk, n: zeros(rsa.jwk.n!, count), e: zeros(rsa.jwk.e!, count) };
      const workers = fetched(JSON.stringify({ keys: [jwk, { ...ed.jwk, alg: "Ed25519" }] }));
      assert.equal(tried(workers, await rsa.token())[0], "allowed", `${count} zero bytes`);
      assert.equal(tried(workers, await ed.token({}, { alg: "EdDSA" }))[0], "allowed");
    }
    for (const n of ["AAAA", "AA", "AAAAAAAA", zeros(rsa.jwk.n!.slice(0, 40), 256)]) {
      const workers = fetched(JSON.stringify({ keys: [{ ...rsa.jwk, n }] }));
      assert.equal(workers.metric("keys"), 0, n);
    }
  });
});
