/** Callers that go on asking, over connections of each kind, and keep account of every answer. */
import { Agent, request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { Http2Client } from "../storm/client.ts";
import type { World } from "./world.ts";

const pause_ms = 10;
const timeout_ms = 20_000;

/** How often each path was answered with each status; `lost` where no answer came, with the first reason. */
export type Tally = Map<string, number>;

/** Starts callers that ask for these paths in turn; what ends them gives the tally. */
export async function startTraffic(
  world: World,
  caller: string,
  paths: readonly string[],
): Promise<{ tally: Tally; stop: () => Promise<Tally> }> {
  const tally: Tally = new Map();
  let isOver = false;
  const ways = [overNewConnections, overKeptConnection, overHttp2].map((way) => way(world, caller));
  const loop = async (ask: (path: string) => Promise<number | string>): Promise<void> => {
    for (let count = 0; !isOver; count++) {
      const path = paths[count % paths.length]!;
      const answer = await ask(path);
      const key = typeof answer === "number" ? `${path} ${answer}` : `${path} lost: ${answer}`;
      tally.set(key, (tally.get(key) ?? 0) + 1);
      await sleep(pause_ms);
    }
  };
  const loops = (await Promise.all(ways)).map(loop);
  return {
    tally,
    stop: async () => {
      isOver = true;
      await Promise.all(loops);
      return tally;
    },
  };
}

type Way = (world: World, caller: string) => Promise<(path: string) => Promise<number | string>>;

const overNewConnections: Way = async (world, caller) => async (path) =>
  world.ask(caller, { path }).then(
    ({ status }) => status,
    (error: Error) => `new connection: ${error.message}`,
  );

const overKeptConnection: Way = async (world, caller) => {
  const { port, authorityPem: ca, identity } = await world.target(caller);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const cert = identity!.certificatePem;
  const options = { agent, ca, cert, key: identity!.privateKeyPem, host: "127.0.0.1", port, servername: "localhost" };
  return (path) =>
    new Promise((resolve) => {
      const request = httpsRequest({ ...options, path, headers: { host: "localhost" }, timeout: timeout_ms });
      request.on("response", (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
        response.on("error", (error) => resolve(`kept connection, answer: ${error.message}`));
      });
      request.on("timeout", () => request.destroy(new Error("no answer in time")));
      request.on("error", (error) => resolve(`kept connection: ${error.message}`));
      request.end();
    });
};

const overHttp2: Way = async (world, caller) => {
  const target = await world.target(caller);
  let client = await Http2Client.open(target);
  return async (path) => {
    // Envoy ends connections of a listener that was replaced once their requests are done.
    if (!client.isOpen) client = await Http2Client.open(target);
    const { status } = await client.send({ path }).ended;
    return status === 0 ? "HTTP/2: no answer" : status;
  };
};
