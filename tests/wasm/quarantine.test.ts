/** Quarantine on several workers of one Envoy: who gets in, for how long, and who does not. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { makeKey, providerAudience } from "../support/jwks-server.ts";
import { recordOf } from "../support/plugin.ts";
import { edge, Guarded, mobile, probing, quarantinePolicy, web } from "../support/quarantine.ts";
import { bucketKeys } from "../support/secret.ts";
import { imageOf, Workers } from "../support/workers.ts";

const policy = quarantinePolicy(probing);
/** What a gateway says of its caller. */
const told = (id: string) => [["x-forwarded-client-cert", `URI=${id}`]] as const;

describe("a caller that is denied too often", () => {
  test("is shut out on all workers, with what it may ask for too", () => {
    const guarded = new Guarded(policy, 3);
    assert.equal(guarded.probe(2), "no_rule");
    assert.equal(guarded.reason(), "allowed", "not yet");
    assert.equal(guarded.probe(1), "no_rule", "the last denial is answered as it was");
    for (const worker of [0, 1, 2]) {
      const { action, localResponse } = guarded.ask({}, worker);
      assert.equal(action, "pause");
      assert.equal(localResponse!.requestedStatus, 403);
    }
    assert.equal(guarded.reason({ caller: mobile }), "allowed", "others are not");
  });

  test("learns for how long, and nothing else", () => {
    const guarded = new Guarded(policy);
    guarded.probe(3);
    assert.equal(guarded.retryAfter(), 120);
    guarded.pass(100.5);
    assert.equal(guarded.retryAfter(), 20);
    guarded.pass(19.4);
    assert.equal(guarded.retryAfter(), 1);
    const { headers } = guarded.ask().localResponse!;
    assert.deepEqual(headers.map(([name]) => name).sort(), ["content-length", "content-type", "retry-after"]);
  });

  test("is let in again when the time is over, though it went on asking", () => {
    const guarded = new Guarded(policy);
    guarded.probe(3);
    for (let second = 0; second < 120; second++) {
      assert.equal(guarded.probe(1), "quarantined");
      guarded.pass(1);
    }
    assert.equal(guarded.reason(), "allowed");
    assert.equal(guarded.probe(2), "no_rule", "and counted anew");
    assert.equal(guarded.reason(), "allowed");
  });

  test("is shut out for twice as long each time, up to the longest; after as long a quiet time it begins anew", () => {
    const guarded = new Guarded(policy);
    for (const seconds of [120, 240, 480, 480, 480]) {
      guarded.probe(3);
      assert.equal(guarded.retryAfter(), seconds);
      guarded.pass(seconds);
      assert.equal(guarded.reason(), "allowed");
    }
    guarded.pass(479);
    guarded.probe(3);
    assert.equal(guarded.retryAfter(), 480, "not quiet for long enough");
    guarded.pass(480 + 480);
    guarded.probe(3);
    assert.equal(guarded.retryAfter(), 120);
  });

  test("is not doubled without `max`", () => {
    const guarded = new Guarded(quarantinePolicy("{ name: a, when: [no_rule], denials: 1, within: 1s, for: 10s }"));
    for (let count = 0; count < 3; count++) {
      guarded.probe(1);
      assert.equal(guarded.retryAfter(), 10);
      guarded.pass(10);
    }
  });
});

describe("the window", () => {
  test("slides: so many denials in any such time, and not one less", () => {
    const guarded = new Guarded(policy);
    guarded.probe(1);
    guarded.pass(40);
    guarded.probe(1);
    guarded.pass(20);
    guarded.probe(1);
    assert.equal(guarded.reason(), "allowed", "the first is a minute ago");
    guarded.pass(39.999);
    guarded.probe(1);
    assert.equal(guarded.reason(), "quarantined", "three within 59.999 s");
  });

  test("slow probing is never caught", () => {
    const guarded = new Guarded(quarantinePolicy("{ name: a, when: [no_rule], denials: 20, within: 1m, for: 5m }"));
    for (let count = 0; count < 400; count++) {
      assert.equal(guarded.probe(1), "no_rule");
      guarded.pass(3.001 + 0.16);
    }
  });

  test("is exact up to 32 denials, and beyond lacks less than one in 32", () => {
    for (const [denials, most] of [
      [1, 1],
      [32, 32],
      [33, 34],
      [100, 103],
      [1000, 1031],
    ] as const) {
      const guarded = new Guarded(
        quarantinePolicy(`{ name: a, when: [no_rule], denials: ${denials}, within: 1h, for: 5m }`),
      );
      const times: number[] = [];
      let now = 0;
      const probe = (pause: number): void => {
        guarded.probe(1);
        times.push(now);
        guarded.pass(pause);
        now += pause;
      };
      for (let count = 1; count < denials; count++) probe(1);
      // The first of a group is as old as the window; the others of it are not.
      guarded.pass(3600 - now);
      now = 3600;
      while (guarded.reason() === "allowed" && times.length < 3000) probe(0.001);
      const count = times.filter((time) => times.at(-1)! - time < 3600).length;
      assert.equal(count, most, `of ${denials}`);
    }
  });

  test("what is long past does not come back when the times of a window begin anew", () => {
    const guarded = new Guarded(policy);
    guarded.probe(2);
    guarded.pass(2 ** 24 / 1000);
    guarded.probe(1);
    assert.equal(guarded.reason(), "allowed");
  });

  test("what nobody counts does not count", () => {
    const guarded = new Guarded(policy);
    assert.equal(guarded.probe(50, { path: "/orders?", method: "G T" }), "request_malformed");
    assert.equal(guarded.reason(), "allowed");
  });

  test("a request that is refused for its form counts where it is to", () => {
    const guarded = new Guarded(
      quarantinePolicy("{ name: a, when: [request_malformed, path_ambiguous], denials: 3, within: 1m, for: 5m }"),
    );
    guarded.probe(1, { method: "G T" });
    guarded.probe(1, { host: "a,b" });
    assert.equal(guarded.probe(1, { path: "/a/../b" }), "path_ambiguous");
    assert.equal(guarded.reason(), "quarantined");
  });
});

describe("who is shut out", () => {
  test("callers that nobody knows, by their address", () => {
    const guarded = new Guarded(policy);
    const quarantine = quarantinePolicy("{ name: a, when: [identity_missing], denials: 3, within: 1m, for: 5m }");
    const strangers = new Guarded(quarantine);
    assert.equal(strangers.probe(3, { caller: null }), "identity_missing");
    assert.equal(strangers.reason({ caller: null, path: "/public" }), "quarantined");
    assert.equal(strangers.reason({ caller: null, path: "/public", source: "10.0.0.2" }), "allowed");
    assert.equal(strangers.reason({ caller: web }), "allowed", "a known caller from there is another one");
    assert.equal(guarded.probe(3, { caller: web }), "no_rule");
    assert.equal(guarded.reason({ caller: null, path: "/public" }), "allowed", "and the address is not the caller's");
  });

  test("a name that a caller only claims is nobody's", () => {
    const when = "[identity_malformed, identity_untrusted, no_rule]";
    const guarded = new Guarded(quarantinePolicy(`{ name: a, when: ${when}, denials: 3, within: 1m, for: 5m }`));
    const foreign = "spiffe://evil.example/web";
    assert.equal(guarded.probe(3, { caller: foreign, source: "10.9.9.9" }), "identity_untrusted");
    assert.equal(guarded.reason({ caller: null, path: "/public", source: "10.9.9.9" }), "quarantined");
    assert.equal(guarded.reason({ caller: foreign, path: "/public" }), "allowed", "from elsewhere it is another one");
    // What is no gateway tells of others in vain.
    guarded.probe(3, { caller: mobile, headers: told(web) });
    assert.equal(guarded.reason({ caller: web }), "allowed");
    assert.equal(guarded.reason({ caller: mobile }), "quarantined");
  });

  test("an address that anybody may write is nobody's", () => {
    const when = "when: [identity_missing], denials: 3, within: 1m, for: 5m";
    const forged = { caller: null, source: "10.9.9.9:0" };
    const guarded = new Guarded(quarantinePolicy(`{ name: a, ${when} }`));
    assert.equal(guarded.probe(9, forged), "identity_missing");
    assert.equal(guarded.reason({ ...forged, path: "/public" }), "allowed");
    const trusting = new Guarded(quarantinePolicy(`{ name: a, ${when} }`, "", ", sourceAddress: forwarded"));
    trusting.probe(3, forged);
    assert.equal(trusting.reason({ ...forged, path: "/public" }), "quarantined");
  });

  test("behind a gateway its callers, each by itself, and never the gateway", () => {
    const guarded = new Guarded(policy);
    guarded.probe(3, { caller: edge, headers: told(mobile) });
    assert.equal(guarded.reason({ caller: edge, headers: told(mobile) }), "quarantined");
    assert.equal(guarded.reason({ caller: mobile }), "quarantined", "whichever way it comes");
    assert.equal(guarded.reason({ caller: edge, headers: told(web) }), "allowed");
    assert.equal(guarded.probe(9, { caller: edge }), "no_rule", "its own requests are not counted");
    assert.equal(guarded.reason({ caller: edge }), "allowed");
  });

  test("callers that a gateway cannot name are not counted, unless their addresses are told", () => {
    const when = "when: [identity_missing, identity_malformed], denials: 3, within: 1m, for: 5m";
    const nameless = { caller: edge, headers: [["x-forwarded-client-cert", "Hash=00"]] as const };
    const unreadable = { caller: edge, headers: [["x-forwarded-client-cert", "URI=a,b"]] as const };
    for (const per of ["caller", "source.ip"]) {
      const guarded = new Guarded(quarantinePolicy(`{ name: a, per: [${per}], ${when} }`));
      assert.equal(guarded.probe(9, nameless), "identity_missing");
      assert.equal(guarded.probe(9, unreadable), "identity_malformed");
      assert.equal(guarded.reason({ ...nameless, path: "/public" }), "allowed");
      assert.equal(guarded.reason({ caller: null, path: "/public" }), "allowed", "nor is the gateway's address");
      const trusting = new Guarded(
        quarantinePolicy(`{ name: a, per: [${per}], ${when} }`, "", ", sourceAddress: forwarded"),
      );
      trusting.probe(3, { ...nameless, source: "192.0.2.1:0" });
      assert.equal(trusting.reason({ ...nameless, path: "/public", source: "192.0.2.1:0" }), "quarantined");
      assert.equal(trusting.reason({ ...nameless, path: "/public", source: "192.0.2.2:0" }), "allowed");
    }
  });

  test("who has a gateway's JWT-SVID and no certificate stands behind none: its address counts", async () => {
    const key = await makeKey("edge");
    const text = quarantinePolicy(
      "{ name: a, per: [source.ip], when: [no_rule], denials: 3, within: 1m, for: 5m }",
      "",
      `, identity: either, jwtSvid: { audiences: [${providerAudience}], bundles: { example.org: { file: bundle.json } } }`,
    ).replace("[example.org, partner.net]", "[example.org]");
    const bundle = JSON.stringify({ keys: [{ ...key.jwk, use: "jwt-svid" }] });
    const workers = new Workers(imageOf(text, { "bundle.json": bundle }), 1);
    const request = { source: "10.0.0.1", method: "GET", host: "h", headers: [] };
    const ask = (path: string, token: string | null, caller: string | null = null): unknown => {
      const asked = hostRequest({ ...request, path, token, caller });
      return recordOf(workers.hosts[0]!.request(workers.roots[0]!, asked)).reason;
    };
    const svid = await key.token({ sub: edge, iss: undefined });
    for (let times = 0; times < 3; times++) assert.equal(ask("/probe", svid), "no_rule");
    assert.equal(ask("/orders", svid), "quarantined");
    assert.equal(ask("/orders", null, edge), "allowed", "the gateway itself, by its certificate, is not counted");
  });

  test("networks, trust domains, and several parts together", () => {
    const rest = "when: [no_rule], denials: 3, within: 1m, for: 5m";
    const networks = new Guarded(quarantinePolicy(`{ name: a, per: [source.ip/24], ${rest} }`));
    networks.probe(2, { caller: web, source: "10.1.2.3" });
    networks.probe(1, { caller: mobile, source: "10.1.2.200" });
    assert.equal(networks.reason({ source: "10.1.2.7" }), "quarantined");
    assert.equal(networks.reason({ source: "10.1.3.7" }), "allowed");
    const domains = new Guarded(quarantinePolicy(`{ name: a, per: [caller.trust_domain], ${rest} }`));
    domains.probe(3, { caller: "spiffe://partner.net/a" });
    assert.equal(domains.reason({ caller: "spiffe://partner.net/b" }), "quarantined");
    assert.equal(domains.reason({ caller: web }), "allowed");
    const both = new Guarded(quarantinePolicy(`{ name: a, per: [source.ip, caller], ${rest} }`));
    both.probe(3, { caller: web, source: "10.1.2.3" });
    assert.equal(both.reason({ caller: web, source: "10.1.2.3" }), "quarantined");
    assert.equal(both.reason({ caller: web, source: "10.1.2.4" }), "allowed");
    assert.equal(both.reason({ caller: mobile, source: "10.1.2.3" }), "allowed");
  });

  test("of several quarantines the one that lasts longest says for how long", () => {
    const lasting = (name: string, minutes: number): string =>
      `{ name: ${name}, when: [no_rule], denials: 3, within: 1m, for: ${minutes}m }`;
    for (const [first, second] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      const guarded = new Guarded(quarantinePolicy(`${lasting(first, 9)}, ${lasting(second, 1)}`));
      guarded.probe(3);
      assert.equal(guarded.retryAfter(), 540, `${first} for longer`);
      guarded.pass(60);
      assert.equal(guarded.retryAfter(), 480, `${second} is over`);
    }
  });

  test("what one quarantine refuses another does not count", () => {
    const guarded = new Guarded(
      quarantinePolicy(
        "{ name: long, when: [no_rule], denials: 3, within: 1m, for: 9m }, { name: short, when: [no_rule], denials: 2, within: 1m, for: 1m }",
      ),
    );
    guarded.probe(2);
    assert.equal(guarded.retryAfter(), 60);
    guarded.pass(60);
    assert.equal(guarded.probe(2), "no_rule");
    assert.equal(guarded.retryAfter(), 60);
  });
});

describe("in shadow mode", () => {
  const shadow = probing.replace("}", ", mode: shadow }");

  test("of a quarantine nobody is shut out, and all is told", () => {
    const guarded = new Guarded(quarantinePolicy(shadow));
    assert.equal(guarded.probe(3), "no_rule");
    const outcome = guarded.ask();
    const { reason, quarantine, quarantine_event } = recordOf(outcome);
    assert.deepEqual([reason, quarantine, quarantine_event], ["allowed", "probing", "shadow_deny"]);
    assert.equal(outcome.action, "continue");
    assert.equal(guarded.probe(9), "no_rule");
    guarded.pass(120);
    assert.equal(recordOf(guarded.ask()).quarantine_event, "shadow_leave");
    assert.deepEqual(
      ["shadow_enter", "shadow_deny", "shadow_leave"].map((event) => guarded.counted("probing", event)),
      [1, 10, 1],
    );
  });

  test("of the policy every request passes, and the record says what would have been", () => {
    const guarded = new Guarded(quarantinePolicy(probing, "mode: shadow"));
    guarded.probe(3);
    const outcome = guarded.ask();
    const { admit, decision, reason, quarantine_event } = recordOf(outcome);
    assert.deepEqual([admit, decision, reason, quarantine_event], [true, "deny", "quarantined", "shadow_deny"]);
    assert.equal(outcome.action, "continue");
  });

  test("what was counted shuts nobody out when it ends", () => {
    const guarded = new Guarded(quarantinePolicy(shadow));
    guarded.probe(3);
    guarded.reload(policy);
    assert.equal(guarded.reason(), "allowed");
    assert.equal(guarded.probe(2), "no_rule");
    assert.equal(guarded.reason(), "allowed");
  });
});

describe("what is left behind", () => {
  test("one line for each that comes or goes, on the worker that saw it", () => {
    const guarded = new Guarded(policy);
    guarded.probe(3);
    guarded.probe(9);
    guarded.pass(120);
    for (const worker of [0, 1, 0]) guarded.reason({}, worker);
    guarded.probe(3, { caller: null, path: "/nothing" });
    assert.deepEqual(guarded.lines, [
      `sallyport: policy shop, quarantine probing: enter for 120 s, ${web}`,
      `sallyport: policy shop, quarantine probing: leave, ${web}`,
    ]);
    assert.deepEqual(
      ["enter", "leave", "deny"].map((event) => guarded.counted("probing", event)),
      [1, 1, 9],
    );
  });

  test("a stranger's address", () => {
    const guarded = new Guarded(
      quarantinePolicy("{ name: a, when: [identity_missing], denials: 1, within: 1m, for: 5m }"),
    );
    guarded.probe(1, { caller: null, source: "2001:db8::1" });
    assert.deepEqual(guarded.lines, ["sallyport: policy shop, quarantine a: enter for 300 s, from 2001:db8::1"]);
  });

  test("members of the record", () => {
    const guarded = new Guarded(policy);
    const events = Array.from({ length: 5 }, () => recordOf(guarded.ask({ path: "/nothing" })));
    guarded.pass(120);
    events.push(recordOf(guarded.ask()), recordOf(guarded.ask()));
    assert.deepEqual(
      events.map(({ reason, quarantine, quarantine_event }) => [reason, quarantine, quarantine_event]),
      [
        ["no_rule", undefined, undefined],
        ["no_rule", undefined, undefined],
        ["no_rule", "probing", "enter"],
        ["quarantined", "probing", "deny"],
        ["quarantined", "probing", "deny"],
        ["allowed", "probing", "leave"],
        ["allowed", undefined, undefined],
      ],
    );
  });

  test("at most so many keys in shared data, each with its prefix", () => {
    const guarded = new Guarded(policy, 1);
    for (let count = 0; count < 6000; count++) guarded.probe(1, { caller: `spiffe://example.org/c${count}` });
    const keys = bucketKeys(guarded.workers.hosts[0]!.sharedData);
    assert.ok(keys.length <= 2048, `${keys.length} keys`);
    assert.ok(keys.every((key) => key.startsWith("sallyport:quarantine:1:")));
  });
});

test("without quarantines nothing is asked for", () => {
  const guarded = new Guarded(policy.replace(/quarantine: .*\n/u, ""), 1);
  const { calls } = guarded.ask({ path: "/nothing" });
  assert.equal(calls.filter(({ name }) => name.endsWith("shared_data")).length, 0);
  const watched = new Guarded(policy, 1);
  assert.equal(watched.ask().calls.filter(({ name }) => name.endsWith("shared_data")).length, 1);
});
