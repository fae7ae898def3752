/**
 * Key pairs that are free of the job that made them. A key from Node's `generateKeyPairSync`, or from WebCrypto, shares a lock with
 * that job. Exporting it as a JWK holds the lock and makes strings; where the garbage collector then comes by and takes the job,
 * whose destructor wants the lock, the process waits for itself, for ever (Node 20.20.2, `KeyGenJob::~KeyGenJob` below
 * `ExportJWKEcKey`). So a pair is written as DER, and read again as keys of their own.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";

/** A pair of keys. */
export interface KeyPair {
  publicKey: KeyObject;
  privateKey: KeyObject;
}

/** What there is to choose for a kind of key, as `generateKeyPairSync` has it. */
export interface KeyPairOptions {
  namedCurve?: string;
  modulusLength?: number;
  publicExponent?: number;
}

/** Makes a key pair: RSA with `modulusLength` bits, EC on `namedCurve`, or Ed25519. */
export function makeKeyPair(type: "rsa" | "ec" | "ed25519", options: KeyPairOptions = {}): KeyPair {
  const encodings = {
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "der" },
  };
  // The types of Node have an overload for each kind and encoding, and none for a kind that is chosen here.
  const generate = generateKeyPairSync as unknown as (type: string, options: object) => Record<keyof KeyPair, Buffer>;
  const { publicKey, privateKey } = generate(type, { ...options, ...encodings });
  return {
    publicKey: createPublicKey({ key: publicKey, format: "der", type: "spki" }),
    privateKey: createPrivateKey({ key: privateKey, format: "der", type: "pkcs8" }),
  };
}
