/** A certificate that its owner signed itself, with any SPIFFE ID: what an attacker without an authority can make. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import {
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import type { Identity } from "../../scripts/envoy/certificates.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** Makes one that is good in all but who signed it. */
export async function selfSigned(spiffeId: string): Promise<Identity> {
  const { publicKey, privateKey } = makeKeyPair("ec", { namedCurve: "P-256" });
  const pkcs8 = privateKey.export({ format: "der", type: "pkcs8" });
  const keys = {
    privateKey: await webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]),
    publicKey: await webcrypto.subtle.importKey(
      "spki",
      publicKey.export({ format: "der", type: "spki" }),
      algorithm,
      true,
      ["verify"],
    ),
  };
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: "O=Nobody",
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: algorithm,
    // The library's declarations are those of the DOM.
    keys: keys as never,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension([{ type: "url", value: spiffeId }]),
    ],
  });
  return {
    certificatePem: `${certificate.toString("pem")}\n`,
    privateKeyPem: `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`,
  };
}
