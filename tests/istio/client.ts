/** A client with a certificate of the mesh, which calls the sidecar as a workload of the mesh would. */
import assert from "node:assert/strict";
import { request as requestHttp } from "node:http";
import { Agent, type RequestOptions, request as requestHttps } from "node:https";
import { connect, type PeerCertificate, type TLSSocket } from "node:tls";
import type { Identity } from "../../scripts/envoy/certificates.ts";
import type { RestResponse } from "../../scripts/envoy/client.ts";
import { sidecar_port } from "./user.ts";

const timeout_ms = 20_000;

/** What is asked for. */
export interface Asked {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  token?: string;
}

/** What Istio's own proxies offer: by that a sidecar knows them where it takes plain text, too. */
export const mesh_alpn = ["istio-http/1.1", "istio", "http/1.1"];

/** Asks a port of this machine in plain text; the status, or 0 where there is no answer. */
export function askPlainly(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    const outgoing = requestHttp({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode ?? 0));
    });
    outgoing.on("error", () => resolve(0));
    outgoing.end();
  });
}

export class MeshClient {
  readonly identity: Identity;
  readonly authorityPem: string;
  readonly #agent: Agent;

  /** @param keepsAlive requests go over connections that stay open */
  constructor(identity: Identity, authorityPem: string, keepsAlive = false) {
    this.identity = identity;
    this.authorityPem = authorityPem;
    this.#agent = new Agent({ keepAlive: keepsAlive, maxCachedSessions: 0, maxSockets: 4 });
  }

  /** How it connects: the server's name is a SPIFFE ID, which is looked at here since TLS looks for host names. */
  get tls(): RequestOptions {
    return {
      host: "127.0.0.1",
      port: sidecar_port,
      ca: this.authorityPem,
      cert: this.identity.certificatePem,
      key: this.identity.privateKeyPem,
      servername: "web.example.test",
      checkServerIdentity: (_: string, { subjectaltname }: PeerCertificate) =>
        subjectaltname === "URI:spiffe://example.org/ns/default/sa/web"
          ? undefined
          : new Error(`the server is ${subjectaltname}`),
    };
  }

  /** Sends one request. Throws where there is no connection. */
  ask({ method = "GET", path = "/orders/1", headers = {}, token }: Asked = {}): Promise<RestResponse> {
    const bearer: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const options = {
      ...this.tls,
      agent: this.#agent,
      ALPNProtocols: mesh_alpn,
      method,
      path,
      headers: { host: "web.example.test", ...bearer, ...headers },
      timeout: timeout_ms,
    };
    return new Promise((resolve, reject) => {
      const outgoing = requestHttps(options, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
        response.on("error", reject);
      });
      outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
      outgoing.on("error", reject);
      outgoing.end();
    });
  }

  /** The status of an answer; 0 where there was no connection. */
  status(asked: Asked = {}): Promise<number> {
    return this.ask(asked).then(
      ({ status }) => status,
      () => 0,
    );
  }

  /**
   * Opens a connection, sends a text over it, and tells what came back until it was closed.
   * @param session one to take up
   */
  exchange(
    text: string,
    { alpn, session }: { alpn?: string[]; session?: Buffer | undefined } = {},
  ): Promise<{ answer: string; isResumed: boolean; session: Buffer | undefined }> {
    return new Promise((resolve) => {
      const { checkServerIdentity, ...options } = this.tls;
      assert.ok(checkServerIdentity !== undefined, "who the server is, is looked at");
      const socket: TLSSocket = connect({
        ...(options as object),
        checkServerIdentity,
        ...(alpn !== undefined && { ALPNProtocols: alpn }),
        ...(session !== undefined && { session }),
      });
      const outcome = { answer: "", isResumed: false, session: undefined as Buffer | undefined };
      socket.on("session", (made: Buffer) => {
        outcome.session = made;
      });
      socket.on("secureConnect", () => {
        outcome.isResumed = socket.isSessionReused();
        socket.write(text);
      });
      socket.on("data", (data: Buffer) => {
        outcome.answer += data.toString("latin1");
      });
      socket.setTimeout(timeout_ms, () => socket.destroy());
      socket.on("error", () => {});
      socket.on("close", () => resolve(outcome));
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
