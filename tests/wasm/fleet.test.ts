/** Limits of the fleet: what the rate limit service is asked, how its answers decide, and what holds where it does not answer. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fleet_failures_max, fleet_rest_milliseconds } from "../../assembly/limits.ts";
import { Fleet } from "../support/fleet.ts";
import { recordOf } from "../support/plugin.ts";
import { ok, over, readQuestion, type Status, writeAnswer } from "../support/ratelimit.ts";
import { outcomeOf } from "../support/workers.ts";

/** How many of so many requests are admitted at once, without waiting. */
function admitted(fleet: Fleet, count: number): number {
  return Array.from({ length: count }, () => outcomeOf(fleet.get())).filter((outcome) => outcome === "allowed").length;
}

describe("a question", () => {
  test("has the domain, each limit of the rule with its rate, a digest of its key, and the cost", () => {
    const fleet = new Fleet({
      limits:
        "x: { rate: 8/m, per: [caller], scope: fleet }, y: { rate: 100/s, scope: fleet }, z: { rate: 10/s, per: [caller] }",
      limit: "[x, y, z]",
      cost: 3,
      fleet: "cluster: rls, domain: shops, deadline: 70ms, replicas: 4",
    });
    fleet.get();
    const { cluster, service, method, message, timeoutMs } = fleet.call();
    assert.deepEqual(
      { cluster, service, method, timeoutMs },
      {
        cluster: "rls",
        service: "envoy.service.ratelimit.v3.RateLimitService",
        method: "ShouldRateLimit",
        timeoutMs: 70,
      },
    );
    const { domain, descriptors, hits } = readQuestion(message);
    assert.deepEqual({ domain, hits }, { domain: "shops", hits: 3 });
    assert.deepEqual(
      descriptors.map(({ limit }) => limit),
      ["x=8/minute", "y=100/second"],
    );
    for (const { key } of descriptors) assert.match(key!, /^[0-9a-f]{32}$/u);
    assert.notEqual(descriptors[0]!.key, descriptors[1]!.key);
  });

  test("names a client alike on every Envoy, and no two alike", () => {
    const keys = [0, 1].flatMap(() => {
      const fleet = new Fleet();
      return ["a", "b"].map((name) => {
        fleet.get("/a", `spiffe://example.org/${name}`);
        const [descriptor] = readQuestion(fleet.call().message).descriptors;
        fleet.tell([ok]);
        return descriptor!.key!;
      });
    });
    assert.deepEqual(keys.slice(0, 2), keys.slice(2));
    assert.notEqual(keys[0], keys[1]);
  });

  test("takes the largest cost and the longest cluster there can be", () => {
    const cluster = "c".repeat(256);
    const told = { limits: "x: { rate: 1000000/s, scope: fleet }", cost: 1_000_000, fleet: `cluster: ${cluster}` };
    const fleet = new Fleet(told, 1, [cluster]);
    fleet.get();
    assert.equal(readQuestion(fleet.call().message).hits, 1_000_000);
  });

  test("is not asked for what this Envoy denies itself", () => {
    const limits = "x: { rate: 8/m, scope: fleet }, z: { rate: 1/m, burst: 1 }";
    const fleet = new Fleet({ limits, limit: "[x, z]" });
    fleet.get();
    fleet.tell([ok]);
    assert.equal(outcomeOf(fleet.get()), "limit_exceeded");
    assert.deepEqual(fleet.hosts[0]!.grpcCalls, []);
  });

  test("is not asked for a request without a key, where the limit denies those", () => {
    const limits = `x: { rate: 8/m, per: ['request.headers["x-tenant"]'], absent: deny, scope: fleet }`;
    const fleet = new Fleet({ limits });
    assert.notEqual(outcomeOf(fleet.get()), "waits");
    assert.notEqual(outcomeOf(fleet.get()), "allowed");
    assert.deepEqual(fleet.hosts[0]!.grpcCalls, []);
  });

  test("is not asked for a rule in shadow mode", () => {
    const rules =
      "  - { name: a, callers: [any], allow: [GET /a] }\n  - { name: b, callers: [any], allow: [GET /a], limit: x, mode: shadow }\n";
    assert.equal(outcomeOf(new Fleet({ rules }).get()), "allowed");
  });
});

describe("an answer", () => {
  test("that there is room admits, and what the rule's other limits gave is not taken twice", () => {
    const limits = "x: { rate: 8/m, scope: fleet }, z: { rate: 2/h, burst: 2 }";
    const fleet = new Fleet({ limits, limit: "[x, z]" });
    assert.equal(fleet.decided([ok]), "allowed");
    assert.equal(fleet.decided([ok]), "allowed");
    assert.equal(outcomeOf(fleet.get()), "limit_exceeded");
    fleet.tick(0);
    assert.equal(fleet.answersOf("granted"), 2n);
  });

  test("that there is none is a 429 that says when", () => {
    const fleet = new Fleet();
    const outcome = fleet.get();
    fleet.tell([over(42)]);
    assert.equal(outcomeOf(outcome), "limit_exceeded");
    const headers = new Map(outcome.localResponse!.headers);
    assert.equal(outcome.localResponse!.status, 429);
    assert.equal(headers.get("retry-after"), "42");
    assert.equal(headers.get("ratelimit"), '"x";r=0;t=42');
    assert.equal(headers.get("ratelimit-policy"), '"x";q=8;w=60');
    assert.equal(recordOf(outcome).limit, "x");
    fleet.tick(0);
    assert.equal(fleet.answersOf("refused"), 1n);
  });

  for (const [what, overall] of [
    ["grants", 1],
    ["says nothing", 0],
    ["has a code of its own", 9],
  ] as const) {
    test(`whose statuses refuse is a refusal, also where it ${what} as a whole`, () => {
      const fleet = new Fleet({ limits: "x: { rate: 8/m, scope: fleet, onError: allow }" });
      const outcome = fleet.get();
      fleet.tell(writeAnswer([over(42)], overall));
      assert.equal(outcomeOf(outcome), "limit_exceeded");
      assert.equal(new Map(outcome.localResponse!.headers).get("retry-after"), "42");
    });
  }

  test("names the limit that is full", () => {
    const fleet = new Fleet({
      limits: "x: { rate: 8/m, scope: fleet }, y: { rate: 9/m, scope: fleet }",
      limit: "[x, y]",
    });
    const outcome = fleet.get();
    fleet.tell([ok, over(5)]);
    assert.equal(recordOf(outcome).limit, "y");
  });

  const two = (limit: string): string =>
    `  - { name: a, callers: [any], allow: [GET /a], limit: x }\n  - { name: b, callers: [any], allow: [GET /a], limit: ${limit} }\n`;

  test("lets another rule admit that asks nobody", () => {
    const limits = "x: { rate: 8/m, scope: fleet }, y: { rate: 1/h, burst: 1 }";
    const fleet = new Fleet({ rules: two("y"), limits });
    const outcome = fleet.get();
    fleet.tell([over(1)]);
    assert.equal(outcomeOf(outcome), "allowed");
    assert.equal(recordOf(outcome).rule, "b");
    assert.equal(fleet.decided([over(1)]), "limit_exceeded");
  });

  test("is the only one of a request: another rule that would ask denies", () => {
    const limits = "x: { rate: 8/m, scope: fleet }, y: { rate: 9/m, scope: fleet, onError: allow }";
    const fleet = new Fleet({ rules: two("y"), limits });
    assert.equal(fleet.decided([over(1)]), "limit_exceeded");
    assert.deepEqual(fleet.hosts[0]!.grpcCalls, []);
  });

  test("for a stream that has ended is dropped", () => {
    const fleet = new Fleet();
    const outcome = fleet.get();
    fleet.hosts[0]!.deleteContext(outcome.context);
    fleet.tell([ok]);
    assert.equal(outcome.localResponse, undefined);
    assert.equal(fleet.decided([ok]), "allowed");
  });

  test("answers the request that asked, in whatever order", () => {
    const fleet = new Fleet();
    const [a, b] = [fleet.get("/a", "spiffe://example.org/a"), fleet.get("/a", "spiffe://example.org/b")];
    const [first, second] = fleet.hosts[0]!.grpcCalls;
    fleet.hosts[0]!.answerGrpc(second!.token, writeAnswer([over(1)]));
    assert.deepEqual([outcomeOf(a), outcomeOf(b)], ["waits", "limit_exceeded"]);
    fleet.hosts[0]!.answerGrpc(first!.token, writeAnswer([ok]));
    assert.equal(outcomeOf(a), "allowed");
  });
});

/** What is no answer to the question. */
const useless: Readonly<Record<string, readonly Status[] | number | Uint8Array>> = {
  "a deadline that has passed": 4,
  "nobody there": 14,
  "no message": new Uint8Array(),
  "a message cut short": writeAnswer([ok]).subarray(0, 5),
  "bytes that are none": Buffer.from("not protobuf at all"),
  "a service without a rule for the limit": [{ code: 1, hasLimit: false }],
  "fewer statuses than limits": writeAnswer([], 1),
  "more statuses than limits": [ok, ok],
  "a code of its own": [{ code: 9 }],
  "no code": [{ code: 0 }],
  "statuses that grant, and nothing as a whole": writeAnswer([ok], 0),
  "statuses that grant, and a refusal as a whole": writeAnswer([ok], 2),
  "statuses that grant, and a code of its own as a whole": writeAnswer([ok], 9),
  "a refusal as a whole, and no status": writeAnswer([], 2),
};

describe("without an answer", () => {
  for (const [what, answer] of Object.entries(useless)) {
    test(`a limit holds as onError says: ${what}`, () => {
      const limit = (onError: string) => `x: { rate: 8/h, burst: 8, per: [caller], scope: fleet, onError: ${onError} }`;
      assert.equal(new Fleet({ limits: limit("allow") }).decided(answer), "allowed");
      assert.equal(new Fleet({ limits: limit("deny") }).decided(answer), "internal");
      const local = new Fleet({ limits: limit("local") });
      const decided = [1, 2, 3].map(() => local.decided(answer));
      assert.deepEqual(decided, ["allowed", "allowed", "limit_exceeded"], "a fourth of the burst of 8");
    });
  }

  test("what the rule's other limits gave goes back where no room is left in the share", () => {
    const rules =
      "  - { name: a, callers: [any], allow: [GET /a], limit: [here, x] }\n  - { name: b, callers: [any], allow: [GET /b], limit: here }\n";
    const limits = "here: { rate: 10/h, burst: 10 }, x: { rate: 8/h, burst: 8, scope: fleet }";
    const fleet = new Fleet({ limits, rules }, 1, []);
    assert.equal(admitted(fleet, 8), 2);
    const others = Array.from({ length: 10 }, () => outcomeOf(fleet.get("/b")));
    assert.deepEqual(others.filter((outcome) => outcome === "allowed").length, 8);
  });

  test("a denial is 503, and named", () => {
    const fleet = new Fleet({ limits: "x: { rate: 8/h, scope: fleet, onError: deny }" });
    const outcome = fleet.get();
    fleet.tell(4);
    assert.equal(outcome.localResponse?.status, 503);
    assert.deepEqual(recordOf(outcome).cause, "rate_limit_service");
  });

  test("whose cluster is not there, nothing waits", () => {
    const fleet = new Fleet({ limits: "x: { rate: 8/h, burst: 8, scope: fleet }" }, 1, []);
    assert.equal(admitted(fleet, 5), 2);
  });

  test("the share has room for the cost of every rule", () => {
    const told = { limits: "x: { rate: 8/h, burst: 8, scope: fleet }", cost: 8 };
    assert.equal(admitted(new Fleet(told, 1, []), 2), 1);
  });

  test("that the host does not tell of, a tick decides", () => {
    const fleet = new Fleet();
    const outcome = fleet.get();
    fleet.tick(0);
    assert.equal(outcomeOf(outcome), "waits");
    fleet.pass(1.2);
    fleet.tick(0);
    assert.equal(outcomeOf(outcome), "allowed");
    fleet.tell([over(1)]);
    assert.equal(outcomeOf(outcome), "allowed");
  });

  test("a service that fails again and again rests, is asked once in a while, and then by everybody again", () => {
    const fleet = new Fleet({ limits: "x: { rate: 8/h, scope: fleet, onError: allow }" });
    fleet.tick(0);
    for (let failure = 0; failure < fleet_failures_max; failure++) assert.equal(fleet.decided(14), "allowed");
    assert.equal(admitted(fleet, 10), 10, "nothing waits");
    fleet.pass(fleet_rest_milliseconds / 1000);
    const probe = fleet.get();
    assert.deepEqual([outcomeOf(probe), admitted(fleet, 3)], ["waits", 3]);
    fleet.tell(14);
    assert.equal(admitted(fleet, 3), 3);
    fleet.pass(fleet_rest_milliseconds / 1000);
    assert.equal(fleet.decided([ok]), "allowed");
    assert.equal(fleet.decided([over(1)]), "limit_exceeded");
    fleet.tick(0);
    assert.deepEqual(
      ["failed", "skipped", "granted", "refused"].map((result) => fleet.answersOf(result)),
      [6n, 16n, 1n, 1n],
    );
  });

  test("one that has no rule for a limit is asked all the same", () => {
    const fleet = new Fleet({ limits: "x: { rate: 8/h, scope: fleet, onError: allow }" });
    for (let time = 0; time < 2 * fleet_failures_max; time++) fleet.decided([{ code: 1, hasLimit: false }]);
    fleet.tick(0);
    assert.equal(fleet.answersOf("unknown"), BigInt(2 * fleet_failures_max));
  });
});

test("a policy without limits of the fleet calls nobody and does not tick", () => {
  const fleet = new Fleet({ limits: "x: { rate: 8/m }", fleet: "cluster: rls" });
  assert.equal(outcomeOf(fleet.get()), "allowed");
  assert.deepEqual(fleet.hosts[0]!.grpcCalls, []);
  assert.equal(fleet.hosts[0]!.tickPeriodMs(fleet.roots[0]!), 0);
  assert.equal(
    [...fleet.hosts[0]!.metrics().keys()].some((name) => name.includes("fleet")),
    false,
  );
});
