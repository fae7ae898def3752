/** Key sets: what is not a sound public key is refused at its place, and what is comes out as the engine needs it. */
import assert from "node:assert/strict";
import { createPublicKey, type JsonWebKey } from "node:crypto";
import { test } from "node:test";
import { makeKeyPair } from "../../../scripts/common/keypair.ts";
import { parseKeySet } from "../../../scripts/policy/check/jwks.ts";
import type { KeyUse, PolicyKey } from "../../../scripts/policy/language/model.ts";
import type { Diagnostic } from "../../../scripts/policy/source/diagnostic.ts";
import { reporterFor } from "../../../scripts/policy/source/read.ts";

type Jwk = Record<string, unknown>;

const rsa = makeKeyPair("rsa", { modulusLength: 2048 });
const rsaPublic: Jwk = { ...rsa.publicKey.export({ format: "jwk" }) };
const rsaPrivate: Jwk = { ...rsa.privateKey.export({ format: "jwk" }) };

function ec(namedCurve: string): Jwk {
  return { ...makeKeyPair("ec", { namedCurve }).publicKey.export({ format: "jwk" }) };
}

const p256 = ec("P-256");
const ed25519: Jwk = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };

function read(
  text: string,
  use?: KeyUse,
): { keys: PolicyKey[] | undefined; errors: Diagnostic[]; warnings: Diagnostic[] } {
  const reporter = reporterFor("keys.json", text);
  const keys = parseKeySet(reporter, use);
  return { keys, errors: reporter.findings.errors, warnings: reporter.findings.warnings };
}

const set = (...keys: Jwk[]): string => JSON.stringify({ keys }, null, 2);

test("keys fit the algorithms of their type, or the one they name", () => {
  const all: [jwk: Jwk, mask: number][] = [
    [rsaPublic, 0b0111000111],
    [{ ...rsaPublic, alg: "RS384", use: "sig", key_ops: ["verify"] }, 0b0000000010],
    [{ ...rsaPublic, alg: "PS512" }, 0b0100000000],
    [p256, 0b0000001000],
    [ec("P-384"), 0b0000010000],
    [ec("P-521"), 0b0000100000],
    [ed25519, 0b1000000000],
    [{ ...ed25519, alg: "EdDSA" }, 0b1000000000],
    [{ ...ed25519, alg: "Ed25519" }, 0b1000000000],
  ];
  for (const [jwk, mask] of all) {
    const { keys, errors } = read(set({ ...jwk, kid: "k", x5t: "ignored", "x5t#S256": 7 }));
    assert.deepEqual(errors, []);
    assert.equal(keys?.[0]?.algorithms, mask);
    assert.equal(keys?.[0]?.kid, "k");
    const spki = createPublicKey({ key: jwk as JsonWebKey, format: "jwk" }).export({ type: "spki", format: "der" });
    assert.deepEqual(Buffer.from(keys![0]!.spki), spki);
  }
});

test("a key without an ID is a key", () => {
  assert.equal(read(set(p256)).keys?.[0]?.kid, "");
  assert.equal(read(set(p256, ec("P-256"))).keys?.length, 2);
});

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const modulus = Buffer.from(rsaPublic.n as string, "base64url");
const even = Uint8Array.from([...modulus.subarray(0, -1), 0]);

const refused: [what: string, jwk: Jwk, code: string, message: RegExp][] = [
  ["a shared secret", { kty: "oct", k: "c2VjcmV0" }, "key_secret", /shared secret/],
  ["a private RSA key", rsaPrivate, "key_secret", /`d`/],
  ["half a private key", { ...p256, d: "AQ" }, "key_secret", /private/],
  [
    "1024 bits",
    { ...makeKeyPair("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" }) },
    "key_weak",
    /1024/,
  ],
  ["2047 bits", { ...rsaPublic, n: base64url(Uint8Array.from([0x7f, ...modulus.subarray(1)])) }, "key_weak", /2047/],
  ["8200 bits", { ...rsaPublic, n: base64url(new Uint8Array(1025).fill(0xff)) }, "bound", /8200/],
  ["an even modulus", { ...rsaPublic, n: base64url(even) }, "key_invalid", /even/],
  ["a modulus with padding", { ...rsaPublic, n: `${rsaPublic.n as string}==` }, "key_invalid", /padding/],
  ["the exponent 1", { ...rsaPublic, e: "AQ" }, "key_weak", /at least 3/],
  ["an even exponent", { ...rsaPublic, e: "BA" }, "key_weak", /odd/],
  ["an exponent of 5 bytes", { ...rsaPublic, e: "AQAAAAE" }, "key_weak", /4 bytes/],
  ["no exponent", { kty: "RSA", n: rsaPublic.n }, "key_invalid", /`e`/],
  ["a point off the curve", { ...p256, y: p256.x }, "key_invalid", /not on the curve/],
  ["a point of another curve", { ...p256, crv: "P-384" }, "key_invalid", /48 bytes/],
  ["a short coordinate", { ...p256, x: "AQ" }, "key_invalid", /32 bytes/],
  ["base64 with other letters", { ...p256, x: `+${(p256.x as string).slice(1)}` }, "key_invalid", /base64url/],
  ["no type", { kid: "a" }, "key_invalid", /`kty`/],
  ["a type that is no text", { kty: 7 }, "type", /text/],
  ["an empty ID", { ...p256, kid: "" }, "key_invalid", /empty/],
  ["a long ID", { ...p256, kid: "a".repeat(257) }, "bound", /256/],
  ["an Ed25519 key without a curve", { kty: "OKP", x: ed25519.x }, "key_invalid", /`crv`/],
  ["a short Ed25519 key", { ...ed25519, x: "11qYAYKx" }, "key_invalid", /32 bytes/],
  ["a private Ed25519 key", { ...ed25519, d: "AQ" }, "key_secret", /private/],
  ["operations that are no list", { ...p256, key_ops: "verify" }, "key_invalid", /list/],
];

for (const [what, jwk, code, message] of refused) {
  test(`refused: ${what}`, () => {
    const { errors, keys } = read(set(jwk));
    assert.equal(errors[0]?.code, code, JSON.stringify(errors));
    assert.match(errors[0]!.message, message);
    assert.deepEqual(keys, []);
  });
}

const leftOut: [what: string, jwk: Jwk][] = [
  ["for encryption", { ...rsaPublic, use: "enc" }],
  ["for something else", { ...rsaPublic, key_ops: ["wrapKey"] }],
  ["RSA-OAEP", { ...rsaPublic, alg: "RSA-OAEP" }],
  ["Ed448", { ...ed25519, crv: "Ed448" }],
  ["X25519", { ...ed25519, crv: "X25519" }],
  ["of an unknown type", { kty: "AKP" }],
  ["that is an RSA certificate alone", { kty: "RSA", kid: "a", x5c: ["MII="] }],
  ["that is an EC certificate alone", { kty: "EC", crv: "P-256", x5u: "https://idp.example.org/a.pem" }],
  ["secp256k1", { ...p256, crv: "secp256k1" }],
];

for (const [what, jwk] of leftOut) {
  test(`left out with a warning: a key ${what}`, () => {
    const { errors, warnings, keys } = read(set(jwk, p256));
    assert.deepEqual(errors, []);
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ["key_left_out"],
    );
    assert.equal(keys?.length, 1);
  });
}

test("a number with zero bytes before it is the number", () => {
  const exponent = Buffer.from(rsaPublic.e as string, "base64url");
  for (const zeros of [1, 2, 3, 7, 300]) {
    const [n, e] = [modulus, exponent].map((number) => base64url(Buffer.concat([Buffer.alloc(zeros), number])));
    assert.deepEqual(read(set({ ...rsaPublic, n, e })), read(set(rsaPublic)));
  }
  assert.equal(read(set({ ...rsaPublic, n: "AAAA" })).errors[0]?.code, "key_invalid");
});

test("up to four keys may have one ID, and the very same key is one, however often it stands there", () => {
  const [a, b, c, d] = [p256, ec("P-256"), ec("P-256"), ec("P-256")].map((jwk) => ({ ...jwk, kid: "a" }));
  assert.deepEqual(read(set(a!, b!, c!, d!)).errors, []);
  const again = read(set(a!, b!, a!, c!, d!, { ...d!, alg: "ES256" }));
  assert.deepEqual([again.errors, again.warnings, again.keys?.length], [[], [], 4]);
  const nameless = [p256, ...Array.from({ length: 4 }, () => ec("P-256"))];
  assert.match(read(set(...nameless)).errors[0]!.message, /more than 4 keys without an ID fit ES256/);
  assert.equal(read(set(...nameless)).errors.length, 1);
});

test("a fifth key with one ID is refused, there", () => {
  const text = set(...[p256, ...Array.from({ length: 4 }, () => ec("P-256"))].map((jwk) => ({ kid: "a", ...jwk })));
  const { errors } = read(text);
  assert.deepEqual(
    [errors[0]?.code, errors[0]?.line],
    ["duplicate", text.split("\n").findLastIndex((line) => line.includes('"kid"')) + 1],
  );
});

test("keys that fit different algorithms may share an ID (RFC 7517 §4.5)", () => {
  const one = { kid: "a" };
  const { errors, keys } = read(set({ ...one, ...p256 }, { ...one, ...ed25519 }, { ...one, ...rsaPublic }));
  assert.deepEqual(errors, []);
  assert.equal(keys?.length, 3);
  assert.deepEqual(read(set({ ...one, ...rsaPublic, alg: "PS256" }, { ...one, ...rsaPublic })).errors, []);
});

test("of a bundle the keys for JWT-SVIDs count, and others are nobody's business", () => {
  const use = "jwt-svid";
  const bundle = set(
    { ...p256, use, kid: "a" },
    { ...p256, use: "x509-svid", x5c: ["MII"] },
    { ...p256, kid: "b" },
    { ...p256, use: "sig", kid: "c" },
    { kty: "AKP", use: "pq-svid" },
  );
  const { keys, errors, warnings } = read(bundle, use);
  assert.deepEqual([keys?.map(({ kid }) => kid), errors, warnings], [["a"], [], []]);
  assert.match(read(set({ ...p256, use }), use).errors[0]!.message, /needs `kid`/);
  const left = read(set({ ...ed25519, use, kid: "a" }), use);
  assert.deepEqual([left.keys, left.warnings.map(({ code }) => code)], [[], ["key_left_out"]]);
  assert.equal(read(set({ ...p256, use, kid: "a" })).warnings[0]?.code, "key_left_out");
});

test("the image gets the numbers that a key is made of", () => {
  const bytes = (...texts: unknown[]): Buffer =>
    Buffer.concat(texts.map((text) => Buffer.from(text as string, "base64url")));
  const p521 = ec("P-521");
  const { keys = [] } = read(set(rsaPublic, p521, ed25519));
  assert.deepEqual(
    keys.map(({ raw, exponent }) => [Buffer.from(raw), exponent]),
    [
      [bytes(rsaPublic.n), 65537],
      [bytes(p521.x, p521.y), 0],
      [bytes(ed25519.x), 0],
    ],
  );
});

for (const [what, text] of [
  ["no JSON", '{"keys": [}'],
  ["cut short", '{"keys": ['],
  ["YAML", "keys: []"],
  ["a key instead of a set", JSON.stringify(p256)],
  ["a list", "[]"],
  ["keys that are no list", '{"keys": {}}'],
  ["a member twice", '{"keys": [{"kty": "EC", "kty": "RSA"}]}'],
] as const) {
  test(`refused: ${what}`, () => {
    assert.ok(read(text).errors.length > 0);
  });
}

test("any layout of JSON is read", () => {
  for (const space of ["", "\t", "    "]) {
    for (const end of ["\n", "\r\n"]) {
      const text = JSON.stringify(
        { note: "\u0001 ☃ \u2028 / : # {", n: [1e3, null, true], keys: [{ ...p256, kid: 'é: #"\\😀' }] },
        null,
        space,
      );
      const { keys, errors } = read(text.replaceAll("\n", end).replace("/", "\\/"));
      assert.deepEqual(errors, []);
      assert.equal(keys?.[0]?.kid, 'é: #"\\😀');
    }
  }
});

test("a place in the file is that of the member", () => {
  const { errors } = read('{\n  "keys": [\n    { "kty": "oct", "k": "AA" }\n  ]\n}\n');
  assert.deepEqual([errors[0]?.line, errors[0]?.column], [3, 7]);
});
