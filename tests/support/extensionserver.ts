/**
 * A control plane of one service: the configurations of filters over gRPC (ECDS, envoy/service/extension/v3/config_discovery.proto), as
 * Istio and Envoy Gateway serve them. State of the world: each push is a new version, which Envoy takes or refuses by its next request
 * on the stream.
 */
import { fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { decodeMessage } from "../../scripts/host/protobuf.ts";
import { until } from "./until.ts";

const type_prefix = "type.googleapis.com/";
const extension_type = `${type_prefix}envoy.config.core.v3.TypedExtensionConfig`;
const cluster = "control_plane";

/** A configuration as Envoy's JSON has it, with its type under `@type`. */
type TypedConfig = JsonObject & { "@type": string };
type Stream = ServerDuplexStream<Buffer, Buffer>;

/** A message of texts and messages. */
function encodeMessage(fields: readonly (readonly [number, string | Uint8Array])[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [field, value] of fields) {
    writer.tag(field, WireType.LengthDelimited);
    if (typeof value === "string") writer.string(value);
    else writer.bytes(value);
  }
  return writer.finish();
}

/** `google.protobuf.Any` of a configuration, by way of `xds.type.v3.TypedStruct`: Envoy reads it as it reads JSON. */
function anyOf({ "@type": type, ...members }: TypedConfig): Uint8Array {
  const value = toBinary(StructSchema, fromJson(StructSchema, members));
  const typedStruct = encodeMessage([
    [1, type],
    [2, value],
  ]);
  return encodeMessage([
    [1, `${type_prefix}xds.type.v3.TypedStruct`],
    [2, typedStruct],
  ]);
}

/** What Envoy said to a version. */
interface Answer {
  version: number;
  /** Why it refuses it; undefined where it took it. */
  refusal: string | undefined;
}

/** The server. It knows one filter, and sends what was pushed last to whoever asks. */
export class ExtensionServer {
  readonly port: number;
  readonly #server: Server;
  readonly #name: string;
  readonly #streams = new Set<Stream>();
  readonly #answers: Answer[] = [];
  #config: TypedConfig | undefined;
  #version = 0;

  private constructor(server: Server, port: number, name: string) {
    this.#server = server;
    this.port = port;
    this.#name = name;
  }

  /** Starts one on a free port of 127.0.0.1, for the filter of this name. */
  static async start(name: string): Promise<ExtensionServer> {
    const server = new Server();
    const asItIs = (bytes: Buffer): Buffer => bytes;
    let started: ExtensionServer | undefined;
    server.addService(
      {
        streamExtensionConfigs: {
          path: "/envoy.service.extension.v3.ExtensionConfigDiscoveryService/StreamExtensionConfigs",
          requestStream: true,
          responseStream: true,
          requestSerialize: asItIs,
          requestDeserialize: asItIs,
          responseSerialize: asItIs,
          responseDeserialize: asItIs,
        },
      },
      { streamExtensionConfigs: (stream: Stream) => started!.#serve(stream) },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    started = new ExtensionServer(server, port, name);
    return started;
  }

  /** The cluster that Envoy reaches it by. */
  get cluster(): object {
    const options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    const address = { socket_address: { address: "127.0.0.1", port_value: this.port } };
    return {
      name: cluster,
      type: "STATIC",
      typed_extension_protocol_options: {
        [options]: { "@type": type_prefix + options, explicit_http_config: { http2_protocol_options: {} } },
      },
      load_assignment: { cluster_name: cluster, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    };
  }

  /** `config_source` of the filter. */
  get source(): object {
    return {
      resource_api_version: "V3",
      api_config_source: {
        api_type: "GRPC",
        transport_api_version: "V3",
        grpc_services: [{ envoy_grpc: { cluster_name: cluster } }],
      },
    };
  }

  /** Sends a configuration to all that listen. */
  push(config: TypedConfig): void {
    this.#config = config;
    this.#version++;
    for (const stream of this.#streams) this.#send(stream);
  }

  /** Waits until Envoy has answered to what was pushed last; why it refuses it, undefined where it took it. */
  async answered(): Promise<string | undefined> {
    const version = this.#version;
    const find = (): Answer | undefined => this.#answers.find((answer) => answer.version === version);
    await until(`Envoy has answered to version ${version}`, () => find() !== undefined);
    return find()!.refusal;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #serve(stream: Stream): void {
    stream.on("data", (bytes: Buffer) => {
      const fields = decodeMessage(bytes);
      if (fields === undefined) throw new Error("Envoy has sent no DiscoveryRequest");
      const nonce = fields.get(5);
      if (nonce instanceof Uint8Array && nonce.length > 0) this.#note(Number(text(nonce)), fields.get(6));
      else if (this.#config !== undefined) this.#send(stream);
      this.#streams.add(stream);
    });
    const forget = (): void => void this.#streams.delete(stream);
    stream.on("error", forget);
    stream.on("end", () => stream.end());
    stream.on("close", forget);
  }

  /** `error_detail` is a google.rpc.Status, whose field 2 is the message. */
  #note(version: number, errorDetail: Uint8Array | bigint | undefined): void {
    const message = errorDetail instanceof Uint8Array ? decodeMessage(errorDetail)?.get(2) : undefined;
    this.#answers.push({ version, refusal: message instanceof Uint8Array ? text(message) : undefined });
  }

  #send(stream: Stream): void {
    const resource = encodeMessage([
      [1, this.#name],
      [2, anyOf(this.#config!)],
    ]);
    const version = String(this.#version);
    stream.write(
      Buffer.from(
        encodeMessage([
          [1, version],
          [
            2,
            encodeMessage([
              [1, extension_type],
              [2, resource],
            ]),
          ],
          [4, extension_type],
          [5, version],
        ]),
      ),
    );
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
