/** The Node host beside Envoy: one little filter in both tells of timers, callouts and held requests in the same words. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sendRequest } from "../../scripts/envoy/client.ts";
import { startLocalEnvoy } from "../../scripts/envoy/local.ts";
import { marshalPairs } from "../../scripts/host/pairs.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { managerOf } from "../support/envoy.ts";
import { compileFilter } from "../support/filter.ts";

const data = (bytes: Iterable<number>): string => `memory.data<u8>([${[...bytes].join(",")}])`;
const ascii = (text: string): string => data(Buffer.from(text));
const pairs = marshalPairs([
  [":method", "GET"],
  [":path", "/"],
  [":authority", "localhost"],
]);
const callOut = (cluster: string): string =>
  `proxy_http_call(${ascii(cluster)}, ${cluster.length}, ${data(pairs)}, ${pairs.length}, 0, 0, 0, 0, 1000, out)`;

/**
 * Holds every request back until a tick. The first then goes on, the second is answered, the third waits for its client to leave,
 * the fourth makes callouts. Every callback and every result is a line of log; before the first request there is none, since
 * Envoy has VMs that see no request.
 */
const source = `
const line: usize = memory.data(4);
function say(callback: u32, result: u32): void {
  store<u8>(line, <u8>callback); store<u8>(line + 1, <u8>(48 + result)); proxy_log(4, line, 2);
}
let held: u32 = 0, seen: u32 = 0, told: u32 = 0, ticks: u32 = 0;
export function proxy_on_configure(id: u32, size: u32): u32 { proxy_set_tick_period_milliseconds(50); return 1; }
export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 { say(0x52, ++seen); held = id; return seen == 2 ? 1 : 4; }
export function proxy_on_log(id: u32): void { say(0x4c, 0); }
export function proxy_on_done(id: u32): u32 { say(0x44, 0); return 1; }
export function proxy_on_delete(id: u32): void {
  say(0x58, proxy_set_effective_context(id));
  say(0x51, durationOf());
  if (seen == 3) told = id;
}
/** Whether Envoy knows how long the request took: only once it is over. */
function durationOf(): u32 { return proxy_get_property(${ascii("request\0duration")}, 16, out, out + 4); }
function headerBytes(): u32 { proxy_get_header_map_pairs(0, out, out + 4); return load<u32>(out + 4) > 0 ? 1 : 0; }
export function proxy_on_tick(id: u32): void {
  if (told != 0) {
    // Envoy deletes a stream at the end of its round, and a timer of that round may come first.
    if (++ticks == 1) return;
    say(0x47, proxy_set_effective_context(told)); told = 0; held = 0;
  }
  if (held == 0 || seen == 3) return;
  const waiting = held; held = 0;
  say(0x54, proxy_continue_stream(0));
  say(0x54, proxy_send_local_response(418, 0, 0, 0, 0, 0, 0, -1));
  say(0x45, proxy_set_effective_context(9999));
  say(0x45, proxy_set_effective_context(waiting));
  say(0x51, durationOf());
  say(0x48, headerBytes());
  if (seen == 4) {
    say(0x43, ${callOut("nowhere")});
    say(0x43, ${callOut("refused")}); say(0x23, load<u32>(out));
    say(0x43, ${callOut("broken")}); say(0x23, load<u32>(out));
    say(0x43, ${callOut("sound")}); say(0x23, load<u32>(out));
  }
  if (seen == 2) say(0x41, proxy_send_local_response(403, 0, 0, 0, 0, 0, 0, -1));
  else say(0x41, proxy_continue_stream(0));
  say(0x48, headerBytes());
}
export function proxy_on_http_call_response(id: u32, token: u32, headers: u32, body: u32, trailers: u32): void {
  const base = token << 1;
  say(0x61 + base, headers == 0 ? 0 : 1);
  say(0x62 + base, body == 0 ? 0 : 1);
  say(0x63 + base, proxy_get_header_map_pairs(6, out, out + 4));
  say(0x64 + base, load<u32>(out + 4) > 0 ? 1 : 0);
  say(0x65 + base, proxy_get_buffer_bytes(4, 1, 2, out, out + 4));
  say(0x66 + base, load<u32>(out + 4));
  say(0x67 + base, trailers);
}
`;

/** Which lines belong to which callout is in the line; which callout is answered first is nobody's promise. */
function sorted(lines: string[]): string[] {
  const isAnswer = (line: string): boolean => line >= "a";
  return [...lines.filter((line) => !isAnswer(line)), ...lines.filter(isAnswer).toSorted()];
}

async function inEnvoy(wasm: Uint8Array): Promise<string[]> {
  const sound = createServer((_request, response) => response.end("sound")).listen(0, "127.0.0.1");
  const broken = createServer((_request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("half", () => response.destroy());
  }).listen(0, "127.0.0.1");
  const gone = createServer().listen(0, "127.0.0.1");
  await sleep(50);
  const [soundPort, brokenPort, gonePort] = [sound, broken, gone].map((one) => (one.address() as AddressInfo).port);
  gone.close();
  const to = (port: number | undefined) => ({ host: "127.0.0.1", port: port!, tls: false }) as const;
  const local = await startLocalEnvoy({
    wasm,
    keyClusters: { sound: to(soundPort), broken: to(brokenPort), refused: to(gonePort) },
    adjust: (bootstrap) => {
      delete managerOf(bootstrap).http_filters[0].typed_config.config.capability_restriction_config;
    },
  });
  try {
    const target = await local.target("spiffe://example.org/web");
    // No mark, so the enforcement check refuses what goes on: another 403, by another hand.
    const detailsOf = async () => (await local.accessLog(1)).at(-1)?.details;
    assert.equal((await sendRequest(target, {})).status, 403);
    assert.match(String(await detailsOf()), /^rbac_access_denied_matched_policy\[not-admitted\]$/);
    assert.equal((await sendRequest(target, {})).status, 403);
    const { port, authorityPem: ca, identity } = target;
    const { certificatePem: cert, privateKeyPem: key } = identity!;
    const leaving = request({ host: "127.0.0.1", port, ca, servername: "localhost", cert, key, agent: false });
    leaving.on("error", () => {});
    leaving.end();
    await sleep(300);
    leaving.destroy();
    await sleep(300);
    assert.equal((await sendRequest(target, {})).status, 403);
    await sleep(500);
    return [...local.envoy.log().matchAll(/wasm log[^\n]*: (..)$/gm)].map(([, line]) => line!);
  } finally {
    await local.stop();
    sound.close();
    broken.close();
  }
}

function inNode(wasm: Uint8Array): string[] {
  const host = PluginHost.load(wasm, { clusters: ["sound", "broken", "refused"] });
  const { rootContext: root } = host.startPlugin();
  const headers = [
    [":method", "GET"],
    [":path", "/"],
    [":authority", "localhost"],
  ] as const;
  const going = host.request(root, { headers });
  host.tick(root);
  assert.equal(going.action, "continue");
  const answered = host.request(root, { headers });
  host.tick(root);
  assert.equal(answered.localResponse?.status, 403);
  const leaving = host.request(root, { headers });
  host.tick(root);
  host.deleteContext(leaving.context);
  host.endRound();
  host.tick(root);
  host.tick(root);
  host.request(root, { headers });
  host.tick(root);
  for (const { token, cluster } of host.calls) {
    host.answer(token, cluster === "sound" ? { body: "sound" } : cluster === "broken" ? "reset" : "refused");
  }
  return host.logs.map(({ message }) => message);
}

test("timers, callouts and held requests go alike", async () => {
  const wasm = await compileFilter(source);
  const expected = inNode(wasm);
  assert.ok(expected.length > 50, `${expected.length} lines`);
  assert.deepEqual(sorted(await inEnvoy(wasm)), sorted(expected));
});
