/** Key sets that are fetched, and what goes wrong: nothing changes, and the server is asked again, less and less often. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { ProviderKey } from "../support/jwks-server.ts";
import { fetchingPolicy, imageOf, jwks, makeTwoKeys, outcomeOf, Workers } from "../support/workers.ts";

let one: ProviderKey;
let two: ProviderKey;
let tokenOne: string;
let tokenTwo: string;
const image = imageOf(fetchingPolicy());

before(async () => {
  ({ one, two, tokenOne, tokenTwo } = await makeTwoKeys("RS256"));
});

describe("what goes wrong", () => {
  const rubbish: Record<string, Parameters<Workers["answer"]>[0]> = {
    "no connection": "refused",
    "no answer": "timeout",
    "an answer that breaks off": "reset",
    "a 500": { status: 500, body: "{}" },
    "a redirect": { status: 302, headers: [["location", "/x"]] },
    "a 304 nobody asked for": { status: 304 },
    HTML: { body: "<html>welcome to the hotel</html>" },
    nothing: { body: "" },
    "JSON cut short": { body: '{"keys":[{"kty":"EC"' },
    "another JSON": { body: '{"error":"no"}' },
    "a list": { body: "[]" },
    "keys that are no list": { body: '{"keys":{}}' },
    "keys that are no objects": { body: '{"keys":["a"]}' },
    "no key among the keys": { body: '{"keys":[{},{"error":"no"}]}' },
    "keys twice": { body: '{"keys":[],"keys":[]}' },
    "more than 1 MiB": { body: `{"keys":[]${" ".repeat(1048576)}}` },
    "10 MB": { body: Buffer.alloc(10_000_000, 0x20) },
    "1,025 keys": { body: JSON.stringify({ keys: Array.from({ length: 1025 }, () => ({ kty: "x" })) }) },
  };
  for (const [name, answer] of Object.entries(rubbish)) {
    test(`${name}: the last good set stays, and is asked for again, less and less often`, () => {
      const workers = new Workers(image);
      workers.fetch({ body: jwks(one) });
      workers.pass(60);
      workers.fetch(answer);
      for (const worker of [0, 1]) assert.equal(outcomeOf(workers.ask(worker, tokenOne)), "allowed");
      assert.equal(workers.metric("failures"), 1);
      for (const [wait, failures] of [
        [1, 2],
        [2, 3],
        [4, 4],
        [8, 5],
      ] as const) {
        workers.pass(wait * 0.89);
        workers.tickAll();
        assert.equal(workers.fetches, 0, `not before ${wait} s`);
        workers.pass(wait * 0.12);
        workers.fetch(answer);
        assert.equal(workers.metric("failures"), failures);
      }
      assert.equal(workers.metric("age_seconds") >= 75, true);
      workers.pass(16);
      workers.fetch({ body: jwks(two) });
      assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "allowed");
      assert.equal(workers.metric("age_seconds"), 0);
      const warned = workers.hosts.flatMap(({ logs }) => logs).filter(({ message }) => message.includes("not fetched"));
      assert.equal(warned.length, 5, "each failure is one line of log");
    });
  }

  test("the log does not blame an earlier answer for a fetch that never began", () => {
    const workers = new Workers(image, 1);
    workers.fetch({ status: 500 });
    const host = workers.hosts[0]!;
    host.faults = [{ call: "http_call", result: WasmResult.InternalFailure }];
    workers.pass(2);
    workers.tick(0);
    const lines = host.logs.map(({ message }) => message).filter((message) => message.includes("not fetched"));
    assert.equal(lines.length, 2);
    assert.match(lines[0]!, /status 500 from cluster idp$/);
    assert.match(lines[1]!, /does it not allow proxy_http_call\?: "idp"$/);
  });

  test("a set that never came has an age, too", () => {
    const workers = new Workers(image);
    workers.fetch("refused");
    workers.pass(300);
    workers.tickAll();
    assert.equal(workers.metric("age_seconds"), 300);
    assert.equal(workers.metric("refreshes"), 0);
  });

  test("a cluster that is not there is one, too", () => {
    const workers = new Workers(imageOf(fetchingPolicy().replace("cluster: idp", "cluster: gone")));
    workers.tickAll();
    assert.equal(workers.fetches, 0);
    assert.equal(workers.metric("failures"), 1);
    const lines = workers.hosts[0]!.logs.map(({ message }) => message).join("\n");
    assert.match(lines, /key set idp not fetched: .*no such cluster.*: "gone"$/mu, "the log names the cluster");
  });

  test("keys that are not for this are left out, the others serve", () => {
    const workers = new Workers(image);
    const { x: _, ...incomplete } = one.jwk;
    const bad = [
      { kty: "oct", k: "c2VjcmV0", kid: "one" },
      { ...two.jwk, use: "enc", kid: "one" },
      { ...two.jwk, key_ops: ["encrypt"], kid: "one" },
      { ...one.jwk, d: "AAAA" },
      { ...one.jwk, crv: "secp256k1" },
      { ...one.jwk, alg: "ES384" },
      incomplete,
      { ...two.jwk, n: two.jwk.n!.slice(0, 100), kid: "one" },
      { ...two.jwk, e: "AQ", kid: "one" },
      { kid: "one" },
      {},
    ];
    workers.fetch({ body: JSON.stringify({ keys: [...bad, one.jwk] }) });
    assert.equal(workers.metric("keys"), 1);
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "allowed");
  });

  test("a worker that goes away with the lease is replaced after 2 seconds, and its answer comes too late", () => {
    const workers = new Workers(image);
    workers.tick(0);
    const { token } = workers.hosts[0]!.calls[0]!;
    workers.pass(1.9);
    workers.tick(1);
    assert.equal(workers.hosts[1]!.calls.length, 0);
    workers.pass(0.2);
    workers.tick(1);
    assert.equal(workers.hosts[1]!.calls.length, 1);
    workers.hosts[1]!.answer(workers.hosts[1]!.calls[0]!.token, { body: jwks(two) });
    workers.hosts[0]!.answer(token, { body: jwks(one) });
    workers.tickAll();
    assert.equal(outcomeOf(workers.ask(1, tokenTwo)), "allowed");
    assert.notEqual(outcomeOf(workers.ask(0, tokenOne)), "allowed");
  });

  test("a worker that fetches keeps the lease for as long as its server takes", () => {
    const workers = new Workers(image);
    workers.tick(0);
    for (let tick = 0; tick < 24; tick++) {
      workers.pass(0.2);
      workers.tickAll();
      assert.equal(workers.hosts[1]!.calls.length, 0, `after ${tick + 1} ticks`);
    }
    workers.answer({ body: jwks(one) });
    workers.tickAll();
    assert.equal(outcomeOf(workers.ask(1, tokenOne)), "allowed");
  });

  test("a configuration that ends while it fetches gives the lease back: another worker fetches on its next tick", () => {
    const workers = new Workers(image);
    workers.tick(0);
    workers.pass(0.1);
    workers.hosts[0]!.deleteContext(workers.roots[0]!);
    assert.equal(workers.fetches, 0, "Envoy takes the call back");
    workers.tick(1);
    assert.equal(workers.fetches, 1);
    workers.answer({ body: jwks(one) });
    assert.equal(outcomeOf(workers.ask(1, tokenOne)), "allowed");
  });

  test("so does one that is replaced on the only worker there is", () => {
    const workers = new Workers(image, 1);
    workers.tick(0);
    const [old] = workers.roots;
    workers.roots[0] = workers.start(workers.hosts[0]!, image);
    const waiting = workers.ask(0, tokenOne);
    workers.tick(0);
    assert.equal(workers.fetches, 1, "the old one still fetches");
    workers.hosts[0]!.deleteContext(old!);
    workers.pass(0.2);
    workers.tick(0);
    workers.answer({ body: jwks(one) });
    assert.equal(outcomeOf(waiting), "allowed");
  });

  test("a callout that the host never answers is given up after 8 seconds", () => {
    const workers = new Workers(image, 1);
    workers.tick(0);
    const { token } = workers.hosts[0]!.calls[0]!;
    for (let tick = 0; tick < 50; tick++) {
      workers.pass(0.2);
      workers.tick(0);
    }
    assert.equal(workers.hosts[0]!.calls.length, 2, "another one is under way");
    assert.match(workers.hosts[0]!.logs.map(({ message }) => message).join("\n"), /the host has lost its answer/);
    workers.hosts[0]!.answer(token, { body: jwks(two) });
    assert.notEqual(outcomeOf(workers.ask(0, tokenTwo)), "allowed");
    workers.answer({ body: jwks(one) });
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "allowed");
  });

  for (const seconds of [-7200, -5, 3, 7200]) {
    test(`a clock that steps by ${seconds} seconds does not keep unknown keys from being fetched`, () => {
      const workers = new Workers(image, 2);
      workers.fetch({ body: jwks(one) });
      workers.pass(3);
      workers.pass(seconds);
      workers.ask(0, tokenTwo);
      for (let tick = 0; tick < 15 && workers.fetches === 0; tick++) {
        workers.tickAll();
        workers.pass(0.2);
      }
      workers.answer({ body: jwks(one, two) });
      workers.tickAll();
      // Hours away from when it was issued, the token is not good; but its key is known.
      assert.notEqual(outcomeOf(workers.ask(1, tokenTwo)), "token_key_unknown");
    });
  }

  test("a set that cannot be read from shared data is tried again, and its old keys do not serve for long", () => {
    const workers = new Workers(image, 2);
    workers.fetch({ body: jwks(one) });
    workers.pass(60);
    workers.tick(0);
    workers.answer({ body: jwks(two) });
    const host = workers.hosts[1]!;
    // The second read of a tick is that of the set.
    host.faults = [{ call: "get_shared_data", nth: 2, result: WasmResult.InternalFailure }];
    workers.tick(1);
    assert.equal(outcomeOf(workers.ask(1, tokenOne)), "allowed", "for a moment");
    for (let tick = 0; tick < 4; tick++) workers.tick(1);
    assert.notEqual(outcomeOf(workers.ask(1, tokenOne)), "allowed");
    assert.equal(workers.metric("failures"), 1);
    assert.equal(host.logs.filter(({ message }) => message.includes("could not be taken over")).length, 1);
    assert.equal(host.metrics().get("sallyport_failures.policy.shop;.cause.get_shared_data"), 5n);
    host.faults = [];
    workers.tick(1);
    assert.equal(outcomeOf(workers.ask(1, tokenTwo)), "allowed");
  });

  test("a clock that jumps, either way, puts nothing off", () => {
    for (const jump of [-86400, 86400]) {
      const workers = new Workers(image);
      workers.fetch({ body: jwks(one) });
      workers.pass(jump);
      workers.tickAll();
      assert.equal(workers.fetches, 1, `${jump} s`);
    }
  });
});
