/** SipHash-2-4 written a second time, to know which bucket the engine will look in. */
const mask = 0xffffffffffffffffn;
const rotated = (word: bigint, bits: bigint) => ((word << bits) | (word >> (64n - bits))) & mask;

/** The hash of `bytes` under the key of two 64-bit words. */
export function sipHash(k0: bigint, k1: bigint, bytes: Uint8Array): bigint {
  let v0 = k0 ^ 0x736f6d6570736575n;
  let v1 = k1 ^ 0x646f72616e646f6dn;
  let v2 = k0 ^ 0x6c7967656e657261n;
  let v3 = k1 ^ 0x7465646279746573n;
  const round = () => {
    v0 = (v0 + v1) & mask;
    v1 = rotated(v1, 13n) ^ v0;
    v0 = rotated(v0, 32n);
    v2 = (v2 + v3) & mask;
    v3 = rotated(v3, 16n) ^ v2;
    v0 = (v0 + v3) & mask;
    v3 = rotated(v3, 21n) ^ v0;
    v2 = (v2 + v1) & mask;
    v1 = rotated(v1, 17n) ^ v2;
    v2 = rotated(v2, 32n);
  };
  const padded = new Uint8Array((Math.floor(bytes.length / 8) + 1) * 8);
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length & 0xff;
  const view = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const word = view.getBigUint64(at, true);
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
  v2 ^= 0xffn;
  for (let count = 0; count < 4; count++) round();
  return v0 ^ v1 ^ v2 ^ v3;
}
