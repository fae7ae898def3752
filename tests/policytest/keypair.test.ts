/** Keys that are made can be exported, whenever the garbage collector comes by. Keys straight from Node hang here within seconds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeKeyPair } from "../../scripts/common/keypair.ts";

test("keys are exported as JWKs while the jobs that made them are collected", () => {
  for (const [type, kty] of [
    ["ec", "EC"],
    ["ed25519", "OKP"],
  ] as const) {
    for (let made = 0; made < 100; made++) {
      const { publicKey, privateKey } = makeKeyPair(type, type === "ec" ? { namedCurve: "P-256" } : {});
      for (let times = 0; times < 50; times++) {
        assert.equal(publicKey.export({ format: "jwk" }).kty, kty);
        assert.equal(privateKey.export({ format: "jwk" }).kty, kty);
      }
    }
  }
});

test("each kind of key is what was asked for", () => {
  assert.equal(makeKeyPair("rsa", { modulusLength: 2048 }).publicKey.asymmetricKeyDetails?.modulusLength, 2048);
  assert.equal(makeKeyPair("ec", { namedCurve: "P-384" }).privateKey.asymmetricKeyDetails?.namedCurve, "secp384r1");
  assert.equal(makeKeyPair("ed25519").privateKey.asymmetricKeyType, "ed25519");
});
