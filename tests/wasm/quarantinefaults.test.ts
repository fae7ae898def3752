/** Quarantine while policies are loaded anew, clocks step and the host fails. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WasmResult } from "../../scripts/host/abi.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { assertInternal, recordOf } from "../support/plugin.ts";
import { Guarded, mobile, probing, quarantinePolicy, web } from "../support/quarantine.ts";
import { bucketKeys } from "../support/secret.ts";

const policy = quarantinePolicy(probing);

describe("reloads", () => {
  test("neither let out nor begin anew", () => {
    const guarded = new Guarded(policy);
    guarded.probe(2);
    guarded.reload(policy);
    guarded.probe(1);
    assert.equal(guarded.retryAfter(), 120);
    guarded.pass(20);
    guarded.reload(policy.replace("for: 2m", "for: 4m"));
    assert.equal(guarded.retryAfter(), 100);
  });

  test("with another name everything begins anew", () => {
    const guarded = new Guarded(policy);
    guarded.probe(3);
    guarded.reload(policy.replace("name: probing", "name: probing-2"));
    assert.equal(guarded.reason(), "allowed");
  });

  test("let out whom they name, at once and for as long as they name it", () => {
    const released = quarantinePolicy(probing.replace("}", `, release: [${web}, 10.0.0.7] }`));
    const guarded = new Guarded(policy);
    guarded.probe(3);
    guarded.probe(3, { caller: mobile });
    guarded.reload(released);
    assert.equal(recordOf(guarded.ask()).quarantine_event, "leave");
    assert.equal(guarded.reason({ caller: mobile }), "quarantined", "nobody else");
    assert.equal(guarded.probe(9), "no_rule", "is not counted");
    assert.equal(guarded.counted("probing", "enter"), 2);
    assert.equal(guarded.reason(), "allowed");
    guarded.reload(policy);
    assert.equal(guarded.reason(), "allowed", "and does not come back by itself");
    guarded.probe(3);
    assert.equal(guarded.retryAfter(), 120, "nor is it remembered");
  });

  test("addresses too, with the network that is kept of them", () => {
    const rest = "when: [identity_missing, no_rule], denials: 3, within: 1m, for: 5m";
    for (const per of ["caller", "caller.trust_domain", "source.ip", "source.ip/24"]) {
      const guarded = new Guarded(quarantinePolicy(`{ name: a, per: [${per}], ${rest} }`));
      const stranger = { caller: null, source: "10.1.2.3", path: "/public" };
      guarded.probe(3, { ...stranger, path: "/nothing" });
      assert.equal(guarded.reason(stranger), "quarantined", per);
      guarded.reload(quarantinePolicy(`{ name: a, per: [${per}], release: [10.1.2.3], ${rest} }`));
      assert.equal(guarded.reason(stranger), "allowed", per);
    }
    const guarded = new Guarded(quarantinePolicy(`{ name: a, per: [caller.trust_domain], ${rest} }`));
    guarded.probe(3);
    guarded.reload(quarantinePolicy(`{ name: a, per: [caller.trust_domain], release: [example.org], ${rest} }`));
    assert.equal(guarded.reason(), "allowed");
  });
});

describe("clocks", () => {
  test("an hour forward opens, and an hour back shuts out for no longer than it lasts", () => {
    const guarded = new Guarded(policy);
    guarded.probe(3);
    guarded.pass(-3600);
    const left = guarded.retryAfter();
    assert.ok(left <= 122, `${left} s`);
    guarded.pass(left);
    assert.equal(guarded.reason(), "allowed");
    guarded.probe(3, { caller: mobile });
    guarded.pass(3600);
    assert.equal(guarded.reason({ caller: mobile }), "allowed");
    guarded.pass(-3600);
    assert.equal(guarded.reason({ caller: mobile }), "allowed");
  });

  test("an hour back: denials are counted from there", () => {
    const guarded = new Guarded(policy);
    guarded.probe(2);
    guarded.pass(-3600);
    assert.equal(guarded.probe(2), "no_rule");
    assert.equal(guarded.reason(), "allowed");
    guarded.probe(1);
    assert.equal(guarded.reason(), "quarantined");
  });

  test("workers whose clocks differ a little agree", () => {
    const guarded = new Guarded(policy);
    guarded.probe(1);
    guarded.pass(-1.5);
    guarded.probe(1);
    guarded.pass(1);
    guarded.probe(1);
    assert.equal(guarded.reason(), "quarantined");
    guarded.pass(-1);
    assert.ok(guarded.retryAfter() <= 121);
  });
});

describe("a host that fails", () => {
  test("without shared data nobody passes, but where it changes nothing", () => {
    for (const [text, denies] of [
      [policy, true],
      [quarantinePolicy(probing.replace("}", ", mode: shadow }")), false],
    ] as const) {
      const guarded = new Guarded(text, 1);
      guarded.workers.hosts[0]!.faults = [{ call: "get_shared_data", result: WasmResult.InternalFailure }];
      if (denies) assertInternal(guarded.ask(), "no shared data");
      else assert.equal(guarded.reason(), "allowed");
    }
  });

  test("whatever call fails, who is shut out stays out, and nothing traps", () => {
    const calls = ["get_property", "get_header_map_pairs", "get_current_time_nanoseconds", "get_shared_data"] as const;
    for (const call of [...calls, "set_shared_data", "set_property", "increment_metric", "log"] as const) {
      const guarded = new Guarded(policy, 1);
      const host = guarded.workers.hosts[0]!;
      guarded.probe(3);
      host.faults = [{ call, result: WasmResult.InternalFailure }];
      for (const caller of [web, null]) {
        const { action, trapped } = guarded.ask({ caller });
        assert.equal(trapped, false, call);
        if (caller === web) assert.equal(action, "pause", call);
      }
      guarded.ask({ caller: mobile, path: "/nothing" });
      host.faults = [];
      assert.equal(guarded.reason(), "quarantined", call);
    }
  });

  test("what cannot be counted is denied all the same, and its failure is counted", () => {
    const guarded = new Guarded(policy, 1);
    guarded.workers.hosts[0]!.faults = [{ call: "set_shared_data", result: WasmResult.CasMismatch }];
    assert.equal(guarded.probe(9), "no_rule");
    assert.equal(guarded.reason(), "allowed");
    guarded.workers.hosts[0]!.faults = [];
    const failures = guarded.workers.counted("sallyport_failures.policy.shop;.cause.shared_data_contention");
    assert.equal(Number(failures), 9);
  });

  test("one that takes no more leaves nobody shut out for ever", () => {
    const guarded = new Guarded(policy, 1);
    guarded.probe(3);
    guarded.pass(120);
    guarded.workers.hosts[0]!.faults = [{ call: "set_shared_data", result: WasmResult.InternalFailure }];
    assert.equal(guarded.reason(), "allowed");
  });

  test("foreign bytes deny, and never trap", () => {
    for (const bytes of [new Uint8Array(), Uint8Array.of(1), new Uint8Array(4096).fill(0xff)]) {
      const sharedData = new SharedData();
      const guarded = new Guarded(policy, 1, {}, sharedData);
      guarded.probe(1);
      for (const key of bucketKeys(sharedData)) sharedData.set(key, bytes, 0);
      const outcome = guarded.ask();
      assertInternal(outcome, `${bytes.length} bytes`);
      assert.equal(recordOf(outcome).cause, "get_shared_data");
    }
    const sharedData = new SharedData();
    const guarded = new Guarded(policy, 1, {}, sharedData);
    guarded.probe(1);
    for (const key of bucketKeys(sharedData))
      sharedData.set(
        key,
        sharedData.get(key)!.value.map(() => 0xff),
        0,
      );
    for (const path of ["/orders", "/nothing"]) assert.equal(guarded.ask({ path }).trapped, false);
  });
});
