/**
 * Certificates made on the spot, for local runs and tests: one authority and the leaf certificates it signs, all ECDSA
 * P-256. Nothing here is meant for production, where SPIRE or the mesh's own authority issues the SVIDs.
 */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

// The library's declarations are written against the DOM's Crypto, which Node's equals at run time.
type LibraryCrypto = Parameters<typeof cryptoProvider.set>[0];
type LibraryKeyPair = Parameters<typeof X509CertificateGenerator.createSelfSigned>[0]["keys"];
cryptoProvider.set(webcrypto as unknown as LibraryCrypto);

const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256" };
const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" };
const hourMs = 3_600_000;
/** How far back a certificate's validity begins, so that two clocks a little apart still agree. */
const backdateMs = 5 * 60_000;

/** A certificate and its private key, both PEM; the key is PKCS #8, unencrypted. */
export interface Identity {
  certificatePem: string;
  privateKeyPem: string;
}

/** What a leaf certificate says. Names given in several ways are all put in, which lets tests make invalid SVIDs. */
export interface LeafRequest {
  /** The SPIFFE ID, put in as the first URI SAN. */
  spiffeId?: string;
  /** Further URI SANs. A valid X.509-SVID has exactly one URI SAN in all. */
  uriSans?: string[];
  dnsNames?: string[];
  ipAddresses?: string[];
  /** The subject's common name; the subject is an organization alone unless given. */
  commonName?: string;
  /** Start of validity; five minutes ago unless given. */
  notBefore?: Date;
  /** End of validity; one hour from now unless given. */
  notAfter?: Date;
}

/** A certificate authority for one trust domain. */
export interface Authority {
  /** The trust domain's name, for example `example.org`. */
  trustDomain: string;
  /** The authority's own certificate: the trust bundle. */
  certificatePem: string;
  /** Its private key, for another program that is to sign as this authority does. */
  privateKeyPem: string;
  /** Signs a leaf as the X.509-SVID standard wants it: CA:FALSE, digitalSignature, server and client authentication. */
  issue(request: LeafRequest): Promise<Identity>;
}

async function makeKeys(): Promise<LibraryKeyPair> {
  return (await webcrypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"])) as unknown as LibraryKeyPair;
}

/** A positive 127-bit serial number in hex, unique for all practical purposes. */
function makeSerialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}

async function privateKeyPem(keys: LibraryKeyPair): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey as unknown as webcrypto.CryptoKey);
  return `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`;
}

/**
 * Makes a new authority, valid for a day.
 * @param options.trustDomain the name its own URI SAN carries, `spiffe://<trustDomain>`.
 */
export async function makeAuthority(options: { trustDomain: string }): Promise<Authority> {
  const { trustDomain } = options;
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: makeSerialNumber(),
    name: `CN=Sallyport local authority,O=${trustDomain}`,
    notBefore: new Date(Date.now() - backdateMs),
    notAfter: new Date(Date.now() + 24 * hourMs),
    signingAlgorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      new SubjectAlternativeNameExtension([{ type: "url", value: `spiffe://${trustDomain}` }]),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });

  async function issue(request: LeafRequest): Promise<Identity> {
    const leafKeys = await makeKeys();
    const names: JsonGeneralName[] = [
      ...(request.spiffeId === undefined ? [] : [request.spiffeId]).map(url),
      ...(request.uriSans ?? []).map(url),
      ...(request.dnsNames ?? []).map((value): JsonGeneralName => ({ type: "dns", value })),
      ...(request.ipAddresses ?? []).map((value): JsonGeneralName => ({ type: "ip", value })),
    ];
    const leaf = await X509CertificateGenerator.create({
      serialNumber: makeSerialNumber(),
      subject: [
        { O: ["Sallyport local"] },
        ...(request.commonName === undefined ? [] : [{ CN: [request.commonName] }]),
      ],
      issuer: certificate.subject,
      notBefore: request.notBefore ?? new Date(Date.now() - backdateMs),
      notAfter: request.notAfter ?? new Date(Date.now() + hourMs),
      signingAlgorithm,
      publicKey: leafKeys.publicKey,
      signingKey: keys.privateKey,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
        ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
      ],
    });
    return { certificatePem: `${leaf.toString("pem")}\n`, privateKeyPem: await privateKeyPem(leafKeys) };
  }

  return {
    trustDomain,
    certificatePem: `${certificate.toString("pem")}\n`,
    privateKeyPem: await privateKeyPem(keys),
    issue,
  };
}

function url(value: string): JsonGeneralName {
  return { type: "url", value };
}
