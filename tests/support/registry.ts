/** A registry in this process, as far as pushing needs one: it keeps what it is sent, asks for credentials, and fails when told to. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** How it behaves. */
export interface RegistrySetting {
  /** Its certificate and key; left out: it speaks plain HTTP. */
  tls?: { cert: string; key: string };
  /** What it asks for; left out: nothing. */
  auth?: "basic" | "bearer";
  /** Who may come in, as `user:password`. */
  account?: string;
  /** A refresh token that is good in place of a password. */
  identity?: string;
  /** Whether it has the referrers API. Default true. */
  hasReferrers?: boolean;
  /** Statuses to answer with, once each, to requests whose method and path begin so. */
  failures?: { at: string; statuses: number[]; headers?: Record<string, string> }[];
  /** Answers in place of the registry; true: it did. */
  intercept?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** A running one. */
export interface FakeRegistry {
  /** Host and port. */
  host: string;
  /** Method and path of each request, in order. */
  requests: string[];
  /** Manifests by digest and by tag, and blobs by digest. */
  manifests: Map<string, { mediaType: string; bytes: Buffer }>;
  blobs: Map<string, Buffer>;
  /** Forms and queries that tokens were asked for with. */
  tokenRequests: URLSearchParams[];
  stop(): Promise<void>;
}

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Starts one on a port of 127.0.0.1. */
export async function startRegistry(setting: RegistrySetting = {}): Promise<FakeRegistry> {
  const { tls, auth, account, identity, hasReferrers = true, failures = [], intercept } = setting;
  const requests: string[] = [];
  const manifests: FakeRegistry["manifests"] = new Map();
  const blobs: FakeRegistry["blobs"] = new Map();
  const tokenRequests: URLSearchParams[] = [];
  const basic = `Basic ${Buffer.from(account ?? "").toString("base64")}`;
  let host = "";

  const token = (url: URL, request: IncomingMessage, body: Buffer, response: ServerResponse): void => {
    const asked = request.method === "POST" ? new URLSearchParams(body.toString()) : url.searchParams;
    tokenRequests.push(asked);
    const isGood =
      account === undefined ||
      request.headers.authorization === basic ||
      (identity !== undefined && asked.get("refresh_token") === identity);
    response.writeHead(isGood ? 200 : 401).end(JSON.stringify(isGood ? { token: "t0ken" } : {}));
  };
  const refuse = (response: ServerResponse, status: number, code: string, message: string): ServerResponse => {
    return response
      .writeHead(status, { "content-type": "application/json" })
      .end(JSON.stringify({ errors: [{ code, message }] }));
  };
  const serve = (url: URL, request: IncomingMessage, body: Buffer, response: ServerResponse): ServerResponse => {
    const [, name, kind, rest] = /^\/v2\/(.+)\/(blobs|manifests|referrers)\/(.*)$/u.exec(url.pathname) ?? [];
    const done = (status: number, headers: Record<string, string> = {}, sent?: Buffer | string): ServerResponse => {
      return response.writeHead(status, headers).end(sent);
    };
    if (url.pathname === "/v2/") return done(200);
    if (kind === "blobs" && rest === "uploads/") return done(202, { location: `/v2/${name}/blobs/uploads/1?state=s` });
    if (kind === "blobs" && request.method === "HEAD") return done(blobs.has(rest!) ? 200 : 404);
    if (kind === "blobs" && request.method === "PUT") {
      const digest = url.searchParams.get("digest")!;
      if (sha256(body) !== digest) return refuse(response, 400, "DIGEST_INVALID", "not what was sent");
      blobs.set(digest, body);
      return done(201);
    }
    if (kind === "manifests" && request.method === "PUT") {
      const digest = sha256(body);
      const manifest = { mediaType: request.headers["content-type"] ?? "", bytes: body };
      manifests.set(digest, manifest).set(rest!, manifest);
      return done(201, { "docker-content-digest": digest });
    }
    if (kind === "manifests" && request.method === "GET") {
      const found = manifests.get(rest!);
      if (found === undefined) return refuse(response, 404, "MANIFEST_UNKNOWN", "no such manifest");
      return done(200, { "content-type": found.mediaType }, found.bytes);
    }
    if (kind === "referrers" && hasReferrers) {
      const all = [...manifests].filter(([key]) => key.startsWith("sha256:"));
      const listed = all.filter(([, { bytes }]) => JSON.parse(bytes.toString()).subject?.digest === rest);
      const index = { manifests: listed.map(([digest, { bytes }]) => ({ digest, size: bytes.length })) };
      return done(200, {}, JSON.stringify(index));
    }
    return refuse(response, 404, "NOT_FOUND", "no such thing");
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url!, `http://${host}`);
    const body = await buffer(request);
    const line = `${request.method} ${url.pathname}`;
    requests.push(line);
    if (intercept?.(request, response)) return;
    const failure = failures.find(({ at, statuses }) => line.startsWith(at) && statuses.length > 0);
    if (failure !== undefined) {
      response.writeHead(failure.statuses.shift()!, failure.headers).end();
      return;
    }
    if (url.pathname === "/token") {
      token(url, request, body, response);
      return;
    }
    const wanted = auth === "basic" ? basic : auth === "bearer" ? "Bearer t0ken" : undefined;
    if (wanted !== undefined && request.headers.authorization !== wanted) {
      const challenge =
        auth === "basic"
          ? 'Basic realm="fake"'
          : `Bearer realm="${tls === undefined ? "http" : "https"}://${host}/token",service="fake",scope="repository:x:pull"`;
      response
        .writeHead(401, { "www-authenticate": challenge })
        .end(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "who are you" }] }));
      return;
    }
    serve(url, request, body, response);
  };
  const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    requests,
    manifests,
    blobs,
    tokenRequests,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
