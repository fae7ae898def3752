/**
 * Streams under a limit of requests in flight that are opened and broken off in a real Envoy, by the hundred thousand: by the client in the
 * bytes that open them, while they wait, upload or are answered, with their connection, or by the upstream. In the end all slots are free.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { OpenStreams, OpenUpstream } from "../support/openstreams.ts";
import { Random } from "../support/random.ts";
import { until } from "../support/until.ts";
import { FrameClient } from "./frames.ts";

const most = 6;
const callers = ["a", "b", "c"].map((name) => `spiffe://example.org/${name}`);
const connections_each = 3;
/** Over the connections of a caller together more than may be open. */
const wave_streams = 12;
const policyYaml = `
version: 1
name: broken
trust: { domains: [example.org] }
limits:
  open: { concurrency: ${most}, per: [caller] }
rules:
  - { name: open, callers: ["spiffe://example.org/*"], allow: ["POST /open/{how}"], limit: open }
`;

/** What the upstream does with a stream. */
const hows = ["now", "reset", "broken", "early", "hang", "upload"] as const;
/** For how long at the most a client waits for the answer to a stream before it breaks it off; undefined: it does that as it opens it. */
const waits_ms = [undefined, 0, 2, 10, 1000] as const;

/** How it went. */
interface Broken {
  streams: number;
  connections: number;
  /** By Envoy's own account. */
  admitted: number;
  denied: number;
  problems: string[];
}

/** Opens so many streams, breaks them off, and looks how many slots are free then. */
export async function breakStreams(options: { streams: number; workers: number; seed: number }): Promise<Broken> {
  const upstream = await OpenUpstream.start();
  const envoy = await startTestEnvoy({
    policyYaml,
    upstream: upstream.address,
    concurrency: options.workers,
    adjust: (bootstrap) => {
      // Beyond that Envoy ends a connection over which much is reset.
      const protocol = managerOf(bootstrap).http2_protocol_options;
      Object.assign(protocol, { stream_reset_burst: 1_000_000, stream_reset_rate: 1_000_000 });
    },
  });
  const result: Broken = { streams: 0, connections: 0, admitted: 0, denied: 0, problems: [] };
  try {
    const random = new Random(options.seed);
    const waves = callers.flatMap((caller) =>
      Array.from({ length: connections_each }, () => breakOff(envoy, caller, options.streams, random, result)),
    );
    await Promise.all(waves);
    await conclude(envoy, upstream, result);
  } catch (error) {
    result.problems.push((error as Error).message);
  } finally {
    await envoy.stop();
    upstream.stop();
  }
  return result;
}

/** Waves of streams over one connection after the other, until there were enough. */
async function breakOff({ local }: TestEnvoy, caller: string, streams: number, random: Random, result: Broken) {
  let client: FrameClient | undefined;
  while (result.streams < streams) {
    if (client?.isOpen !== true) {
      client = await FrameClient.open(await local.target(caller));
      result.connections++;
    }
    const connection = client;
    result.streams += wave_streams;
    const wave = Array.from({ length: wave_streams }, async () => {
      const how = random.pick(hows);
      // What hangs is not answered, unless it is denied.
      const wait = how === "hang" || how === "upload" ? random.pick([undefined, 0, 2, 10]) : random.pick(waits_ms);
      const { stream, answered } = connection.send(`/open/${how}`, {
        upload: how === "upload",
        broken: wait === undefined,
      });
      await Promise.race([answered, sleep(wait, undefined, { ref: false })]);
      connection.reset(stream);
    });
    if (random.below(40) === 0) connection.destroy();
    await Promise.all(wave);
  }
  client?.destroy();
}

/** With all clients gone nothing is open, and each caller has all slots. */
async function conclude(envoy: TestEnvoy, upstream: OpenUpstream, result: Broken): Promise<void> {
  const stat = async (name: string): Promise<number> => (await envoy.stats()).get(name) ?? 0;
  await until("nothing is open in Envoy", async () => (await stat("http.inbound.downstream_rq_active")) === 0);
  await until("nothing is open at the upstream", () => upstream.waiting.size === 0);
  result.admitted = await stat("wasmcustom.sallyport_requests.policy.broken;.decision.allow");
  result.denied = await stat("wasmcustom.sallyport_requests.policy.broken;.decision.deny");
  if (Math.min(result.admitted, result.denied) < result.streams / 20) {
    result.problems.push("few were admitted, or few denied: it tried too little");
  }
  for (const caller of callers) await new OpenStreams(upstream, () => envoy.local.target(caller)).untilRoom(most);
}
