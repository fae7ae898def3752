/**
 * Whom the benchmark is about: one caller with its certificate, one issuer with its keys, and tokens, known ones that come
 * again and again and new ones that no cache has seen.
 */
import { type KeyObject, randomUUID, sign } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exportJWK, type JWK } from "jose";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { makeAuthority } from "../../scripts/envoy/certificates.ts";

export const caller = "spiffe://example.org/ns/shop/sa/client";
/** May have what the caller may have once, and nothing else. */
export const neighbour = "spiffe://example.org/ns/shop/sa/neighbour";
export const stranger = "spiffe://example.org/ns/shop/sa/stranger";
export const issuer = "https://issuer.example.org";
export const audience = "order-api";

export type Algorithm = "RS256" | "ES256";

/** Paths of a certificate and its key, PEM. */
export interface CertificateFiles {
  certificate: string;
  key: string;
}

export interface World {
  /** Where everything of this run lies. */
  directory: string;
  /** The trust bundle of both sides, PEM. */
  authorityPath: string;
  server: CertificateFiles;
  caller: CertificateFiles;
  neighbour: CertificateFiles;
  stranger: CertificateFiles;
  /** The issuer's public keys, a JWK Set. */
  jwks: { keys: JWK[] };
  /** A signed token. What is not given is that of a good one. */
  token(algorithm: Algorithm, claims?: Record<string, unknown>): string;
}

/** Whose tokens they are: a claim that some policies ask for. */
export const tenant = "acme";

/** Tokens live as long as the longest run. */
const lifetime_seconds = 6 * 3600;

export async function makeWorld(directory: string): Promise<World> {
  const authority = await makeAuthority({ trustDomain: "example.org" });
  await mkdir(directory, { recursive: true });
  const authorityPath = join(directory, "bundle.pem");
  await writeFile(authorityPath, authority.certificatePem);
  const notAfter = new Date(Date.now() + lifetime_seconds * 1000);
  const issue = async (name: string, spiffeId: string): Promise<CertificateFiles> => {
    const made = await authority.issue({ spiffeId, dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"], notAfter });
    const files = { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}-key.pem`) };
    await writeFile(files.certificate, made.certificatePem);
    await writeFile(files.key, made.privateKeyPem, { mode: 0o600 });
    return files;
  };

  const keys = {} as Record<Algorithm, KeyObject>;
  const jwks: { keys: JWK[] } = { keys: [] };
  for (const algorithm of ["RS256", "ES256"] as const) {
    const { publicKey, privateKey } =
      algorithm === "RS256" ? makeKeyPair("rsa", { modulusLength: 2048 }) : makeKeyPair("ec", { namedCurve: "P-256" });
    keys[algorithm] = privateKey;
    jwks.keys.push({ ...(await exportJWK(publicKey)), kid: algorithm.toLowerCase(), use: "sig", alg: algorithm });
  }

  const token: World["token"] = (algorithm, claims) => {
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      iss: issuer,
      sub: "user-7f3a9c",
      aud: audience,
      iat: now,
      exp: now + lifetime_seconds,
      jti: randomUUID(),
      scope: "orders:read orders:write",
      tenant,
      ...claims,
    };
    const text = `${part({ alg: algorithm, typ: "JWT", kid: algorithm.toLowerCase() })}.${part(payload)}`;
    const key = { key: keys[algorithm], dsaEncoding: "ieee-p1363" } as const;
    return `${text}.${sign("sha256", Buffer.from(text), key).toString("base64url")}`;
  };
  return {
    directory,
    authorityPath,
    server: await issue("server", "spiffe://example.org/envoy"),
    caller: await issue("caller", caller),
    neighbour: await issue("neighbour", neighbour),
    stranger: await issue("stranger", stranger),
    jwks,
    token,
  };
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
