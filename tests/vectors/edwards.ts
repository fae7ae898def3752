/** The group of Ed25519 (RFC 8032 §5.1) in whole numbers, slow and plain: for keys and signatures nobody makes by accident. */
import { createHash } from "node:crypto";
import { modInverse, modPower, toBigInt, toBytes } from "../support/numbers.ts";

export const p = 2n ** 255n - 19n;
/** The order of the base point. */
export const order = 2n ** 252n + 27742317777372353535851937790883648493n;
const d = (-121665n * modInverse(121666n, p)! + p * p) % p;

export interface Point {
  x: bigint;
  y: bigint;
}

export const neutral: Point = { x: 0n, y: 1n };

const modulo = (number: bigint): bigint => ((number % p) + p) % p;

/** The root of u/v whose lowest bit is `sign`, for a point with this y; undefined where there is none. */
export function pointOf(y: bigint, sign: bigint): Point | undefined {
  const square = modulo((y * y - 1n) * modInverse(d * y * y + 1n, p)!);
  let x = modPower(square, (p + 3n) / 8n, p);
  if (modulo(x * x - square) !== 0n) x = modulo(x * modPower(2n, (p - 1n) / 4n, p));
  if (modulo(x * x - square) !== 0n) return undefined;
  return { x: (x & 1n) === sign ? x : modulo(-x), y };
}

export const base = pointOf(modulo(4n * modInverse(5n, p)!), 0n)!;

export function add(left: Point, right: Point): Point {
  const product = modulo(d * left.x * right.x * left.y * right.y);
  return {
    x: modulo((left.x * right.y + left.y * right.x) * modInverse(1n + product, p)!),
    y: modulo((left.y * right.y + left.x * right.x) * modInverse(1n - product + p, p)!),
  };
}

export function times(scalar: bigint, point: Point): Point {
  let result = neutral;
  let multiple = point;
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = add(result, multiple);
    multiple = add(multiple, multiple);
  }
  return result;
}

/** The points whose order divides 8, in the order of the multiples of one of order 8. */
export function smallOrderPoints(): Point[] {
  for (let y = 2n; ; y++) {
    const point = pointOf(y, 0n);
    const eighth = point && times(order, point);
    if (eighth && times(4n, eighth).y !== 1n)
      return Array.from({ length: 8 }, (_, index) => times(BigInt(index), eighth));
  }
}

/** A number of 32 bytes, little-endian. */
export function littleEndian(number: bigint): Uint8Array {
  return Uint8Array.from(toBytes(number, 32)).reverse();
}

export function encode({ x, y }: Point): Uint8Array {
  return littleEndian(y + ((x & 1n) << 255n));
}

/** SHA-512(R ‖ A ‖ M) mod L. */
export function challenge(r: Uint8Array, key: Uint8Array, text: Uint8Array): bigint {
  const digest = createHash("sha512").update(r).update(key).update(text).digest();
  return toBigInt(digest.reverse()) % order;
}
