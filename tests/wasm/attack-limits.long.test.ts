/** Limits that lock callers out, or let one caller have more than its limit. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bucket_sets, bucket_ways, clock_skew_nanoseconds_max } from "../../assembly/limits.ts";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { type HostOptions, PluginHost } from "../../scripts/host/plugin.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { hash32 } from "../../scripts/policy/image/hash.ts";
import { engine, nowSeconds, TestPlugin } from "../support/plugin.ts";
import { bucketKeys, callersOfOneSet, knownSecret } from "../support/secret.ts";

const slow = { caller: "spiffe://example.org/x", method: "GET", path: "/slow" };

test("after the clock stepped back a bucket fills at its rate, as bucket.ts says", () => {
  let seconds = nowSeconds;
  const plugin = new TestPlugin("limits", { clock: () => BigInt(seconds) * 1_000_000_000n });
  assert.equal(plugin.request(slow).action, "continue");
  // 1 an hour, burst 3: from empty it has a token after an hour.
  seconds -= 1000 * 3600;
  plugin.request(slow);
  seconds += 3600;
  assert.equal(plugin.request(slow).action, "continue", "shut out for longer than the burst takes to fill");
});

test("a limit that was changed shuts no one out for longer than its own burst", () => {
  let seconds = nowSeconds;
  const host = PluginHost.load(engine, { clock: () => BigInt(seconds) * 1_000_000_000n });
  const start = (limit: string) => host.startPlugin(pluginConfiguration(imageOf(limit))).rootContext;
  const request = (root: number) =>
    host.request(root, {
      headers: [
        [":method", "GET"],
        [":path", "/x"],
        [":authority", "h"],
      ],
      properties: { "connection.uri_san_peer_certificate": "spiffe://example.org/x" },
    }).action;
  const tight = start("{ rate: 10/h, burst: 1000, per: [caller] }");
  for (let count = 0; count < 1000; count++) assert.equal(request(tight), "continue");
  const generous = start("{ rate: 100/s, burst: 200, per: [caller] }");
  request(generous);
  seconds += 60;
  assert.equal(request(generous), "continue", "100 a second, and nothing for a minute");
});

const hour = 3600n * 1_000_000_000n;

/** Callers of one set, three more than it has room for. */
const ofOneSet = callersOfOneSet(bucket_ways + 3, {
  policy: "limits",
  name: "slow",
  burst: 3,
  intervalNanoseconds: hour,
});

/** A VM of an Envoy whose set of `ofOneSet` is full, each of its callers with two tokens left of three; and who finds no room. */
function fullSet(options: HostOptions = {}): { plugin: TestPlugin; inside: string[]; newcomers: string[] } {
  const plugin = new TestPlugin("limits", { sharedData: knownSecret(), ...options });
  const [inside, newcomers] = [ofOneSet.slice(0, bucket_ways), ofOneSet.slice(bucket_ways)];
  for (const caller of inside) assert.equal(plugin.request({ ...slow, caller }).action, "continue");
  return { plugin, inside, newcomers };
}
const drain = (plugin: TestPlugin, caller: string): number => {
  let admitted = 0;
  while (plugin.request({ ...slow, caller }).action === "continue") admitted++;
  return admitted;
};

test("who finds its set full spends nobody's tokens: newcomers share a bucket of their own", () => {
  const { plugin, inside, newcomers } = fullSet();
  assert.deepEqual(
    newcomers.map((caller) => drain(plugin, caller)),
    [3, 0, 0],
  );
  for (const caller of inside) assert.equal(drain(plugin, caller), 2, `${caller} has what it had`);
});

test("who fills a set takes nothing from a caller that has a bucket there", () => {
  const victim = ofOneSet[0]!;
  const plugin = new TestPlugin("limits", { sharedData: knownSecret() });
  assert.equal(plugin.request({ ...slow, caller: victim }).action, "continue");
  for (const caller of ofOneSet.slice(1)) drain(plugin, caller);
  assert.equal(drain(plugin, victim), 2);
});

test("a newcomer that finds room later has no more than its limit in all", () => {
  let seconds = nowSeconds;
  const clock = () => BigInt(seconds) * 1_000_000_000n;
  const { plugin, newcomers } = fullSet({ clock });
  assert.equal(drain(plugin, newcomers[0]!), 3);
  // An hour later the set is free again, and one token has come back.
  seconds += 3602;
  assert.equal(drain(plugin, newcomers[0]!), 1);
  // Its own from now on: another newcomer takes nothing of it.
  assert.equal(drain(plugin, newcomers[1]!), 1);
  seconds += 3600;
  assert.deepEqual([drain(plugin, newcomers[0]!), drain(plugin, newcomers[1]!)], [1, 1]);
});

test("a bucket goes to another key only when it is full by every worker's clock", () => {
  let nanoseconds = BigInt(nowSeconds) * 1_000_000_000n;
  const { plugin, inside, newcomers } = fullSet({ clock: () => nanoseconds });
  // All are full again, of which a worker that read its clock two seconds ago knows nothing.
  nanoseconds += hour + BigInt(clock_skew_nanoseconds_max) - 1n;
  assert.equal(drain(plugin, newcomers[0]!), 3);
  nanoseconds -= BigInt(clock_skew_nanoseconds_max);
  assert.equal(drain(plugin, inside[bucket_ways - 1]!), 2, "its bucket is still there, and one token is missing");
});

test("after the clock stepped back, buckets that nobody asks for keep no room for longer than a burst takes to fill", () => {
  let seconds = nowSeconds;
  const { plugin, newcomers } = fullSet({ clock: () => BigInt(seconds) * 1_000_000_000n });
  seconds -= 1000 * 3600;
  drain(plugin, newcomers[0]!);
  seconds += 3 * 3600 + 3;
  assert.deepEqual([drain(plugin, newcomers[1]!), drain(plugin, newcomers[2]!)], [3, 3]);
});

test("of callers chosen without the secret, a set gets no more than by chance", () => {
  // What filled one set when the key was made of names that callers are told.
  const chosen = [7343, 10280, 14705, 17219, 31728, 51364, 55724, 76490, 85608];
  for (let envoy = 0; envoy < 20; envoy++) {
    const plugin = new TestPlugin("limits");
    for (const number of chosen) plugin.request({ ...slow, caller: `spiffe://example.org/c${number}` });
    const sets = bucketKeys(plugin.host.sharedData).length;
    assert.ok(sets >= 7, `${chosen.length} callers in ${sets} sets`);
  }
});

test("a flood of a quarter as many distinct callers as the table has room for denies no newcomer its first request", () => {
  const plugin = new TestPlugin("limits");
  const flood = (bucket_sets * bucket_ways) / 4;
  for (let number = 0; number < flood; number++)
    plugin.request({ ...slow, caller: `spiffe://example.org/flood/${number}` });
  const before = bucketKeys(plugin.host.sharedData).length;
  assert.ok(before <= bucket_sets);
  for (let number = 0; number < 1000; number++) {
    assert.equal(plugin.request({ ...slow, caller: `spiffe://example.org/late/${number}` }).action, "continue");
  }
});

/** The same hash32 under every seed: one block's difference is cancelled by the next one's (Aumasson, Bernstein 2012). */
test("texts made to collide in MurmurHash3 do not share a bucket", () => {
  const [alice, mallory] = ["7QrPabp!@x", "\u07efQ[ab!]@x"];
  for (const seed of [0, 1, 0xffffffff]) {
    assert.equal(hash32(seed, Buffer.from(alice)), hash32(seed, Buffer.from(mallory)));
  }
  const plugin = new TestPlugin("shop");
  const order = (sub: string) => plugin.order({ token: plugin.token({ sub, scope: "orders:write" }) }).action;
  while (order(mallory) === "continue");
  assert.equal(order("bob"), "continue");
  assert.equal(order(alice), "continue", "alice pays for what mallory took");
});

function imageOf(limit: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-attack-"));
  try {
    const path = join(folder, "policy.yaml");
    writeFileSync(
      path,
      `version: 1\nname: lim\ntrust: { domains: [example.org] }\nlimits: { l: ${limit} }\nrules:\n  - { name: r, callers: [any], allow: [GET /x], limit: l }\n`,
    );
    return compilePolicyFile(path).image;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
