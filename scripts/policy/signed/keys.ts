/**
 * The keys that sign policies: Ed25519 (RFC 8032), private ones as PKCS#8 and public ones as SubjectPublicKeyInfo (RFC 8410), both in
 * PEM, as OpenSSL has them too.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { trust_key_bytes } from "../../../assembly/policy/layout-signed.ts";
import { makeKeyPair } from "../../common/keypair.ts";

export { trust_keys_max } from "../../../assembly/limits.ts";

/** A key cannot be used; the message says why, and what is wanted. */
export class KeyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "KeyError";
  }
}

/** A new pair, as PEM. */
export function makeSigningKey(): { privatePem: string; publicPem: string; id: string } {
  const { privateKey, publicKey } = makeKeyPair("ed25519");
  return {
    privatePem: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    publicPem: publicKey.export({ type: "spki", format: "pem" }) as string,
    id: keyIdOf(rawOf(publicKey)),
  };
}

/**
 * The private key of a PEM text.
 * @throws KeyError
 */
export function readSigningKey(pem: string): KeyObject {
  if (!pem.includes("PRIVATE KEY")) throw new KeyError("this is no private key in PEM; `sallyport keygen` makes one");
  if (pem.includes("ENCRYPTED"))
    throw new KeyError(
      "the private key is encrypted; decrypt it for the time of signing: `openssl pkey -in KEY -out PLAIN`",
    );
  return ed25519(() => createPrivateKey(pem), "a private key (PKCS#8, PEM)");
}

/**
 * The 32 bytes of the public key of a PEM text.
 * @throws KeyError
 */
export function readTrustKey(pem: string): Uint8Array {
  if (pem.includes("PRIVATE KEY"))
    throw new KeyError(
      "this is a private key; a module gets the public one, which `openssl pkey -in KEY -pubout` writes, and the private one stays where policies are signed",
    );
  // Node would take a certificate for its key.
  if (!pem.includes("-----BEGIN PUBLIC KEY-----"))
    throw new KeyError("this is no public key in PEM (`-----BEGIN PUBLIC KEY-----`)");
  const raw = rawOf(ed25519(() => createPublicKey(pem), "a public key (SubjectPublicKeyInfo, PEM)"));
  if (isOfSmallOrder(raw))
    throw new KeyError(
      "this key is a point of small order, under which anybody can sign; take a key that was generated",
    );
  return raw;
}

/** The 32 bytes of a key's public half. */
export function rawOf(key: KeyObject): Uint8Array {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  const der = publicKey.export({ type: "spki", format: "der" });
  return new Uint8Array(der.subarray(der.length - trust_key_bytes));
}

/** What a key is called: its first eight bytes in hexadecimal digits. */
export function keyIdOf(raw: Uint8Array): string {
  return Buffer.from(raw.subarray(0, 8)).toString("hex");
}

function ed25519(read: () => KeyObject, wanted: string): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch {
    throw new KeyError(`this cannot be read as ${wanted}`);
  }
  if (key.asymmetricKeyType !== "ed25519")
    throw new KeyError(`this is a key of type ${key.asymmetricKeyType}; policies are signed with Ed25519`);
  return key;
}

/**
 * The encodings of y of the eight points whose order divides 8, without the sign of x: for those a signature can be made without a private
 * key. The same points are on the list of libsodium (crypto_core/ed25519/ref10, `ge25519_has_small_order`).
 */
const small_order = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

function isOfSmallOrder(raw: Uint8Array): boolean {
  const y = Buffer.from(raw);
  y[31]! &= 0x7f;
  return small_order.has(y.toString("hex"));
}
