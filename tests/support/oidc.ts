/**
 * A certified OpenID provider (npm `oidc-provider`) over TLS on this machine: its discovery document, its keys, and access tokens for
 * clients that show a secret or a certificate (RFC 6749 §4.4, RFC 8705, RFC 8707, RFC 9068).
 */
import { type KeyObject, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import Provider, { type KoaContext } from "oidc-provider";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { type Identity, makeAuthority } from "../../scripts/envoy/certificates.ts";

/** Algorithms that the provider signs access tokens with. */
export type ProviderAlgorithm = "RS256" | "ES256" | "Ed25519";

/** What a client asks for. */
export interface TokenRequest {
  algorithm?: ProviderAlgorithm;
  /** Separated by blanks. */
  scope?: string;
  /** The API that the token is for. */
  resource?: string;
  /** The certificate that the client shows, which the token is then bound to. */
  identity?: Identity;
}

export interface OidcProvider {
  issuer: string;
  port: number;
  authorityPem: string;
  /** Paths that were asked for, oldest first. */
  requests: string[];
  token(request?: TokenRequest): Promise<string>;
  /** Signs with new keys from now on. @param keeps whether the old ones stay published */
  rotate(keeps: boolean): void;
  stop(): Promise<void>;
}

/** The API that tokens are for where a request does not say. */
export const resource = "https://api.example.test";

const scope = "orders:read orders:write";
const secret = randomBytes(24).toString("hex");

let made = 0;
function makeKeys(): object[] {
  const number = ++made;
  const jwk = (privateKey: KeyObject, alg: ProviderAlgorithm): object => ({
    ...privateKey.export({ format: "jwk" }),
    kid: `${alg}-${number}`,
    use: "sig",
    alg,
  });
  return [
    jwk(makeKeyPair("rsa", { modulusLength: 2048 }).privateKey, "RS256"),
    jwk(makeKeyPair("ec", { namedCurve: "P-256" }).privateKey, "ES256"),
    jwk(makeKeyPair("ed25519").privateKey, "Ed25519"),
  ];
}

function makeProvider(issuer: string, keys: readonly object[], algorithmOf: () => ProviderAlgorithm): Provider {
  const client = {
    client_secret: secret,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: "client_secret_post",
    scope,
  };
  return new Provider(issuer, {
    clients: [
      { ...client, client_id: "plain" },
      { ...client, client_id: "bound", tls_client_certificate_bound_access_tokens: true },
    ],
    jwks: { keys },
    scopes: ["openid", ...scope.split(" ")],
    ttl: { ClientCredentials: () => 600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: ({ socket }: KoaContext) => socket.getPeerX509Certificate?.(),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_: unknown, audience: string) => ({
          scope,
          audience,
          accessTokenTTL: 600,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: algorithmOf() } },
        }),
      },
    },
  });
}

/** Starts the provider on a port that the system chooses. */
export async function startOidcProvider(): Promise<OidcProvider> {
  const authority = await makeAuthority({ trustDomain: "idp.example" });
  const own = await authority.issue({ dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"] });
  const requests: string[] = [];
  let algorithm: ProviderAlgorithm = "RS256";
  let answer: ReturnType<Provider["callback"]> = (_, response) => response.end();
  const server = createServer(
    { cert: own.certificatePem, key: own.privateKeyPem, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      requests.push(request.url!);
      answer(request, response);
    },
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const issuer = `https://127.0.0.1:${port}`;
  let keys: object[] = [];
  const publish = (next: object[]): void => {
    keys = next;
    answer = makeProvider(issuer, keys, () => algorithm).callback();
  };
  publish(makeKeys());

  const token = async (asked: TokenRequest = {}): Promise<string> => {
    algorithm = asked.algorithm ?? "RS256";
    const body = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: asked.identity === undefined ? "plain" : "bound",
      client_secret: secret,
      scope: asked.scope ?? scope,
      resource: asked.resource ?? resource,
    }).toString();
    const outgoing = httpsRequest({
      host: "127.0.0.1",
      port,
      path: "/token",
      method: "POST",
      ca: authority.certificatePem,
      agent: false,
      ...(asked.identity && { cert: asked.identity.certificatePem, key: asked.identity.privateKeyPem }),
      headers: { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(body) },
    });
    outgoing.end(body);
    const [incoming] = (await once(outgoing, "response")) as [AsyncIterable<Buffer>];
    let text = "";
    for await (const part of incoming) text += part;
    const answered = JSON.parse(text) as { access_token?: string };
    if (answered.access_token === undefined) throw new Error(`no token: ${text}`);
    return answered.access_token;
  };
  return {
    issuer,
    port,
    authorityPem: authority.certificatePem,
    requests,
    token,
    rotate: (keeps) => publish([...makeKeys(), ...(keeps ? keys : [])]),
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
