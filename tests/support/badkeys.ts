/** RSA and Ed25519 keys that are none, and the forgeries somebody may hope are good by them. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { type BadKey, base64url, randomBelow } from "./badcurvekeys.ts";
import { modInverse, modPower, modulo, toBigInt, toBytes } from "./numbers.ts";

/** The first bits of the cube are what a careless reader of PKCS #1 v1.5 looks at (CVE-2006-4339). */
export function cubeForgery(size: number): (text: string) => Buffer {
  return (text) => {
    const info = Buffer.from("003031300d060960864801650304020105000420", "hex");
    const head = Buffer.concat([
      Buffer.from("0001ffffffffffffffff", "hex"),
      info,
      createHash("sha256").update(text).digest(),
    ]);
    const wanted = toBigInt(Buffer.concat([head, Buffer.alloc(size - head.length, 0xff)]));
    let low = 0n;
    let high = 1n << BigInt(Math.ceil((8 * size) / 3) + 1);
    while (high - low > 1n) {
      const middle = (low + high) >> 1n;
      if (middle ** 3n <= wanted) low = middle;
      else high = middle;
    }
    assert.deepEqual(toBytes(low ** 3n, size).subarray(0, head.length), head);
    return toBytes(low, size);
  };
}

export function badRsaKeys(): BadKey[] {
  const random = (size: number, change: (bytes: Buffer) => void = () => {}): Buffer => {
    const modulus = randomBytes(size);
    modulus[0]! |= 0x80;
    modulus[size - 1]! |= 1;
    change(modulus);
    return modulus;
  };
  const key = (alg: string, what: string, n: Buffer, e = "AQAB", more: Partial<BadKey> = {}): BadKey => ({
    kid: `${alg}-${what}`,
    alg,
    jwk: { kty: "RSA", n: base64url(n), e },
    signatures: () => {
      const modulus = toBigInt(n);
      const last = modulus > 0n ? modulus - 1n : 0n;
      const numbers = [0n, 1n, last, modulus].map((value) => toBytes(value, n.length));
      return [
        toBytes(modulo(toBigInt(randomBytes(n.length)), modulus || 1n), n.length),
        randomBytes(n.length),
        ...numbers,
      ];
    },
    ...more,
  });
  const leftOut = { isLeftOut: true };
  return ["RS256", "PS256"].flatMap((alg) => {
    const cubed = key(alg, "e-3", random(256), "Aw");
    const { signatures } = cubed;
    return [
      { ...cubed, signatures: (text: string) => [...signatures(text), cubeForgery(256)(text)] },
      key(alg, "random", random(256)),
      key(alg, "all-ones", Buffer.alloc(256, 0xff)),
      key(alg, "all-ones-8192", Buffer.alloc(1024, 0xff)),
      key(
        alg,
        "power-of-2-plus-1",
        random(256, (n) => n.fill(0, 1, 255).set([0x80], 0) ?? n.set([1], 255)),
      ),
      key(
        alg,
        "2049-bits",
        random(257, (n) => n.set([1], 0)),
      ),
      key(alg, "e-huge", random(256), "_____w"),
      key(
        alg,
        "even",
        random(256, (n) => n.set([n[255]! & 0xfe], 255)),
        "AQAB",
        leftOut,
      ),
      key(
        alg,
        "2047-bits",
        random(256, (n) => n.set([0x7f], 0)),
        "AQAB",
        leftOut,
      ),
      key(
        alg,
        "8193-bits",
        random(1025, (n) => n.set([1], 0)),
        "AQAB",
        { ...leftOut, signatures: () => [randomBytes(1024)] },
      ),
      key(alg, "leading-zero", Buffer.concat([Buffer.alloc(1), random(256)]), "AQAB"),
      key(alg, "zero", Buffer.alloc(256), "AQAB", leftOut),
      key(alg, "e-1", random(256), "AQ", leftOut),
      key(alg, "e-0", random(256), "AA", leftOut),
      key(alg, "e-even", random(256), "AQAA", leftOut),
      key(alg, "e-leading-zero", random(256), "AAEAAQ"),
      key(alg, "e-long", random(256), "AQAAAAE", leftOut),
    ];
  });
}

/** Ed25519 (RFC 8032 §5.1). */
export function badEdwardsKeys(): BadKey[] {
  const p = 2n ** 255n - 19n;
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const d = modulo(-121665n * modInverse(121666n, p)!, p);
  const isPoint = (y: bigint): boolean => {
    const square = modulo((y * y - 1n) * modInverse(d * y * y + 1n, p)!, p);
    return square === 0n || modPower(square, (p - 1n) / 2n, p) === 1n;
  };
  const little = (value: bigint): Buffer => toBytes(value, 32).reverse();
  /** A scalar times the base point: the public key of a seed (§5.1.5). */
  const basePoint = (): { scalar: bigint; point: Buffer } => {
    const { privateKey, publicKey } = makeKeyPair("ed25519");
    const seed = Buffer.from(privateKey.export({ format: "jwk" }).d!, "base64url");
    const half = createHash("sha512").update(seed).digest().subarray(0, 32);
    half[0]! &= 248;
    half[31] = (half[31]! & 127) | 64;
    return {
      scalar: toBigInt(half.reverse()) % order,
      point: Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url"),
    };
  };
  /** Good by a key that is nothing, for every text: R = S B. */
  const forge = (): Buffer => {
    const { scalar, point } = basePoint();
    return Buffer.concat([point, little(scalar)]);
  };
  const random = (): Buffer => Buffer.concat([randomBytes(32), little(randomBelow(order, 32))]);
  const one = Buffer.concat([little(1n), little(0n)]);
  const key = (what: string, x: Buffer, more: Partial<BadKey> = {}): BadKey => ({
    kid: `EdDSA-${what}`,
    alg: "EdDSA",
    jwk: { kty: "OKP", crv: "Ed25519", x: base64url(x) },
    signatures: () => [random(), randomBytes(64), one, Buffer.alloc(64), Buffer.alloc(64, 0xff), forge()],
    ...more,
  });
  const sign = 2n ** 255n;
  let none = 2n;
  while (isPoint(none)) none++;
  // By a key of small order a signature can be good that nobody made (RFC 8032 has no check against that); a random one cannot.
  const small = { signatures: () => [random(), Buffer.alloc(64, 0xff)] };
  return [
    key("no-point", little(none)),
    key("no-point-odd", little(none + sign)),
    key("all-ones", Buffer.alloc(32, 0xff)),
    key("y-is-p", little(p)),
    key("y-is-p-plus-1", little(p + 1n)),
    key("y-is-p-plus-1-odd", little(p + 1n + sign)),
    key("minus-zero", little(1n + sign)),
    key("minus-zero-below", little(p - 1n + sign)),
    key("neutral", little(1n), small),
    key("order-2", little(p - 1n), small),
    key("order-4", little(0n), small),
    key("short", randomBytes(31), { isLeftOut: true }),
    key("long", randomBytes(33), { isLeftOut: true }),
  ];
}
