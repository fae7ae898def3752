/** Requests whose bodies are sent piece by piece, over HTTP/1.1 and HTTP/2, and an upstream that tells whether a byte has come to it. */
import { once } from "node:events";
import { createServer } from "node:http";
import { type ClientHttp2Session, constants } from "node:http2";
import { Agent, request as httpsRequest } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { UpstreamAddress } from "../../scripts/envoy/bootstrap.ts";
import type { RestResponse, Target } from "../../scripts/envoy/client.ts";
import { openSession } from "./openstreams.ts";

/** A request under way. */
export interface OpenRequest {
  /** Sends a piece of the body, and comes back once the system has taken it. */
  write(piece: Uint8Array | string): Promise<void>;
  /** Ends the body, with trailers where some are given. */
  end(trailers?: Record<string, string>): void;
  answer: Promise<RestResponse>;
  /** Whether `100 Continue` came; over HTTP/1.1 only. */
  isContinued(): boolean;
  /** Breaks it off. */
  leave(): void;
}

/** A client with one connection. */
export interface PieceClient {
  open(path: string, headers: Record<string, string>): OpenRequest;
  close(): void;
}

export async function clientOf(target: Target, http2: boolean): Promise<PieceClient> {
  return http2 ? http2Client(await openSession(target)) : http1Client(target);
}

function http1Client({ port, authorityPem: ca, identity }: Target): PieceClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const tls = { ca, cert: identity!.certificatePem, key: identity!.privateKeyPem, servername: "localhost" };
  return {
    open: (path, headers) => {
      const request = httpsRequest({ ...tls, agent, host: "127.0.0.1", port, path, method: "POST", headers });
      let isContinued = false;
      request.on("continue", () => {
        isContinued = true;
      });
      const answer = new Promise<RestResponse>((resolve, reject) => {
        request.on("error", reject);
        request.on("response", (response) => {
          let body = "";
          response.setEncoding("utf8").on("data", (text: string) => {
            body += text;
          });
          response.on("error", reject);
          response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body }));
        });
      });
      answer.catch(() => {});
      request.setNoDelay(true);
      request.flushHeaders();
      return {
        answer,
        write: (piece) => new Promise((resolve) => request.write(piece, () => resolve())),
        end: (trailers) => {
          if (trailers !== undefined) request.addTrailers(trailers);
          request.end();
        },
        isContinued: () => isContinued,
        leave: () => request.destroy(),
      };
    },
    close: () => agent.destroy(),
  };
}

function http2Client(session: ClientHttp2Session): PieceClient {
  return {
    open: (path, headers) => {
      const stream = session.request(
        { ":method": "POST", ":path": path, ":authority": "localhost", ...headers },
        { endStream: false, waitForTrailers: true },
      );
      let sent: Record<string, string> | undefined;
      stream.on("wantTrailers", () => (sent === undefined ? stream.close() : stream.sendTrailers(sent)));
      const answer = new Promise<RestResponse>((resolve, reject) => {
        let head: RestResponse | undefined;
        stream.on("response", (given) => {
          head = { status: given[":status"]!, headers: given, body: "" };
        });
        stream.setEncoding("utf8").on("data", (text: string) => {
          head!.body += text;
        });
        stream.on("end", () => head !== undefined && resolve(head));
        stream.on("error", reject);
        stream.on("close", () => reject(new Error("the stream ended without an answer")));
      });
      answer.catch(() => {});
      return {
        answer,
        write: (piece) => new Promise((resolve) => stream.write(piece, () => resolve())),
        end: (trailers) => {
          sent = trailers ?? {};
          stream.end();
        },
        isContinued: () => false,
        leave: () => stream.close(constants.NGHTTP2_CANCEL),
      };
    },
    close: () => session.destroy(),
  };
}

/** A plain upstream that answers with how much of a body came. */
export interface WatchedUpstream {
  address: UpstreamAddress;
  /** Bytes that have come so far, of heads and bodies, over all connections. */
  bytes(): number;
  /** Bodies of the requests that came whole, oldest first. */
  bodies: string[];
  stop(): void;
}

export async function startWatchedUpstream(): Promise<WatchedUpstream> {
  const sockets = new Set<Socket>();
  const bodies: string[] = [];
  let gone = 0;
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => {
      bodies.push(body);
      response.end(`${body.length} bytes\n`);
    });
    request.on("error", () => {});
  }).listen(0, "127.0.0.1");
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => {
      gone += socket.bytesRead;
      sockets.delete(socket);
    });
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: { host: "127.0.0.1", port, tls: false },
    bytes: () => [...sockets].reduce((sum, { bytesRead }) => sum + bytesRead, gone),
    bodies,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
