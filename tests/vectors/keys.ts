/** Keys and signatures as the module takes them, from node:crypto's. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { bitsOf, toBigInt, toBytes } from "../support/numbers.ts";
import type { Key } from "./harness.ts";

const decode = (text: string | undefined): Uint8Array => Buffer.from(text ?? "", "base64url");

/** The key's numbers: RSA's modulus, x‖y, or the encoded point of Ed25519. */
export function keyOf(publicKey: KeyObject): Key {
  const { n, e, x, y } = publicKey.export({ format: "jwk" });
  if (n !== undefined) return { bytes: decode(n), exponent: Number(toBigInt(decode(e))) };
  return { bytes: Buffer.concat([decode(x), decode(y)]), exponent: 0 };
}

/** A public RSA key, as node and the module take it. */
export function rsaKey(modulus: bigint, exponent: number): { key: Key; publicKey: KeyObject } {
  const bytes = toBytes(modulus, Math.ceil(bitsOf(modulus) / 8));
  const [n, e] = [bytes, toBytes(BigInt(exponent), 4)].map((number) => Buffer.from(number).toString("base64url"));
  return {
    key: { bytes, exponent },
    publicKey: createPublicKey({ key: { kty: "RSA", n: n!, e: e! }, format: "jwk" }),
  };
}
