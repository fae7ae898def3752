/** assembly/crypto/ at its edges: numbers at and over their bounds, points that are none or of no use. */
import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, randomBytes, sign, verify } from "node:crypto";
import { describe, test } from "node:test";
import {
  algorithm_eddsa,
  algorithm_es256,
  algorithm_es384,
  algorithm_es512,
} from "../../assembly/crypto/algorithms.ts";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { modInverse, modPower, toBigInt, toBytes } from "../support/numbers.ts";
import { add, base, challenge, encode, littleEndian, neutral, order, p, smallOrderPoints, times } from "./edwards.ts";
import { CryptoModule, type Key } from "./harness.ts";
import { keyOf } from "./keys.ts";

const crypto = await CryptoModule.compile();
const text = Buffer.from("a text");

function assertVerifies(expected: boolean, algorithm: number, key: Key, signature: Uint8Array, why: string): void {
  assert.equal(crypto.verify(algorithm, key, signature, text), expected, why);
}

/** What is public about the curves: p, n, G (SP 800-186 §3.2.1). */
const curves = [
  [
    algorithm_es256,
    "P-256",
    "sha256",
    32,
    2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  ],
  [
    algorithm_es384,
    "P-384",
    "sha384",
    48,
    2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  ],
  [
    algorithm_es512,
    "P-521",
    "sha512",
    66,
    2n ** 521n - 1n,
    0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  ],
] as const;

for (const [algorithm, namedCurve, hash, size, prime, n] of curves) {
  describe(`ECDSA on ${namedCurve}`, () => {
    const join = (...numbers: bigint[]): Uint8Array => Buffer.concat(numbers.map((number) => toBytes(number, size)));
    const fits = (...numbers: bigint[]): boolean => numbers.every((number) => number < 2n ** BigInt(8 * size));
    const { publicKey, privateKey } = makeKeyPair("ec", { namedCurve });
    const key = keyOf(publicKey);
    const signature = sign(hash, text, { key: privateKey, dsaEncoding: "ieee-p1363" });
    const [r, s] = [toBigInt(signature.subarray(0, size)), toBigInt(signature.subarray(size))];

    test("r and s at and over their bounds", () => {
      assertVerifies(true, algorithm, key, join(r, s), "the good one");
      assertVerifies(true, algorithm, key, join(r, n - s), "its twin, which the standard allows");
      const others = [0n, 1n, n - 1n, n, n + 1n, prime - 1n, prime, 2n ** BigInt(8 * size) - 1n];
      const pairs = [
        ...others.flatMap((other) => [[other, s], [r, other], ...others.map((second) => [other, second])]),
        [r + n, s],
        [r, s + n],
        [r + n, s + n],
        [r + prime, s],
        [n - r, s],
        [s, r],
      ] as [bigint, bigint][];
      for (const pair of pairs.filter((numbers) => fits(...numbers))) {
        assertVerifies(false, algorithm, key, join(...pair), pair.join(", "));
      }
    });

    test("keys that are no points", () => {
      const [x, y] = [toBigInt(key.bytes.subarray(0, size)), toBigInt(key.bytes.subarray(size))];
      const others = [
        [0n, 0n],
        [x, 0n],
        [0n, y],
        [y, x],
        [x, prime - y],
        [x + prime, y],
        [x, y + prime],
      ].concat([
        [prime, prime],
        [x, y + 1n],
        [x + 1n, y],
        [2n ** BigInt(8 * size) - 1n, y],
      ]) as [bigint, bigint][];
      for (const other of others.filter((numbers) => fits(...numbers))) {
        assertVerifies(false, algorithm, { bytes: join(...other), exponent: 0 }, join(r, s), other.join(", "));
      }
    });

    test("a key made for the signature, which is no point, since the formulas do not know b", () => {
      // r = s, so that R = (z/r) G + Q. Q is taken from the chord through (z/r) G that leads to an x of r.
      for (let r = 5n; r < 10n; r++) {
        const hashed = toBigInt(createHash(hash).update(text).digest());
        const { key: multiple } = pairOf((hashed * modInverse(r, n)!) % n);
        const [x, y] = [toBigInt(multiple.bytes.subarray(0, size)), toBigInt(multiple.bytes.subarray(size))];
        let keyX = 2n;
        const slope = () => modPower(r + x + keyX, (prime + 1n) / 4n, prime);
        while ((slope() ** 2n - r - x - keyX) % prime !== 0n) keyX++;
        const keyY = (((y + slope() * (keyX - x)) % prime) + prime) % prime;
        assertVerifies(false, algorithm, { bytes: join(keyX, keyY), exponent: 0 }, join(r, r), `r ${r}`);
      }
    });

    test("keys that are small multiples of the base point, on which additions meet their exceptions", () => {
      for (const small of [1n, 2n, 3n, 4n, 5n, 7n, 8n, 15n, 16n, 31n, 32n]) {
        for (const secret of [small, n - small]) {
          const { own, key: ownKey } = pairOf(secret);
          for (let count = 0; count < 12; count++) {
            const message = randomBytes(40);
            const good = sign(hash, message, { key: own, dsaEncoding: "ieee-p1363" });
            assert.ok(crypto.verify(algorithm, ownKey, good, message), `the key of ${secret}`);
            good[size - 1]! ^= 1;
            assert.ok(!crypto.verify(algorithm, ownKey, good, message), `the key of ${secret}`);
          }
        }
      }
    });

    test("signatures whose point is at infinity", () => {
      for (const secret of [1n, 2n, n - 1n, 0x1234567890abcdefn]) {
        const { ownPublic, key: ownKey } = pairOf(secret);
        const hashed = toBigInt(createHash(hash).update(text).digest());
        // z + r d = 0
        const zero = (((-hashed * modInverse(secret, n)!) % n) + n) % n;
        for (const other of [1n, 2n, n - 1n, r, s]) {
          const infinite = join(zero, other);
          assert.equal(verify(hash, text, { key: ownPublic, dsaEncoding: "ieee-p1363" }, infinite), false);
          assertVerifies(false, algorithm, ownKey, infinite, `the key of ${secret}`);
        }
      }
    });

    /** The key pair of a secret number; node computes the point. */
    function pairOf(secret: bigint) {
      const [prefix, oid] = {
        32: ["302e0201010420", "a00a06082a8648ce3d030107"],
        48: ["303e0201010430", "a00706052b81040022"],
        66: ["30500201010442", "a00706052b81040023"],
      }[size] as [string, string];
      const der = Buffer.concat([Buffer.from(prefix, "hex"), toBytes(secret, size), Buffer.from(oid, "hex")]);
      der[1] = der.length - 2;
      const own = createPrivateKey({ key: der, format: "der", type: "sec1" });
      const ownPublic = createPublicKey(own);
      return { own, ownPublic, key: keyOf(ownPublic) };
    }
  });
}

test("a verification leaves nothing behind that the next one, of another size, meets", () => {
  const pairs = curves.map(([algorithm, namedCurve, hash]) => {
    const { publicKey, privateKey } = makeKeyPair("ec", { namedCurve });
    return { algorithm, hash, privateKey, key: keyOf(publicKey) };
  });
  for (let count = 0; count < 30; count++) {
    for (const index of [2, 0, 1, 0, 2, 1]) {
      const { algorithm, hash, privateKey, key } = pairs[index]!;
      const message = randomBytes(40);
      const good = sign(hash, message, { key: privateKey, dsaEncoding: "ieee-p1363" });
      assert.ok(crypto.verify(algorithm, key, good, message), `${hash}, the ${count}th`);
    }
  }
});

describe("Ed25519", () => {
  const { publicKey, privateKey } = makeKeyPair("ed25519");
  const key = keyOf(publicKey);
  const signature = sign(null, text, privateKey);
  const spki = (bytes: Uint8Array) =>
    createPublicKey({
      key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), bytes]),
      format: "der",
      type: "spki",
    });
  const points = smallOrderPoints();

  test("S at and over L", () => {
    const s = toBigInt(Uint8Array.from(signature.subarray(32)).reverse());
    const r = signature.subarray(0, 32);
    assertVerifies(true, algorithm_eddsa, key, signature, "the good one");
    for (let other = s + order; other < 2n ** 256n; other += order) {
      assertVerifies(false, algorithm_eddsa, key, Buffer.concat([r, littleEndian(other)]), `S ${other}`);
    }
    for (const other of [0n, order - 1n, order, 2n ** 255n, 2n ** 256n - 1n, order - s]) {
      assertVerifies(false, algorithm_eddsa, key, Buffer.concat([r, littleEndian(other)]), `S ${other}`);
    }
    // With the neutral element as the key, every S that is below L has its R = SB, and L itself has not.
    const one = encode(neutral);
    const signed = (number: bigint) => Buffer.concat([encode(times(number % order, base)), littleEndian(number)]);
    for (const number of [0n, 1n, 2n, order - 1n]) {
      assertVerifies(true, algorithm_eddsa, { bytes: one, exponent: 0 }, signed(number), `S ${number}`);
    }
    for (const number of [order, order + 1n, 2n * order]) {
      assertVerifies(false, algorithm_eddsa, { bytes: one, exponent: 0 }, signed(number), `S ${number}`);
    }
  });

  test("encodings of keys that are not canonical", () => {
    // Of the neutral element, in its canonical encoding the signature is good.
    const zero = Buffer.concat([encode(neutral), new Uint8Array(32)]);
    assertVerifies(true, algorithm_eddsa, { bytes: encode(neutral), exponent: 0 }, zero, "the canonical one");
    for (let y = p; y < 2n ** 255n; y++) {
      for (const sign of [0n, 1n]) {
        const bytes = littleEndian(y + (sign << 255n));
        for (const candidate of [zero, signature]) {
          assertVerifies(false, algorithm_eddsa, { bytes, exponent: 0 }, candidate, `y ${y}`);
        }
      }
    }
    for (const y of [1n, p - 1n]) {
      const bytes = littleEndian(y + (1n << 255n));
      assertVerifies(false, algorithm_eddsa, { bytes, exponent: 0 }, zero, "a zero x with a sign");
    }
  });

  test("encodings of R that are not canonical", () => {
    const bytes = encode(neutral);
    for (const r of [littleEndian(p + 1n), littleEndian(1n + (1n << 255n)), littleEndian(p + 1n + (1n << 255n))]) {
      const candidate = Buffer.concat([r, new Uint8Array(32)]);
      assertVerifies(false, algorithm_eddsa, { bytes, exponent: 0 }, candidate, "R");
    }
  });

  test("keys and R of small order, and with a part of small order, are what they are to node", (t) => {
    const tally = { valid: 0, invalid: 0 };
    const secret = 0x1234567890abcdef1234567890abcdefn;
    const nonce = 0xfedcba0987654321fedcba0987654321n;
    const [main, mainR] = [times(secret, base), times(nonce, base)];
    for (const keyPart of points) {
      for (const rPart of points) {
        for (const mixed of [false, true]) {
          const bytes = encode(mixed ? add(main, keyPart) : keyPart);
          const r = encode(mixed ? add(mainR, rPart) : rPart);
          const known = spki(bytes);
          for (let count = 0; count < 8; count++) {
            const message = Buffer.from(`${count}`);
            const s = mixed ? (nonce + challenge(r, bytes, message) * secret) % order : 0n;
            const candidate = Buffer.concat([r, littleEndian(s)]);
            const expected = verify(null, message, known, candidate);
            assert.equal(crypto.verify(algorithm_eddsa, { bytes, exponent: 0 }, candidate, message), expected);
            tally[expected ? "valid" : "invalid"]++;
          }
        }
      }
    }
    t.diagnostic(`${tally.valid} valid, ${tally.invalid} invalid`);
    assert.ok(tally.valid > 0 && tally.invalid > 0);
  });

  test("keys that are small multiples of the base point", () => {
    for (const small of [1n, 2n, 3n, 15n, 16n, order - 1n, order - 2n]) {
      const bytes = encode(times(small, base));
      const r = encode(times(5n, base));
      for (let count = 0; count < 8; count++) {
        const message = Buffer.from(`${count}`);
        const s = (5n + challenge(r, bytes, message) * small) % order;
        const candidate = Buffer.concat([r, littleEndian(s)]);
        assert.ok(crypto.verify(algorithm_eddsa, { bytes, exponent: 0 }, candidate, message), `the key of ${small}`);
      }
    }
  });

  test("y of no point", () => {
    let refused = 0;
    for (let y = 2n; y < 40n; y++) {
      const bytes = littleEndian(y);
      if (!crypto.verify(algorithm_eddsa, { bytes, exponent: 0 }, signature, text)) refused++;
    }
    assert.equal(refused, 38);
  });
});
