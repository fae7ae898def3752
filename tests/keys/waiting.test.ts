/** Requests that meet an unknown `kid`: they wait for one fetch that begins after them, for a bounded time and in bounded number. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import type { ProviderKey } from "../support/jwks-server.ts";
import { markOf } from "../support/plugin.ts";
import { caller, fetchingPolicy, imageOf, jwks, makeTwoKeys, outcomeOf, Workers } from "../support/workers.ts";

let one: ProviderKey;
let two: ProviderKey;
let tokenOne: string;
let tokenTwo: string;
const image = imageOf(fetchingPolicy());

before(async () => {
  ({ one, two, tokenOne, tokenTwo } = await makeTwoKeys());
});

function fetched(count = 2): Workers {
  const workers = new Workers(image, count);
  workers.fetch({ body: jwks(one) });
  workers.pass(3);
  // What a worker's first stream shows it: that it is told when streams end.
  for (let worker = 0; worker < count; worker++) workers.ask(worker, tokenOne);
  return workers;
}

describe("an unknown kid", () => {
  test("is asked for at once; the request goes on when its key comes, on whatever worker", () => {
    const workers = fetched();
    const waiting = [workers.ask(0, tokenTwo), workers.ask(1, tokenTwo)];
    assert.deepEqual(waiting.map(outcomeOf), ["waits", "waits"]);
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "allowed", "others are not held up");
    workers.fetch({ body: jwks(one, two) });
    assert.deepEqual(waiting.map(outcomeOf), ["allowed", "allowed"]);
    for (const outcome of waiting) {
      assert.equal(outcome.action, "continue");
      assert.equal(markOf(outcome), true);
    }
  });

  test("before the first answer, too", () => {
    const workers = new Workers(image);
    const waiting = workers.ask(0, tokenOne);
    assert.equal(outcomeOf(waiting), "waits");
    workers.fetch({ body: jwks(one) });
    assert.equal(outcomeOf(waiting), "allowed");
  });

  test("is refused when the fetch did not bring it", () => {
    const workers = fetched();
    const waiting = [workers.ask(0, tokenTwo), workers.ask(1, tokenTwo)];
    workers.fetch({ body: jwks(one) });
    assert.deepEqual(waiting.map(outcomeOf), ["token_key_unknown", "token_key_unknown"]);
    for (const { localResponse } of waiting) assert.equal(localResponse?.status, 401);
  });

  for (const answer of ["refused", "timeout", "reset"] as const) {
    test(`is refused when the fetch ended in ${answer}, and the next one is not held up`, () => {
      const workers = fetched();
      const waiting = workers.ask(0, tokenTwo);
      workers.fetch(answer);
      assert.equal(outcomeOf(waiting), "token_key_unknown");
      assert.equal(outcomeOf(workers.ask(1, tokenTwo)), "waits", "the next attempt is a second away");
    });
  }

  test("a fetch that began before does not count: its answer may be older than the key", () => {
    const workers = fetched();
    workers.pass(60);
    workers.tickAll();
    workers.pass(0.1);
    const waiting = workers.ask(0, tokenTwo);
    workers.answer({ body: jwks(one) });
    workers.tickAll();
    assert.equal(outcomeOf(waiting), "waits");
    workers.pass(2);
    workers.fetch({ body: jwks(two) });
    assert.equal(outcomeOf(waiting), "allowed");
  });

  test("asks at most every two seconds", () => {
    const workers = fetched();
    let fetches = 0;
    for (let step = 0; step < 100; step++) {
      workers.ask(step % 2, tokenTwo);
      workers.tickAll();
      if (workers.fetches !== 0) {
        fetches++;
        workers.answer({ body: jwks(one) });
      }
      workers.pass(0.1);
    }
    assert.equal(fetches, 5, "in ten seconds");
  });

  test("waits at most five seconds", () => {
    const workers = fetched();
    const waiting = workers.ask(0, tokenTwo);
    workers.tickAll();
    assert.equal(workers.fetches, 1);
    workers.pass(4.9);
    workers.tickAll();
    assert.equal(outcomeOf(waiting), "waits");
    workers.pass(0.2);
    workers.tickAll();
    assert.equal(outcomeOf(waiting), "token_key_unknown");
    workers.answer({ body: jwks(two) });
    assert.equal(waiting.localResponse?.status, 401, "what comes later changes nothing");
  });

  test("is refused at once where the server fails and its next attempt is too far away", () => {
    const workers = fetched();
    workers.pass(60);
    for (let failure = 0; failure < 5; failure++) {
      workers.fetch("refused");
      workers.pass(20);
    }
    workers.fetch("refused");
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "token_key_unknown");
  });

  test("has a server asked again that was away for long, without waiting for the end of a long backoff", () => {
    const workers = fetched();
    workers.pass(60);
    for (let failure = 0; failure < 8; failure++) {
      workers.fetch("refused");
      workers.pass(65);
    }
    workers.fetch("refused");
    workers.pass(7);
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "waits");
    workers.pass(1);
    workers.fetch({ body: jwks(two) });
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "allowed");
  });

  test("one caller holds a quarter of the places, and those who go away leave theirs at once", () => {
    const workers = fetched(1);
    const waiting: Outcome[] = [];
    for (let request = 0; request < 64; request++) waiting.push(workers.ask(0, tokenTwo));
    assert.equal(waiting.filter(({ paused }) => paused).length, 64);
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "token_key_unknown");
    workers.hosts[0]!.deleteContext(waiting[10]!.context);
    const late = workers.ask(0, tokenTwo);
    assert.equal(outcomeOf(late), "waits");
    workers.fetch({ body: jwks(two) });
    waiting.splice(10, 1);
    for (const outcome of [...waiting, late]) assert.equal(outcomeOf(outcome), "allowed");
  });

  test("those of a policy that was replaced are answered by it", () => {
    const workers = fetched(1);
    const waiting = workers.ask(0, tokenTwo);
    const old = workers.roots[0]!;
    workers.roots[0] = workers.start(workers.hosts[0]!, image);
    workers.hosts[0]!.tick(old);
    workers.answer({ body: jwks(two) });
    assert.equal(outcomeOf(waiting), "allowed");
  });

  test("in shadow mode nothing waits", () => {
    const workers = new Workers(imageOf(fetchingPolicy().replace("name: shop", "name: shop\nmode: shadow")), 1);
    const outcome = workers.ask(0, tokenTwo);
    assert.equal(outcome.action, "continue");
    assert.equal(outcomeOf(outcome), "keys_unavailable");
    workers.fetch({ body: jwks(two) });
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "allowed", "but the key is asked for");
  });
});

test("a request that has waited is told of its limit as any other", () => {
  const policy = fetchingPolicy()
    .replace("issuers:", "limits: { own: { rate: 1/h, burst: 10, headers: always } }\nissuers:")
    .replace("token: idp }", "token: idp, limit: own }");
  const workers = new Workers(imageOf(policy), 1);
  const request = {
    caller,
    source: "10.0.0.1",
    method: "GET",
    path: "/orders",
    host: "h",
    headers: [],
    token: tokenOne,
  };
  const waiting = workers.hosts[0]!.request(workers.roots[0]!, { ...hostRequest(request), keepOpen: true });
  workers.fetch({ body: jwks(one) });
  assert.equal(outcomeOf(waiting), "allowed");
  const headers = new Map(workers.hosts[0]!.respond(waiting.context, [[":status", "200"]]));
  assert.equal(headers.get("ratelimit"), '"own";r=9;t=3600');
});
