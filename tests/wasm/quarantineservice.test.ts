/** Quarantines of a fleet, while its service is away, has forgotten, lies or answers anything, the host fails, and policies are loaded anew. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fleet_failures_max, quarantine_ask_seconds } from "../../assembly/limits.ts";
import { type FilterRequest, hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { rateLimitConfiguration } from "../../scripts/policy/fleet.ts";
import { engine, recordOf } from "../support/plugin.ts";
import { check } from "../support/policy.ts";
import { mobile, quarantinePolicy, web } from "../support/quarantine.ts";
import { fleetPolicy, fleetProbing, GuardedFleet, met } from "../support/quarantinefleet.ts";
import { Random } from "../support/random.ts";
import { readQuestion, writeAnswer } from "../support/ratelimit.ts";
import { RateLimitService } from "../support/ratelimitservice.ts";
import { imageOf } from "../support/workers.ts";

describe("the service", () => {
  test("is asked of a key once in a while, however many requests it sends", () => {
    const fleet = new GuardedFleet(1);
    fleet.reason(0);
    const once = fleet.service.asked;
    for (let count = 0; count < 100; count++) fleet.reason(0);
    assert.equal(fleet.service.asked, once);
    fleet.pass(quarantine_ask_seconds);
    fleet.reason(0);
    assert.equal(fleet.service.asked, 2 * once);
  });

  test("that is away leaves each Envoy its own, and is told when it is back", () => {
    const fleet = new GuardedFleet();
    fleet.isAway = true;
    fleet.probe(0, 4);
    assert.equal(fleet.reason(0), "quarantined");
    assert.deepEqual(met(fleet, 1), ["allowed", "allowed"]);
    fleet.isAway = false;
    fleet.pass(quarantine_ask_seconds);
    assert.equal(fleet.reason(0), "quarantined");
    assert.deepEqual(met(fleet, 1), ["allowed", "quarantined"]);
  });

  test("that has forgotten is told again", () => {
    const fleet = new GuardedFleet(3);
    fleet.probe(0, 4);
    met(fleet, 1);
    fleet.service.forget();
    fleet.pass(quarantine_ask_seconds);
    assert.equal(fleet.reason(1), "quarantined");
    assert.deepEqual(met(fleet, 2), ["allowed", "quarantined"]);
  });

  test("that has no rule for the quarantine says nothing", () => {
    const fleet = new GuardedFleet();
    const other = new RateLimitService({ domain: "shops", descriptors: [] }, () => 0);
    for (let count = 0; count < 3; count++) {
      fleet.envoys[0]!.reason({ path: "/nothing" });
      const { grpcCalls } = fleet.envoys[0]!.workers.hosts[0]!;
      fleet.envoys[0]!.workers.hosts[0]!.answerGrpc(grpcCalls[0]!.token, other.answer(grpcCalls[0]!.message));
    }
    assert.equal(fleet.envoys[0]!.reason(), "allowed");
    assert.equal(fleet.envoys[0]!.answers("unknown"), 3);
  });

  test("that does not heed the hits of a descriptor shuts nobody out, and is taken for one without a rule", () => {
    const fleet = new GuardedFleet();
    fleet.service.heedsOwnHits = false;
    for (let count = 0; count < 5; count++) {
      for (const envoy of [0, 1]) for (const caller of [web, mobile]) met(fleet, envoy, { caller });
      fleet.pass(quarantine_ask_seconds);
    }
    for (const envoy of [0, 1])
      for (const caller of [web, mobile]) assert.equal(fleet.reason(envoy, { caller }), "allowed");
    // Callers that share an entry take turns.
    const unknown = fleet.envoys[0]!.answers("unknown");
    assert.ok(unknown >= 6, `${unknown}`);
    fleet.probe(0, 4);
    assert.equal(fleet.reason(0), "quarantined", "by itself");
    assert.deepEqual(met(fleet, 1), ["allowed", "allowed"]);
  });

  test("that lies shuts out for twice the longest time at the most, and is not asked without end", () => {
    const fleet = new GuardedFleet(1);
    const [host] = fleet.envoys[0]!.workers.hosts;
    fleet.envoys[0]!.reason();
    let asked = 0;
    for (let [call] = host!.grpcCalls; call !== undefined; [call] = host!.grpcCalls) {
      // It does not say of all that they are over: that would be one that counts questions.
      const lies = readQuestion(call.message).descriptors.map((_, index) => ({
        code: index === 1 ? 1 : 2,
        resetSeconds: 1e9,
      }));
      host!.answerGrpc(call.token, writeAnswer(lies));
      asked++;
    }
    assert.ok(asked > 1 && asked < 20, `${asked} questions`);
    assert.equal(fleet.reason(0), "quarantined");
    fleet.pass(2 * 960);
    assert.equal(fleet.reason(0), "allowed");
  });
});

describe("a host that fails", () => {
  test("to make calls changes no decision, blames nothing on a request, and is left alone after a few attempts", () => {
    const fleet = new GuardedFleet(1);
    const [envoy] = fleet.envoys;
    for (const host of envoy!.workers.hosts) host.faults = [{ call: "grpc_call", result: WasmResult.InternalFailure }];
    for (let count = 0; count < 20; count++) {
      assert.equal(envoy!.reason({ caller: `spiffe://example.org/${count}` }), "allowed");
      assert.equal(envoy!.reason({ caller: mobile, path: "/nothing" }), count < 4 ? "no_rule" : "quarantined");
    }
    assert.equal(envoy!.answers("failed"), fleet_failures_max);
    const causes = [...envoy!.workers.hosts[0]!.metrics()].filter(([name]) => name.startsWith("sallyport_failures"));
    assert.ok(
      causes.every(([, count]) => count === 0n),
      String(causes),
    );
  });

  test("while an answer is taken in shuts nobody out, and is asked again later", () => {
    for (const call of [
      "get_shared_data",
      "set_shared_data",
      "get_current_time_nanoseconds",
      "get_buffer_bytes",
    ] as const) {
      const fleet = new GuardedFleet(2);
      fleet.probe(0, 4);
      fleet.envoys[1]!.reason();
      const [host] = fleet.envoys[1]!.workers.hosts;
      host!.faults = [{ call, result: WasmResult.InternalFailure }];
      fleet.settle();
      host!.faults = [];
      assert.equal(fleet.envoys[1]!.reason(), "allowed", call);
      fleet.pass(quarantine_ask_seconds);
      assert.deepEqual(met(fleet, 1), ["allowed", "quarantined"], call);
    }
  });
});

test("an answer that comes when the policy has other quarantines shuts nobody out of those", () => {
  const fleet = new GuardedFleet(2);
  fleet.probe(0, 4);
  const [envoy] = [fleet.envoys[1]!];
  const [host] = envoy.workers.hosts;
  for (const other of ["another", "a, b"]) {
    envoy.reason();
    const { rootContext } = host!.startPlugin(
      pluginConfiguration(
        imageOf(
          fleetPolicy(
            other
              .split(", ")
              .map((name) => fleetProbing.replace("probing", name))
              .join(", "),
          ),
        ),
      ),
    );
    const old = envoy.workers.roots[0]!;
    // Requests under way keep the old root context for a while.
    envoy.workers.roots[0] = rootContext;
    fleet.settle();
    assert.equal(fleet.reason(1), "allowed");
    assert.equal(envoy.counted("probing", "enter"), 1, "the old policy has heard");
    envoy.workers.roots[0] = old;
  }
  assert.equal(fleet.reason(1), "quarantined");
});

/** Policies of two names, alike and unlike in what they shut out. */
const quarantines = (count: number): string =>
  Array.from(
    { length: count },
    (_, index) =>
      `{ name: q${index}, when: [no_rule], denials: ${index + 1}, within: ${index + 1}s, for: 20s, max: ${20 << (index % 6)}s, scope: fleet${index % 3 === 0 ? "" : ", mode: shadow"} }`,
  ).join(", ");
const policies = [
  fleetPolicy(fleetProbing.replace("probing", "q0")),
  fleetPolicy(
    "{ name: q0, when: [no_rule], denials: 1, within: 1s, for: 45m, max: 24h, per: [source.ip/24], scope: fleet }",
  ),
  fleetPolicy(quarantines(8)),
  fleetPolicy(quarantines(2)).replace("name: shop", "name: bank"),
  quarantinePolicy(fleetProbing.replace("probing", "q0").replace(", scope: fleet", "")),
];
const images = policies.map((policy) => imageOf(policy));
const configuration = rateLimitConfiguration(policies.slice(0, 4).map((policy) => check(policy).policy!));

const seeds = Number(process.env.SEEDS ?? 12);
const first = Number(process.env.SEED ?? 1);

for (let seed = first; seed < first + seeds; seed++) {
  test(`whatever is answered when, to whichever policy, and however clocks step: nothing traps, and no request waits (SEED=${seed} SEEDS=1)`, () => {
    const random = new Random(seed);
    let seconds = 1_796_000_000;
    if (typeof configuration === "string") throw new Error(configuration);
    const service = new RateLimitService(configuration, () => Math.floor(seconds));
    const clock = (): bigint => BigInt(Math.round(seconds * 1000)) * 1_000_000n;
    const host = PluginHost.load(engine, { sharedData: new SharedData(), clock, clusters: ["rls"] });
    const start = (): number => host.startPlugin(pluginConfiguration(random.pick(images))).rootContext;
    const roots = [start(), start()];
    const ask = (): void => {
      const whole: FilterRequest = {
        caller: random.pick([web, mobile, null]),
        source: random.pick(["10.0.0.1", "10.0.1.1", "2001:db8::1"]),
        method: "GET",
        path: random.pick(["/nothing", "/nothing", "/orders"]),
        host: "h",
        headers: [],
        token: null,
      };
      const outcome = host.request(random.pick(roots), hostRequest(whole));
      assert.equal(outcome.trapped, false, outcome.error?.message);
      assert.equal(outcome.paused, false);
      assert.match(String(recordOf(outcome).reason), /^(allowed|no_rule|identity_missing|quarantined)$/u);
    };
    const answer = (): void => {
      if (host.grpcCalls.length === 0) return;
      const { token, message } = random.pick(host.grpcCalls);
      const said = Uint8Array.from(service.answer(message));
      const what = random.below(8);
      if (what < 2) said[random.below(said.length)] = random.below(256);
      const cut =
        what === 2 ? said.slice(0, random.below(said.length)) : what === 3 ? Uint8Array.of(...said, ...said) : said;
      const turn = host.answerGrpc(token, what === 4 ? 14 : cut);
      assert.equal(turn.trapped, false, turn.error?.message);
    };
    for (let step = 0; step < 300; step++) {
      const what = random.below(20);
      if (what < 10) ask();
      else if (what < 17) answer();
      else if (what === 17) seconds += random.pick([0.1, 3, 6, 11, 100, 4000]);
      else if (what === 18) seconds += random.pick([-1, -10, -4000, 100_000, -100_000]);
      else roots[random.below(2)] = start();
    }
  });
}
