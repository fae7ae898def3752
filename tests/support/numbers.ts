/** Large numbers, as bytes and modulo another: what tests of keys and signatures reckon with. */

/** Bytes as a number, big-endian. */
export function toBigInt(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

/** `number` big-endian in `size` bytes. Throws when it needs more. */
export function toBytes(number: bigint, size: number): Buffer {
  const hex = number.toString(16).padStart(2 * size, "0");
  if (number < 0n || hex.length > 2 * size) throw new Error(`${hex} does not fit ${size} bytes`);
  return Buffer.from(hex, "hex");
}

/** How many bits a number has. */
export function bitsOf(number: bigint): number {
  return number.toString(2).length;
}

/** From 0 to below the modulus. */
export const modulo = (value: bigint, modulus: bigint): bigint => ((value % modulus) + modulus) % modulus;

/** base^exponent mod modulus. */
export function modPower(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = modulo(base, modulus);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

/** 1/number mod modulus by Euclid's algorithm, or undefined where there is none. */
export function modInverse(number: bigint, modulus: bigint): bigint | undefined {
  let [a, b] = [modulo(number, modulus), modulus];
  let [x, y] = [1n, 0n];
  while (a > 0n) {
    const quotient = b / a;
    [a, b] = [b - quotient * a, a];
    [x, y] = [y - quotient * x, x];
  }
  return b === 1n ? modulo(y, modulus) : undefined;
}
