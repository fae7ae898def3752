/** Ways to spoil a document of GraphQL: tokens, and bytes. */
import type { Random } from "../support/random.ts";

/** What meets an edge of the grammar somewhere. */
const pieces = [
  ..."{}()[]:!$=@&|\"'\\#,.-+0e_ \n\r\t",
  "...",
  '""',
  '"""',
  '\\"""',
  "\\u{41}",
  "\\ud83d",
  "\\ude00",
  "\\u12",
  "on",
  "query",
  "mutation",
  "subscription",
  "fragment",
  "extend",
  "type",
  "schema",
  "directive",
  "__schema",
  "__typename",
  "F0",
  "A",
  "a:",
  "{a}",
  "...F0",
  "...F1",
  "@x",
  "(a:1)",
  "($a:T)",
  "1.",
  "1.5",
  "00",
  "0x1",
  "-",
  "1e",
  "\ufeff",
  "\u0000",
  "\u0001",
  "\u000b",
  "\u007f",
  "\u0085",
  "\u00a0",
  "é",
  "\u2028",
  "\uffff",
  "😀",
].map((piece) => Buffer.from(piece));

/** No UTF-8 (RFC 3629 §3): overlong, half of a pair, beyond, cut off, alone. */
const brokenPieces = [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80], [0xff]].map(
  (bytes) => Buffer.from(bytes),
);

const tokenPieces = [
  "{",
  "}",
  "(",
  ")",
  "[",
  "]",
  ":",
  "!",
  "$",
  "=",
  "@",
  "...",
  "on",
  "fragment",
  "a",
  "F0",
  "F1",
  "1",
];

/** Leaves out, doubles, exchanges or adds some tokens. */
export function mutateTokens(random: Random, tokens: readonly string[]): string[] {
  const changed = [...tokens];
  for (let times = 1 + random.below(2); times > 0 && changed.length > 0; times--) {
    const at = random.below(changed.length);
    const other = random.below(changed.length);
    switch (random.below(6)) {
      case 0:
        changed.splice(at, 1);
        break;
      case 1:
        changed.splice(at, 0, changed[at]!);
        break;
      case 2:
        [changed[at], changed[other]] = [changed[other]!, changed[at]!];
        break;
      case 3:
        changed[at] = changed[other]!;
        break;
      case 4:
        changed.splice(at, random.below(2), random.pick(tokenPieces));
        break;
      default:
        changed.splice(at, 0, ...changed.slice(other, other + random.below(12)));
    }
  }
  return changed;
}

/** Changes a document in one to three places. @param another where a part of one may come from */
export function mutateBytes(random: Random, document: Uint8Array, another: Uint8Array): Buffer {
  let bytes = Buffer.from(document);
  for (let times = 1 + random.below(3); times > 0; times--) bytes = mutateOnce(random, bytes, another);
  return bytes;
}

function mutateOnce(random: Random, bytes: Buffer, another: Uint8Array): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const replace = (size: number, part: Uint8Array): Buffer<ArrayBuffer> =>
    Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + size)]);
  switch (random.below(9)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
      return Buffer.from(bytes);
    case 1:
      return replace(1, Buffer.from([random.below(256)]));
    case 2:
      return replace(random.below(2), random.pick(brokenPieces));
    case 3:
    case 4:
    case 5:
      return replace(random.below(3), random.pick(pieces));
    case 6: {
      const from = random.below(another.length + 1);
      return replace(random.below(16), another.subarray(from, from + random.below(48)));
    }
    case 7:
      return replace(random.below(8), Buffer.alloc(0));
    default:
      return Buffer.from(random.below(2) === 0 ? bytes.subarray(0, at) : bytes.subarray(at));
  }
}
