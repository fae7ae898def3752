/**
 * The compression functions of SHA-2 and their constants (FIPS 180-4 §4, §5.3, §6.2.2, §6.4.2): one function over words of 4 bytes for
 * SHA-256, or of 8 for SHA-384 and SHA-512, which has its own rounds and rotations. The fractions that SHA-256 cuts to 32 bits are
 * those that SHA-512 cuts to 64, so both read one table.
 */

/** K, the cube roots of the first 80 primes (§4.2.3); the upper halves of the first 64 are those of SHA-256 (§4.2.2). */
export const round_constants: usize = memory.data<u64>([
  0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
  0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
  0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
  0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
  0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
  0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
  0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
  0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
  0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
  0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
  0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
  0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
  0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
  0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
  0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
  0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
]);
/** H(0) of SHA-512, the square roots of the first 8 primes (§5.3.5); their upper halves are that of SHA-256 (§5.3.3). */
export const first_roots: usize = memory.data<u64>([
  0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1, 0x510e527fade682d1,
  0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
]);
/** H(0) of SHA-384, the square roots of the ninth to the sixteenth prime (§5.3.4). */
export const second_roots: usize = memory.data<u64>([
  0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939, 0x67332667ffc00b31,
  0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
]);

/** The message schedule W, for at most 80 words of 8 bytes (§6.4.2 step 1). */
const schedule: usize = memory.data(640, 8);

/** Takes the 16 words at `block` into the eight words at `state`, of type u32 or u64. */
export function compress<T>(state: usize, block: usize): void {
  const word_bytes = sizeof<T>();
  const rounds_end = schedule + (word_bytes == 4 ? 64 : 80) * word_bytes;
  // Step 1: the first 16 words are the block, big-endian; the others are made of earlier ones.
  for (let offset: usize = 0; offset < 16 * word_bytes; offset += word_bytes) {
    store<T>(schedule + offset, bswap<T>(load<T>(block + offset)));
  }
  for (let word = schedule; word < rounds_end - 16 * word_bytes; word += word_bytes) {
    const sigma1 = lateSigma<T>(load<T>(word, 14 * sizeof<T>()));
    const sigma0 = earlySigma<T>(load<T>(word, sizeof<T>()));
    store<T>(word, <T>(sigma1 + load<T>(word, 9 * sizeof<T>()) + sigma0 + load<T>(word)), 16 * sizeof<T>());
  }
  // Step 2.
  let a = load<T>(state);
  let b = load<T>(state, sizeof<T>());
  let c = load<T>(state, 2 * sizeof<T>());
  let d = load<T>(state, 3 * sizeof<T>());
  let e = load<T>(state, 4 * sizeof<T>());
  let f = load<T>(state, 5 * sizeof<T>());
  let g = load<T>(state, 6 * sizeof<T>());
  let h = load<T>(state, 7 * sizeof<T>());
  // Step 3.
  for (let word = schedule; word < rounds_end; word += word_bytes) {
    const choice = g ^ (e & (f ^ g));
    const t1 = h + sum1<T>(e) + choice + roundConstant<T>(word - schedule) + load<T>(word);
    const majority = (a & b) | (c & (a | b));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + sum0<T>(b) + majority;
  }
  // Step 4.
  store<T>(state, load<T>(state) + a);
  store<T>(state, load<T>(state, sizeof<T>()) + b, sizeof<T>());
  store<T>(state, load<T>(state, 2 * sizeof<T>()) + c, 2 * sizeof<T>());
  store<T>(state, load<T>(state, 3 * sizeof<T>()) + d, 3 * sizeof<T>());
  store<T>(state, load<T>(state, 4 * sizeof<T>()) + e, 4 * sizeof<T>());
  store<T>(state, load<T>(state, 5 * sizeof<T>()) + f, 5 * sizeof<T>());
  store<T>(state, load<T>(state, 6 * sizeof<T>()) + g, 6 * sizeof<T>());
  store<T>(state, load<T>(state, 7 * sizeof<T>()) + h, 7 * sizeof<T>());
}

/** K for the word at an offset of the schedule; SHA-256 has the upper half. */
// @inline
function roundConstant<T>(offset: usize): T {
  return sizeof<T>() == 4 ? load<T>(round_constants + (offset << 1), 4) : load<T>(round_constants + offset);
}

/** The functions of §4.1.2 and §4.1.3. */
// @inline
function sum0<T>(x: T): T {
  return sizeof<T>() == 4
    ? rotr<T>(x, <T>2) ^ rotr<T>(x, <T>13) ^ rotr<T>(x, <T>22)
    : rotr<T>(x, <T>28) ^ rotr<T>(x, <T>34) ^ rotr<T>(x, <T>39);
}

// @inline
function sum1<T>(x: T): T {
  return sizeof<T>() == 4
    ? rotr<T>(x, <T>6) ^ rotr<T>(x, <T>11) ^ rotr<T>(x, <T>25)
    : rotr<T>(x, <T>14) ^ rotr<T>(x, <T>18) ^ rotr<T>(x, <T>41);
}

// @inline
function earlySigma<T>(x: T): T {
  return sizeof<T>() == 4
    ? rotr<T>(x, <T>7) ^ rotr<T>(x, <T>18) ^ (x >> <T>3)
    : rotr<T>(x, <T>1) ^ rotr<T>(x, <T>8) ^ (x >> <T>7);
}

// @inline
function lateSigma<T>(x: T): T {
  return sizeof<T>() == 4
    ? rotr<T>(x, <T>17) ^ rotr<T>(x, <T>19) ^ (x >> <T>10)
    : rotr<T>(x, <T>19) ^ rotr<T>(x, <T>61) ^ (x >> <T>6);
}
