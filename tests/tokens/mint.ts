/** Tokens of any shape, well signed or not: what a mint that means well, badly or nothing at all could make. */
import { constants, type KeyObject, sign } from "node:crypto";
import { makeKeyPair } from "../../scripts/common/keypair.ts";

/** A key pair and the ID it has in key sets. */
export interface Pair {
  kid: string;
  publicKey: KeyObject;
  privateKey: KeyObject;
}

function ecPair(kid: string, namedCurve: string): Pair {
  return { kid, ...makeKeyPair("ec", { namedCurve }) };
}

const rsaPair = (kid: string): Pair => ({ kid, ...makeKeyPair("rsa", { modulusLength: 2048 }) });

/** The issuers' keys. */
export const pairs = {
  rsa: rsaPair("rsa"),
  p256: ecPair("p256", "P-256"),
  p384: ecPair("p384", "P-384"),
  p521: ecPair("p521", "P-521"),
  ed: { kid: "ed", ...makeKeyPair("ed25519") } as Pair,
};

/** Nobody's keys: those of an attacker. */
export const attackers = {
  rsa: rsaPair("attacker"),
  p256: ecPair("attacker", "P-256"),
  ed: { kid: "attacker", ...makeKeyPair("ed25519") } as Pair,
};

/** The issuers' key of an algorithm. */
export function pairOf(alg: string): Pair {
  const { rsa, p256, p384, p521, ed } = pairs;
  return (
    new Map([
      ["ES256", p256],
      ["ES384", p384],
      ["ES512", p521],
      ["EdDSA", ed],
    ]).get(alg) ?? rsa
  );
}

/** An attacker's key of the same type. */
export function attackerOf(alg: string): Pair {
  if (alg === "EdDSA") return attackers.ed;
  return alg.startsWith("ES") ? attackers.p256 : attackers.rsa;
}

/** The JWK of a pair (RFC 7517 §4), without its private part. */
export function jwkOf(pair: Pair, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { ...pair.publicKey.export({ format: "jwk" }), kid: pair.kid, use: "sig", ...more };
}

/** The JWS signature of an input, ECDSA as r and s side by side. */
export function signWith(alg: string, key: KeyObject, input: string): Buffer {
  const bytes = Buffer.from(input);
  if (alg === "EdDSA") return sign(null, bytes, key);
  const hash = `sha${alg.slice(2)}`;
  if (!alg.startsWith("PS")) return sign(hash, bytes, { key, dsaEncoding: "ieee-p1363" });
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return sign(hash, bytes, { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
}

/** A member's value as it stands in the JSON text, one character a byte. */
export class Raw {
  constructor(readonly text: string) {}
}

export const raw = (text: string): Raw => new Raw(text);

/** The bytes of a text in UTF-8, one character each, for `raw`. */
export const utf8 = (text: string): string => Buffer.from(text).toString("latin1");

/** Names and values; undefined takes a member away. */
export type Members = Readonly<Record<string, unknown>>;

/** JSON with one character a byte. @param tail what stands before the closing brace, as it is */
function objectText(members: Members, tail: string): string {
  const written = Object.entries(members)
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) =>
        `${utf8(JSON.stringify(name))}:${value instanceof Raw ? value.text : utf8(JSON.stringify(value))}`,
    );
  return `{${written.join(",")}${tail}}`;
}

/** The clock of tables: the tokens are good for whole minutes, for an Envoy whose clock is the machine's. */
export const nowSeconds = Math.floor(Date.now() / 1000);
export const audience = "order-api";

/** `iss` of the issuer of that name. */
export const issOf = (issuer: string): string => `https://${issuer}.example.org`;

/** What a token is made of; what is left out is sound. */
export interface Recipe {
  /** Default: that of `alg` alone. */
  issuer?: string;
  /** Members over the sound ones. */
  header?: Members;
  claims?: Members;
  /** What stands after the members, as it is. */
  headerTail?: string;
  claimsTail?: string;
  /** The whole of it, one character a byte, in place of members. */
  headerText?: string;
  claimsText?: string;
  /** What becomes of a part once it is encoded, before it is signed. */
  encodeHeader?: (part: string) => string;
  encodeClaims?: (part: string) => string;
  /** Who signs, with which algorithm. Default: the issuer, with `alg`. */
  signer?: KeyObject;
  signedAs?: string;
  /** What becomes of the signature. */
  sign?: (good: Buffer, input: string) => Buffer;
  encodeSignature?: (part: string) => string;
}

const same = (part: string): string => part;
const encode = (text: string): string => Buffer.from(text, "latin1").toString("base64url");

/** The claims of a sound token. */
export function soundClaims(issuer: string): Record<string, unknown> {
  return { iss: issOf(issuer), aud: audience, sub: "alice", iat: nowSeconds, exp: nowSeconds + 600 };
}

/** Makes a token whose header says `alg`. */
export function mint(alg: string, recipe: Recipe = {}): string {
  const { issuer = alg.toLowerCase(), encodeHeader = same, encodeClaims = same, encodeSignature = same } = recipe;
  const pair = pairOf(recipe.signedAs ?? alg);
  const header = { alg, kid: pairOf(alg).kid, ...recipe.header };
  const claims = { ...soundClaims(issuer), ...recipe.claims };
  const headerText = recipe.headerText ?? objectText(header, recipe.headerTail ?? "");
  const claimsText = recipe.claimsText ?? objectText(claims, recipe.claimsTail ?? "");
  const input = `${encodeHeader(encode(headerText))}.${encodeClaims(encode(claimsText))}`;
  const good = signWith(recipe.signedAs ?? alg, recipe.signer ?? pair.privateKey, input);
  const signature = recipe.sign?.(good, input) ?? good;
  return `${input}.${encodeSignature(signature.toString("base64url"))}`;
}
