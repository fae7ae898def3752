/** `sallyport token`. */
import assert from "node:assert/strict";
import type { KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { CompactSign, SignJWT } from "jose";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { folderOf, policyText, sallyport } from "./program.ts";

const rsa = makeKeyPair("rsa", { modulusLength: 2048 });
const ec = makeKeyPair("ec", { namedCurve: "P-256" });
const other = makeKeyPair("ec", { namedCurve: "P-256" });
const jwk = (key: KeyObject, kid: string) => ({ ...key.export({ format: "jwk" }), kid, use: "sig" });
const keys = JSON.stringify({ keys: [jwk(rsa.publicKey, "r1"), jwk(ec.publicKey, "e1")] });
const folder = folderOf({ "policy.yaml": policyText, "keys.json": keys });
after(folder.remove);

const nowSeconds = Math.floor(Date.now() / 1000);
const claims = {
  iss: "https://issuer.example.org",
  aud: "order-api",
  iat: nowSeconds,
  exp: nowSeconds + 300,
  sub: "alice",
};
const make = (key: KeyObject, alg: string, kid: string, payload: object = claims) =>
  new SignJWT({ ...payload }).setProtectedHeader({ alg, kid }).sign(key);

function judge(token: string, ...args: string[]) {
  const { code, stdout, stderr } = sallyport([
    "token",
    token,
    "--keys",
    folder.path("keys.json"),
    ...args,
    "--format",
    "json",
  ]);
  assert.notEqual(code, 2, stderr);
  return {
    code,
    ...(JSON.parse(stdout) as { signature: string; claims: object | null; reason: string | null; header: object }),
  };
}

describe("sallyport token", () => {
  test("good ones, by either algorithm", async () => {
    for (const [key, alg, kid] of [
      [rsa.privateKey, "RS256", "r1"],
      [ec.privateKey, "ES256", "e1"],
    ] as const) {
      const report = judge(await make(key, alg, kid));
      const expected = { code: 0, signature: "valid", header: { alg, kid }, claims, reason: null, detail: null };
      assert.deepEqual(report, expected);
    }
  });

  test("signature and claims are told apart", async () => {
    const forged = judge(await make(other.privateKey, "ES256", "e1"));
    assert.deepEqual([forged.code, forged.signature, forged.reason], [1, "invalid", "token_signature"]);
    assert.deepEqual(forged.claims, claims);
    const expired = judge(await make(ec.privateKey, "ES256", "e1", { ...claims, exp: nowSeconds - 3600 }));
    assert.deepEqual([expired.code, expired.signature, expired.reason], [1, "valid", "token_expired"]);
    const unknown = judge(await make(ec.privateKey, "ES256", "nope"));
    assert.deepEqual([unknown.code, unknown.signature, unknown.reason], [1, "invalid", "token_key_unknown"]);
  });

  test("a sound signature over what is no set of claims", async () => {
    const list = await new CompactSign(Buffer.from("[1]"))
      .setProtectedHeader({ alg: "ES256", kid: "e1" })
      .sign(ec.privateKey);
    const report = judge(list);
    assert.deepEqual(
      [report.code, report.signature, report.claims, report.reason],
      [1, "valid", null, "token_malformed"],
    );
  });

  test("what no key can vouch for", async () => {
    const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.`;
    assert.deepEqual([judge(none).signature, judge(none).reason], ["unsupported", "token_algorithm"]);
    const hmac = await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: "HS256", kid: "r1" })
      .sign(Buffer.alloc(32, 1));
    assert.deepEqual([judge(hmac).signature, judge(hmac).reason], ["unsupported", "token_algorithm"]);
    const crossed = judge(await make(ec.privateKey, "ES256", "r1"));
    assert.deepEqual([crossed.signature, crossed.reason], ["unsupported", "token_algorithm"]);
  });

  test("what is no token", () => {
    for (const text of ["x", "a.b", "a.b.c", "..", "é.é.é"]) {
      const report = judge(text);
      assert.deepEqual(
        [report.code, report.signature, report.claims, report.reason],
        [1, "malformed", null, "token_malformed"],
        text,
      );
    }
  });

  test("what is too large, even for the engine's memory", () => {
    for (const bytes of [57345, 200_000]) {
      writeFileSync(folder.path("large.txt"), "a".repeat(bytes));
      const report = judge(`@${folder.path("large.txt")}`);
      assert.deepEqual(
        [report.code, report.signature, report.reason],
        [1, "malformed", "headers_too_large"],
        `${bytes}`,
      );
    }
  });

  test("the clock can be set", async () => {
    const token = await make(ec.privateKey, "ES256", "e1");
    assert.equal(judge(token, "--at", "2001-01-01T00:00:00Z").reason, "token_not_yet_valid");
    assert.equal(judge(token, "--at", "2101-01-01T00:00:00Z").reason, "token_expired");
  });

  test("with a policy, its issuer's terms hold", async () => {
    const policy = ["--policy", folder.path("policy.yaml")];
    assert.equal(judge(await make(ec.privateKey, "ES256", "e1"), ...policy).reason, null);
    assert.equal(
      judge(await make(ec.privateKey, "ES256", "e1", { ...claims, aud: "x" }), ...policy).reason,
      "token_audience",
    );
    assert.equal(
      judge(await make(ec.privateKey, "ES256", "e1", { ...claims, iss: "x" }), ...policy).reason,
      "token_issuer",
    );
    const { code } = sallyport(["token", await make(rsa.privateKey, "RS256", "r1"), ...policy, "--issuer", "corp"]);
    assert.equal(code, 0, "the policy's own keys serve where no others are given");
  });

  test("from a file and from standard input, with a line in words", async () => {
    const token = await make(ec.privateKey, "ES256", "e1");
    const piped = sallyport(["token", "-", "--keys", folder.path("keys.json")], { input: `${token}\n` });
    assert.equal(piped.code, 0);
    assert.match(piped.stdout, /^good: the filter would take this token\nsignature: valid$/m);
    assert.match(piped.stdout, /exp is \d{4}-/);
    const late = sallyport(["token", token, "--keys", folder.path("keys.json"), "--at", "2101-01-01T00:00:00Z"]);
    assert.match(late.stdout, /^token_expired: `exp` has passed$/m);
  });

  test("`Bearer` is no part of a token", async () => {
    const token = await make(ec.privateKey, "ES256", "e1");
    const { code, stderr } = sallyport(["token", `Bearer ${token}`, "--keys", folder.path("keys.json")]);
    assert.equal(code, 2);
    assert.match(stderr, /leave that off/);
  });

  test("wrong usage: 2", () => {
    for (const args of [
      ["token"],
      ["token", "x"],
      ["token", "x", "--keys", "/nowhere"],
      ["token", "x", "--keys", folder.path("policy.yaml")],
      ["token", "x", "--keys", folder.path("keys.json"), "--issuer", "corp"],
      ["token", "x", "--policy", folder.path("policy.yaml"), "--issuer", "crop"],
      ["token", "@/nowhere", "--keys", folder.path("keys.json")],
    ]) {
      const { code, stderr } = sallyport(args);
      assert.equal(code, 2, args.join(" "));
      assert.notEqual(stderr, "");
    }
  });
});
