/** A server of MCP over Streamable HTTP, and clients that speak to it through an Envoy with mTLS; both by the protocol's own SDK. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import type { FetchLike, Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import type { UpstreamAddress } from "../../scripts/envoy/bootstrap.ts";
import type { Target } from "../../scripts/envoy/client.ts";
import { startPlainUpstream } from "./upstream.ts";

/** A server with the tools `get_weather` and `delete_all`. */
export interface ToolServer {
  address: UpstreamAddress;
  /** What it was asked by HTTP, as `METHOD`, oldest first. */
  requests: string[];
  /** The tools that ran. */
  calls: string[];
  /** Tells all clients that listen that its tools have changed. */
  announce(): void;
  stop(): void;
}

/** More than Envoy keeps of an answer in our configurations, unless a policy has it kept. */
const list_bytes = 100_000;

/** @param asJson whether it answers calls with JSON, in place of a stream of events */
export async function startToolServer(asJson: boolean): Promise<ToolServer> {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  const servers: Server[] = [];
  const [requests, calls]: [string[], string[]] = [[], []];

  const open = async (): Promise<StreamableHTTPServerTransport> => {
    const server = new Server({ name: "tools", version: "1" }, { capabilities: { tools: { listChanged: true } } });
    const inputSchema = { type: "object", properties: { text: { type: "string" } } } as const;
    server.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: ["get_weather", "delete_all"].map((name) => ({
        name,
        description: "x".repeat(list_bytes / 2),
        inputSchema,
      })),
    }));
    server.setRequestHandler(CallToolRequestSchema, ({ params: { name, arguments: given } }) => {
      calls.push(name);
      return { content: [{ type: "text", text: `${name} ${given?.text}` }] };
    });
    servers.push(server);
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: asJson,
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id),
    });
    await server.connect(transport as Transport);
    return transport;
  };
  const upstream = await startPlainUpstream((request, response) => {
    requests.push(request.method!);
    const known = transports.get(String(request.headers["mcp-session-id"]));
    void (known === undefined ? open() : Promise.resolve(known))
      .then((transport) => transport.handleRequest(request, response))
      .catch(() => response.destroy());
  });
  return {
    address: upstream.address,
    requests,
    calls,
    announce: () => {
      for (const server of servers) void server.sendToolListChanged().catch(() => {});
    },
    stop: upstream.stop,
  };
}

/** `fetch` as a workload of the mesh has it: with a certificate. */
function fetchAs({ authorityPem: ca, identity }: Target, agent: Agent): FetchLike {
  return async (url, init = {}) => {
    const { cert, key } = { cert: identity!.certificatePem, key: identity!.privateKeyPem };
    const headers = Object.fromEntries(new Headers(init.headers));
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { ca, cert, key, agent, servername: "localhost", method: init.method ?? "GET", headers };
      const request = httpsRequest(url, options, resolve).on("error", reject);
      init.signal?.addEventListener("abort", () => request.destroy());
      request.end(init.body ?? undefined);
    });
    const given = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]);
    return new Response(Readable.toWeb(response) as ReadableStream, { status: response.statusCode!, headers: given });
  };
}

/** A client, not yet connected. */
export interface ToolClient {
  client: Client;
  transport: StreamableHTTPClientTransport;
  /** What its transport has complained of. */
  errors: Error[];
  /** Connects: `initialize`, and its notification. */
  connect(): Promise<void>;
  close(): Promise<void>;
}

/** @param change what becomes of answers before the client sees them */
export function toolClient(target: Target, change = async (response: Response) => response): ToolClient {
  const agent = new Agent({ keepAlive: true });
  const fetched = fetchAs(target, agent);
  const transport = new StreamableHTTPClientTransport(new URL(`https://127.0.0.1:${target.port}/mcp`), {
    fetch: async (url, init) => change(await fetched(url, init)),
  });
  const client = new Client({ name: "agent", version: "1" });
  const errors: Error[] = [];
  client.onerror = (error) => errors.push(error);
  return {
    client,
    transport,
    errors,
    connect: () => client.connect(transport as Transport),
    close: async () => {
      await client.close();
      agent.destroy();
    },
  };
}
