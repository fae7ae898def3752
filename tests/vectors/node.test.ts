/**
 * assembly/crypto/ against node:crypto: what node signs is valid, and no bit of it can be another. Keys and signatures are
 * new every time; the seed, which SEED brings back, decides which bits are tried.
 */
import assert from "node:assert/strict";
import { constants, type KeyObject, randomBytes, sign, verify } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import {
  algorithm_eddsa,
  algorithm_es256,
  algorithm_es384,
  algorithm_es512,
  algorithm_ps256,
  algorithm_ps384,
  algorithm_ps512,
  algorithm_rs256,
  algorithm_rs384,
  algorithm_rs512,
} from "../../assembly/crypto/algorithms.ts";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { Random, runSeed } from "../support/random.ts";
import { CryptoModule, type Key } from "./harness.ts";
import { keyOf, rsaKey } from "./keys.ts";
import { encodePkcs1, encodePss, RsaSigner } from "./rsa.ts";

const seed = runSeed();
const random = new Random(seed);
console.log(`SEED=${seed}`);
const crypto = await CryptoModule.compile();

/** Around the ends of blocks: of 64 and 128 bytes, and of what the padding leaves of them. */
const sizes = [0, 1, 54, 55, 56, 57, 63, 64, 65, 110, 111, 112, 113, 119, 120, 127, 128, 129, 183, 184, 191, 192, 193]
  .concat([238, 239, 240, 241, 247, 248, 255, 256, 257, 300, 8192, 100_000])
  .map((size) => randomBytes(size));

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
/** The algorithms of RSA, each with its hash and with what node has to be told. */
const rsaAlgorithms = [
  [algorithm_rs256, "sha256", {}],
  [algorithm_rs384, "sha384", {}],
  [algorithm_rs512, "sha512", {}],
  [algorithm_ps256, "sha256", pss],
  [algorithm_ps384, "sha384", pss],
  [algorithm_ps512, "sha512", pss],
] as const;

/** Every bit of `bytes`, or as many of them as `most`, flipped alone. */
function* flips(bytes: Uint8Array, most: number): Generator<[bit: number, flipped: Uint8Array]> {
  const all = 8 * bytes.length;
  for (let count = 0; count < Math.min(all, most); count++) {
    const bit = all <= most ? count : random.below(all);
    const flipped = Uint8Array.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    yield [bit, flipped];
  }
}

function assertTight(algorithm: number, key: Key, signature: Uint8Array, text: Uint8Array, most: number): void {
  assert.equal(crypto.verify(algorithm, key, signature, text), true);
  for (const [bit, flipped] of flips(signature, most)) {
    assert.equal(crypto.verify(algorithm, key, flipped, text), false, `SEED=${seed}, bit ${bit} of the signature`);
  }
  for (const [bit, flipped] of flips(text, most)) {
    assert.equal(crypto.verify(algorithm, key, signature, flipped), false, `SEED=${seed}, bit ${bit} of the text`);
  }
  for (const [bit, bytes] of flips(key.bytes, most)) {
    const other = { ...key, bytes };
    assert.equal(crypto.verify(algorithm, other, signature, text), false, `SEED=${seed}, bit ${bit} of the key`);
  }
  for (let bit = 0; key.exponent !== 0 && bit < 32; bit++) {
    const other = { ...key, exponent: (key.exponent ^ (1 << bit)) >>> 0 };
    assert.equal(crypto.verify(algorithm, other, signature, text), false, `SEED=${seed}, bit ${bit} of the exponent`);
  }
  // A signature of another text, key and algorithm of the same sizes stays one of another.
  for (let other = 0; other <= algorithm_eddsa + 1; other++) {
    const expected = other === algorithm;
    assert.equal(crypto.verify(other, key, signature, text), expected, `SEED=${seed}, algorithm ${other}`);
  }
}

describe("RSA", () => {
  for (const [bits, exponent, texts] of [
    [2048, 65537, sizes],
    [2048, 3, sizes.slice(0, 3)],
    [2049, 65537, sizes.slice(0, 3)],
    [2050, 65537, sizes.slice(0, 2)],
    [2055, 4294967295, sizes.slice(0, 2)],
    [2056, 65537, sizes.slice(0, 3)],
    [2057, 17, sizes.slice(0, 2)],
    [2080, 65537, sizes.slice(0, 2)],
    [3072, 65537, sizes.slice(0, 3)],
    [4096, 65537, sizes.slice(0, 3)],
  ] as const) {
    test(`${bits} bits, exponent ${exponent}`, () => {
      const pair = makeKeyPair("rsa", { modulusLength: bits, publicExponent: exponent });
      const key = keyOf(pair.publicKey);
      assert.equal(key.exponent, exponent);
      for (const [algorithm, hash, options] of rsaAlgorithms) {
        for (const text of texts) {
          const signature = sign(hash, text, { key: pair.privateKey, ...options });
          assert.equal(crypto.verify(algorithm, key, signature, text), true, `${hash} of ${text.length} bytes`);
        }
        const signature = sign(hash, texts[1]!, { key: pair.privateKey, ...options });
        assertTight(algorithm, key, signature, texts[1]!, texts === sizes ? 2048 : 64);
      }
    });
  }

  test("8192 bits, exponents 3, 65537 and a large one", async () => {
    const file: { primes: string[] } = JSON.parse(await readFile(new URL("rsa_8192.json", import.meta.url), "utf8"));
    const primes = file.primes.map((prime) => BigInt(`0x${prime}`));
    for (const exponent of [3, 65537, 4294967291]) {
      const signer = new RsaSigner(primes, exponent);
      assert.equal(signer.bits, 8192);
      const { key, publicKey } = rsaKey(signer.modulus, exponent);
      const text = sizes[20]!;
      for (const [algorithm, hash, options] of rsaAlgorithms) {
        const encode = "padding" in options ? encodePss : encodePkcs1;
        const signature = signer.sign(encode(hash, text, 8192));
        assert.equal(verify(hash, text, { key: publicKey, ...options }, signature), true);
        assertTight(algorithm, key, signature, text, 8);
      }
    }
  });
});

describe("ECDSA", () => {
  for (const [algorithm, namedCurve, hash] of [
    [algorithm_es256, "P-256", "sha256"],
    [algorithm_es384, "P-384", "sha384"],
    [algorithm_es512, "P-521", "sha512"],
  ] as const) {
    test(namedCurve, () => {
      const keys = Array.from({ length: 8 }, () => makeKeyPair("ec", { namedCurve }));
      for (const { publicKey, privateKey } of keys) {
        for (const text of sizes) {
          const signature = sign(hash, text, { key: privateKey, dsaEncoding: "ieee-p1363" });
          assert.equal(crypto.verify(algorithm, keyOf(publicKey), signature, text), true, `${text.length} bytes`);
        }
      }
      const text = sizes[20]!;
      const signature = sign(hash, text, { key: keys[0]!.privateKey, dsaEncoding: "ieee-p1363" });
      assertTight(algorithm, keyOf(keys[0]!.publicKey), signature, text, algorithm === algorithm_es256 ? 2048 : 200);
    });
  }
});

describe("Ed25519", () => {
  const keys: { publicKey: KeyObject; privateKey: KeyObject }[] = Array.from({ length: 16 }, () =>
    makeKeyPair("ed25519"),
  );

  test("what node signs", () => {
    for (const { publicKey, privateKey } of keys) {
      for (const text of sizes) {
        const signature = sign(null, text, privateKey);
        assert.equal(crypto.verify(algorithm_eddsa, keyOf(publicKey), signature, text), true, `${text.length} bytes`);
      }
    }
  });

  test("no bit can be another", () => {
    const text = sizes[20]!;
    for (const { publicKey, privateKey } of keys.slice(0, 4)) {
      assertTight(algorithm_eddsa, keyOf(publicKey), sign(null, text, privateKey), text, 2048);
    }
  });
});

test("garbage is refused, and nothing traps", () => {
  const right = [32, 64, 96, 128, 132, 256, 257, 260, 384, 512, 1024];
  for (let count = 0; count < 5000; count++) {
    const size = () => (random.below(4) > 0 ? random.pick(right) : random.below(1100));
    const keySize = size();
    // Keys and signatures of one size, as RSA has them, go further than others; so do bytes that are all the
    // same, though not zero, which Ed25519 has a key and a signature of.
    const signatureSize = random.below(2) === 0 ? keySize : size();
    const bytes = (length: number) =>
      random.below(4) > 0 ? randomBytes(length) : Buffer.alloc(length, random.pick([1, 0x7f, 0x80, 0xff]));
    const key = { bytes: bytes(keySize), exponent: random.pick([0, 1, 3, 17, 65537, random.word(), 4294967295]) };
    const algorithm = random.below(algorithm_eddsa + 2);
    const valid = crypto.verify(algorithm, key, bytes(signatureSize), bytes(random.below(300)));
    assert.equal(valid, false, `SEED=${seed}, the ${count}th`);
  }
});
