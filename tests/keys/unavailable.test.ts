/** Keys that have never come: a token of theirs is neither good nor bad, which is 503 and not 401. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { CalloutAnswer } from "../../scripts/host/callout.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import type { ProviderKey } from "../support/jwks-server.ts";
import { caller, fetchingPolicy, imageOf, jwks, makeTwoKeys, outcomeOf, Workers } from "../support/workers.ts";

let one: ProviderKey;
let tokenOne: string;
let tokenTwo: string;
const image = imageOf(fetchingPolicy());

before(async () => {
  ({ one, tokenOne, tokenTwo } = await makeTwoKeys());
});

/** A worker whose key server has failed so often that nobody waits for it. */
function failing(answer: CalloutAnswer = "refused", of = image): Workers {
  const workers = new Workers(of, 1);
  for (let failure = 0; failure < 5; failure++) {
    workers.fetch(answer);
    workers.pass(20);
  }
  workers.fetch(answer);
  return workers;
}

function askWith(workers: Workers, headers: [string, string][]): Outcome {
  const request = { caller, source: "10.0.0.1", method: "GET", path: "/orders", host: "h", headers, token: null };
  return workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request));
}

const header = ({ localResponse }: Outcome, name: string): string | undefined =>
  localResponse?.headers.find(([one]) => one === name)?.[1];

describe("keys that have never come", () => {
  for (const answer of ["refused", "timeout", "reset", { status: 500 }, { body: "<html>" }] as const) {
    test(`${JSON.stringify(answer)}: 503 with Retry-After, without a challenge`, () => {
      const workers = failing(answer);
      const outcome = workers.ask(0, tokenOne);
      assert.equal(outcomeOf(outcome), "keys_unavailable");
      assert.equal(outcome.localResponse?.status, 503);
      assert.match(header(outcome, "retry-after")!, /^[1-9]\d*$/);
      assert.equal(header(outcome, "www-authenticate"), undefined);
      assert.equal(header(outcome, "content-type"), "application/problem+json");
      assert.deepEqual(JSON.parse(outcome.localResponse!.body), {
        type: "about:blank",
        title: "Service Unavailable",
        status: 503,
      });
      assert.match(outcome.localResponse!.details!, /keys_unavailable/);
      assert.equal(workers.counted("sallyport_denials.policy.shop;.reason.keys_unavailable"), 1n);
    });
  }

  test("a request waits for them first, and is answered when the fetch has failed", () => {
    const workers = new Workers(image, 1);
    const waiting = workers.ask(0, tokenOne);
    assert.equal(outcomeOf(waiting), "waits");
    workers.fetch("refused");
    assert.equal(outcomeOf(waiting), "keys_unavailable");
    assert.equal(waiting.localResponse?.status, 503);
  });

  test("to gRPC it is UNAVAILABLE", () => {
    const workers = failing();
    const outcome = askWith(workers, [
      ["authorization", `Bearer ${tokenOne}`],
      ["content-type", "application/grpc"],
    ]);
    assert.equal(outcomeOf(outcome), "keys_unavailable");
    assert.equal(outcome.localResponse?.grpcStatus, 14);
  });

  test("a token that needs no keys to be refused is refused as ever", () => {
    const workers = failing();
    const [head, claims] = tokenOne.split(".");
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const stranger = part({ iss: "https://elsewhere.example", exp: 9e9 });
    for (const [headers, reason] of [
      [[], "token_missing"],
      [[["authorization", "Bearer opaque"]], "token_malformed"],
      [[["authorization", `Bearer ${head}.${stranger}.AAAA`]], "token_issuer"],
      [[["authorization", `Bearer ${part({ alg: "RS512" })}.${claims}.AAAA`]], "token_algorithm"],
    ] as [[string, string][], string][]) {
      const outcome = askWith(workers, headers);
      assert.equal(outcomeOf(outcome), reason);
      assert.equal(outcome.localResponse?.status, 401);
      assert.notEqual(header(outcome, "www-authenticate"), undefined);
    }
  });

  test("once they have come, they serve while the server is away, and an unknown key is 401", () => {
    const workers = new Workers(image, 1);
    workers.fetch({ body: jwks(one) });
    for (let failure = 0; failure < 6; failure++) {
      workers.pass(65);
      workers.fetch("refused");
    }
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "allowed");
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "token_key_unknown");
  });

  test("an answer without a key is an answer: nobody is known, which is 401", () => {
    const workers = new Workers(image, 1);
    workers.fetch({ body: '{"keys":[]}' });
    const waiting = workers.ask(0, tokenOne);
    workers.pass(2);
    workers.fetch({ body: '{"keys":[]}' });
    assert.equal(outcomeOf(waiting), "token_key_unknown");
  });

  test("with embedded keys a token of another key is 401", () => {
    const files = { "keys.json": jwks(one) };
    const workers = failing("refused", imageOf(fetchingPolicy({ file: "keys.json" }), files));
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "allowed");
    assert.equal(outcomeOf(workers.ask(0, tokenTwo)), "token_key_unknown");
  });

  test("another rule that admits without a token does", () => {
    const open = '  - { name: open, callers: [any], allow: [GET /orders], when: \'request.headers["x"] == "1"\' }\n';
    const workers = failing("refused", imageOf(fetchingPolicy() + open));
    const token: [string, string] = ["authorization", `Bearer ${tokenOne}`];
    assert.equal(outcomeOf(askWith(workers, [token, ["x", "1"]])), "allowed");
    assert.equal(outcomeOf(askWith(workers, [token, ["x", "2"]])), "keys_unavailable", "403 would not be known");
  });
});
