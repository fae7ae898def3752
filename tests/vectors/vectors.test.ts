/**
 * assembly/crypto/ against published vectors, against node:crypto's hashes, and against the gate. The vectors are those of
 * Wycheproof (github.com/C2SP/wycheproof, Apache-2.0), each file names its origin at its beginning.
 */
import assert from "node:assert/strict";
import { createHash, createPublicKey, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import {
  algorithm_eddsa,
  algorithm_es256,
  algorithm_es384,
  algorithm_es512,
  algorithm_ps256,
  algorithm_ps512,
  algorithm_rs256,
  algorithm_rs384,
  algorithm_rs512,
} from "../../assembly/crypto/algorithms.ts";
import { findViolations } from "../../scripts/build/gate.ts";
import { CryptoModule } from "./harness.ts";
import { keyOf } from "./keys.ts";

interface VectorFile {
  vectors: string;
  groups: {
    spki: string;
    cases: [id: number, message: string, signature: string, result: "valid" | "invalid" | "acceptable"][];
  }[];
}

const files: Record<string, number> = {
  "rsa_pkcs1_2048_sha256.json": algorithm_rs256,
  "rsa_pkcs1_3072_sha384.json": algorithm_rs384,
  "rsa_pkcs1_4096_sha512.json": algorithm_rs512,
  "rsa_pss_2048_sha256_salt32.json": algorithm_ps256,
  "rsa_pss_4096_sha512_salt64.json": algorithm_ps512,
  "ecdsa_p256_sha256.json": algorithm_es256,
  "ecdsa_p384_sha384.json": algorithm_es384,
  "ecdsa_p521_sha512.json": algorithm_es512,
  "ed25519.json": algorithm_eddsa,
};

const crypto = await CryptoModule.compile();

for (const [name, algorithm] of Object.entries(files)) {
  test(`${name}: every case`, async (t) => {
    const file: VectorFile = JSON.parse(await readFile(new URL(name, import.meta.url), "utf8"));
    const tally = { valid: 0, invalid: 0, acceptable: 0 };
    for (const { spki, cases } of file.groups) {
      const key = keyOf(createPublicKey({ key: Buffer.from(spki, "hex"), format: "der", type: "spki" }));
      for (const [id, message, signature, result] of cases) {
        const valid = crypto.verify(algorithm, key, Buffer.from(signature, "hex"), Buffer.from(message, "hex"));
        // The acceptable ones are DigestInfos without their NULL (RFC 8017 §9.2 step 3, its note). RFC 8017 §8.2.2 allows
        // a verifier that compares whole encodings, as ours does, to refuse them.
        assert.equal(valid, result === "valid", `${name} tcId ${id}, ${result}`);
        tally[result]++;
      }
    }
    t.diagnostic(`${name}: ${tally.valid} valid, ${tally.invalid} invalid, ${tally.acceptable} acceptable and refused`);
    assert.ok(tally.valid > 0 && tally.invalid > 0);
  });
}

test("SHA-2 is node's for every size from 0 to 300 and for large ones", () => {
  const bytes = randomBytes(100_000);
  const sizes = [...Array(301).keys(), 1023, 1024, 4095, 65_536, 99_999];
  for (const [size, name] of [
    [32, "sha256"],
    [48, "sha384"],
    [64, "sha512"],
  ] as const) {
    for (const length of sizes) {
      const text = bytes.subarray(0, length);
      const expected = createHash(name).update(text).digest("hex");
      assert.equal(Buffer.from(crypto.hash(size, text)).toString("hex"), expected, `${name} of ${length} bytes`);
    }
  }
});

test("SHA-2 does not depend on how the text is cut", () => {
  const text = randomBytes(700);
  for (const [size, name] of [
    [32, "sha256"],
    [64, "sha512"],
  ] as const) {
    const expected = createHash(name).update(text).digest("hex");
    for (let part = 1; part <= 300; part++) {
      assert.equal(Buffer.from(crypto.hash(size, text, part)).toString("hex"), expected, `${name} by ${part} bytes`);
    }
  }
});

test("nothing in it allocates or traps", (t) => {
  assert.deepEqual(findViolations(crypto.text), []);
  t.diagnostic(`the module takes ${crypto.size_bytes} bytes`);
});
