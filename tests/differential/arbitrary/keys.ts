/**
 * Keys of the issuers, made anew for each run, so that no private key lies in the repository; and tokens, which are kept,
 * since signing is what costs.
 */
import { constants, type JsonWebKey, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeKeyPair } from "../../../scripts/common/keypair.ts";

interface Pair {
  publicKey: KeyObject;
  privateKey: KeyObject;
}

const ec = (namedCurve: string): Pair => makeKeyPair("ec", { namedCurve });
const rsa = (): Pair => makeKeyPair("rsa", { modulusLength: 2048 });
const ed = (): Pair => makeKeyPair("ed25519");

/** By name; `stranger` is nobody's. */
const pairs: Record<string, Pair> = {
  "corp-ec": ec("P-256"),
  "corp-ec-2": ec("P-256"),
  "corp-rsa": rsa(),
  "corp-ed": ed(),
  "partner-ec": ec("P-256"),
  "partner-ec-2": ec("P-256"),
  "partner-384": ec("P-384"),
  "partner-521": ec("P-521"),
  "partner-ps": rsa(),
  "svid-ec": ec("P-256"),
  "svid-rsa": rsa(),
  "svid-ed": ed(),
  "other-ec": ec("P-256"),
  "twin-ec": ec("P-256"),
  "twin-ec-2": ec("P-256"),
  "twin-ec-3": ec("P-256"),
  "twin-ec-4": ec("P-256"),
  "twin-ec-5": ec("P-256"),
  stranger: ec("P-256"),
};
export const keyNames = Object.keys(pairs);

function withZeros({ publicKey }: Pair): string {
  const modulus = Buffer.from(publicKey.export({ format: "jwk" }).n!, "base64url");
  return Buffer.concat([Buffer.alloc(5), modulus]).toString("base64url");
}

/** Members of each key set: the key, and what the set says of it. */
const sets: Record<string, [name: string, members: JsonWebKey][]> = {
  corp: [
    ["corp-ec", { kid: "e1" }],
    ["corp-rsa", { kid: "r1", use: "sig" }],
    ["corp-ec-2", { kid: "e2", alg: "ES256" }],
    // Keys of different types may have one ID (RFC 7517 §4.5).
    ["corp-ed", { kid: "e1", alg: "Ed25519" }],
  ],
  // Two without an ID, one of them once more with one, and a number with zeros before it.
  partner: [
    ["partner-ec", {}],
    ["partner-ec-2", {}],
    ["partner-ec", { kid: "again" }],
    ["partner-384", { kid: "p384", alg: "ES384" }],
    ["partner-521", { kid: "p521" }],
    ["partner-ps", { kid: "ps", alg: "PS256", n: withZeros(pairs["partner-ps"]!) }],
    ["stranger", { kid: "enc", use: "enc" }],
  ],
  // SPIFFE bundles, in which other keys stand too; the second domain has the first one's key ID for another key.
  "example.org": [
    ["svid-ec", { kid: "s1", use: "jwt-svid" }],
    ["svid-rsa", { kid: "s2", use: "jwt-svid" }],
    ["svid-ed", { kid: "s1", use: "jwt-svid" }],
    ["corp-ec", { kid: "x", use: "x509-svid" }],
    ["stranger", {}],
  ],
  "partner.net": [["other-ec", { kid: "s1", use: "jwt-svid", alg: "ES256" }]],
  // The same key ID as one of corp's, and two other keys; one of them twice. More than are tried where a token names none.
  twin: [
    ["twin-ec", { kid: "e1" }],
    ["twin-ec-2", { kid: "e1" }],
    ["twin-ec", { kid: "e1" }],
    ["twin-ec-3", { kid: "t3" }],
    ["twin-ec-4", { kid: "t4" }],
    ["twin-ec-5", { kid: "t5", alg: "ES256" }],
  ],
};

export const keySetNames = Object.keys(sets);

/** How many keys a set has. */
export function keyCount(name: string): number {
  return sets[name]!.length;
}

/** Writes the key sets into a folder that lasts as long as the process; policies are written beside them. */
export function writeKeySets(): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-differential-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const [name, members] of Object.entries(sets)) {
    const keys = members.map(([key, more]) => ({ ...pairs[key]!.publicKey.export({ format: "jwk" }), ...more }));
    writeFileSync(join(folder, `${name}.jwks.json`), JSON.stringify({ keys }));
  }
  return folder;
}

/** What a token is made of. */
export interface TokenParts {
  /** Members of the header and claims of the payload, as JSON, in order. */
  header: readonly (readonly [name: string, json: string])[];
  claims: readonly (readonly [name: string, json: string])[];
  key: string;
  /** What is done to the finished token. */
  damage: "none" | "signature" | "payload" | "cut" | "longer" | "padded" | "huge";
}

const minted = new Map<string, string>();

/** Signs a token; the same parts give the same token. */
export function mint(parts: TokenParts): string {
  const id = JSON.stringify(parts);
  let token = minted.get(id);
  if (token === undefined) {
    token = make(parts);
    if (minted.size > 20_000) minted.clear();
    minted.set(id, token);
  }
  return token;
}

/** Signs a header and a payload, whatever they are, with a key as an algorithm asks. */
export function signRaw(header: Uint8Array, payload: Uint8Array, key: string, algorithm: string): string {
  const input = [header, payload].map((part) => Buffer.from(part).toString("base64url")).join(".");
  return `${input}.${signatureOf(input, pairs[key]!.privateKey, algorithm).toString("base64url")}`;
}

const encode = (members: TokenParts["claims"]): string =>
  Buffer.from(`{${members.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(",")}}`).toString("base64url");

function make({ header, claims, key, damage }: TokenParts): string {
  const input = `${encode(header)}.${encode(claims)}`;
  const algorithm = JSON.parse(header.find(([name]) => name === "alg")?.[1] ?? '""') as string;
  const token = `${input}.${signatureOf(input, pairs[key]!.privateKey, algorithm).toString("base64url")}`;
  switch (damage) {
    case "signature":
      return token.replace(/.{4}$/u, (end) => (end[0] === "A" ? "BBBB" : "AAAA"));
    case "payload":
      return token.replace(/\.[^.]*\./u, `.${encode([...claims, ["sub", '"mallory"']])}.`);
    case "cut":
      return token.slice(0, token.lastIndexOf("."));
    case "longer":
      return `${token}.AAAA`;
    case "padded":
      return `${token}=`;
    case "huge":
      return token + "A".repeat(4096);
    default:
      return token;
  }
}

/** By the algorithm as far as the key can; what the key cannot is signed as best it can. */
function signatureOf(input: string, key: KeyObject, algorithm: string): Buffer {
  if (key.asymmetricKeyType === "ed25519") return sign(null, Buffer.from(input), key);
  const bits = Number(/(256|384|512)$/u.exec(algorithm)?.[1] ?? 256);
  const isPss = algorithm.startsWith("PS") && key.asymmetricKeyType === "rsa";
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: bits / 8 };
  const options = { key, dsaEncoding: "ieee-p1363", ...(isPss && pss) } as const;
  return sign(`sha${bits}`, Buffer.from(input), options);
}
