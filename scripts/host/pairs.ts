/**
 * Header pairs as they cross the ABI (proxy-wasm-cpp-host, src/pairs_util.cc): a count, the sizes of each name and value,
 * then names and values, each ended by a NUL that its size does not count.
 */

export type Pair = readonly [name: string, value: string];

/** Header values are bytes; one character stands for one byte, as in Node's own `latin1`. */
const bytesOf = (text: string): Uint8Array => Buffer.from(text, "latin1");

/** Serializes pairs whose texts hold one byte a character. */
export function marshalPairs(pairs: readonly Pair[]): Uint8Array {
  const texts = pairs.flatMap(([name, value]) => [bytesOf(name), bytesOf(value)]);
  const head = 4 + texts.length * 4;
  const size = texts.reduce((sum, text) => sum + text.length + 1, head);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, pairs.length, true);
  let at = head;
  texts.forEach((text, index) => {
    view.setUint32(4 + index * 4, text.length, true);
    bytes.set(text, at);
    at += text.length + 1;
  });
  return bytes;
}

const pairsBytesMaximum = 1024 * 1024;
const pairsCountMaximum = 1024;

/** Reads serialized pairs. As in the C++ host, whatever is not sound to its last byte reads as no pairs at all. */
export function unmarshalPairs(bytes: Uint8Array): Pair[] {
  if (bytes.length > pairsBytesMaximum || bytes.length < 4) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(0, true);
  if (count > pairsCountMaximum || 4 + count * 8 > bytes.length) return [];
  const texts: string[] = [];
  let at = 4 + count * 8;
  for (let index = 0; index < count * 2; index++) {
    const size = view.getUint32(4 + index * 4, true);
    if (at + size + 1 > bytes.length || bytes[at + size] !== 0) return [];
    texts.push(Buffer.from(bytes.subarray(at, at + size)).toString("latin1"));
    at += size + 1;
  }
  if (at !== bytes.length) return [];
  return Array.from({ length: count }, (_, index) => [texts[index * 2]!, texts[index * 2 + 1]!] as const);
}
