/** The compact serialization and the header it comes in: parts, base64url, sizes, schemes. */
import { mint, nowSeconds, type Recipe } from "./mint.ts";
import { bad, bearer, families, good, type Make, type Row, type Said } from "./row.ts";

const malformed = (detail: string): Said => ({ status: 401, reason: "token_malformed", detail });
const missing: Said = { status: 401, reason: "token_missing", detail: "scheme" };

const parts: Row[] = [
  ...[
    ["two parts", (token: string) => token.split(".").slice(0, 2).join(".")],
    ["four parts", (token: string) => `${token}.e30`],
    ["four parts, the last one empty", (token: string) => `${token}.`],
    ["six parts", (token: string) => `${token}.e30.e30.e30`],
    ["six parts, the first one empty", (token: string) => `.${token}.e30.e30`],
    ["no header", (token: string) => token.slice(token.indexOf("."))],
    ["no claims", (token: string) => token.replace(/\.[^.]*\./u, "..")],
  ].map(([name, change]) =>
    bad(name as string, "token_malformed", "parts", (alg) => (change as (token: string) => string)(mint(alg))),
  ),
  bad("one part", "token_malformed", "opaque", (alg) => mint(alg).replaceAll(".", "")),
  bad("five parts: JWE", "token_malformed", "encrypted", (alg) => `${mint(alg)}.e30.e30`),
  bad(
    "five parts: JWE, with an empty key",
    "token_malformed",
    "encrypted",
    () => "eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA",
    ["RS256"],
  ),
  ...[".", "..", "...", "....", ".....", ".".repeat(8192)].map((dots) =>
    bad(`only dots, ${dots.length}`, "token_malformed", "parts", () => dots, ["RS256"]),
  ),
  { ...bad("an empty token", "token_malformed", "parts", () => "", ["RS256"]), inEnvoy: missing },
];

/** Grows the claims until the encoded part is `rest` characters over a multiple of four. */
const withRest = (rest: number, alg: string, name: "header" | "claims"): Recipe => {
  for (let size = 0; ; size++) {
    const recipe: Recipe = { [name]: { pad: "~?>".repeat(4) + "p".repeat(size) } };
    const part = mint(alg, recipe).split(".")[name === "header" ? 0 : 1]!;
    if (part.length % 4 === rest) return recipe;
  }
};

/** The standard alphabet, as an encoder in the wrong mode writes it; the tokens made here have such characters in every part. */
const standard = (part: string): string => part.replaceAll("-", "+").replaceAll("_", "/");
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** Sets the lowest of the bits that no byte takes. */
const strayBit = (part: string): string => part.slice(0, -1) + alphabet[alphabet.indexOf(part.at(-1)!) | 1];
const middle = (part: string, text: string): string => part.slice(0, 8) + text + part.slice(8);

const spellings: readonly [name: string, change: (part: string) => string][] = [
  ["padding", (part) => part.padEnd(part.length + ((4 - (part.length % 4)) % 4), "=")],
  ["padding that is too long", (part) => `${part}==`],
  ["a blank", (part) => middle(part, " ")],
  ["a tab", (part) => middle(part, "\t")],
  ["a letter too many", (part) => part + "A".repeat((5 - (part.length % 4)) % 4)],
  ["stray bits in the last character", strayBit],
  ["`+` and `/`", standard],
  ["a comma", (part) => middle(part, ",")],
  ["a percent escape", (part) => middle(part, "%2D")],
  ["a byte beyond ASCII", (part) => middle(part, "\xe9")],
];

/** A token with a part so changed; what is signed is what is sent, so that only the spelling is wrong. */
function misspelt(alg: string, place: "header" | "claims" | "signature", change: (part: string) => string): string {
  if (place === "header") return mint(alg, { ...withRest(3, alg, "header"), encodeHeader: change });
  if (place === "claims") return mint(alg, { ...withRest(3, alg, "claims"), encodeClaims: change });
  for (let jti = 0; ; jti++) {
    const token = mint(alg, { claims: { jti } });
    const at = token.lastIndexOf(".") + 1;
    if (/[-_]/u.test(token.slice(at))) return token.slice(0, at) + change(token.slice(at));
  }
}

const base64: Row[] = (["header", "claims", "signature"] as const).flatMap((place) =>
  spellings.map(([name, change]) =>
    bad(`base64url with ${name} in the ${place}`, "token_malformed", "base64", (alg) => misspelt(alg, place, change)),
  ),
);

/** A token of that many bytes. */
function sized(alg: string, bytes: number): string {
  for (let size = bytes >> 1; ; size++) {
    for (const kid of ["", "k", "kk"]) {
      const token = mint(alg, { header: { pad: kid }, claims: { pad: "p".repeat(size) } });
      if (token.length === bytes) return token;
    }
  }
}

function tooLarge(name: string, make: Make, alg: string): Row {
  const said = { status: 431, reason: "headers_too_large", detail: "token_too_large" };
  return { ...bad(name, said.reason, said.detail, make, [alg]), said };
}

const sizes: Row[] = [
  good("a token of exactly 16 KiB", (alg) => sized(alg, 16384), ["ES256"]),
  tooLarge("a token of one byte more than 16 KiB", (alg) => sized(alg, 16385), "ES256"),
  tooLarge("a token of 32 KiB", () => "a".repeat(32768), "RS256"),
  bad("a signature of more than 1 KiB", "token_malformed", "signature_size", (alg) =>
    mint(alg, { sign: () => Buffer.alloc(1025, 1) }),
  ),
];

const shown =
  (...authorization: string[]): Make =>
  (alg) => ({ issuer: alg.toLowerCase(), authorization });
const sound = mint("ES256");
const other = mint("ES256", { claims: { jti: nowSeconds } });

/** The header by itself, as the ES256 issuer meets it. */
function header(name: string, said: Said, authorization: string[], inEnvoy?: Said): Row {
  const { shown: requests } = bad(name, said.reason, said.detail, shown(...authorization), ["ES256"]);
  return { name, shown: requests, said, ...(inEnvoy && { inEnvoy }) };
}

// Envoy joins the values of `authorization` with a comma, and leaves out empty ones.
const joined = malformed("base64");
const allowed: Said = { status: 200, reason: "allowed", detail: null };

const schemes: Row[] = [
  header("no header at all", { ...missing, detail: null }, []),
  header("two Authorization headers", malformed("several_headers"), [`Bearer ${sound}`, `Bearer ${other}`], joined),
  header(
    "the same Authorization header twice",
    malformed("several_headers"),
    [`Bearer ${sound}`, `Bearer ${sound}`],
    joined,
  ),
  header("Basic and Bearer", malformed("several_headers"), ["Basic YTpi", `Bearer ${sound}`]),
  header("Bearer and an empty one", malformed("several_headers"), [`Bearer ${sound}`, ""], allowed),
  header("a comma-joined header", joined, [`Bearer ${sound}, Bearer ${other}`]),
  header("a comma-joined header, its second scheme left out", joined, [`Bearer ${sound},${other}`]),
  header("a comma after the token", joined, [`Bearer ${sound},`]),
  header("another scheme", missing, [`Basic ${sound}`]),
  header("no scheme", missing, [sound]),
  header("Bearer without a blank", missing, [`Bearer${sound}`]),
  header("Bearer alone", missing, ["Bearer"]),
  header("an empty header", missing, [""]),
  header("two blanks and a comma", malformed("base64"), [`Bearer  ,${sound}`]),
  header("a tab for the blank", malformed("several_headers"), [`Bearer\t${sound}`]),
  header("a tab after the blank", malformed("base64"), [`Bearer \t${sound}`]),
  header("a colon after the scheme", missing, [`Bearer: ${sound}`]),
  header("the token in quotes", malformed("base64"), [`Bearer "${sound}"`]),
];

const control: Row[] = [
  good("the token of those headers, alone", () => bearer(sound, "es256"), ["ES256"]),
  ...["bearer ", "BEARER ", "bEaReR ", "Bearer  ", "bearer     "].map((scheme) =>
    good(`after \`${scheme}\``, () => ({ issuer: "es256", authorization: [scheme + sound] }), ["ES256"]),
  ),
  good("parts that end in each way", (alg) => mint(alg, withRest(0, alg, "claims")), families),
];

export const formRows: readonly Row[] = [...parts, ...base64, ...sizes, ...schemes, ...control];
