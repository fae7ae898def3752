/** Keys and signatures as the module takes them, from node:crypto's. */
import { createPublicKey, type KeyObject } from "node:crypto";
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

export function toBigInt(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

/** `number` big-endian in `size` bytes. Throws when it needs more. */
export function toBytes(number: bigint, size: number): Uint8Array {
  const hex = number.toString(16).padStart(2 * size, "0");
  if (number < 0n || hex.length > 2 * size) throw new Error(`${hex} does not fit ${size} bytes`);
  return Buffer.from(hex, "hex");
}

export function bitsOf(number: bigint): number {
  return number.toString(2).length;
}

export function modPower(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = base % modulus;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

/** 1/number mod modulus by Euclid's algorithm, or undefined where there is none. */
export function modInverse(number: bigint, modulus: bigint): bigint | undefined {
  let [a, b] = [((number % modulus) + modulus) % modulus, modulus];
  let [x, y] = [1n, 0n];
  while (a > 0n) {
    const quotient = b / a;
    [a, b] = [b - quotient * a, a];
    [x, y] = [y - quotient * x, x];
  }
  return b === 1n ? ((y % modulus) + modulus) % modulus : undefined;
}
