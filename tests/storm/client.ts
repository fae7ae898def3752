/** Clients that do not wait for their answers: requests that can be left, and uploads that stay open, over HTTP/1.1 and HTTP/2. */
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Target } from "../../scripts/envoy/client.ts";

/** What to ask. */
interface HeldRequest {
  path: string;
  /** Sent as a bearer token. */
  token?: string;
  headers?: Record<string, string>;
  /** A POST whose body has begun, and goes on until `finish` is called or the client leaves. */
  upload?: boolean;
  /** Of the body, what is sent before `finish` is called. By default less than Envoy's window, so that it is sent at once. */
  uploadBytes?: number;
}

/** What a request came to. */
export interface Ended {
  /** 0 where the stream ended without an answer. */
  status: number;
  tookMs: number;
}

/** A request under way. */
export interface Sent {
  /** Resolves when its stream or connection has ended, however that came about. */
  ended: Promise<Ended>;
  /** Sends the rest of an upload. */
  finish(): void;
  /** Goes away without the answer: HTTP/2 resets the stream, HTTP/1.1 closes the connection. */
  leave(): void;
}

const upload_bytes = 8_192;

function tlsOptions({ authorityPem, identity, serverName }: Target) {
  return {
    ca: authorityPem,
    servername: serverName ?? "localhost",
    ...(identity === undefined ? {} : { cert: identity.certificatePem, key: identity.privateKeyPem }),
  };
}

/** One connection over HTTP/2. */
export class Http2Client {
  readonly #session: ClientHttp2Session;
  readonly #authority: string;

  private constructor(session: ClientHttp2Session, authority: string) {
    this.#session = session;
    this.#authority = authority;
  }

  /**
   * Connects, and waits until both sides have finished the handshake.
   * @throws Error where nobody listens, or the certificate is refused
   */
  static open(target: Target): Promise<Http2Client> {
    return new Promise((resolve, reject) => {
      const session = connectHttp2(`https://127.0.0.1:${target.port}`, tlsOptions(target));
      session.on("error", reject);
      session.on("close", () => reject(new Error("the connection broke before it stood")));
      session.once("remoteSettings", () => resolve(new Http2Client(session, target.serverName ?? "localhost")));
    });
  }

  get isOpen(): boolean {
    return !this.#session.destroyed && !this.#session.closed;
  }

  send({ path, token, headers, upload = false, uploadBytes = upload_bytes }: HeldRequest): Sent {
    const startedMs = performance.now();
    let stream: ClientHttp2Stream | undefined;
    const ended = new Promise<Ended>((resolve) => {
      let status = 0;
      const end = (): void => resolve({ status, tookMs: performance.now() - startedMs });
      try {
        stream = this.#session.request(
          {
            ...{ ":method": upload ? "POST" : "GET", ":path": path, ":authority": this.#authority },
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...headers,
          },
          { endStream: !upload },
        );
      } catch {
        // The connection is gone.
        return end();
      }
      stream.on("response", (fields) => {
        status = fields[":status"] ?? 0;
      });
      stream.on("error", () => {});
      stream.on("close", end);
      stream.resume();
      if (upload) stream.write(Buffer.alloc(uploadBytes));
    });
    return {
      ended,
      finish: () => stream?.end(),
      leave: () => stream?.close(constants.NGHTTP2_CANCEL),
    };
  }

  /** Breaks the connection off, with all that is under way on it. */
  destroy(): void {
    this.#session.destroy();
  }
}

/** One connection over HTTP/1.1, for whatever bytes one likes. */
interface Http1Connection {
  socket: TLSSocket;
  /** All that came over it, once it has closed. */
  closed: Promise<string>;
}

/** Connects; resolves once the handshake is over, or the connection broke. */
export async function connectHttp1(target: Target): Promise<Http1Connection> {
  const connection = startHttp1(target);
  await Promise.race([once(connection.socket, "secureConnect").catch(() => {}), connection.closed]);
  return connection;
}

function startHttp1(target: Target): Http1Connection {
  let text = "";
  const options = { ...tlsOptions(target), host: "127.0.0.1", port: target.port, ALPNProtocols: ["http/1.1"] };
  const socket = connectTls(options);
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  return { socket, closed: new Promise((resolve) => socket.on("close", () => resolve(text))) };
}

/** The status of an HTTP/1.1 answer, 0 for none. */
export function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
}

/** Sends a request over HTTP/1.1, on a connection of its own. */
export function sendHttp1(target: Target, { path, token, headers, upload = false }: HeldRequest): Sent {
  const startedMs = performance.now();
  const fields = {
    host: target.serverName ?? "localhost",
    connection: "close",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(upload ? { "content-length": String(2 * upload_bytes) } : {}),
    ...headers,
  };
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const { socket, closed } = startHttp1(target);
  const sent = new Promise<void>((resolve) => {
    socket.on("secureConnect", () => {
      socket.write(`${upload ? "POST" : "GET"} ${path} HTTP/1.1\r\n${head.join("")}\r\n`);
      if (upload) socket.write(Buffer.alloc(upload_bytes));
      resolve();
    });
  });
  return {
    ended: closed.then((text) => ({ status: statusOf(text), tookMs: performance.now() - startedMs })),
    finish: () => {
      // Not before its head.
      if (upload) void sent.then(() => socket.write(Buffer.alloc(upload_bytes)));
    },
    leave: () => socket.destroy(),
  };
}
