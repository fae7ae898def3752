/**
 * Key sets with keys that look right and are not, as a provider that is broken or broken into might publish them, in a real
 * Envoy: no token is good by such a key, nothing falls over, and the good keys beside them serve. One listener has the host
 * verify what it can; the other has no such function, and verifies all in the module.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { sendRequest, type Target } from "../../scripts/envoy/client.ts";
import { badCurveKeys, curves, goodCurveKey, tokensOf } from "../support/badcurvekeys.ts";
import { badEdwardsKeys, badRsaKeys } from "../support/badkeys.ts";
import { statsWithCounts } from "../support/counts.ts";
import { moduleFor, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import {
  type JwksServer,
  type KeyAlgorithm,
  makeKey,
  type ProviderKey,
  providerAudience,
  providerIssuer,
  startJwksServer,
} from "../support/jwks-server.ts";

const caller = "spiffe://example.org/web";
const listeners = ["inbound", "module"] as const;

const policyFor = (server: JwksServer, name: string): string => `
version: 1
name: ${name}
trust: { domains: [example.org] }
issuers:
  corp:
    issuer: ${providerIssuer}
    audiences: [${providerAudience}]
    algorithms: [RS256, PS256, ES256, ES384, ES512, EdDSA]
    keys: { url: "${server.url}", cluster: idp, refresh: 1h }
rules:
  - { name: reads, callers: [${caller}], allow: ["GET /**"], token: corp }
`;

describe("keys that look right and are not", () => {
  const bad = [...curves.flatMap(badCurveKeys), ...badRsaKeys(), ...badEdwardsKeys()];
  const algorithms: KeyAlgorithm[] = ["RS256", "PS256", "ES256", "EdDSA"];
  let good: Pick<ProviderKey, "kid" | "jwk" | "token">[];
  let server: JwksServer;
  let envoy: TestEnvoy;
  const targets = new Map<string, Target>();

  before(async () => {
    good = await Promise.all(algorithms.map((algorithm) => makeKey(`good-${algorithm}`, algorithm)));
    good.push(...curves.map(goodCurveKey));
    server = await startJwksServer();
    // The good ones first, in the middle and last.
    const jwks = bad.map(({ kid, jwk }) => ({ ...jwk, kid, use: "sig" }));
    const half = jwks.length >> 1;
    server.publish(good[0]!, ...jwks.slice(0, half), good[1]!, good[2]!, ...jwks.slice(half), ...good.slice(3));
    const second = await moduleFor({ policyYaml: policyFor(server, "module") });
    envoy = await startTestEnvoy({
      policyYaml: policyFor(server, "inbound"),
      keyClusters: {
        idp: {
          host: "127.0.0.1",
          port: server.port,
          tls: { expect: { type: "IP_ADDRESS", value: "127.0.0.1" }, authorityPem: server.authorityPem },
        },
      },
      adjust: (bootstrap) => addModuleListener(bootstrap, second),
    });
    const target = await envoy.local.target(caller);
    for (const name of listeners) targets.set(name, { ...target, port: envoy.local.envoy.listenerPort(name) });
  });
  after(async () => {
    await envoy?.stop();
    await server?.stop();
  });

  /** A second listener, whose filter may not ask the host to verify. */
  function addModuleListener(bootstrap: Bootstrap, wasm: Uint8Array): void {
    const listener = structuredClone(bootstrap.static_resources.listeners[0]);
    listener.name = "module";
    const { config } = listener.filter_chains[0].filters[0].typed_config.http_filters[0].typed_config;
    config.name = "module";
    config.vm_config.vm_id = "module";
    config.vm_config.code.local = { inline_bytes: Buffer.from(wasm).toString("base64") };
    delete config.capability_restriction_config.allowed_capabilities.proxy_call_foreign_function;
    bootstrap.static_resources.listeners.push(listener);
  }

  let sent = 0;
  const ask = async (listener: string, token: string, path = "/good"): Promise<number> => {
    sent++;
    const headers = { authorization: `Bearer ${token}` };
    return (await sendRequest(targets.get(listener)!, { path, headers })).status;
  };

  const assertGood = async (): Promise<void> => {
    for (const listener of listeners) {
      for (const key of good) assert.equal(await ask(listener, await key.token()), 200, `${listener}, ${key.kid}`);
    }
  };

  test("the good keys of the set serve", async () => {
    for (const listener of listeners) {
      const token = await good[0]!.token();
      for (let turn = 0; turn < 50 && (await ask(listener, token)) !== 200; turn++) await sleep(100);
    }
    await assertGood();
    const impostors = await Promise.all(algorithms.map((algorithm) => makeKey(`good-${algorithm}`, algorithm)));
    for (const listener of listeners) {
      for (const one of impostors) assert.equal(await ask(listener, await one.token()), 401, `${listener}, ${one.kid}`);
    }
  });

  test("the set has all keys but those that are left out", async () => {
    const stats = await envoy.stats();
    const expected = good.length + bad.filter(({ isLeftOut }) => isLeftOut !== true).length;
    for (const listener of listeners) {
      assert.equal(stats.get(`wasmcustom.sallyport_key_set_keys.policy.${listener};.set.corp`), expected, listener);
    }
  });

  for (const isLeftOut of [false, true]) {
    const reason = isLeftOut ? "token_key_unknown" : "token_signature";
    test(`no token is good by one that is ${isLeftOut ? "left out" : "kept"}: ${reason}`, async () => {
      const wrong: string[] = [];
      const paths: string[] = [];
      const tasks = listeners.flatMap((listener) =>
        bad
          .filter((one) => (one.isLeftOut === true) === isLeftOut)
          .flatMap((one) =>
            // A request waits for a key that nobody has: one of each is enough.
            tokensOf(one)
              .slice(0, isLeftOut ? 1 : undefined)
              .map((token, index) => ({ listener, token, path: `/${listener}/${one.kid}/${index}` })),
          ),
      );
      const askAll = async (): Promise<void> => {
        for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
          const { listener, token, path } = task;
          paths.push(path);
          const status = await ask(listener, token, path);
          if (status !== 401) wrong.push(`${path}: ${status}`);
        }
      };
      const already = sent;
      await Promise.all(Array.from({ length: isLeftOut ? 60 : 8 }, askAll));
      assert.deepEqual(wrong, []);
      assert.ok(paths.length > 20, `${paths.length} requests`);
      const lines = (await envoy.local.accessLog(sent)).filter(({ path }) => paths.includes(String(path)));
      assert.equal(lines.length, sent - already);
      const others = lines.filter(({ record }) => record?.reason !== reason);
      assert.deepEqual(
        others.map(({ path, record }) => `${path}: ${record?.reason} ${record?.cause ?? ""}`),
        [],
      );
    });
  }

  test("after all that the good keys still serve, and nothing has failed", async () => {
    await assertGood();
    const stats = await statsWithCounts(envoy.local);
    for (const [name, value] of stats) {
      if (/sallyport_failures|vm_reload|wasm.*crash/u.test(name)) assert.equal(value, 0, name);
    }
    assert.equal(stats.get("server.live"), 1);
    const log = envoy.local.envoy.log();
    assert.doesNotMatch(log, /backtrace|Function: \w+ failed|unreachable|RuntimeError|Caught/u);
  });
});
