/**
 * The order API that stands behind Envoy in local runs and tests: REST over HTTP/1.1 and HTTP/2, and gRPC. It speaks TLS
 * and wants a certificate of its client, so that nothing but an Envoy of the same authority gets through to it. It keeps
 * what it received, so that a test can show that a denied request never arrived.
 */
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse, type Http2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Identity } from "./certificates.ts";
import { frameMessage, readStringField, unframeMessage, writeStringField } from "./grpcmessage.ts";

/** A request as it arrived. */
export interface ReceivedRequest {
  method: string;
  path: string;
  /** Host, or `:authority`. */
  host: string;
  /** The other headers; names in lower case. */
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  /** The URI SAN of the client's certificate: who handed the request over. */
  peer: string | undefined;
}

/** A running upstream. */
export interface Upstream {
  /** Port on 127.0.0.1. */
  port: number;
  /** What has arrived so far, oldest first. */
  requests: ReceivedRequest[];
  /** Closes the port and every connection. */
  stop(): Promise<void>;
}

/** What the upstream answers a REST request with, as JSON. */
export interface OrderAnswer {
  service: "orders";
  method: string;
  path: string;
  /** `x-forwarded-client-cert` as Envoy set it. */
  caller: string | undefined;
}

/** How many requests are kept; the oldest are forgotten. */
const keptRequests = 10_000;
const maxBodyBytes = 1024 * 1024;

/**
 * Starts the order API on 127.0.0.1.
 * @param options.identity its certificate and key.
 * @param options.authorityPem the authority its clients' certificates must come from.
 */
export async function startUpstream(options: { identity: Identity; authorityPem: string }): Promise<Upstream> {
  const requests: ReceivedRequest[] = [];
  const sessions = new Set<Http2Session>();
  const sockets = new Set<TLSSocket>();

  const server = createSecureServer(
    {
      cert: options.identity.certificatePem,
      key: options.identity.privateKeyPem,
      ca: options.authorityPem,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.3",
      allowHTTP1: true,
    },
    (request, response) => {
      receive(request).then(
        (received) => {
          requests.push(received);
          if (requests.length > keptRequests) requests.shift();
          answer(received, response);
        },
        () => request.stream?.destroy(),
      );
    },
  );
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  server.on("secureConnection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // A connection that breaks is Envoy's business, not ours.
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });

  return {
    port: (server.address() as AddressInfo).port,
    requests,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function receive(request: Http2ServerRequest): Promise<ReceivedRequest> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new Error("the request's body is too long");
    chunks.push(chunk);
  }
  const headers: ReceivedRequest["headers"] = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (!name.startsWith(":") && name !== "host") headers[name] = value;
  }
  // The socket of a request over HTTP/2 is a stand-in that hides some methods; the session has the real one.
  const socket = (request.stream?.session?.socket ?? request.socket) as TLSSocket;
  const names = socket.getPeerCertificate?.()?.subjectaltname ?? "";
  return {
    method: request.method,
    path: request.url,
    host: (request.headers[":authority"] ?? request.headers.host ?? "") as string,
    headers,
    body: Buffer.concat(chunks),
    peer: /URI:([^,]+)/.exec(names)?.[1],
  };
}

function answer(request: ReceivedRequest, response: Http2ServerResponse): void {
  const contentType = String(request.headers["content-type"] ?? "");
  if (contentType.startsWith("application/grpc")) answerGrpc(request, response);
  else answerRest(request, response);
}

function answerRest(request: ReceivedRequest, response: Http2ServerResponse): void {
  const caller = request.headers["x-forwarded-client-cert"];
  const body: OrderAnswer = {
    service: "orders",
    method: request.method,
    path: request.path,
    caller: Array.isArray(caller) ? caller.join(",") : caller,
  };
  response.writeHead(200, { "content-type": "application/json" });
  response.end(request.method === "HEAD" ? "" : `${JSON.stringify(body)}\n`);
}

/** The unary method `shop.Orders/Place`: `message Order { string item = 1; }` to `message Receipt { string text = 1; }`. */
function answerGrpc(request: ReceivedRequest, response: Http2ServerResponse): void {
  response.writeHead(200, { "content-type": "application/grpc" });
  const trailers = (status: number, message: string): void => {
    response.addTrailers({ "grpc-status": String(status), ...(message === "" ? {} : { "grpc-message": message }) });
  };
  const message = unframeMessage(request.body);
  if (request.path !== "/shop.Orders/Place") trailers(12, "this service has only shop.Orders/Place");
  else if (message === undefined) trailers(3, "one uncompressed message is expected");
  else {
    trailers(0, "");
    response.write(frameMessage(writeStringField(`placed: ${readStringField(message)}`)));
  }
  response.end();
}
