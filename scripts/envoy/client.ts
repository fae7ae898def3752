/** Clients that speak to an Envoy on this machine as a workload of the mesh would: mTLS, then REST or gRPC. */
import { type ClientHttp2Session, connect as connectHttp2, type OutgoingHttpHeaders } from "node:http2";
import { request as httpsRequest } from "node:https";
import { connect as connectTls } from "node:tls";
import { Client, credentials, status as grpcStatus, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Identity } from "./certificates.ts";
import { readStringField, writeStringField } from "./grpcmessage.ts";

/** Where to connect to, and as whom. */
export interface Target {
  /** Port on 127.0.0.1. */
  port: number;
  /** The authority the server's certificate must come from. */
  authorityPem: string;
  /** The server name to ask for and to find in the server's certificate. Default `localhost`. */
  serverName?: string;
  /** The caller's certificate; none if absent. */
  identity?: Identity;
}

/** A REST request. */
export interface RestRequest {
  /** Default GET. */
  method?: string;
  /** Sent as it is, without any cleaning. Default `/`. */
  path?: string;
  /** Header names in lower case; `host` stands for `:authority` over HTTP/2. */
  headers?: Record<string, string | string[]>;
  body?: string;
  /** HTTP/2 in place of HTTP/1.1. */
  http2?: boolean;
}

/** What came back. */
export interface RestResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** What a gRPC call came to. */
export interface GrpcResult {
  /** The status code, 0 for OK. */
  code: number;
  /** Its name, for example `PERMISSION_DENIED`. */
  name: string;
  /** The server's message, or the answer's text where the code is 0. */
  text: string;
}

const requestTimeoutMs = 20_000;

function tlsOptions(target: Target): { ca: string; servername: string; cert?: string; key?: string } {
  return {
    ca: target.authorityPem,
    servername: target.serverName ?? "localhost",
    ...(target.identity === undefined
      ? {}
      : { cert: target.identity.certificatePem, key: target.identity.privateKeyPem }),
  };
}

/**
 * Sends one request over a connection of its own.
 * @throws Error if the connection fails, as it does when TLS is refused.
 */
export async function sendRequest(target: Target, request: RestRequest): Promise<RestResponse> {
  return request.http2 === true ? sendOverHttp2(target, request) : sendOverHttp1(target, request);
}

async function sendOverHttp1(target: Target, request: RestRequest): Promise<RestResponse> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      {
        ...tlsOptions(target),
        host: "127.0.0.1",
        port: target.port,
        method: request.method ?? "GET",
        path: request.path ?? "/",
        headers: { host: target.serverName ?? "localhost", ...request.headers },
        agent: false,
        timeout: requestTimeoutMs,
      },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
        response.on("error", reject);
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
    outgoing.on("error", reject);
    outgoing.end(request.body);
  });
}

async function sendOverHttp2(target: Target, request: RestRequest): Promise<RestResponse> {
  const session: ClientHttp2Session = connectHttp2(`https://127.0.0.1:${target.port}`, tlsOptions(target));
  try {
    return await new Promise<RestResponse>((resolve, reject) => {
      session.on("error", reject);
      const { host, ...others } = request.headers ?? {};
      const headers: OutgoingHttpHeaders = {
        ":method": request.method ?? "GET",
        ":path": request.path ?? "/",
        ":authority": host ?? target.serverName ?? "localhost",
        ...others,
      };
      const stream = session.request(headers, { endStream: request.body === undefined });
      stream.setTimeout(requestTimeoutMs, () => stream.destroy(new Error("no answer in time")));
      stream.setEncoding("utf8");
      let status = 0;
      let answered: RestResponse["headers"] = {};
      let body = "";
      stream.on("response", (fields) => {
        status = fields[":status"] ?? 0;
        answered = Object.fromEntries(Object.entries(fields).filter(([name]) => !name.startsWith(":")));
      });
      stream.on("data", (chunk: string) => {
        body += chunk;
      });
      stream.on("end", () => resolve({ status, headers: answered, body }));
      stream.on("error", reject);
      if (request.body !== undefined) stream.end(request.body);
    });
  } finally {
    session.destroy();
  }
}

/**
 * Opens TLS and says how that went: Envoy's refusal of a certificate arrives after the handshake seems done, so the
 * connection is used once before it counts as open.
 * @returns undefined if the connection is accepted, else why not.
 */
export async function tlsRefusal(target: Target): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectTls({
      ...tlsOptions(target),
      host: "127.0.0.1",
      port: target.port,
    });
    let answered = false;
    socket.setTimeout(requestTimeoutMs, () => socket.destroy(new Error("no answer in time")));
    socket.on("secureConnect", () => socket.write("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
    socket.on("data", () => {
      answered = true;
      socket.destroy();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on("close", () => resolve(answered ? undefined : "closed without an answer"));
  });
}

/**
 * Calls a unary gRPC method with a real gRPC client; the message is one string in field 1.
 * @param path for example `/shop.Orders/Place`.
 */
export async function callGrpc(
  target: Target,
  call: { path: string; text: string; headers?: Record<string, string>; host?: string },
): Promise<GrpcResult> {
  const { identity } = target;
  const secure =
    identity === undefined
      ? credentials.createSsl(Buffer.from(target.authorityPem))
      : credentials.createSsl(
          Buffer.from(target.authorityPem),
          Buffer.from(identity.privateKeyPem),
          Buffer.from(identity.certificatePem),
        );
  const client = new Client(`127.0.0.1:${target.port}`, secure, {
    "grpc.ssl_target_name_override": target.serverName ?? "localhost",
    "grpc.default_authority": call.host ?? target.serverName ?? "localhost",
    "grpc.enable_retries": 0,
    // Clients of one target would otherwise share a connection, and with it the first one's certificate.
    "grpc.use_local_subchannel_pool": 1,
  });
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(call.headers ?? {})) metadata.set(name, value);
  try {
    return await new Promise<GrpcResult>((resolve) => {
      client.makeUnaryRequest(
        call.path,
        writeStringField,
        readStringField,
        call.text,
        metadata,
        { deadline: Date.now() + requestTimeoutMs },
        (error: ServiceError | null, answer?: string) => {
          const code = error?.code ?? 0;
          resolve({ code, name: grpcStatus[code] ?? String(code), text: error?.details ?? answer ?? "" });
        },
      );
    });
  } finally {
    client.close();
  }
}
