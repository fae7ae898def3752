/** A real Envoy beside the Node host: one filter that holds, buffers, answers and replaces bodies tells in both the same, callback by callback. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { sendRequest } from "../../scripts/envoy/client.ts";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { startLocalEnvoy } from "../../scripts/envoy/local.ts";
import { type RunningEnvoy, startEnvoy } from "../../scripts/envoy/process.ts";
import type { Pair } from "../../scripts/host/pairs.ts";
import {
  type Answer,
  answersOf,
  compileBodyFilter,
  pathOf,
  playInNode,
  type Scenario,
  scenarios,
  tight_bytes,
  told,
} from "../support/bodyfilter.ts";
import { managerOf } from "../support/envoy.ts";
import { until } from "../support/until.ts";

const typeOf = (message: string): string => `type.googleapis.com/envoy.extensions.${message}`;
const http1 = { http_protocol_options: { enable_trailers: true } };

/** A listener whose filter may hold headers, or not, and that keeps few bytes, or as many as Envoy does by itself. */
function listener(name: string, wasm: string, allow: boolean, limit: number | undefined): object {
  const code = { local: { filename: wasm } };
  const config = {
    name,
    allow_on_headers_stop_iteration: allow,
    vm_config: { runtime: "envoy.wasm.runtime.v8", vm_id: name, code },
  };
  const manager = {
    "@type": typeOf("filters.network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: name,
    ...http1,
    route_config: {
      virtual_hosts: [{ name, domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "up" } }] }],
    },
    http_filters: [
      { name: "wasm", typed_config: { "@type": typeOf("filters.http.wasm.v3.Wasm"), config } },
      { name: "router", typed_config: { "@type": typeOf("filters.http.router.v3.Router") } },
    ],
  };
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    ...(limit !== undefined && { per_connection_buffer_limit_bytes: limit }),
    filter_chains: [{ filters: [{ name: "manager", typed_config: manager }] }],
  };
}

test("a local Envoy keeps as much of a body as it is told that the policy reads, over both protocols", async () => {
  const body_bytes = 200_000;
  const local = await startLocalEnvoy({
    wasm: await compileBodyFilter(),
    holds: { bodyBytes: body_bytes, answerBytes: 0 },
    adjust: (bootstrap) => {
      delete managerOf(bootstrap).http_filters[0].typed_config.config.capability_restriction_config;
    },
  });
  try {
    const target = await local.target("spiffe://example.org/web");
    const path = pathOf({ answers: "1110", acts: "-l" });
    for (const http2 of [false, true]) {
      const { status } = await sendRequest(target, { method: "POST", path, body: "a".repeat(body_bytes), http2 });
      assert.equal(status, 418, http2 ? "HTTP/2" : "HTTP/1.1");
    }
  } finally {
    await local.stop();
  }
});

describe("bodies in Envoy as in the Node host", () => {
  let directory: string;
  let envoy: RunningEnvoy;
  let wasm: Uint8Array;
  /** Lines that are waited for before the next step, and where the scenario stands. */
  let steps: string[][] = [];
  let firstLine = 0;
  let arrived: string | undefined;

  const all = (): string[] => [...envoy.log().matchAll(/wasm log[^\n]*: ([^\n]*)$/gmu)].map(([, line]) => line!);
  const lines = (): string[] => all().slice(firstLine);
  const wanted = (count: number): number => steps.slice(0, count).reduce((sum, step) => sum + step.length, 0);
  /** Waits until the log has the lines of so many steps. */
  const stepped = async (count: number): Promise<void> => {
    if (count > steps.length) return;
    await until(
      `${wanted(count)} lines of ${JSON.stringify(steps)}, there are ${JSON.stringify(lines())}`,
      () => lines().length >= wanted(count),
      20_000,
    );
  };
  /** How many steps the request takes. */
  let requestSteps = 0;

  const upstream = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  upstream.on("clientError", (_error, socket) => socket.destroy());

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += (chunk as Buffer).toString("latin1");
    arrived = told(Object.entries(request.headers) as Pair[], body, Object.entries(request.trailers) as Pair[]);
    const { status, headers, body: pieces, trailers } = answersOf[request.url!.split("/")[2] as Answer];
    for (const [name, value] of headers) response.setHeader(name, value);
    response.statusCode = status;
    response.shouldKeepAlive = false;
    response.flushHeaders();
    let step = requestSteps + 1;
    for (const piece of pieces) {
      await stepped(step++);
      if (response.destroyed) return;
      response.write(piece);
    }
    await stepped(step);
    if (trailers !== undefined) response.addTrailers(Object.fromEntries(trailers));
    response.end();
  }

  before(async () => {
    upstream.listen(0, "127.0.0.1");
    wasm = await compileBodyFilter();
    directory = await mkdtemp(join(tmpdir(), "sallyport-bodies-"));
    const file = join(directory, "filter.wasm");
    await writeFile(file, wasm);
    const { port } = upstream.address() as AddressInfo;
    const endpoint = { address: { socket_address: { address: "127.0.0.1", port_value: port } } };
    const options = { "@type": typeOf("upstreams.http.v3.HttpProtocolOptions"), explicit_http_config: http1 };
    envoy = await startEnvoy({
      envoyPath: await findEnvoy(),
      directory: join(directory, "envoy"),
      config: {
        admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
        static_resources: {
          listeners: [
            listener("holds", file, true, undefined),
            listener("plain", file, false, undefined),
            listener("tight", file, true, tight_bytes),
          ],
          clusters: [
            {
              name: "up",
              type: "STATIC",
              typed_extension_protocol_options: { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options },
              load_assignment: { cluster_name: "up", endpoints: [{ lb_endpoints: [{ endpoint }] }] },
            },
          ],
        },
      },
    });
  });

  after(async () => {
    await envoy?.stop();
    upstream.close();
    upstream.closeAllConnections();
    await rm(directory, { recursive: true, force: true });
  });

  /** What the client has got so far. */
  function clientOf(received: string): string {
    if (received === "") return "-";
    const at = received.indexOf("\r\n\r\n");
    const [head, rest] = [received.slice(0, at), received.slice(at + 4)];
    const headers = head
      .split("\r\n")
      .slice(1)
      .map((text): Pair => text.split(": ") as unknown as Pair);
    const status = head.split(" ")[1]!;
    if (!headers.some(([name]) => name === "transfer-encoding")) return `${status} ${told(headers, rest, undefined)}`;
    let body = "";
    let left = rest;
    for (;;) {
      const size = Number.parseInt(left, 16);
      if (Number.isNaN(size)) return `${status} ${told(headers, body, undefined)} …`;
      left = left.slice(left.indexOf("\r\n") + 2);
      if (size === 0) break;
      body += left.slice(0, size);
      left = left.slice(size + 2);
    }
    const trailers = left.split("\r\n").filter((text) => text !== "");
    return `${status} ${told(headers, body, trailers as unknown as Pair[])}`;
  }

  async function play({ orders, body, end, answer: kind = "length", isPlain, isTight }: Scenario): Promise<string> {
    const socket: Socket = connect(envoy.listenerPort(isPlain ? "plain" : isTight ? "tight" : "holds"), "127.0.0.1");
    let received = "";
    socket.on("error", () => {});
    socket.setEncoding("latin1").on("data", (text: string) => {
      received += text;
    });
    const method = body === undefined ? "GET" : "POST";
    const head = [`${method} ${pathOf(orders, kind)} HTTP/1.1`, "host: a", "x-gone: 1", "connection: close"];
    socket.write([...head, ...(body ? ["transfer-encoding: chunked"] : []), "", ""].join("\r\n"));
    let step = 1;
    await stepped(step);
    for (const piece of body ?? []) {
      if (step >= requestSteps) break;
      socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      await stepped(++step);
    }
    if (step < requestSteps && end !== "leaves") {
      socket.write(`0\r\n${end === "trailers" ? "x-end: 1\r\n" : ""}\r\n`);
      await stepped(++step);
    }
    if (end !== "leaves") await until("Envoy closes the connection", () => socket.closed, 20_000);
    socket.destroy();
    return clientOf(received);
  }

  for (const scenario of scenarios.filter(({ isForNode }) => isForNode !== true)) {
    test(scenario.name, async () => {
      const inNode = playInNode(wasm, scenario);
      ({ steps, requestSteps } = inNode);
      firstLine = all().length;
      arrived = undefined;
      const client = await play(scenario);
      await stepped(steps.length);
      assert.deepEqual(lines(), steps.flat(), "the filter's log");
      assert.deepEqual({ client, upstream: arrived ?? "-" }, scenario.expected);
    });
  }
});
