/**
 * Requests in flight in a real Envoy of two workers: however streams end, their slots come back, and never are more open at the upstream
 * than may be. And a loop of calls through Envoy that ends.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sendRequest } from "../../scripts/envoy/client.ts";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { begin, cancel, type OpenStream, OpenStreams, OpenUpstream } from "../support/openstreams.ts";
import { until } from "../support/until.ts";
import { startPlainUpstream } from "../support/upstream.ts";

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

/** How a stream ends that has come to the upstream, and the status of its answer. */
interface End {
  name: string;
  /** What the upstream does, and Envoy's routes. */
  how: string;
  end?: (one: OpenStream) => void;
  status: number | undefined;
  rounds?: number;
}
const ends: End[] = [
  { name: "answered", how: "now", status: 200 },
  { name: "reset by the upstream", how: "reset", status: 503 },
  { name: "reset by the upstream after the answer has begun", how: "broken", status: 200 },
  { name: "reset by the client", how: "hang", end: cancel, status: undefined },
  { name: "reset by the client in the middle of an upload", how: "upload", end: cancel, status: undefined },
  { name: "reset by the client after the answer has begun", how: "early", end: cancel, status: 200 },
  { name: "ended with its connection", how: "hang", end: ({ session }) => session.destroy(), status: undefined },
  { name: "ended by the timeout of its route", how: "timeout", status: 504, rounds: 1 },
  {
    name: "ended by the timeout of its route after the answer has begun",
    how: "timeout-early",
    status: 200,
    rounds: 1,
  },
  { name: "ended by max_stream_duration", how: "duration", status: 504, rounds: 1 },
  { name: "ended by max_stream_duration after the answer has begun", how: "duration-early", status: 200, rounds: 1 },
  { name: "ended by stream_idle_timeout", how: "idle", status: 504, rounds: 1 },
];

describe("requests in flight", () => {
  let upstream: OpenUpstream;
  let stopUpstream: () => void;
  let envoy: TestEnvoy;
  let streams: OpenStreams;
  let hops: string[] = [];

  before(async () => {
    upstream = new OpenUpstream();
    const { address, stop } = await startPlainUpstream((request, response) => {
      if (request.url !== "/loop") return upstream.take(request, response);
      // A service that calls itself by way of Envoy, and passes the header on as it should.
      const header = String(request.headers["x-request-hops"]);
      hops.push(header);
      void loop(header).then((status) => response.writeHead(status).end());
    });
    stopUpstream = stop;
    envoy = await startTestEnvoy({
      policyYaml,
      upstream: address,
      concurrency: 2,
      adjust: (bootstrap) => {
        const manager = managerOf(bootstrap);
        delete manager.http2_protocol_options.stream_reset_burst;
        delete manager.http2_protocol_options.stream_reset_rate;
        const { routes } = manager.route_config.virtual_hosts[0];
        const { route } = routes.at(-1);
        delete route.retry_policy;
        route.timeout = "0s";
        const timers = {
          timeout: { timeout: "0.5s" },
          duration: { max_stream_duration: { max_stream_duration: "0.5s" } },
          idle: { idle_timeout: "0.5s" },
        };
        for (const [how, timer] of Object.entries(timers)) {
          routes.unshift({ match: { prefix: `/open/${how}` }, route: { ...route, ...timer } });
        }
      },
    });
    streams = new OpenStreams(upstream, () => envoy.local.target(web));
  });
  after(async () => {
    await envoy?.stop();
    stopUpstream?.();
  });

  async function loop(header: string): Promise<number> {
    const target = await envoy.local.target(web);
    return (await sendRequest(target, { path: "/loop", headers: { "x-request-hops": header } })).status;
  }

  test("over both workers there are as many as the limit says", () => streams.untilRoom(most));

  for (const { name, how, end, status, rounds = 5 } of ends) {
    test(`a stream that is ${name} gives its slot back`, async () => {
      for (let round = 0; round < rounds; round++) {
        const open = await streams.fill(most, how);
        // The answer may begin a moment later than the request has come.
        if (status === 200) for (const one of open) assert.equal(await one.status, status);
        if (end !== undefined) for (const one of open) end(one);
        await Promise.all(open.map(({ closed }) => closed));
        for (const one of open) assert.equal(await one.status, status);
        for (const { session } of open) session.destroy();
        await streams.untilRoom(most);
      }
    });
  }

  test("while all slots are taken, no more come to the upstream", async () => {
    const open = await streams.fill(most, "hang");
    const { arrived } = upstream;
    const session = await streams.connect();
    for (let count = 0; count < 20; count++) assert.equal(await begin(session, "/open/hang").status, 429);
    session.destroy();
    assert.equal(upstream.arrived, arrived);
    upstream.finish();
    for (const one of open) assert.equal(await one.status, 200);
    await streams.untilRoom(most);
  });

  test("a thousand streams that end at random: never are more open than may be, and all slots come back", async () => {
    const sessions = await Promise.all(Array.from({ length: 6 }, () => streams.connect()));
    const open = new Set<OpenStream>();
    for (let count = 0; count < 1_000; count++) {
      const how = ["now", "reset", "hang", "early", "upload"][count % 5]!;
      const one = begin(sessions[count % sessions.length]!, `/open/${how}`);
      open.add(one);
      void one.closed.then(() => open.delete(one));
      assert.ok(upstream.waiting.size <= most, `${upstream.waiting.size} are open at the upstream`);
      // What has come is looked at.
      if (count % 7 === 0) await sleep(1);
      for (const other of open) if (count % 3 === 0 || open.size > 20) cancel(other);
    }
    for (const session of sessions) session.destroy();
    await until("streams have ended", () => upstream.waiting.size === 0);
    await streams.untilRoom(most);
  });

  test("a loop of calls ends after as many hops as may be", async () => {
    hops = [];
    const response = await envoy.request({ caller: web, path: "/loop" });
    assert.equal(response.status, 429);
    assert.deepEqual(hops, ["1", "2", "3", "4"]);
  });
});
