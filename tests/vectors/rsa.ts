/** RSA signing by the letter of RFC 8017, for keys node cannot have and for encodings node would not make. */
import { createHash, randomBytes } from "node:crypto";
import { bitsOf, modInverse, modPower, toBigInt, toBytes } from "../support/numbers.ts";

const hashOf = (hash: string, ...parts: Uint8Array[]): Uint8Array =>
  parts.reduce((state, part) => state.update(part), createHash(hash)).digest();

/** DER before the hash (RFC 8017 §9.2 note 1). */
const digestInfo: Record<string, string> = {
  sha256: "3031300d060960864801650304020105000420",
  sha384: "3041300d060960864801650304020205000430",
  sha512: "3051300d060960864801650304020305000440",
};

/** EMSA-PKCS1-v1_5 (RFC 8017 §9.2) for a modulus of `bits`. */
export function encodePkcs1(hash: string, text: Uint8Array, bits: number): bigint {
  const size = Math.ceil(bits / 8);
  const tail = Buffer.concat([Buffer.from(digestInfo[hash]!, "hex"), hashOf(hash, text)]);
  const padding = Buffer.alloc(size - tail.length - 3, 0xff);
  return toBigInt(Buffer.concat([Uint8Array.of(0, 1), padding, Uint8Array.of(0), tail]));
}

/** What to do differently from what EMSA-PSS says. */
export interface PssFaults {
  saltBytes?: number;
  trailer?: number;
  /** The byte between the padding and the salt. */
  separator?: number;
  /** The first byte of the padding, before its unused bits are cleared. */
  padding?: number;
  /** Sets the modulus's highest bit, which EM does not have. */
  unusedBit?: boolean;
  maskHash?: string;
}

/** EMSA-PSS (RFC 8017 §9.1.1) for a modulus of `bits`, with a salt as long as the hash. */
export function encodePss(hash: string, text: Uint8Array, bits: number, faults: PssFaults = {}): bigint {
  const digest = hashOf(hash, text);
  const salt = randomBytes(faults.saltBytes ?? digest.length);
  const size = Math.ceil((bits - 1) / 8);
  const signed = hashOf(hash, new Uint8Array(8), digest, salt);
  const block = Buffer.alloc(size - digest.length - 1);
  block[0] = faults.padding ?? 0;
  block[block.length - salt.length - 1] = faults.separator ?? 1;
  block.set(salt, block.length - salt.length);
  const mask = generateMask(faults.maskHash ?? hash, signed, block.length);
  for (const [index, byte] of mask.entries()) block[index]! ^= byte;
  const unusedBits = 8 * size - (bits - 1);
  block[0]! &= 0xff >> unusedBits;
  const encoded = toBigInt(Buffer.concat([block, signed, Uint8Array.of(faults.trailer ?? 0xbc)]));
  return faults.unusedBit ? encoded + 2n ** BigInt(bits - 1) : encoded;
}

/** MGF1 (RFC 8017 B.2.1). */
function generateMask(hash: string, seed: Uint8Array, size: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let counter = 0n; parts.length * seed.length < size; counter++) {
    parts.push(hashOf(hash, seed, toBytes(counter, 4)));
  }
  return Buffer.concat(parts).subarray(0, size);
}

/** A private key of any number of primes. */
export class RsaSigner {
  readonly modulus: bigint;
  readonly bits: number;

  constructor(
    readonly primes: bigint[],
    readonly exponent: number,
  ) {
    this.modulus = primes.reduce((product, prime) => product * prime, 1n);
    this.bits = bitsOf(this.modulus);
  }

  /** RSASP1 (RFC 8017 §5.2.1), prime by prime: the signature of an encoded message, as bytes. */
  sign(encoded: bigint): Uint8Array {
    let signature = 0n;
    for (const prime of this.primes) {
      const exponent = modInverse(BigInt(this.exponent), prime - 1n);
      if (exponent === undefined) throw new Error("the exponent divides a prime less one");
      const part = modPower(encoded % prime, exponent, prime);
      const others = this.modulus / prime;
      signature += part * others * modInverse(others, prime)!;
    }
    return toBytes(signature % this.modulus, Math.ceil(this.bits / 8));
  }
}
