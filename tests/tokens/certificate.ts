/** A self-signed certificate, for a token that brings its own (`x5c`, RFC 7515 §4.1.6). */
import { webcrypto } from "node:crypto";
import "reflect-metadata";
import { X509CertificateGenerator } from "@peculiar/x509";
import type { Pair } from "./mint.ts";

const dayMs = 86_400_000;

/** What Web Crypto calls the signature of a type of keys. */
const algorithms = {
  rsa: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  ec: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  ed25519: { name: "Ed25519" },
};

/** The certificate a pair makes of its own key: DER in base64, as `x5c` has it. */
export async function selfSigned({ publicKey, privateKey }: Pair): Promise<string> {
  const algorithm = algorithms[publicKey.asymmetricKeyType as keyof typeof algorithms];
  const { subtle } = webcrypto;
  const spki = publicKey.export({ type: "spki", format: "der" });
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
  const keys = {
    publicKey: await subtle.importKey("spki", spki, algorithm, true, ["verify"]),
    privateKey: await subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]),
  } as Parameters<typeof X509CertificateGenerator.createSelfSigned>[0]["keys"];
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=attacker",
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + dayMs),
    signingAlgorithm: algorithm,
    keys,
  });
  return Buffer.from(certificate.rawData).toString("base64");
}
