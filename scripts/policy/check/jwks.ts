/**
 * Key sets (RFC 7517): public keys in a JWKS file become SubjectPublicKeyInfo, each with the algorithms it fits. A file
 * that carries a secret is refused, since what is built from it is handed around.
 */
import { createPublicKey } from "node:crypto";
import { algorithm_eddsa, svid_algorithms } from "../../../assembly/crypto/algorithms.ts";
import { key_bytes_max, key_candidates_max, kid_bytes_max } from "../../../assembly/limits.ts";
import { algorithm_names, algorithmNumber, curves, rsa_algorithms } from "../language/algorithms.ts";
import type { KeyUse, PolicyKey } from "../language/model.ts";
import { isSameKey, policyKey } from "../language/publickey.ts";
import type { ErrorCode } from "../source/codes.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { type Field, parseYaml, Reader, type Slot } from "../source/yaml.ts";
import { type ExampleKeyCheck, example_member } from "./example.ts";
import { mistakenForKeys } from "./notkeys.ts";

const rsa_least_bits = 2048;
const rsa_most_bits = 8192;
/** BoringSSL, which verifies in Envoy, takes no larger public exponents. */
const exponent_most_bytes = 4;
/** The one curve of octet key pairs whose signatures are verified (RFC 8037 §2), and the bytes of its keys. */
const okp_curve = "Ed25519";
const okp_bytes = 32;
/** RFC 7518 §6.2.2 and §6.3.2: members of private keys. */
const private_members = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/** A JWK's members that are looked at. */
class Jwk {
  private readonly reader: Reader;
  private readonly fields: Map<string, Field>;
  readonly at: number;

  constructor(reader: Reader, fields: Field[], at: number) {
    this.reader = reader;
    this.fields = new Map(fields.map((field) => [field.name, field]));
    this.at = at;
  }

  place(name: string): number {
    return this.fields.get(name)?.at ?? this.at;
  }

  slot(name: string): Slot | undefined {
    return this.fields.get(name);
  }

  text(name: string): string | undefined {
    const field = this.fields.get(name);
    return field === undefined ? undefined : this.reader.text(field, `\`${name}\``)?.value;
  }

  /** The bytes of a base64url member in its only form (RFC 7515 §2), or undefined. */
  bytes(name: string): Uint8Array | undefined {
    const text = this.text(name);
    if (text === undefined || !/^[A-Za-z0-9_-]+$/u.test(text)) return undefined;
    const bytes = Buffer.from(text, "base64url");
    return bytes.toString("base64url") === text ? bytes : undefined;
  }

  /** The same without the zero bytes before it: RFC 7518 §2 has none, but the number is the same, and some servers put one there. */
  number(name: string): Uint8Array | undefined {
    const bytes = this.bytes(name);
    const start = bytes?.findIndex((byte) => byte !== 0) ?? -1;
    return start < 0 ? undefined : bytes!.subarray(start);
  }

  fail(name: string, message: string, code: ErrorCode = "key_invalid"): undefined {
    this.reader.reporter.error(code, this.place(name), message);
    return undefined;
  }

  /** The key is sound, but not one to verify tokens with here. */
  leaveOut(name: string, why: string): undefined {
    this.reader.reporter.warn("key_left_out", this.place(name), `this key is left out: ${why}`);
    return undefined;
  }
}

/**
 * Reads a JWKS; undefined, and reported, when it is not one. Errors of single keys are reported too.
 * @param use which keys count; `jwt-svid` for those of a SPIFFE bundle, where all others are somebody else's business
 * @param examples told of every key that counts, to report those that are examples
 */
export function parseKeySet(
  reporter: Reporter,
  use: KeyUse = "sig",
  examples?: ExampleKeyCheck,
): PolicyKey[] | undefined {
  const { text, file } = reporter.source;
  const mistaken = mistakenForKeys(text, file);
  if (mistaken !== undefined) {
    reporter.error(mistaken.isSecret ? "key_secret" : "key_invalid", 0, mistaken.message);
    return undefined;
  }
  try {
    JSON.parse(text);
  } catch (error) {
    const place = /at position (\d+)/u.exec((error as Error).message);
    reporter.error(
      "key_invalid",
      place === null ? text.length : Number(place[1]),
      `a key set is JSON (RFC 7517 §5): ${(error as Error).message}`,
    );
    return undefined;
  }
  // JSON is YAML, so the same reader gives places; the tree is only asked for what JSON has.
  const reader = new Reader(reporter);
  const root = parseYaml(reporter, text);
  const entries = root === undefined ? undefined : reader.entries({ at: 0, node: root }, "a key set");
  if (entries === undefined) return undefined;
  const list = entries.find((field) => field.name === "keys");
  if (list === undefined) {
    reporter.error("key_invalid", 0, "a key set has the member `keys`, a list (RFC 7517 §5)");
    return undefined;
  }
  const keys: PolicyKey[] = [];
  for (const item of reader.items(list, "`keys`") ?? []) {
    const fields = reader.entries(item, "a key");
    if (fields === undefined) continue;
    const jwk = new Jwk(reader, fields, reader.at(item));
    const key = parseKey(jwk, use);
    if (key === undefined) continue;
    const others = keys.filter(({ kid }) => kid === key.kid);
    if (others.some((other) => isSameKey(other, key) && other.algorithms === key.algorithms)) continue;
    refuseTooMany(jwk, key, others);
    examples?.check(reporter, jwk.place("kid"), key, jwk.slot(example_member) !== undefined);
    keys.push(key);
  }
  return keys;
}

/** Of keys with one ID so many are tried on a token (assembly/keys/find.ts); where more fit, no token could be verified. */
function refuseTooMany(jwk: Jwk, key: PolicyKey, others: readonly PolicyKey[]): void {
  for (const [number, name] of algorithm_names.entries()) {
    const fitting = others.filter(({ algorithms }) => ((algorithms & key.algorithms) >> number) & 1);
    const different = fitting.filter((one, index) => fitting.findIndex((other) => isSameKey(one, other)) === index);
    if (different.length < key_candidates_max || different.some((other) => isSameKey(other, key))) continue;
    const which = key.kid === "" ? "without an ID" : `with the ID \`${key.kid}\``;
    const message = `more than ${key_candidates_max} keys ${which} fit ${name}; so many are tried on a token, so none of ${key.kid === "" ? "theirs" : "that ID"} would be good; give each a \`kid\` of its own`;
    jwk.fail("kid", message, "duplicate");
    return;
  }
}

function parseKey(jwk: Jwk, use: KeyUse): PolicyKey | undefined {
  const kty = jwk.text("kty");
  if (kty === undefined) return jwk.slot("kty") === undefined ? jwk.fail("kty", "a key needs `kty`") : undefined;
  if (kty === "oct" || jwk.slot("k") !== undefined) {
    return jwk.fail(
      "kty",
      "this is a shared secret: who can check a token could make one, and a policy holds no secrets; remove it",
      "key_secret",
    );
  }
  for (const member of private_members) {
    if (jwk.slot(member) !== undefined) {
      return jwk.fail(
        member,
        `\`${member}\` is part of a private key, and a policy holds no secrets: leave only the public members, and replace the key if this file was shared`,
        "key_secret",
      );
    }
  }
  if (use === "jwt-svid" && jwk.text("use") !== "jwt-svid") return undefined;
  const kid = jwk.slot("kid") === undefined ? "" : jwk.text("kid");
  if (kid === undefined) return undefined;
  if (jwk.slot("kid") !== undefined && kid === "")
    return jwk.fail("kid", "`kid` is empty; leave it out, or name the key");
  if (Buffer.byteLength(kid) > kid_bytes_max)
    return jwk.fail("kid", `\`kid\` has at most ${kid_bytes_max} bytes`, "bound");
  if (use === "jwt-svid" && kid === "")
    return jwk.fail("kid", "a key for JWT-SVIDs needs `kid` (SPIFFE JWT-SVID §6.1): a JWT-SVID names its key");
  if (!isForSignatures(jwk, use)) return undefined;
  const type = Object.hasOwn(types, kty) ? types[kty] : undefined;
  if (type === undefined)
    return jwk.leaveOut("kty", `keys of type \`${kty}\` are not known; known: ${Object.keys(types).join(", ")}`);
  if (hasOnlyCertificate(jwk))
    return jwk.leaveOut(
      "x5c",
      "it has only a certificate (`x5c`, `x5u`), which is not read; its key would have to stand there, too",
    );
  const fitting = type.check(jwk);
  if (fitting === undefined) return undefined;
  const algorithms = narrowToAlg(jwk, fitting);
  if (algorithms === undefined) return undefined;
  const mask = maskOf(algorithms);
  if (use === "jwt-svid" && (mask & svid_algorithms) === 0)
    return jwk.leaveOut("kty", `JWT-SVIDs are not signed with ${namesOf(mask).join(", ")} (SPIFFE JWT-SVID §2.1)`);
  return exportKey(jwk, kty, kid, mask);
}

/** RFC 7517 §4.6 and §4.7: what repeats the key may be its only form. */
function hasOnlyCertificate(jwk: Jwk): boolean {
  const has = (...names: string[]): boolean => names.some((name) => jwk.slot(name) !== undefined);
  return has("x5c", "x5u") && !has("n", "e", "x", "y");
}

/** `alg` values of a mask. */
function namesOf(mask: number): string[] {
  return algorithm_names.filter((_, number) => ((mask >> number) & 1) === 1);
}

function maskOf(algorithms: readonly number[]): number {
  return algorithms.reduce((mask, algorithm) => mask | (1 << algorithm), 0);
}

/** RFC 7517 §4.2 and §4.3: what the key is for. */
function isForSignatures(jwk: Jwk, wanted: KeyUse): boolean {
  const use = jwk.slot("use") === undefined ? "sig" : jwk.text("use");
  if (use !== wanted) {
    if (use !== undefined) jwk.leaveOut("use", `its \`use\` is \`${use}\`, not \`${wanted}\``);
    return false;
  }
  const operations = jwk.slot("key_ops");
  if (operations === undefined) return true;
  const node = operations.node?.toJSON() as unknown;
  if (!Array.isArray(node)) {
    jwk.fail("key_ops", "`key_ops` is a list (RFC 7517 §4.3)");
    return false;
  }
  if (!node.includes("verify")) jwk.leaveOut("key_ops", "its `key_ops` do not have `verify`");
  return node.includes("verify");
}

/** A key that names its `alg` fits that one alone. */
function narrowToAlg(jwk: Jwk, fitting: readonly number[]): readonly number[] | undefined {
  if (jwk.slot("alg") === undefined) return fitting;
  const alg = jwk.text("alg");
  if (alg === undefined) return undefined;
  const only = fitting.filter((algorithm) => algorithm === algorithmNumber(alg));
  if (only.length > 0) return only;
  return jwk.leaveOut(
    "alg",
    `its \`alg\` is \`${alg}\`; a key of this type is supported for ${fitting.map((algorithm) => algorithm_names[algorithm]).join(", ")}`,
  );
}

function checkRsa(jwk: Jwk): readonly number[] | undefined {
  const modulus = jwk.number("n");
  const exponent = jwk.number("e");
  if (modulus === undefined) return jwk.fail("n", "an RSA key needs its modulus `n` in base64url without padding");
  if (exponent === undefined) return jwk.fail("e", "an RSA key needs its exponent `e` in base64url without padding");
  const bits = modulus.length * 8 - Math.clz32(modulus[0]!) + 24;
  if (bits < rsa_least_bits)
    return jwk.fail(
      "n",
      `an RSA key has at least ${rsa_least_bits} bits (RFC 7518 §3.3); this one has ${bits}`,
      "key_weak",
    );
  if (bits > rsa_most_bits)
    return jwk.fail("n", `an RSA key has at most ${rsa_most_bits} bits; this one has ${bits}`, "bound");
  if ((modulus.at(-1)! & 1) === 0) return jwk.fail("n", "the modulus is even, so this is no RSA key");
  const tooSmall = exponent.length === 1 && exponent[0]! < 3;
  if (tooSmall || (exponent.at(-1)! & 1) === 0 || exponent.length > exponent_most_bytes) {
    return jwk.fail(
      "e",
      `the exponent is odd, at least 3 and at most ${exponent_most_bytes} bytes long; usually it is \`AQAB\``,
      "key_weak",
    );
  }
  return rsa_algorithms;
}

function checkEc(jwk: Jwk): number[] | undefined {
  const name = jwk.text("crv");
  if (name === undefined) return jwk.fail("crv", "an EC key needs `crv`");
  const curve = Object.hasOwn(curves, name) ? curves[name] : undefined;
  if (curve === undefined)
    return jwk.leaveOut("crv", `the curve \`${name}\` is not supported; supported: ${Object.keys(curves).join(", ")}`);
  for (const coordinate of ["x", "y"]) {
    // RFC 7518 §6.2.1.2: as many bytes as the curve has, leading zeros kept.
    if (jwk.bytes(coordinate)?.length !== curve.coordinateBytes) {
      return jwk.fail(
        coordinate,
        `\`${coordinate}\` of a ${name} key has ${curve.coordinateBytes} bytes in base64url without padding`,
      );
    }
  }
  return [curve.algorithm];
}

function checkOkp(jwk: Jwk): number[] | undefined {
  const name = jwk.text("crv");
  if (name === undefined) return jwk.fail("crv", "an OKP key needs `crv`");
  if (name !== okp_curve)
    return jwk.leaveOut("crv", `the curve \`${name}\` is not supported; of OKP keys only \`${okp_curve}\` is`);
  if (jwk.bytes("x")?.length !== okp_bytes)
    return jwk.fail("x", `\`x\` of an ${okp_curve} key has ${okp_bytes} bytes in base64url without padding`);
  return [algorithm_eddsa];
}

/** What is known of a type of keys. */
interface KeyType {
  /** The members that make the key. */
  members: readonly string[];
  /** The algorithms it fits; undefined, and reported, where it is none. */
  check(jwk: Jwk): readonly number[] | undefined;
  /** What is wrong where its members make no key. */
  fault: string;
}

const types: Readonly<Record<string, KeyType>> = {
  RSA: { members: ["n", "e"], check: checkRsa, fault: "the members make no RSA key" },
  EC: { members: ["crv", "x", "y"], check: checkEc, fault: "the point (`x`, `y`) is not on the curve" },
  OKP: { members: ["crv", "x"], check: checkOkp, fault: `\`x\` is no ${okp_curve} key` },
};

/** Only what makes the key goes in; node:crypto refuses points that are not on the curve. */
function exportKey(jwk: Jwk, kty: string, kid: string, algorithms: number): PolicyKey | undefined {
  const { members, fault } = types[kty]!;
  const key = { kty, ...Object.fromEntries(members.map((name) => [name, jwk.text(name)])) };
  let made: PolicyKey;
  try {
    made = policyKey(createPublicKey({ key, format: "jwk" }), kid, algorithms);
  } catch {
    return jwk.fail("kty", fault);
  }
  return made.spki.length > key_bytes_max
    ? jwk.fail("kty", `a key takes at most ${key_bytes_max} bytes`, "bound")
    : made;
}
