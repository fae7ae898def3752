/** The compression function of SHA-256 (FIPS 180-4 §6.2). */
import { round_constants } from "./sha512";

/** The message schedule W: 64 words of 4 bytes (§6.2.2 step 1). */
const schedule: usize = memory.data(256, 8);

/** Takes the 64 bytes at `block` into the eight words of 4 bytes at `state` (§6.2.2). */
export function compress256(state: usize, block: usize): void {
  // Step 1: the first 16 words are the block, big-endian; the others are made of earlier ones.
  for (let offset: usize = 0; offset < 64; offset += 4) {
    store<u32>(schedule + offset, bswap<u32>(load<u32>(block + offset)));
  }
  for (let word = schedule; word < schedule + 192; word += 4) {
    const late = load<u32>(word, 56);
    const early = load<u32>(word, 4);
    const sigma1 = rotr<u32>(late, 17) ^ rotr<u32>(late, 19) ^ (late >> 10);
    const sigma0 = rotr<u32>(early, 7) ^ rotr<u32>(early, 18) ^ (early >> 3);
    store<u32>(word, sigma1 + load<u32>(word, 36) + sigma0 + load<u32>(word), 64);
  }
  // Step 2.
  let a = load<u32>(state);
  let b = load<u32>(state, 4);
  let c = load<u32>(state, 8);
  let d = load<u32>(state, 12);
  let e = load<u32>(state, 16);
  let f = load<u32>(state, 20);
  let g = load<u32>(state, 24);
  let h = load<u32>(state, 28);
  // Step 3; the constants are the upper halves of 64-bit words.
  for (let offset: usize = 0; offset < 256; offset += 4) {
    const sum1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const choice = g ^ (e & (f ^ g));
    const t1 = h + sum1 + choice + load<u32>(round_constants + (offset << 1), 4) + load<u32>(schedule + offset);
    const sum0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const majority = (a & b) | (c & (a | b));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + sum0 + majority;
  }
  // Step 4.
  store<u32>(state, load<u32>(state) + a);
  store<u32>(state, load<u32>(state, 4) + b, 4);
  store<u32>(state, load<u32>(state, 8) + c, 8);
  store<u32>(state, load<u32>(state, 12) + d, 12);
  store<u32>(state, load<u32>(state, 16) + e, 16);
  store<u32>(state, load<u32>(state, 20) + f, 20);
  store<u32>(state, load<u32>(state, 24) + g, 24);
  store<u32>(state, load<u32>(state, 28) + h, 28);
}
