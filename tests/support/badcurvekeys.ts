/** Keys of the NIST curves that are none, the forgeries somebody may hope are good by them, and good keys by the same arithmetic. */
import assert from "node:assert/strict";
import { createECDH, createHash, type JsonWebKey, randomBytes } from "node:crypto";
import { type ProviderKey, providerAudience, providerIssuer } from "./jwks-server.ts";
import { modInverse, modPower, modulo, toBigInt, toBytes } from "./numbers.ts";

/** A key that is none, and signatures that somebody may hope are good by it. */
export interface BadKey {
  kid: string;
  alg: string;
  jwk: JsonWebKey;
  /** Signatures of a text. */
  signatures: (text: string) => Buffer[];
  /** The key is left out of the set, as the documents say: nobody knows it. */
  isLeftOut?: boolean;
}

/** From 1 to below the limit. */
export const randomBelow = (limit: bigint, size: number): bigint =>
  1n + modulo(toBigInt(randomBytes(size + 8)), limit - 1n);

export const base64url = (value: Buffer | string): string => Buffer.from(value).toString("base64url");

/** FIPS 186-5, SP 800-186 §3.2.1. */
export interface Curve {
  alg: "ES256" | "ES384" | "ES512";
  crv: string;
  /** OpenSSL's name. */
  name: string;
  hash: string;
  size: number;
  p: bigint;
  b: bigint;
  n: bigint;
}

export const curves: Curve[] = [
  {
    alg: "ES256",
    crv: "P-256",
    name: "prime256v1",
    hash: "sha256",
    size: 32,
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  {
    alg: "ES384",
    crv: "P-384",
    name: "secp384r1",
    hash: "sha384",
    size: 48,
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
  {
    alg: "ES512",
    crv: "P-521",
    name: "secp521r1",
    hash: "sha512",
    size: 66,
    p: 2n ** 521n - 1n,
    b: 0x0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
    n: 0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  },
];

export const cubeOf = ({ p, b }: Curve, x: bigint): bigint => modulo(x ** 3n - 3n * x + b, p);

/** y of the point, if there is one: all three primes are 3 mod 4. */
export function rootAt(curve: Curve, x: bigint): bigint | undefined {
  const square = cubeOf(curve, x);
  const root = modPower(square, (curve.p + 1n) / 4n, curve.p);
  return (root * root) % curve.p === square ? root : undefined;
}

/** The least x from 1 on that has a point, or has none. */
export function smallX(curve: Curve, hasPoint: boolean): bigint {
  let x = 1n;
  while ((rootAt(curve, x) !== undefined) !== hasPoint) x++;
  return x;
}

export function hashNumber({ hash, size }: Curve, text: string): bigint {
  // None of the hashes is longer than its curve's order.
  assert.ok(size >= 32);
  return toBigInt(createHash(hash).update(text).digest());
}

/** A real key pair of the curve, and signing with it. */
export function makePair(curve: Curve) {
  const { size, n, name } = curve;
  const d = randomBelow(n, size);
  const publicOf = (k: bigint): { x: bigint; y: bigint } => {
    const ecdh = createECDH(name);
    ecdh.setPrivateKey(toBytes(k, size));
    const point = ecdh.getPublicKey();
    return { x: toBigInt(point.subarray(1, 1 + size)), y: toBigInt(point.subarray(1 + size)) };
  };
  return {
    ...publicOf(d),
    publicOf,
    sign: (text: string): Buffer => {
      const k = randomBelow(n, size);
      const r = publicOf(k).x % n;
      const s = (modInverse(k, n)! * (hashNumber(curve, text) + r * d)) % n;
      return Buffer.concat([toBytes(r, size), toBytes(s, size)]);
    },
  };
}

export function badCurveKeys(curve: Curve): BadKey[] {
  const { alg, crv, size, p, n } = curve;
  const pair = makePair(curve);
  const { x, y } = pair;
  const random = (): Buffer =>
    Buffer.concat([toBytes(randomBelow(n, size), size), toBytes(randomBelow(n, size), size)]);
  const usual = (text: string): Buffer[] => [
    random(),
    pair.sign(text),
    Buffer.concat([toBytes(1n, size), toBytes(1n, size)]),
    Buffer.concat([toBytes(n - 1n, size), toBytes(n - 1n, size)]),
  ];
  const key = (what: string, point: { x: bigint; y: bigint }, signatures = usual): BadKey => ({
    kid: `${alg}-${what}`,
    alg,
    jwk: { kty: "EC", crv, x: base64url(toBytes(point.x, size)), y: base64url(toBytes(point.y, size)) },
    signatures,
  });
  /**
   * What a verifier takes that does not look whether the point is on the curve. A point (x, 0) is of order 2 on a curve of its
   * own, so that an even multiple of it is nothing, and R = u1 G + u2 Q is u1 G.
   */
  const forge = (text: string): Buffer[] => {
    const e = hashNumber(curve, text) % n;
    for (;;) {
      const k = randomBelow(n, size);
      const r = pair.publicOf(k).x % n;
      const s = (e * modInverse(k, n)!) % n;
      if (((r * modInverse(s, n)!) % n) % 2n === 0n) return [Buffer.concat([toBytes(r, size), toBytes(s, size)])];
    }
  };
  const small = smallX(curve, true);
  const most = 256n ** BigInt(size) - 1n;
  return [
    key("y-plus-1", { x, y: (y + 1n) % p }),
    key("x-plus-1", { x: (x + 1n) % p, y }),
    key("swapped", { x: y, y: x }),
    key("negative", { x, y: p - y }),
    key("zero", { x: 0n, y: 0n }),
    key("no-point-at-x", { x: smallX(curve, false), y }),
    key("order-2", { x: 5n, y: 0n }, (text) => [...forge(text), ...usual(text)]),
    key("x-not-reduced", { x: small + p, y: rootAt(curve, small)! }),
    key("x-is-p", { x: p, y: rootAt(curve, 0n) ?? 1n }),
    key("y-is-p", { x, y: p }, (text) => [...forge(text), ...usual(text)]),
    key("all-ones", { x: most, y: most }),
    // Only here there is room for the real key's numbers, and more.
    ...(alg === "ES512"
      ? [
          key("real-x-not-reduced", { x: x + p, y }),
          key("real-y-not-reduced", { x, y: y + p }),
          key("real-x-with-high-bits", { x: x + 2n ** 527n, y }),
        ]
      : []),
    // Points of the wrong size are left out.
    {
      ...key("short", { x, y }),
      jwk: { kty: "EC", crv, x: base64url(toBytes(x, size).subarray(1)), y: base64url(toBytes(y, size)) },
      isLeftOut: true,
    },
  ];
}

/** Real keys of the curves, whose tokens are signed here: that they are good shows that what forges above reckons rightly. */
export function goodCurveKey(curve: Curve): Pick<ProviderKey, "kid" | "jwk" | "token"> {
  const { alg, crv, size } = curve;
  const kid = `good-own-${alg}`;
  const { x, y, sign } = makePair(curve);
  const jwk = { kty: "EC", crv, x: base64url(toBytes(x, size)), y: base64url(toBytes(y, size)), kid, alg, use: "sig" };
  return { kid, jwk, token: async () => tokensOf({ kid, alg, jwk, signatures: (text) => [sign(text)] })[0]! };
}

/** A token with any signature. */
export function tokensOf({ kid, alg, signatures }: BadKey): string[] {
  const now = Math.floor(Date.now() / 1000);
  const header = base64url(JSON.stringify({ alg, kid, typ: "JWT" }));
  const claims = { iss: providerIssuer, aud: providerAudience, sub: kid, iat: now, exp: now + 3600 };
  const text = `${header}.${base64url(JSON.stringify(claims))}`;
  return signatures(text).map((signature) => `${text}.${base64url(signature)}`);
}
