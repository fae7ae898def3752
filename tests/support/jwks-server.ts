/**
 * A server of a JSON Web Key Set as identity providers run it, over TLS with an authority of its own, and everything that can
 * go wrong with one: at a word it hangs, talks nonsense, stops in the middle, is slow, or is not there.
 */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { CompactSign, exportJWK, type JWK, SignJWT } from "jose";
import { type KeyPair, makeKeyPair } from "../../scripts/common/keypair.ts";
import { makeAuthority } from "../../scripts/envoy/certificates.ts";

/** Algorithms a key can be made for. */
export type KeyAlgorithm = "RS256" | "PS256" | "ES256" | "EdDSA";

/** A key pair of a provider. */
export interface ProviderKey {
  kid: string;
  /** The public half. */
  jwk: JWK;
  /** A token signed with it: good for an hour from now, but for the claims given. It names the key unless the header says otherwise. */
  token(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  /** A token of this very text as its claims, for what no JSON serializer writes. */
  sign(claims: string): Promise<string>;
}

export const providerIssuer = "https://idp.example.org";
export const providerAudience = "order-api";

function makePairFor(algorithm: KeyAlgorithm): KeyPair {
  if (algorithm === "EdDSA") return makeKeyPair("ed25519");
  return algorithm === "ES256"
    ? makeKeyPair("ec", { namedCurve: "P-256" })
    : makeKeyPair("rsa", { modulusLength: 2048 });
}

/** Makes a key, and tokens with it. */
export async function makeKey(kid: string, algorithm: KeyAlgorithm = "ES256"): Promise<ProviderKey> {
  const { publicKey, privateKey } = makePairFor(algorithm);
  return {
    kid,
    jwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: "sig" },
    token: (claims, header) => {
      const now = Math.floor(Date.now() / 1000);
      return new SignJWT({ iss: providerIssuer, aud: providerAudience, sub: kid, iat: now, exp: now + 3600, ...claims })
        .setProtectedHeader({ alg: algorithm, kid, typ: "JWT", ...header })
        .sign(privateKey);
    },
    sign: (claims) =>
      new CompactSign(Buffer.from(claims)).setProtectedHeader({ alg: algorithm, kid, typ: "JWT" }).sign(privateKey),
  };
}

/** Public keys that look like keys and belong to nobody: RSA with a modulus out of the air. */
export function makeStrangers(count: number): JWK[] {
  return Array.from({ length: count }, (_, index) => {
    const modulus = randomBytes(256);
    modulus[0]! |= 0x80;
    modulus[255]! |= 1;
    return {
      kty: "RSA",
      e: "AQAB",
      n: modulus.toString("base64url"),
      kid: `stranger-${index}`,
      alg: "RS256",
      use: "sig",
    };
  });
}

/** What the server does with a request. */
export type JwksMode =
  /** The key set, or 304 to whoever has it. */
  | "ok"
  /** The request is read, and no answer ever comes. */
  | "hang"
  /** The key set, after so long that a hurried client would have gone. */
  | "slow"
  /** 500. */
  | "error"
  /** 200, and a page for people. */
  | "garbage"
  /** 200, and half of a key set that says it is all of it. */
  | "truncated"
  /** 200, announced at full length, and the connection breaks off in the middle. */
  | "broken"
  /** 200, and 10 MB of a key set. */
  | "huge";

export interface JwksServer {
  /** The port on 127.0.0.1, the same one after it was away. */
  port: number;
  url: string;
  /** The authority its certificate comes from. */
  authorityPem: string;
  mode: JwksMode;
  /** Every request so far: when it came, by `Date.now()`, and the status it was answered with, 0 for none. */
  requests: { atMs: number; status: number }[];
  /** Called with every request, and waited for before it is answered: what a test does while a fetch is under way. */
  beforeAnswer?: (() => Promise<void>) | undefined;
  /** Replaces the key set; from here on it has another ETag. */
  publish(...keys: (ProviderKey | JWK)[]): void;
  /** Closes the port: connections are refused. */
  leave(): Promise<void>;
  /** Opens it again. */
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

const slowMs = 1_000;

/** Starts the server, with an empty key set. */
export async function startJwksServer(): Promise<JwksServer> {
  const authority = await makeAuthority({ trustDomain: "idp.example" });
  const { certificatePem, privateKeyPem } = await authority.issue({
    dnsNames: ["localhost"],
    ipAddresses: ["127.0.0.1"],
    // Longer than the longest storm: with an expired one no key would come any more, and no good token get in.
    notAfter: new Date(Date.now() + 23 * 3_600_000),
  });
  let text = JSON.stringify({ keys: [] });
  const sockets = new Set<Socket>();

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const noted = { atMs: Date.now(), status: 0 };
    server.requests.push(noted);
    await server.beforeAnswer?.();
    const send = (status: number, body: string | Buffer = "", type = "application/json"): void => {
      noted.status = status;
      response
        .writeHead(status, { etag: etagOf(text), "content-type": type, "cache-control": "public, max-age=60" })
        .end(body);
    };
    const known = request.headers["if-none-match"] === etagOf(text);
    if (request.method !== "GET" || request.url !== "/jwks.json") return send(404);
    switch (server.mode) {
      case "hang":
        return;
      case "slow":
        await sleep(slowMs);
        return known ? send(304) : send(200, text);
      case "error":
        return send(500, "the database is away", "text/plain");
      case "garbage":
        return send(200, "<!doctype html><title>Log in</title><p>Please log in.", "text/html");
      case "truncated":
        return send(200, text.slice(0, text.length / 2));
      case "broken":
        noted.status = 200;
        response.writeHead(200, { "content-type": "application/json", "content-length": String(text.length) });
        response.write(text.slice(0, text.length / 2), () => response.destroy());
        return;
      case "huge":
        return send(200, `{"keys":[],"padding":"${"x".repeat(10_000_000)}"}`);
      default:
        return known ? send(304) : send(200, text);
    }
  };

  const make = () => {
    const made = createServer({ cert: certificatePem, key: privateKeyPem }, (request, response) => {
      response.on("error", () => {});
      answer(request, response).catch(() => response.destroy());
    });
    made.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => {});
    });
    made.on("tlsClientError", () => {});
    return made;
  };
  let listening = make().listen(0, "127.0.0.1");
  await once(listening, "listening");
  const { port } = listening.address() as AddressInfo;

  const leave = async (): Promise<void> => {
    if (!listening.listening) return;
    const closed = once(listening, "close");
    listening.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const server: JwksServer = {
    port,
    url: `https://127.0.0.1:${port}/jwks.json`,
    authorityPem: authority.certificatePem,
    mode: "ok",
    requests: [],
    publish: (...keys) => {
      text = JSON.stringify({ keys: keys.map((key) => ("jwk" in key ? (key as ProviderKey).jwk : key)) });
    },
    leave,
    comeBack: async () => {
      listening = make().listen(port, "127.0.0.1");
      await once(listening, "listening");
    },
    stop: leave,
  };
  return server;
}

function etagOf(text: string): string {
  return `"${createHash("sha256").update(text).digest("hex").slice(0, 16)}"`;
}
