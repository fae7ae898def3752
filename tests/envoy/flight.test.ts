/**
 * Requests in flight in a real Envoy of two workers: however streams end, their slots come back, and never are more open at the upstream
 * than may be. And a loop of calls through Envoy that ends.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sendRequest } from "../../scripts/envoy/client.ts";
import { startPlainUpstream } from "../storm/upstream.ts";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const most = 4;
const web = "spiffe://example.org/web";
const policyYaml = `
version: 1
name: flight
trust: { domains: [example.org] }
limits:
  open: { concurrency: ${most}, per: [caller] }
  loop: { hops: x-request-hops, most: 3 }
rules:
  - { name: open, callers: [${web}], allow: ["POST|GET /open/{how}"], limit: open }
  - { name: loop, callers: [${web}], allow: [GET /loop], limit: loop }
`;

describe("requests in flight", () => {
  let upstream: Awaited<ReturnType<typeof startPlainUpstream>>;
  let envoy: TestEnvoy;
  const waiting = new Set<ServerResponse>();
  let hops: string[] = [];

  before(async () => {
    upstream = await startPlainUpstream((request, response) => {
      request.resume();
      if (request.url === "/loop") {
        // A service that calls itself by way of Envoy, and passes the header on as it should.
        const header = String(request.headers["x-request-hops"]);
        hops.push(header);
        void loop(header).then((status) => response.writeHead(status).end());
        return;
      }
      if (request.url === "/open/reset") {
        request.socket.destroy();
        return;
      }
      if (request.url === "/open/now") {
        response.end("ok\n");
        return;
      }
      waiting.add(response);
      response.on("close", () => waiting.delete(response));
      if (request.url === "/open/early") response.writeHead(200).write("early\n");
    });
    envoy = await startTestEnvoy({
      policyYaml,
      upstream: upstream.address,
      concurrency: 2,
      adjust: (bootstrap) => {
        const manager = managerOf(bootstrap);
        manager.common_http_protocol_options.max_stream_duration = "3s";
        delete manager.http2_protocol_options.stream_reset_burst;
        delete manager.http2_protocol_options.stream_reset_rate;
        for (const route of manager.route_config.virtual_hosts[0].routes)
          if (route.route) delete route.route.retry_policy;
      },
    });
  });
  after(async () => {
    await envoy?.stop();
    upstream?.stop();
  });

  async function loop(header: string): Promise<number> {
    const target = await envoy.local.target(web);
    return (await sendRequest(target, { path: "/loop", headers: { "x-request-hops": header } })).status;
  }

  async function openSession(): Promise<ClientHttp2Session> {
    const { authorityPem, identity } = await envoy.local.target(web);
    const session = connect(`https://localhost:${envoy.local.port}`, {
      ...{ ca: authorityPem, cert: identity!.certificatePem, key: identity!.privateKeyPem },
      lookup: (_name, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]),
    });
    session.on("error", () => {});
    await once(session, "connect");
    return session;
  }

  /** Begins a request; its status comes, or none. */
  function begin(
    session: ClientHttp2Session,
    how: string,
  ): { stream: ClientHttp2Stream; status: Promise<number | undefined> } {
    const stream = session.request({ ":method": "POST", ":path": `/open/${how}` }, { endStream: how !== "upload" });
    stream.on("error", () => {});
    stream.resume();
    const status = new Promise<number | undefined>((resolve) => {
      stream.on("response", (headers) => resolve(headers[":status"]));
      stream.on("close", () => resolve(undefined));
    });
    return { stream, status };
  }

  async function until(what: string, holds: () => boolean): Promise<void> {
    for (let waited = 0; waited < 10_000; waited += 20) {
      if (holds()) return;
      await sleep(20);
    }
    assert.fail(what);
  }

  /** All slots are there: so many requests at a time are let through, on connections of their own, and one more is not. */
  async function assertAllFree(): Promise<void> {
    const sessions = await Promise.all(Array.from({ length: most }, openSession));
    const streams = sessions.map((session) => begin(session, "hang"));
    await until("all slots are taken", () => waiting.size === most);
    const last = await openSession();
    const refused = await begin(last, "hang").status;
    assert.equal(refused, 429);
    for (const response of waiting) response.end("done\n");
    assert.deepEqual(
      await Promise.all(streams.map(({ status }) => status)),
      Array.from({ length: most }, () => 200),
    );
    for (const session of [...sessions, last]) session.destroy();
    await until("streams have ended", () => waiting.size === 0);
    await sleep(50);
  }

  test("over both workers there are as many as the limit says", () => assertAllFree());

  for (const [name, how, end] of [
    ["answered", "now", () => {}],
    ["reset by the upstream", "reset", () => {}],
    ["reset by the client", "hang", ({ stream }) => stream.close(constants.NGHTTP2_CANCEL)],
    [
      "reset by the client in the middle of an upload",
      "upload",
      ({ stream }) => stream.close(constants.NGHTTP2_CANCEL),
    ],
    ["reset by the client after the answer has begun", "early", ({ stream }) => stream.close(constants.NGHTTP2_CANCEL)],
    ["ended with its connection", "hang", ({ stream }) => stream.session?.destroy()],
  ] as [string, string, (one: { stream: ClientHttp2Stream }) => void][]) {
    test(`a stream that is ${name} gives its slot back`, async () => {
      for (let round = 0; round < 5; round++) {
        const sessions = await Promise.all(Array.from({ length: most }, openSession));
        const streams = sessions.map((session) => begin(session, how));
        await sleep(40);
        for (const one of streams) end(one);
        await Promise.all(streams.map(({ status }) => status));
        for (const session of sessions) session.destroy();
        await sleep(40);
      }
      await assertAllFree();
    });
  }

  test("a stream that a timer of Envoy's ends gives its slot back", async () => {
    const session = await openSession();
    const streams = Array.from({ length: most }, () => begin(session, "hang"));
    await until("all slots are taken", () => waiting.size === most);
    assert.equal(await begin(session, "hang").status, 429);
    for (const status of await Promise.all(streams.map((one) => one.status))) assert.notEqual(status, 200);
    session.destroy();
    await until("streams have ended", () => waiting.size === 0);
    await assertAllFree();
  });

  test("a thousand streams at random ends", async () => {
    const sessions = await Promise.all(Array.from({ length: 6 }, openSession));
    const open = new Set<ClientHttp2Stream>();
    for (let count = 0; count < 1_000; count++) {
      const how = ["now", "reset", "hang", "early", "upload"][count % 5]!;
      const { stream } = begin(sessions[count % sessions.length]!, how);
      open.add(stream);
      stream.on("close", () => open.delete(stream));
      assert.ok(waiting.size <= most, `${waiting.size} are open at the upstream`);
      if (count % 7 === 0) await sleep(1);
      for (const one of open) if (count % 3 === 0 || open.size > 20) one.close(constants.NGHTTP2_CANCEL);
    }
    for (const session of sessions) session.destroy();
    await until("streams have ended", () => waiting.size === 0);
    await sleep(100);
    await assertAllFree();
  });

  test("a loop of calls ends after as many hops as may be", async () => {
    hops = [];
    const response = await envoy.request({ caller: web, path: "/loop" });
    assert.equal(response.status, 429);
    assert.deepEqual(hops, ["1", "2", "3", "4"]);
  });
});
