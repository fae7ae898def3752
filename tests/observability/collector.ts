/** An OpenTelemetry collector that takes OTLP by gRPC, as operators run it, and hands on what it got as JSON to this process. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { stringify } from "yaml";
import { Daemon } from "../fleet/systems.ts";
import { freePort } from "../lifecycle/world.ts";
import { findCollector } from "./systems.ts";

/** Attributes as OTLP's JSON has them. */
type KeyValues = { key: string; value: { stringValue?: string; intValue?: string; boolValue?: boolean } }[];
interface LogRequest {
  resourceLogs: {
    resource: { attributes?: KeyValues };
    scopeLogs: { logRecords: { body?: { stringValue?: string }; attributes?: KeyValues; traceId?: string }[] }[];
  }[];
}
interface TraceRequest {
  resourceSpans: {
    resource: { attributes?: KeyValues };
    scopeSpans: { spans: { name: string; traceId: string; kind: number; attributes?: KeyValues }[] }[];
  }[];
}

/** A log record or a span, with its attributes and those of its resource as one. */
export interface Telemetry {
  /** The body of a log record, the name of a span. */
  text: string;
  attributes: Record<string, string>;
  traceId: string;
}

const flat = (...all: (KeyValues | undefined)[]): Record<string, string> =>
  Object.fromEntries(
    all.flatMap((attributes) =>
      (attributes ?? []).map(({ key, value }) => [key, String(Object.values(value)[0] ?? "")] as const),
    ),
  );

export class Collector {
  readonly port: number;
  readonly logs: Telemetry[] = [];
  readonly spans: Telemetry[] = [];
  readonly #daemon: Daemon;
  readonly #sink: Server;

  private constructor(daemon: Daemon, sink: Server) {
    this.port = daemon.port;
    this.#daemon = daemon;
    this.#sink = sink;
  }

  /** Starts one in a folder. */
  static async start(folder: string): Promise<Collector> {
    const program = await findCollector();
    const sink = createServer().listen(0, "127.0.0.1");
    await once(sink, "listening");
    const port = await freePort();
    const configuration = {
      receivers: { otlp: { protocols: { grpc: { endpoint: `127.0.0.1:${port}` } } } },
      exporters: {
        otlphttp: {
          endpoint: `http://127.0.0.1:${(sink.address() as AddressInfo).port}`,
          encoding: "json",
          sending_queue: { enabled: false },
        },
      },
      service: {
        telemetry: { logs: { level: "error" }, metrics: { level: "none" } },
        pipelines: {
          logs: { receivers: ["otlp"], exporters: ["otlphttp"] },
          traces: { receivers: ["otlp"], exporters: ["otlphttp"] },
        },
      },
    };
    const file = join(folder, "collector.yaml");
    await writeFile(file, stringify(configuration));
    const daemon = new Daemon(port, () =>
      spawn(program, ["--config", file], { stdio: ["ignore", "ignore", "inherit"] }),
    );
    const collector = new Collector(daemon, sink);
    sink.on("request", async (request, response) => {
      const body = request.headers["content-encoding"] === "gzip" ? undefined : await json(request);
      const read = body ?? JSON.parse(gunzipSync(Buffer.concat(await request.toArray())).toString());
      if (request.url === "/v1/logs") collector.#takeLogs(read as LogRequest);
      if (request.url === "/v1/traces") collector.#takeSpans(read as TraceRequest);
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
    await daemon.start();
    return collector;
  }

  #takeLogs({ resourceLogs }: LogRequest): void {
    for (const { resource, scopeLogs } of resourceLogs)
      for (const { logRecords } of scopeLogs)
        for (const { body, attributes, traceId = "" } of logRecords)
          this.logs.push({ text: body?.stringValue ?? "", attributes: flat(resource.attributes, attributes), traceId });
  }

  #takeSpans({ resourceSpans }: TraceRequest): void {
    for (const { resource, scopeSpans } of resourceSpans)
      for (const { spans } of scopeSpans)
        for (const { name, attributes, traceId } of spans)
          this.spans.push({ text: name, attributes: flat(resource.attributes, attributes), traceId });
  }

  async stop(): Promise<void> {
    await this.#daemon.kill();
    this.#sink.close();
    this.#sink.closeAllConnections();
  }
}
