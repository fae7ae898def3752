/** assembly/crypto/ at its edges: sizes of everything, and RSA's numbers and encodings with one thing wrong. */
import assert from "node:assert/strict";
import { randomBytes, sign, verify } from "node:crypto";
import { describe, test } from "node:test";
import {
  algorithm_eddsa,
  algorithm_es256,
  algorithm_es384,
  algorithm_es512,
  algorithm_ps256,
  algorithm_ps512,
  algorithm_rs256,
} from "../../assembly/crypto/algorithms.ts";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { toBigInt, toBytes } from "../support/numbers.ts";
import { CryptoModule, type Key } from "./harness.ts";
import { keyOf, rsaKey } from "./keys.ts";
import { encodePkcs1, encodePss, type PssFaults, RsaSigner } from "./rsa.ts";

const crypto = await CryptoModule.compile();
const text = Buffer.from("a text");

function assertVerifies(expected: boolean, algorithm: number, key: Key, signature: Uint8Array, why: string): void {
  assert.equal(crypto.verify(algorithm, key, signature, text), expected, why);
}

describe("sizes", () => {
  const { publicKey, privateKey } = makeKeyPair("rsa", { modulusLength: 2048 });
  const rsa = keyOf(publicKey);
  const rsaSignature = sign("sha256", text, privateKey);
  const pair = makeKeyPair("ec", { namedCurve: "P-256" });
  const ec = keyOf(pair.publicKey);
  const ecSignature = sign("sha256", text, { key: pair.privateKey, dsaEncoding: "ieee-p1363" });
  const edPair = makeKeyPair("ed25519");
  const ed = keyOf(edPair.publicKey);
  const edSignature = sign(null, text, edPair.privateKey);
  const cases = [
    [algorithm_rs256, rsa, rsaSignature],
    [algorithm_ps256, rsa, rsaSignature],
    [algorithm_es256, ec, ecSignature],
    [algorithm_es384, ec, ecSignature],
    [algorithm_es512, ec, ecSignature],
    [algorithm_eddsa, ed, edSignature],
  ] as const;
  const resized = (bytes: Uint8Array, size: number): Uint8Array =>
    Buffer.concat([bytes, randomBytes(size)]).subarray(0, size);

  test("keys and signatures of any other size are refused", () => {
    for (const [algorithm, key, signature] of cases) {
      for (const size of [
        0, 1, 31, 32, 33, 63, 64, 65, 96, 127, 128, 131, 132, 133, 255, 256, 257, 1023, 1024, 1025, 8192,
      ]) {
        const otherKey = { ...key, bytes: resized(key.bytes, size) };
        if (size !== signature.length)
          assertVerifies(false, algorithm, key, resized(signature, size), `signature ${size}`);
        if (size !== key.bytes.length) assertVerifies(false, algorithm, otherKey, signature, `key of ${size} bytes`);
        if (size !== key.bytes.length)
          assertVerifies(false, algorithm, otherKey, resized(signature, size), `both ${size}`);
      }
    }
  });

  test("RSA keys that are none are refused", () => {
    assertVerifies(true, algorithm_rs256, rsa, rsaSignature, "the good one");
    for (const exponent of [0, 1, 2, 4, 65536, 4294967294]) {
      assertVerifies(false, algorithm_rs256, { ...rsa, exponent }, rsaSignature, `exponent ${exponent}`);
    }
    const even = Uint8Array.from(rsa.bytes);
    even[255]! &= 0xfe;
    assertVerifies(false, algorithm_rs256, { ...rsa, bytes: even }, rsaSignature, "an even modulus");
    const zeros = { ...rsa, bytes: new Uint8Array(256) };
    assertVerifies(false, algorithm_rs256, zeros, new Uint8Array(256), "a modulus of zero");
    const longer = { ...rsa, bytes: Buffer.concat([Uint8Array.of(0), rsa.bytes]) };
    for (const signature of [rsaSignature, Buffer.concat([Uint8Array.of(0), rsaSignature])]) {
      assertVerifies(false, algorithm_rs256, longer, signature, "a leading zero");
    }
    const short = makeKeyPair("rsa", { modulusLength: 2047 });
    const shortSignature = sign("sha256", text, short.privateKey);
    assertVerifies(false, algorithm_rs256, keyOf(short.publicKey), shortSignature, "2047 bits");
  });
});

describe("RSA", () => {
  // Primes, so that signing is easy: limbs of all ones, of zeros, and a highest limb that is as small as can be.
  const moduli = {
    "2^2048 - 1557": 2n ** 2048n - 1557n,
    "2^2047 + 1919": 2n ** 2047n + 1919n,
    "2^2048 - 2^1024 + 107": 2n ** 2048n - 2n ** 1024n + 107n,
    "2^2049 - 1449": 2n ** 2049n - 1449n,
    "2^2080 + 961": 2n ** 2080n + 961n,
    "2^2080 - 3339": 2n ** 2080n - 3339n,
    "2^2079 + 2^32 - 1721": 2n ** 2079n + 2n ** 32n - 1721n,
  };
  const exponent = 65537;

  for (const [name, modulus] of Object.entries(moduli)) {
    test(`a modulus of ${name}`, () => {
      const signer = new RsaSigner([modulus], exponent);
      const { key, publicKey } = rsaKey(modulus, exponent);
      const signature = signer.sign(encodePkcs1("sha256", text, signer.bits));
      assert.ok(verify("sha256", text, publicKey, signature));
      assertVerifies(true, algorithm_rs256, key, signature, name);
      assertVerifies(true, algorithm_ps256, key, signer.sign(encodePss("sha256", text, signer.bits)), name);
      assertVerifies(true, algorithm_ps512, key, signer.sign(encodePss("sha512", text, signer.bits)), name);
      // The negative is another number, and the same one plus the modulus no number below it.
      const number = toBigInt(signature);
      assertVerifies(false, algorithm_rs256, key, toBytes(modulus - number, signature.length), "the negative");
      const bound = 2n ** BigInt(8 * signature.length);
      for (const other of [0n, 1n, modulus - 1n, modulus, modulus + 1n, modulus + number, bound - 1n]) {
        if (other >= bound) continue;
        for (const algorithm of [algorithm_rs256, algorithm_ps256]) {
          assertVerifies(false, algorithm, key, toBytes(other, signature.length), `signature ${other}`);
        }
      }
    });
  }

  test("PSS with one thing wrong is refused", () => {
    const faults: PssFaults[] = [
      ...[0, 1, 20, 31, 33, 48, 64, 128].map((saltBytes) => ({ saltBytes })),
      ...[0, 0xbb, 0xcc].map((trailer) => ({ trailer })),
      ...[0, 2, 0x81].map((separator) => ({ separator })),
      { padding: 1 },
      { unusedBit: true },
      { maskHash: "sha1" },
      { maskHash: "sha384" },
    ];
    for (const name of ["2^2048 - 1557", "2^2049 - 1449", "2^2080 - 3339"] as const) {
      const signer = new RsaSigner([moduli[name]], exponent);
      const { key } = rsaKey(signer.modulus, exponent);
      const signature = signer.sign(encodePss("sha256", text, signer.bits));
      assertVerifies(true, algorithm_ps256, key, signature, "the good one");
      for (const fault of faults) {
        const faulty = signer.sign(encodePss("sha256", text, signer.bits, fault));
        assertVerifies(false, algorithm_ps256, key, faulty, `${name}: ${JSON.stringify(fault)}`);
      }
    }
  });

  test("PSS salts of another size than the hash's, as node makes them, are refused", () => {
    const { publicKey, privateKey } = makeKeyPair("rsa", { modulusLength: 2048 });
    for (const saltLength of [0, 20, 31, 32, 33, 64, 222]) {
      const signature = sign("sha256", text, { key: privateKey, padding: 6, saltLength });
      assertVerifies(saltLength === 32, algorithm_ps256, keyOf(publicKey), signature, `a salt of ${saltLength}`);
    }
  });
});
