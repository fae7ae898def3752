/**
 * One connection to Envoy and so to one of its workers, with the time each answer took. HTTP/2, since its client tells when the
 * connection stands: the first request's time then has no handshake in it.
 */
import { type ClientHttp2Session, connect } from "node:http2";
import type { Target } from "../../scripts/envoy/client.ts";

/** What came back, and how long that took from the request's first byte. */
export interface Answer {
  status: number;
  milliseconds: number;
}

const timeout_ms = 30_000;

export class Connection {
  readonly #session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
  }

  /**
   * Connects, and waits until both sides have finished the handshake: the server's settings come when it has.
   * @throws Error where nobody listens, or the certificate is refused
   */
  static open(target: Target): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const session = connect(`https://127.0.0.1:${target.port}`, {
        ca: target.authorityPem,
        servername: "localhost",
        cert: target.identity!.certificatePem,
        key: target.identity!.privateKeyPem,
      });
      session.once("error", reject);
      session.once("remoteSettings", () => {
        session.off("error", reject);
        // What breaks later shows in the request that is under way.
        session.on("error", () => {});
        resolve(new Connection(session));
      });
    });
  }

  /** Sends a GET. Throws where no answer comes. */
  ask(path: string, token?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const startedMs = performance.now();
      const stream = this.#session.request({
        ":path": path,
        ":authority": "localhost",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      });
      stream.setTimeout(timeout_ms, () => stream.destroy(new Error(`GET ${path}: no answer in ${timeout_ms} ms`)));
      let answer: Answer | undefined;
      stream.on("response", (headers) => {
        answer = { status: headers[":status"] ?? 0, milliseconds: performance.now() - startedMs };
      });
      stream.on("error", reject);
      stream.on("close", () => {
        if (answer === undefined) reject(new Error(`GET ${path}: the connection broke before an answer came`));
        else resolve(answer);
      });
      stream.resume();
    });
  }

  close(): void {
    this.#session.destroy();
  }
}
