/**
 * One bucket that all workers of a real Envoy contend for: what they admit together, held against rate and burst over the time from the
 * first request sent to the last answer. CONTENDED_SECONDS has it run for longer.
 */
import assert from "node:assert/strict";
import { type ClientHttp2Session, connect } from "node:http2";
import { test } from "node:test";
import type { SecureContextOptions } from "node:tls";
import { startTestEnvoy } from "../support/envoy.ts";

// The burst is more than comes in while a test's client stalls, and less than what workers take tokens ahead from.
const [rate, burst] = [Number(process.env.CONTENDED_RATE ?? 400), 900];
const seconds = Number(process.env.CONTENDED_SECONDS ?? 6);
const caller = "spiffe://example.org/web";

const policyYaml = `
version: 1
name: contended
trust: { domains: [example.org] }
limits:
  all: { rate: ${rate}/s, burst: ${burst} }
rules:
  - { name: limited, callers: ["${caller}"], allow: [GET /orders], limit: all }
`;

/** The status of one request. */
async function get(session: ClientHttp2Session, path = "/orders"): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":path": path, ":authority": "localhost" });
    let status = 0;
    stream.on("response", (headers) => {
      status = headers[":status"] ?? 0;
    });
    stream.on("error", reject);
    stream.on("end", () => resolve(status));
    stream.resume();
  });
}

/** Opens a connection, which then has been through TLS and the filter. */
async function open(port: number, tls: SecureContextOptions): Promise<ClientHttp2Session> {
  const session = connect(`https://127.0.0.1:${port}`, { ...tls, servername: "localhost" });
  assert.equal(await get(session, "/none"), 403);
  return session;
}

for (const concurrency of [2, 4]) {
  test(`${concurrency} workers admit no more than rate and burst, nor a hundredth less`, async () => {
    const envoy = await startTestEnvoy({ policyYaml, concurrency });
    const sessions: ClientHttp2Session[] = [];
    try {
      const target = await envoy.local.target(caller);
      const identity = target.identity!;
      const tls = { ca: target.authorityPem, cert: identity.certificatePem, key: identity.privateKeyPem };
      for (let count = 0; count < 4 * concurrency; count++) {
        sessions.push(await open(target.port, tls));
      }
      const statuses = new Map<number, number>();
      const began = performance.now();
      let lastSent = began;
      const ask = async (session: ClientHttp2Session): Promise<void> => {
        while (performance.now() - began < seconds * 1000) {
          lastSent = performance.now();
          const status = await get(session);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      };
      await Promise.all(sessions.flatMap((session) => Array.from({ length: 6 }, () => ask(session))));
      const most = burst + (rate * (performance.now() - began)) / 1000;
      const least = 0.99 * (burst + (rate * (lastSent - began)) / 1000);
      const admitted = statuses.get(200) ?? 0;
      const said = `${admitted} of ${most.toFixed(1)}; ${JSON.stringify([...statuses])}`;
      console.log(`${concurrency} workers: ${said}`);
      assert.deepEqual(
        [...statuses.keys()].filter((status) => status !== 200 && status !== 429),
        [],
        said,
      );
      assert.ok(admitted <= most, said);
      // A client that is too slow to empty the bucket again and again, as on a busy machine, leaves tokens in it.
      if ((statuses.get(429) ?? 0) > admitted) assert.ok(admitted >= least, said);
    } finally {
      for (const session of sessions) session.destroy();
      await envoy.stop();
    }
  });
}
