/**
 * The end of a stream that waits for keys. The host tears it down at once and deletes its context later; what acts on it in between
 * takes the proxy down, which the Node host shows as a HostCrash.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import type { ProviderKey } from "../support/jwks-server.ts";
import { recordOf } from "../support/plugin.ts";
import { fetchingPolicy, imageOf, jwks, makeTwoKeys, outcomeOf, Workers } from "../support/workers.ts";

let one: ProviderKey;
let two: ProviderKey;
let tokenOne: string;
let tokenTwo: string;
const image = imageOf(fetchingPolicy());

before(async () => {
  ({ one, two, tokenOne, tokenTwo } = await makeTwoKeys());
});

/** One worker that has keys, and knows that it is told of ends. */
function fetched(options = {}): Workers {
  const workers = new Workers(image, 1, new SharedData(), options);
  workers.fetch({ body: jwks(one) });
  workers.pass(3);
  workers.ask(0, tokenOne);
  return workers;
}

const reset = (workers: Workers, { context }: Outcome) => workers.hosts[0]!.deleteContext(context);
const gone = (workers: Workers) => workers.counted("sallyport_requests.policy.shop;.decision.gone");

describe("a stream that ends while it waits", () => {
  for (const [what, answer] of [
    ["its key", () => ({ body: jwks(one, two) })],
    ["no key of its", () => ({ body: jwks(one) })],
    ["no answer", () => "refused" as const],
  ] as const) {
    test(`and ${what} comes in the same event round: nothing acts on it`, () => {
      const workers = fetched();
      const waiting = [0, 1, 2].map(() => workers.ask(0, tokenTwo));
      workers.tick(0);
      reset(workers, waiting[1]!);
      workers.answer(answer());
      assert.equal(waiting[1]!.localResponse, undefined);
      assert.equal(recordOf(waiting[1]!).decision, "wait", "no decision of ours is recorded");
      assert.equal(waiting[1]!.action, "pause");
      assert.equal(waiting[0]!.paused || waiting[2]!.paused, false, "the others are decided");
      assert.equal(gone(workers), 1n);
    });
  }

  test("and whose time is over in the same event round: nothing acts on it", () => {
    const workers = fetched();
    const waiting = workers.ask(0, tokenTwo);
    workers.tick(0);
    workers.pass(5.1);
    reset(workers, waiting);
    workers.tick(0);
    assert.equal(waiting.localResponse, undefined);
  });

  test("leaves its place to another at once", () => {
    const workers = fetched();
    const waiting = Array.from({ length: 64 }, () => workers.ask(0, tokenTwo));
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "token_key_unknown");
    reset(workers, waiting[7]!);
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "waits");
  });

  test("under a configuration that is no more", () => {
    const workers = fetched();
    const waiting = workers.ask(0, tokenTwo);
    const host = workers.hosts[0]!;
    const [old] = workers.roots;
    workers.roots[0] = workers.start(host, image);
    host.deleteContext(waiting.context);
    host.deleteContext(old!);
    const other = workers.ask(0, tokenTwo);
    workers.fetch({ body: jwks(one, two) });
    assert.equal(outcomeOf(other), "allowed");
    assert.equal(waiting.localResponse, undefined);
  });
});

test("a request that somebody else answered while it waited is left alone", () => {
  const workers = fetched();
  const waiting = workers.ask(0, tokenTwo);
  workers.tick(0);
  workers.hosts[0]!.answerElsewhere(waiting.context, 504);
  workers.answer({ body: jwks(one, two) });
  assert.equal(waiting.localResponse, undefined);
  assert.equal(waiting.action, "pause");
  const { admit, decision } = recordOf(waiting);
  assert.deepEqual({ admit, decision }, { admit: false, decision: "wait" });
  workers.pass(10);
  workers.tick(0);
  assert.equal(waiting.localResponse, undefined);
});

test("requests that wait on a worker that no stream has ended on yet are decided once the first of them has ended", () => {
  const workers = new Workers(image, 1);
  const waiting = Array.from({ length: 16 }, () => workers.ask(0, tokenOne));
  workers.fetch({ body: jwks(one) });
  assert.deepEqual(new Set(waiting.map(outcomeOf)), new Set(["allowed"]));
});

describe("a host that does not tell of the end of streams", () => {
  const untold = () => new Workers(image, 1, new SharedData(), { deniedExports: ["proxy_on_delete"] });

  test("has few requests wait, and then none: the log says why", () => {
    const workers = untold();
    const outcomes = Array.from({ length: 20 }, () => outcomeOf(workers.ask(0, tokenOne)));
    assert.equal(outcomes.filter((outcome) => outcome === "waits").length, 16);
    assert.equal(outcomes.at(-1), "keys_unavailable");
    const warnings = workers.hosts[0]!.logs.filter(({ message }) => /proxy_on_delete/.test(message));
    assert.equal(warnings.length, 1);
  });

  test("has nobody wait once an end was due and was not told", () => {
    const workers = untold();
    workers.fetch({ body: jwks(one) });
    workers.ask(0, "no token");
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "token_key_unknown");
  });

  test("acts on nobody who has left: what is over is seen to be", () => {
    const workers = untold();
    const waiting = workers.ask(0, tokenOne);
    workers.tick(0);
    reset(workers, waiting);
    workers.answer({ body: jwks(one) });
    assert.equal(recordOf(waiting).decision, "wait", "no decision of ours is recorded");
    assert.equal(gone(workers), 1n);
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "allowed");
  });

  test("acts on nobody after that", () => {
    const workers = untold();
    const waiting = [workers.ask(0, tokenOne), workers.ask(0, tokenOne)];
    workers.fetch("refused");
    workers.tick(0);
    const [first, second] = [...waiting].reverse();
    assert.equal(outcomeOf(first!), "keys_unavailable", "its end shows that the host does not tell");
    workers.hosts[0]!.deleteContext(second!.context);
    workers.pass(6);
    workers.tick(0);
    assert.equal(second!.localResponse, undefined);
  });

  test("has one of them decided at a time", () => {
    const workers = untold();
    const waiting = Array.from({ length: 3 }, () => workers.ask(0, tokenOne));
    workers.tick(0);
    workers.answer({ body: jwks(one) });
    const decided = () => waiting.filter(({ paused }) => !paused).length;
    assert.equal(decided(), 1);
    workers.tick(0);
    assert.equal(decided(), 2);
  });

  test("still has keys fetched", () => {
    const workers = untold();
    workers.ask(0, tokenOne);
    workers.fetch({ body: jwks(one) });
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "allowed");
  });
});

describe("a host that does not tick", () => {
  test("has nobody wait for longer than the first tick takes, and the log says why", () => {
    const workers = new Workers(image, 1, new SharedData(), { deniedExports: ["proxy_on_tick"] });
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "waits");
    workers.pass(2.5);
    for (let request = 0; request < 3; request++) {
      assert.equal(outcomeOf(workers.ask(0, tokenOne)), "keys_unavailable");
    }
    const errors = workers.hosts[0]!.logs.filter(({ message }) => /proxy_on_tick/.test(message));
    assert.equal(errors.length, 1);
  });
});

describe("callers without an identity that counts", () => {
  const anonymous = imageOf(fetchingPolicy().replace("callers: [any]", "callers: [anonymous]"));
  const nobody = (address: number) => ({ caller: null, source: `10.0.${address}.1` });

  test("are counted by their address, and leave room for those that have one", () => {
    const workers = new Workers(anonymous, 1);
    workers.fetch({ body: jwks(one) });
    workers.pass(3);
    workers.ask(0, tokenOne);
    const waiting = Array.from({ length: 64 }, () => workers.ask(0, tokenTwo, nobody(1)));
    assert.ok(waiting.every(({ paused }) => paused));
    assert.equal(outcomeOf(workers.ask(0, tokenTwo, nobody(1))), "token_key_unknown");
    assert.equal(outcomeOf(workers.ask(0, tokenTwo, nobody(2))), "waits");
    for (let address = 3; address < 200; address++) workers.ask(0, tokenTwo, nobody(address));
    assert.equal(outcomeOf(workers.ask(0, tokenTwo, nobody(200))), "token_key_unknown");
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "waits");
  });

  test("cannot keep others out with names that are not trusted", () => {
    const workers = new Workers(anonymous, 1);
    workers.fetch({ body: jwks(one) });
    workers.pass(3);
    workers.ask(0, tokenOne);
    const untrusted = (number: number) => ({ caller: `spiffe://other.example/${number}` });
    const outcomes = Array.from({ length: 80 }, (_, number) => workers.ask(0, tokenTwo, untrusted(number)));
    assert.equal(outcomes.filter(({ paused }) => paused).length, 64, "one address, whatever it calls itself");
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "waits");
  });
});
