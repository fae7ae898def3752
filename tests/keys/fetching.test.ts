/** Key sets that are fetched: one worker asks, and all have the answer. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { makeKey, makeStrangers, type ProviderKey } from "../support/jwks-server.ts";
import { engine } from "../support/plugin.ts";
import { fetchingPolicy, imageOf, jwks, makeTwoKeys, outcomeOf, Workers } from "../support/workers.ts";

let one: ProviderKey;
let two: ProviderKey;
let tokenOne: string;
let tokenTwo: string;
const image = imageOf(fetchingPolicy());

before(async () => {
  ({ one, two, tokenOne, tokenTwo } = await makeTwoKeys("RS256"));
});

describe("fetching", () => {
  test("one worker asks; every worker has the keys at its next tick", () => {
    const workers = new Workers(image, 3);
    workers.tickAll();
    assert.equal(workers.fetches, 1);
    const headers = Object.fromEntries(workers.asked);
    assert.deepEqual(headers, {
      ":method": "GET",
      ":path": "/jwks.json",
      ":authority": "idp.example.org",
      ":scheme": "https",
      accept: "application/jwk-set+json, application/json",
      "accept-encoding": "identity",
      "user-agent": "sallyport",
    });
    workers.answer({ body: jwks(one, two) });
    workers.tickAll();
    for (const worker of [0, 1, 2]) {
      assert.equal(outcomeOf(workers.ask(worker, tokenOne)), "allowed");
      assert.equal(outcomeOf(workers.ask(worker, tokenTwo)), "allowed");
    }
    assert.equal(workers.metric("refreshes"), 1);
    assert.equal(workers.metric("failures"), 0);
    assert.equal(workers.metric("keys"), 2);
    assert.equal(workers.fetches, 0);
  });

  for (const algorithm of ["RS256", "PS256", "ES256", "EdDSA"] as const) {
    for (const hosts of ["by the host", "by the module"]) {
      test(`a fetched key verifies ${algorithm}, ${hosts}`, async () => {
        const key = await makeKey("k", algorithm);
        const workers = new Workers(image, 1);
        if (hosts === "by the module") {
          const clock = () => BigInt(Date.now()) * 1_000_000n;
          workers.hosts[0] = PluginHost.load(engine, { clock, clusters: ["idp"], foreignFunctions: new Map() });
          workers.roots[0] = workers.start(workers.hosts[0], image);
          assert.match(workers.hosts[0].logs.map(({ message }) => message).join(), /the module verifies all of them/);
        }
        workers.fetch({ body: jwks(key) });
        const token = await key.token();
        assert.equal(outcomeOf(workers.ask(0, token)), "allowed");
        const at = token.length - 10;
        const forged = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
        assert.equal(outcomeOf(workers.ask(0, forged)), "token_signature");
      });
    }
  }

  test("refreshed on time, never later, with jitter", () => {
    const workers = new Workers(image);
    workers.fetch({ body: jwks(one) });
    workers.pass(53);
    workers.tickAll();
    assert.equal(workers.fetches, 0, "not before nine tenths of the time");
    workers.pass(7);
    workers.tickAll();
    assert.equal(workers.fetches, 1);
  });

  test("Cache-Control shortens the time, and never lengthens it", () => {
    for (const [control, seconds] of [
      ["max-age=20", 20],
      ["public, Max-Age=20", 20],
      ["max-age=3", 10],
      ["max-age=86400", 60],
      ["no-store", 60],
      ["s-max-age=20", 60],
    ] as const) {
      const workers = new Workers(image);
      workers.fetch({ body: jwks(one), headers: [["cache-control", control]] });
      workers.pass(seconds * 0.89);
      workers.tickAll();
      assert.equal(workers.fetches, 0, control);
      workers.pass(seconds * 0.12);
      workers.tickAll();
      assert.equal(workers.fetches, 1, control);
    }
  });

  test("spiffe_refresh_hint shortens the time as max-age does, on every worker, and what is no number says nothing", () => {
    for (const [hint, seconds] of [
      [20, 20],
      [3, 10],
      [300, 60],
      [0, 60],
      [-20, 60],
      [12_345_678_901, 60],
      [null, 60],
      ["soon", 60],
      [[20], 60],
      [{ seconds: 20 }, 60],
    ] as const) {
      const body = JSON.stringify({ keys: [one.jwk], spiffe_refresh_hint: hint });
      const workers = new Workers(image);
      workers.fetch({ body, headers: [["etag", '"v1"']] });
      // A set that has not changed says the same as before.
      for (const answer of [{ status: 304 }, { body }]) {
        workers.pass(seconds * 0.89);
        workers.tickAll();
        assert.equal(workers.fetches, 0, `${hint}`);
        workers.pass(seconds * 0.12);
        workers.tickAll();
        assert.equal(workers.fetches, 1, `${hint}`);
        workers.answer(answer);
        workers.tickAll();
      }
    }
  });

  test("a hint goes with the set that has it, and max-age may say less", () => {
    const workers = new Workers(image);
    const hinted = (seconds: number): string => JSON.stringify({ spiffe_refresh_hint: seconds, keys: [one.jwk] });
    const wait = (seconds: number, answer: { body: string; headers?: [string, string][] }): void => {
      workers.pass(seconds * 0.89);
      workers.tickAll();
      assert.equal(workers.fetches, 0, `${seconds}`);
      workers.pass(seconds * 0.12);
      workers.tickAll();
      assert.equal(workers.fetches, 1, `${seconds}`);
      workers.answer(answer);
      workers.tickAll();
    };
    workers.fetch({ body: hinted(30) });
    wait(30, { body: hinted(30), headers: [["cache-control", "max-age=12"]] });
    wait(12, { body: jwks(one) });
    wait(60, { body: hinted(15) });
    wait(15, { body: hinted(15), headers: [["cache-control", "max-age=3600"]] });
    wait(15, { body: jwks(one) });
  });

  test("ETag: what has not changed is not sent again, and known tokens stay known", () => {
    const workers = new Workers(image);
    workers.fetch({ body: jwks(one), headers: [["etag", '"v1"']] });
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "allowed");
    workers.pass(60);
    workers.tickAll();
    assert.equal(workers.asked.get("if-none-match"), '"v1"');
    workers.answer({ status: 304 });
    workers.tickAll();
    const again = workers.ask(0, tokenOne);
    assert.equal(outcomeOf(again), "allowed");
    assert.equal(
      again.calls.some(({ name }) => name === "call_foreign_function"),
      false,
    );
    assert.equal(workers.metric("refreshes"), 2);
  });

  test("a key that is removed admits no more, known tokens included, on any worker", () => {
    const workers = new Workers(image);
    workers.fetch({ body: jwks(one, two) });
    for (const worker of [0, 1]) assert.equal(outcomeOf(workers.ask(worker, tokenOne)), "allowed");
    workers.pass(60);
    workers.fetch({ body: jwks(two) });
    for (const worker of [0, 1]) {
      const outcome = workers.ask(worker, tokenOne);
      assert.notEqual(outcomeOf(outcome), "allowed");
      assert.equal(outcomeOf(workers.ask(worker, tokenTwo)), "allowed");
    }
    workers.pass(60);
    workers.fetch({ body: '{"keys":[]}' });
    assert.notEqual(outcomeOf(workers.ask(1, tokenTwo)), "allowed");
    assert.equal(workers.metric("keys"), 0);
  });

  test("the embedded file serves until the first answer", () => {
    const workers = new Workers(imageOf(fetchingPolicy({ file: "keys.json" }), { "keys.json": jwks(one) }));
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "allowed");
    workers.fetch({ body: jwks(two) });
    assert.notEqual(outcomeOf(workers.ask(0, tokenOne)), "allowed");
    assert.equal(outcomeOf(workers.ask(1, tokenTwo)), "allowed");
  });

  test("a policy that comes into force later has what was fetched before", () => {
    const workers = new Workers(image);
    workers.fetch({ body: jwks(one) });
    workers.roots[1] = workers.start(workers.hosts[1]!, image);
    assert.equal(outcomeOf(workers.ask(1, tokenOne)), "allowed");
  });

  test("1,000 keys", () => {
    const workers = new Workers(image);
    workers.fetch({ body: JSON.stringify({ keys: [...makeStrangers(999), one.jwk] }) });
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "allowed");
    assert.equal(outcomeOf(workers.ask(1, tokenOne)), "allowed");
    assert.equal(workers.metric("keys"), 1000);
  });

  test("a thousand rotations grow nothing", () => {
    const workers = new Workers(image);
    workers.fetch({ body: jwks(one) });
    workers.pass(60);
    workers.fetch({ body: jwks(two) });
    const sizes = workers.hosts.map(({ memoryBytes }) => memoryBytes);
    for (let turn = 0; turn < 1000; turn++) {
      workers.pass(60);
      workers.fetch({ body: turn % 2 === 0 ? jwks(one) : jwks(two, one) });
    }
    assert.deepEqual(
      workers.hosts.map(({ memoryBytes }) => memoryBytes),
      sizes,
    );
  });
});
