/** JOSE headers: algorithms that are confused, keys that a token brings along, extensions, and key IDs. */
import { createHmac } from "node:crypto";
import { selfSigned } from "./certificate.ts";
import { attackerOf, attackers, jwkOf, mint, pairOf, pairs, raw } from "./mint.ts";
import { bad, bearer, good, type Row, type Shown } from "./row.ts";

const everyAlgorithm = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

/** A token whose HMAC has what everybody knows for its secret. */
function hmacToken(alg: string, hmac: string, secret: string | Buffer): string {
  const sign = (_: Buffer, input: string) =>
    createHmac(`sha${hmac.slice(2)}`, secret)
      .update(input)
      .digest();
  return mint(alg, { header: { alg: hmac }, sign });
}

const algorithms: Row[] = [
  good("sound, by each algorithm", (alg) => mint(alg), everyAlgorithm),
  good(
    "sound, of an issuer with keys of all kinds",
    (alg) => bearer(mint(alg, { issuer: "all" }), "all"),
    everyAlgorithm,
  ),
  bad("HS256 with the public key as its secret: PEM", "token_algorithm", "alg_secret", (alg) =>
    hmacToken(alg, "HS256", pairOf(alg).publicKey.export({ type: "spki", format: "pem" })),
  ),
  bad("HS256 with the public key as its secret: DER", "token_algorithm", "alg_secret", (alg) =>
    hmacToken(alg, "HS256", pairOf(alg).publicKey.export({ type: "spki", format: "der" })),
  ),
  bad("HS256 with the public key as its secret: JWK", "token_algorithm", "alg_secret", (alg) =>
    hmacToken(alg, "HS256", JSON.stringify(jwkOf(pairOf(alg)))),
  ),
  bad("HS384", "token_algorithm", "alg_secret", (alg) => hmacToken(alg, "HS384", "secret")),
  bad("HS512", "token_algorithm", "alg_secret", (alg) => hmacToken(alg, "HS512", "secret")),
  bad("hs256 in small letters", "token_algorithm", "alg_secret", (alg) => mint(alg, { header: { alg: "hs256" } })),
  ...["none", "None", "NONE", "nOnE"].map((none) =>
    bad(`${none}, without a signature`, "token_algorithm", "alg_none", (alg) =>
      mint(alg, { header: { alg: none }, sign: () => Buffer.alloc(0) }),
    ),
  ),
  bad("none, with the signature", "token_algorithm", "alg_none", (alg) => mint(alg, { header: { alg: "none" } })),
  ...["", "rs256", "RS256 ", "ES256K", "ed25519", "Ed448", "RSA-OAEP", "RS1", "null"].map((name) =>
    bad(`the algorithm \`${name}\``, "token_algorithm", "alg_unknown", (alg) => mint(alg, { header: { alg: name } })),
  ),
  ...[undefined, null, 256, true, ["RS256"], { alg: "RS256" }].map((value) =>
    bad(`an algorithm that is ${JSON.stringify(value)}`, "token_malformed", "alg", (alg) =>
      mint(alg, { header: { alg: value } }),
    ),
  ),
  bad("an algorithm with NUL after it", "token_malformed", "text", (alg) =>
    mint(alg, { header: { alg: raw(`"${alg}\\u0000"`) } }),
  ),
  bad("an algorithm of another issuer's, well signed", "token_algorithm", "alg_refused", (alg) => {
    const other = alg === "ES256" ? "RS256" : "ES256";
    return mint(other, { issuer: alg.toLowerCase() }) as string;
  }),
  bad(
    "the same key, but an algorithm the issuer does not use",
    "token_algorithm",
    "alg_refused",
    (alg) => {
      const other = { RS256: "PS256", PS256: "RS256" }[alg] ?? "RS512";
      return mint(other, { issuer: alg.toLowerCase() });
    },
    ["RS256", "PS256"],
  ),
  bad(
    "the ID of an EC key with alg RS256",
    "token_algorithm",
    "key_type",
    () => {
      const signer = attackers.rsa.privateKey;
      return bearer(mint("RS256", { issuer: "all", header: { kid: "p256" }, signer }), "all");
    },
    ["RS256"],
  ),
  bad(
    "the ID of an RSA key with alg ES256",
    "token_algorithm",
    "key_type",
    () => {
      const signer = attackers.p256.privateKey;
      return bearer(mint("ES256", { issuer: "all", header: { kid: "rsa" }, signer }), "all");
    },
    ["ES256"],
  ),
  bad(
    "the ID of an RSA key with alg EdDSA",
    "token_algorithm",
    "key_type",
    () => bearer(mint("EdDSA", { issuer: "all", header: { kid: "rsa" } }), "all"),
    ["EdDSA"],
  ),
  bad(
    "ES384 with a key of P-256",
    "token_algorithm",
    "key_type",
    () => bearer(mint("ES384", { issuer: "all", header: { kid: "p256" }, signer: pairs.p256.privateKey }), "all"),
    ["ES384"],
  ),
  good("RS256 with a key whose JWK names alg RS256", () => bearer(mint("RS256", { issuer: "pinned" }), "pinned"), [
    "RS256",
  ]),
  bad(
    "PS256 with a key whose JWK names alg RS256",
    "token_algorithm",
    "key_type",
    () => bearer(mint("PS256", { issuer: "pinned" }), "pinned"),
    ["PS256"],
  ),
  bad(
    "PS256 with a key whose JWK names alg RS256, not named",
    "token_key_unknown",
    "key_absent",
    () => bearer(mint("PS256", { issuer: "pinned", header: { kid: undefined } }), "pinned"),
    ["PS256"],
  ),
];

const certificates = new Map(
  await Promise.all(Object.values(attackers).map(async (pair) => [pair, await selfSigned(pair)] as const)),
);
const address = "https://attacker.example.com/keys";

/** Members that would have a lenient verifier take the attacker's key. */
function embedded(alg: string): Record<string, Record<string, unknown>> {
  const attacker = attackerOf(alg);
  const x5c = [certificates.get(attacker)!];
  return {
    jwk: { jwk: jwkOf(attacker) },
    jku: { jku: address },
    x5u: { x5u: address },
    x5c: { x5c },
    "all of them": { jwk: jwkOf(attacker), jku: address, x5u: address, x5c },
  };
}

const embeddings: Row[] = ["jwk", "jku", "x5u", "x5c", "all of them"].flatMap((name) => [
  bad(`${name}, and the attacker's signature under the issuer's key ID`, "token_signature", "signature_wrong", (alg) =>
    mint(alg, { header: embedded(alg)[name]!, signer: attackerOf(alg).privateKey }),
  ),
  bad(`${name}, and the attacker's signature under its own key ID`, "token_key_unknown", "key_absent", (alg) => {
    const { kid, privateKey } = attackerOf(alg);
    return mint(alg, { header: { ...embedded(alg)[name]!, kid }, signer: privateKey });
  }),
  bad(`${name}, and the attacker's signature without a key ID`, "token_signature", "signature_wrong", (alg) =>
    mint(alg, { header: { ...embedded(alg)[name]!, kid: undefined }, signer: attackerOf(alg).privateKey }),
  ),
  good(`${name}, and the issuer's signature`, (alg) => mint(alg, { header: embedded(alg)[name]! })),
]);

const extensions: Row[] = [
  ...[["exp"], ["b64"], [], "exp", null, false].map((crit) =>
    bad(`crit ${JSON.stringify(crit)}`, "token_malformed", "crit", (alg) => mint(alg, { header: { crit, exp: 1 } })),
  ),
  bad("crit, its name escaped", "token_malformed", "crit", (alg) => mint(alg, { headerTail: ',"\\u0063rit":["exp"]' })),
  bad("b64: false, as RFC 7797 wants it", "token_malformed", "crit", (alg) =>
    mint(alg, { header: { b64: false, crit: ["b64"] } }),
  ),
  bad("b64: false, without crit", "token_malformed", "b64", (alg) => mint(alg, { header: { b64: false } })),
  bad("b64: false over a payload that is not encoded", "token_malformed", "base64", (alg) =>
    mint(alg, {
      header: { b64: false },
      encodeClaims: (part) => Buffer.from(part, "base64url").toString("latin1").replaceAll(".", ""),
    }),
  ),
  bad("b64: true", "token_malformed", "b64", (alg) => mint(alg, { header: { b64: true } })),
  good("members nobody knows", (alg) =>
    mint(alg, { header: { typ: "at+jwt", cty: "x", "x-extension": { a: [1, "b", null] } } }),
  ),
];

const es256 = (issuer: string, kid: string | undefined, signer = pairs.p256.privateKey): Shown =>
  bearer(mint("ES256", { issuer, header: { kid }, signer }), issuer);

const keyIds: Row[] = [
  bad("a kid of 4 KiB", "token_malformed", "kid", (alg) => mint(alg, { header: { kid: "k".repeat(4096) } })),
  bad("a kid of 257 bytes", "token_malformed", "kid", (alg) => mint(alg, { header: { kid: "k".repeat(257) } })),
  bad("a kid of 256 bytes", "token_key_unknown", "key_absent", (alg) =>
    mint(alg, { header: { kid: "k".repeat(256) } }),
  ),
  ...["", 1, null, true, ["rsa"], { kid: "rsa" }].map((kid) =>
    bad(`a kid that is ${JSON.stringify(kid)}`, "token_malformed", "kid", (alg) => mint(alg, { header: { kid } })),
  ),
  bad("a kid in capitals", "token_key_unknown", "key_absent", (alg) =>
    mint(alg, { header: { kid: pairOf(alg).kid.toUpperCase() } }),
  ),
  bad("a kid with a blank after it", "token_key_unknown", "key_absent", (alg) =>
    mint(alg, { header: { kid: `${pairOf(alg).kid} ` } }),
  ),
  bad("a kid with NUL after it", "token_malformed", "text", (alg) =>
    mint(alg, { header: { kid: raw(`"${pairOf(alg).kid}\\u0000"`) } }),
  ),
  bad("a kid that is a path", "token_key_unknown", "key_absent", (alg) =>
    mint(alg, { header: { kid: "../../dev/null" } }),
  ),
  good("no kid, where one key fits", (alg) => mint(alg, { header: { kid: undefined } })),
  bad(
    "no kid, where more keys fit than are tried",
    "token_key_unknown",
    "kid_missing",
    () => bearer(mint("ES256", { issuer: "several", header: { kid: undefined } }), "several"),
    ["ES256"],
  ),
  good("a kid that keys of several types share", (alg) =>
    bearer(mint(alg, { issuer: "shared", header: { kid: "shared" } }), "shared"),
  ),
  good("a kid that four keys of one algorithm share", () => es256("twins", "twins"), ["ES256"]),
  good("no kid, where four keys fit", () => es256("few", undefined), ["ES256"]),
  good("no kid, where the one key that fits stands seven times", () => es256("again", undefined), ["ES256"]),
  good("a kid that no key has, where keys have none", () => es256("nameless", "p256"), ["ES256"]),
  good("no kid, where keys have none", () => es256("nameless", undefined), ["ES256"]),
  bad(
    "the kid of one key, and the signature of another without",
    "token_signature",
    "signature_wrong",
    () => es256("nameless", "named"),
    ["ES256"],
  ),
  bad(
    "a kid that no key has, where keys have none, and the signature of one with another",
    "token_signature",
    "signature_wrong",
    () => es256("nameless", "nobody", attackers.p256.privateKey),
    ["ES256"],
  ),
  bad(
    "the kid of one key, and the signature of another",
    "token_signature",
    "signature_wrong",
    () => es256("few", "k0"),
    ["ES256"],
  ),
  good(
    "alg Ed25519 (RFC 9864)",
    () => bearer(mint("EdDSA", { issuer: "eddsa", header: { alg: "Ed25519" } }), "eddsa"),
    ["EdDSA"],
  ),
  bad(
    "alg Ed25519 with the kid of an RSA key",
    "token_algorithm",
    "key_type",
    () => bearer(mint("EdDSA", { issuer: "all", header: { alg: "Ed25519", kid: "rsa" } }), "all"),
    ["EdDSA"],
  ),
  bad(
    "a kid that five keys of one algorithm share",
    "token_key_unknown",
    "kid_shared",
    () => bearer(mint("ES256", { issuer: "clash", header: { kid: "clash" } }), "clash"),
    ["ES256"],
  ),
];

export const headerRows: readonly Row[] = [...algorithms, ...embeddings, ...extensions, ...keyIds];
