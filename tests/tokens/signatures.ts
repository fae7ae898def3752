/** Signatures that are none: out of range, of the wrong size or form, or of something else. */

import { toBigInt, toBytes } from "../support/numbers.ts";
import { order as ed25519Order, littleEndian } from "../vectors/edwards.ts";
import { mint, pairs } from "./mint.ts";
import { bad, good, type Row } from "./row.ts";

const wrong = (
  name: string,
  sign: (good: Buffer) => Uint8Array,
  algorithms?: readonly string[],
  detail = "signature_wrong",
): Row =>
  bad(name, "token_signature", detail, (alg) => mint(alg, { sign: (good) => Buffer.from(sign(good)) }), algorithms);

const any: Row[] = [
  bad("the signature of another token", "token_signature", "signature_wrong", (alg) => {
    const [header, claims] = mint(alg).split(".");
    return [header, claims, mint(alg, { claims: { jti: 1 } }).split(".")[2]].join(".");
  }),
  bad("claims changed after they were signed", "token_signature", "signature_wrong", (alg) => {
    const [header, , signature] = mint(alg).split(".");
    return [header, mint(alg, { claims: { sub: "admin" } }).split(".")[1], signature].join(".");
  }),
  bad("a header changed after it was signed", "token_signature", "signature_wrong", (alg) => {
    const [, claims, signature] = mint(alg).split(".");
    return [mint(alg, { header: { typ: "JWT" } }).split(".")[0], claims, signature].join(".");
  }),
  ...[0, 1, 31, 32, 63].map((index) =>
    wrong(`one bit of byte ${index} changed`, (good) => {
      good[index]! ^= 1;
      return good;
    }),
  ),
  wrong("the last bit changed", (good) => {
    good[good.length - 1]! ^= 1;
    return good;
  }),
  wrong("bytes of 0xff", (good) => good.fill(0xff), ["RS256", "PS256", "EdDSA"]),
];

/** The orders of the curves (FIPS 186-4 D.1.2.3 to D.1.2.5). */
const orders: Record<string, bigint> = {
  ES256: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  ES384: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  ES512:
    0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
};
const curves = Object.keys(orders);

interface Numbers {
  r: bigint;
  s: bigint;
}

type Change = (numbers: Numbers & { n: bigint }) => Partial<Numbers>;

/** An ECDSA signature with its numbers changed. */
function withNumbers(alg: string, good: Buffer, change: Change): Buffer {
  const size = good.length / 2;
  const numbers = { r: toBigInt(good.subarray(0, size)), s: toBigInt(good.subarray(size)) };
  const { r, s } = { ...numbers, ...change({ ...numbers, n: orders[alg]! }) };
  return Buffer.concat([toBytes(r, size), toBytes(s, size)]);
}

const numbers = (name: string, detail: string, change: Change, algorithms: readonly string[] = curves): Row =>
  bad(
    name,
    "token_signature",
    detail,
    (alg) => mint(alg, { sign: (good) => withNumbers(alg, good, change) }),
    algorithms,
  );

/** SEQUENCE { INTEGER r, INTEGER s }, as TLS and X.509 have it. */
function der(good: Buffer): Buffer {
  const integer = (bytes: Buffer): Buffer => {
    const first = bytes.findIndex((byte) => byte !== 0);
    const rest = bytes.subarray(first);
    const body = rest[0]! & 0x80 ? Buffer.concat([Buffer.of(0), rest]) : rest;
    return Buffer.concat([Buffer.of(2, body.length), body]);
  };
  const half = good.length / 2;
  const content = Buffer.concat([integer(good.subarray(0, half)), integer(good.subarray(half))]);
  const size = content.length < 0x80 ? [content.length] : [0x81, content.length];
  return Buffer.concat([Buffer.of(0x30, ...size), content]);
}

const sized = (name: string, sign: (good: Buffer) => Uint8Array, algorithms: readonly string[]): Row =>
  wrong(name, sign, algorithms, "signature_size");

const ecdsa: Row[] = [
  numbers("r of zero", "signature_range", () => ({ r: 0n })),
  numbers("s of zero", "signature_range", () => ({ s: 0n })),
  numbers("r and s of zero", "signature_range", () => ({ r: 0n, s: 0n })),
  numbers("r of n", "signature_range", ({ n }) => ({ r: n })),
  numbers("s of n", "signature_range", ({ n }) => ({ s: n })),
  numbers("r and s of n", "signature_range", ({ n }) => ({ r: n, s: n })),
  numbers("r of n + 1", "signature_range", ({ n }) => ({ r: n + 1n })),
  numbers("s of n + 1", "signature_range", ({ n }) => ({ s: n + 1n })),
  numbers("r of n - 1", "signature_wrong", ({ n }) => ({ r: n - 1n })),
  numbers("s of n - 1", "signature_wrong", ({ n }) => ({ s: n - 1n })),
  numbers("r of 1 and s of 1", "signature_wrong", () => ({ r: 1n, s: 1n })),
  numbers("r and s exchanged", "signature_wrong", ({ r, s }) => ({ r: s, s: r })),
  numbers("r of n - r", "signature_wrong", ({ r, n }) => ({ r: n - r })),
  // Of the curves only P-521 leaves room for r + n in the bytes of a number.
  numbers("r of n + r", "signature_range", ({ r, n }) => ({ r: n + r }), ["ES512"]),
  numbers("s of n + s", "signature_range", ({ s, n }) => ({ s: n + s }), ["ES512"]),
  sized("DER in place of r and s", der, curves),
  sized("ECDSA: no signature", () => Buffer.alloc(0), curves),
  sized("ECDSA: a byte too few", (good) => good.subarray(0, -1), curves),
  sized("ECDSA: a byte too many", (good) => Buffer.concat([good, Buffer.of(0)]), curves),
  sized(
    "ECDSA: a zero byte before both numbers",
    (good) => {
      const half = good.length / 2;
      return Buffer.concat([Buffer.of(0), good.subarray(0, half), Buffer.of(0), good.subarray(half)]);
    },
    curves,
  ),
  sized("ECDSA: r alone", (good) => good.subarray(0, good.length / 2), curves),
  sized("ECDSA: twice", (good) => Buffer.concat([good, good]), curves),
  // RFC 7515 asks for no particular one of s and n - s, and no verifier in use does.
  good(
    "ECDSA: n - s in place of s",
    (alg) => mint(alg, { sign: (good) => withNumbers(alg, good, ({ s, n }) => ({ s: n - s })) }),
    curves,
  ),
];

const rsas = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const modulus = toBigInt(Buffer.from(pairs.rsa.publicKey.export({ format: "jwk" }).n!, "base64url"));

/** A token whose signature, as a number, is as asked; others are tried until one is. */
function withSignature(
  alg: string,
  isWanted: (signature: Buffer) => boolean,
  change: (signature: Buffer) => Buffer,
): string {
  for (let jti = 0; ; jti++) {
    let isFound = false;
    const token = mint(alg, {
      claims: { jti },
      sign: (good) => {
        isFound = isWanted(good);
        return isFound ? change(good) : good;
      },
    });
    if (isFound) return token;
  }
}

const rsa: Row[] = [
  sized("RSA: no signature", () => Buffer.alloc(0), rsas),
  wrong("RSA: a byte too few", (good) => good.subarray(0, -1), rsas),
  wrong("RSA: a byte too many", (good) => Buffer.concat([good, Buffer.of(0)]), rsas),
  wrong("RSA: a zero byte before it", (good) => Buffer.concat([Buffer.of(0), good]), rsas),
  wrong("RSA: 256 zero bytes before it", (good) => Buffer.concat([Buffer.alloc(256), good]), rsas),
  wrong("RSA: zero", (good) => good.fill(0), rsas),
  wrong("RSA: one", () => toBytes(1n, 256), rsas),
  wrong("RSA: n - 1", () => toBytes(modulus - 1n, 256), rsas),
  wrong("RSA: n", () => toBytes(modulus, 256), rsas),
  wrong("RSA: n less the signature", (good) => toBytes(modulus - toBigInt(good), 256), rsas),
  bad(
    "RSA: n more than the signature",
    "token_signature",
    "signature_wrong",
    (alg) =>
      withSignature(
        alg,
        (good) => toBigInt(good) + modulus < 2n ** 2048n,
        (good) => Buffer.from(toBytes(toBigInt(good) + modulus, 256)),
      ),
    rsas,
  ),
  bad(
    "RSA: without its leading zero byte",
    "token_signature",
    "signature_wrong",
    (alg) =>
      withSignature(
        alg,
        (good) => good[0] === 0,
        (good) => good.subarray(1),
      ),
    ["RS256", "PS256"],
  ),
  good(
    "RSA: with its leading zero byte",
    (alg) =>
      withSignature(
        alg,
        (good) => good[0] === 0,
        (good) => good,
      ),
    ["RS256", "PS256"],
  ),
  bad(
    "RS256 under the name of PS256",
    "token_signature",
    "signature_wrong",
    () => mint("PS256", { signedAs: "RS256" }),
    ["PS256"],
  ),
  bad(
    "PS256 under the name of RS256",
    "token_signature",
    "signature_wrong",
    () => mint("RS256", { signedAs: "PS256" }),
    ["RS256"],
  ),
  bad(
    "RS512 under the name of RS256",
    "token_signature",
    "signature_wrong",
    () => mint("RS256", { signedAs: "RS512" }),
    ["RS256"],
  ),
];

/** S of R‖S, which is little-endian (RFC 8032 §5.1.6). */
const numberS = (good: Buffer): bigint => toBigInt(Buffer.from(good.subarray(32)).reverse());
const withS = (good: Buffer, s: bigint): Buffer => Buffer.concat([good.subarray(0, 32), littleEndian(s)]);
const eddsa = ["EdDSA"];

const ed25519: Row[] = [
  wrong("Ed25519: S + L", (good) => withS(good, numberS(good) + ed25519Order), eddsa),
  wrong("Ed25519: S of L", (good) => withS(good, ed25519Order), eddsa),
  wrong("Ed25519: S of zero", (good) => withS(good, 0n), eddsa),
  wrong("Ed25519: L less S", (good) => withS(good, ed25519Order - numberS(good)), eddsa),
  wrong("Ed25519: all zero", (good) => good.fill(0), eddsa),
  wrong("Ed25519: R the neutral point and S zero", () => Buffer.concat([Buffer.of(1), Buffer.alloc(63)]), eddsa),
  wrong("Ed25519: R and S exchanged", (good) => Buffer.concat([good.subarray(32), good.subarray(0, 32)]), eddsa),
  wrong(
    "Ed25519: the sign of R changed",
    (good) => {
      good[31]! ^= 0x80;
      return good;
    },
    eddsa,
  ),
  ...[0, 32, 63, 65, 114, 128].map((size) =>
    sized(`Ed25519: ${size} bytes`, (good) => Buffer.concat([good, good]).subarray(0, size), eddsa),
  ),
];

export const signatureRows: readonly Row[] = [...any, ...ecdsa, ...rsa, ...ed25519];
