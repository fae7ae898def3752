/** Limits that lock callers out, or let one caller have more than its limit. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { hash32 } from "../../scripts/policy/hash.ts";
import { Door, engine, nowSeconds } from "./door.ts";
import { sipHash } from "./siphash.ts";

/** What the engine keys the hash of a caller with (limit/limit.ts). */
const callerKind = 0x101n;

const slow = { caller: "spiffe://example.org/x", method: "GET", path: "/slow" };

test("after the clock stepped back a bucket fills at its rate, as bucket.ts says", () => {
  let seconds = nowSeconds;
  const door = new Door("limits", { clock: () => BigInt(seconds) * 1_000_000_000n });
  assert.equal(door.request(slow).action, "continue");
  // 1 an hour, burst 3: from empty it has a token after an hour.
  seconds -= 1000 * 3600;
  door.request(slow);
  seconds += 3600;
  assert.equal(door.request(slow).action, "continue", "shut out for longer than the burst takes to fill");
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

/** Nine callers of one set, which has room for eight; found by trying all numbers from 0 on. */
const ofOneSet = [7343, 10280, 14705, 17219, 31728, 51364, 55724, 76490, 85608].map(
  (number) => `spiffe://example.org/c${number}`,
);
const fingerprintOf = (caller: string): bigint =>
  sipHash(BigInt(hash32(0, Buffer.from("limits\0slow"))), callerKind, Buffer.from(caller));

test("a caller whose set is full has no more than its own limit, nor takes all others' tokens", () => {
  const door = new Door("limits");
  for (const caller of ofOneSet) assert.equal(fingerprintOf(caller) & 4095n, 0n);
  const callers = [...ofOneSet];
  const newcomer = callers.pop()!;
  for (const caller of callers) assert.equal(door.request({ ...slow, caller }).action, "continue");
  let admitted = 0;
  while (door.request({ ...slow, caller: newcomer }).action === "continue") admitted++;
  // It shares the bucket of one of the eight, which has two tokens left of three.
  assert.equal(admitted, 2);
  const shut = callers.filter((caller) => door.request({ ...slow, caller }).action !== "continue");
  assert.equal(shut.length, 1);
});

test("a caller that shares a bucket is not denied for longer than its set is full", () => {
  let seconds = nowSeconds;
  const door = new Door("limits", { clock: () => BigInt(seconds) * 1_000_000_000n });
  // The first caller takes the last place of the set, so the newcomer must not be one that would share that.
  const newcomer = ofOneSet.find((caller) => ((fingerprintOf(caller) >> 32n) & 7n) !== 7n)!;
  const [first, ...others] = ofOneSet.filter((caller) => caller !== newcomer);
  assert.equal(door.request({ ...slow, caller: first! }).action, "continue");
  seconds += 1440;
  for (const caller of others) assert.equal(door.request({ ...slow, caller }).action, "continue");
  seconds += 360;
  while (door.request({ ...slow, caller: newcomer }).action === "continue");
  // An hour after the first, whose bucket is full again and free; the one that was shared has a token 24 minutes later.
  seconds += 1800;
  assert.equal(door.request({ ...slow, caller: newcomer }).action, "continue");
});

/** The same hash32 under every seed: one block's difference is cancelled by the next one's (Aumasson, Bernstein 2012). */
test("texts made to collide in MurmurHash3 do not share a bucket", () => {
  const [alice, mallory] = ["7QrPabp!@x", "\u07efQ[ab!]@x"];
  for (const seed of [0, 1, 0xffffffff]) {
    assert.equal(hash32(seed, Buffer.from(alice)), hash32(seed, Buffer.from(mallory)));
  }
  const door = new Door("shop");
  const order = (sub: string) => door.order({ token: door.token({ sub, scope: "orders:write" }) }).action;
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
