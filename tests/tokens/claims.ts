/** Claims and the JSON they are written in, of tokens that are well signed: only what they say is wrong. */
import { audience, issOf, type Members, mint, nowSeconds, raw, utf8 } from "./mint.ts";
import { composed, unicodeIss } from "./policy.ts";
import { bad, bearer, good, type Row } from "./row.ts";

const claim = (name: string, reason: string, detail: string | null, claims: Members): Row =>
  bad(name, reason, detail, (alg) => mint(alg, { claims }));
const taken = (name: string, claims: Members): Row => good(name, (alg) => mint(alg, { claims }));

/** Values that are no NumericDate, or none in every reader's eyes, as JSON texts, with the detail; null for the claim's own. */
const noDates: readonly [text: string, detail: string | null][] = [
  ['"123"', null],
  [`"${nowSeconds + 600}"`, null],
  ["NaN", "claims_json"],
  ["Infinity", "claims_json"],
  ["-Infinity", "claims_json"],
  ["1e99", null],
  ["1E10", null],
  ["1E400", null],
  ["1e-400", null],
  ["-1", null],
  ["-0", null],
  ["0x10", "claims_json"],
  ["01", "number"],
  ["-01", "number"],
  ["+1", "claims_json"],
  [".5", "claims_json"],
  ["5.", "number"],
  ["1_000", "claims_json"],
  ["9007199254740992", null],
  ["9223372036854775808", null],
  ["99999999999999999999", null],
  [`1.${"0".repeat(20)}`, null],
  ["null", null],
  ["true", null],
  ["[1]", null],
  ["{}", null],
  ['""', null],
];

const dates: Row[] = ["exp", "nbf", "iat"].flatMap((name) =>
  noDates.map(([text, detail]) =>
    claim(`${name} is ${text}`, "token_malformed", detail ?? name, { [name]: raw(text) }),
  ),
);

const times: Row[] = [
  claim("no exp", "token_malformed", "exp_missing", { exp: undefined }),
  claim("exp of 0", "token_expired", null, { exp: 0 }),
  claim("exp of 1.5", "token_expired", null, { exp: raw("1.5") }),
  claim("exp just past the leeway", "token_expired", null, { iat: undefined, exp: nowSeconds - 31, nbf: 0 }),
  claim("a far exp: longer than the issuer may give", "token_lifetime", null, { exp: 4102444800 }),
  claim("the largest exp", "token_lifetime", null, { exp: raw("9007199254740991") }),
  claim("iat of 0: longer than the issuer may give", "token_lifetime", null, { iat: 0 }),
  claim("no iat", "token_lifetime", "lifetime_unknown", { iat: undefined }),
  claim("a far iat", "token_not_yet_valid", "iat", { iat: 4102444800, exp: 4102445100 }),
  claim("the largest iat", "token_not_yet_valid", "iat", { iat: raw("9007199254740991") }),
  claim("a far nbf", "token_not_yet_valid", "nbf", { nbf: 4102444800 }),
  claim("the largest nbf", "token_not_yet_valid", "nbf", { nbf: raw("9007199254740991") }),
  taken("a fraction of a second", { exp: raw(`${nowSeconds + 600}.75`), nbf: raw(`${nowSeconds}.5`) }),
  taken("nbf of 0", { nbf: 0 }),
];

const nested = (levels: number, [open, close]: [string, string], inner = ""): string =>
  open.repeat(levels) + inner + close.repeat(levels);

const audiences: Row[] = [
  claim("no aud", "token_audience", "aud_missing", { aud: undefined }),
  claim("another aud", "token_audience", null, { aud: "other-api" }),
  claim("aud in capitals", "token_audience", null, { aud: audience.toUpperCase() }),
  claim("aud with a blank after it", "token_audience", null, { aud: `${audience} ` }),
  claim("aud that begins like ours", "token_audience", null, { aud: `${audience}-2` }),
  claim("aud cut short", "token_audience", null, { aud: audience.slice(0, -1) }),
  claim("several aud in one string", "token_audience", null, { aud: `${audience} other` }),
  claim("an empty aud", "token_audience", null, { aud: "" }),
  claim("an empty list of aud", "token_audience", null, { aud: [] }),
  claim("a list of other aud", "token_audience", null, { aud: ["a", "b"] }),
  ...[1, null, true, { 0: audience }, [audience, 1], [1, audience], [audience, null], [[audience]], [audience, {}]].map(
    (aud) => claim(`aud that is ${JSON.stringify(aud)}`, "token_malformed", "aud", { aud }),
  ),
  claim("aud of lists a thousand deep", "token_malformed", "aud", {
    aud: raw(nested(1000, ["[", "]"], `"${audience}"`)),
  }),
  taken("a list with our aud", { aud: ["a", audience] }),
];

const json: Row[] = [
  taken("objects 800 deep", { deep: raw(nested(800, ['{"":', "}"], "1")) }),
  taken("lists 17 deep, the claims counted", { deep: raw(nested(16, ["[", "]"])) }),
  taken("lists 16 deep, the claims counted", { deep: raw(nested(15, ["[", "]"])) }),
  claim("lists 17 deep and one not closed", "token_malformed", "claims_json", {
    deep: raw(`[${nested(17, ["[", "]"])}`),
  }),
  ...["18446744073709551615", "1".repeat(60), "0.12345678901234567890", "1e999"].flatMap((number) => [
    taken(`a claim nobody reads that is ${number}`, { big: raw(number), deep: [{ big: raw(number) }] }),
    claim(`exp that is ${number}`, "token_malformed", "exp", { exp: raw(number) }),
    claim(`sub that is ${number}`, "token_malformed", "sub", { sub: raw(number) }),
    claim(`aud with ${number}`, "token_malformed", "aud", { aud: [audience, raw(number)] }),
  ]),
  claim("a list of 1025 values", "token_malformed", "count", { many: Array.from({ length: 1025 }, () => 1) }),
  claim("129 members", "token_malformed", "count", {
    many: Object.fromEntries(Array.from({ length: 129 }, (_, index) => [index, 1])),
  }),
  good("a header of lists a thousand deep", (alg) => mint(alg, { header: { deep: raw(nested(1000, ["[", "]"])) } })),
  ...["[]", '"text"', "1", "null", "true"].flatMap((text) => [
    bad(`claims that are ${text}`, "token_malformed", "claims_json", (alg) => mint(alg, { claimsText: text })),
    bad(`a header that is ${text}`, "token_malformed", "header_json", (alg) => mint(alg, { headerText: text })),
  ]),
  ...[
    ["a comma too many", (object: string) => object.replace(/\}$/u, ",}")],
    ["no closing brace", (object: string) => object.slice(0, -1)],
    ["something after them", (object: string) => `${object}{}`],
    ["a byte order mark", (object: string) => `${utf8("\ufeff")}${object}`],
    ["a comment", (object: string) => object.replace("{", "{/* */")],
    ["names without quotes", (object: string) => object.replace(/"(alg|iss)"/u, "$1")],
  ].flatMap(([name, change]) => {
    const spoil = (part: string): string =>
      Buffer.from(
        (change as (text: string) => string)(Buffer.from(part, "base64url").toString("latin1")),
        "latin1",
      ).toString("base64url");
    return [
      bad(`claims with ${name}`, "token_malformed", "claims_json", (alg) => mint(alg, { encodeClaims: spoil })),
      bad(`a header with ${name}`, "token_malformed", "header_json", (alg) => mint(alg, { encodeHeader: spoil })),
    ];
  }),
];

/** Twice the same is refused as much as once this and once that. */
const duplicates: Row[] = [
  ...[
    '"iss":"https://attacker.example.com"',
    '"\\u0069ss":"x"',
    '"exp":4102444800',
    '"sub":"alice"',
    '"a":{"b":1,"b":1}',
    '"a":[{"b":1,"\\u0062":1}]',
  ].map((tail) =>
    bad(`claims with ${tail} besides`, "token_malformed", "duplicate_member", (alg) =>
      mint(alg, { claimsTail: `,${tail}` }),
    ),
  ),
  ...['"alg":"none"', '"\\u0061lg":"HS256"', '"kid":"x"', '"a":{"b":1,"b":1}'].map((tail) =>
    bad(`a header with ${tail} besides`, "token_malformed", "duplicate_member", (alg) =>
      mint(alg, { headerTail: `,${tail}` }),
    ),
  ),
  good("a name that is escaped, once", (alg) =>
    mint(alg, { claims: { iss: undefined }, claimsTail: `,"\\u0069ss":"${issOf(alg.toLowerCase())}"` }),
  ),
];

const subjects: Row[] = [
  ...[1, null, true, ["alice"], { name: "alice" }].map((sub) =>
    claim(`sub that is ${JSON.stringify(sub)}`, "token_malformed", "sub", { sub }),
  ),
  ...[
    ["NUL, escaped", "a\\u0000b"],
    ["NUL", "a\0b"],
    ["a line feed", "a\nb"],
    ["a byte that is no UTF-8", "a\xff"],
    ["a byte that goes on from nothing", "a\x80"],
    ["a character cut short", "a\xe2\x82"],
    ["NUL in two bytes", "a\xc0\x80"],
    ["a letter in three bytes", "\xe0\x81\xa1"],
    ["a surrogate in UTF-8", "a\xed\xa0\x80"],
    ["a surrogate pair in UTF-8", "\xed\xa0\xbd\xed\xb8\x80"],
    ["a character beyond the last", "a\xf4\x90\x80\x80"],
    ["a high surrogate alone", "a\\ud83d"],
    ["a low surrogate alone", "\\ude00a"],
    ["two high surrogates", "\\ud83d\\ud83d"],
    ["surrogates the wrong way round", "\\ude00\\ud83d"],
    ["an escape JSON has not", "a\\x41"],
    ["an escape cut short", "a\\u00"],
  ].map(([name, text]) => claim(`sub with ${name}`, "token_malformed", "text", { sub: raw(`"${text}"`) })),
  taken("sub with a surrogate pair", { sub: raw('"\\ud83d\\ude00"') }),
  taken("no sub", { sub: undefined }),
];

const issuer = (name: string, change: (iss: string) => unknown): Row =>
  bad(name, "token_issuer", null, (alg) => mint(alg, { claims: { iss: change(issOf(alg.toLowerCase())) } }));
const unicode = (claims: Members): string =>
  mint("ES256", { issuer: "unicode", claims: { iss: unicodeIss, aud: composed, ...claims } });
const decomposed = composed.normalize("NFD");

const issuers: Row[] = [
  issuer("no iss", () => undefined),
  ...[1, null, true, ["https://es256.example.org"], {}].map((iss) =>
    issuer(`iss that is ${JSON.stringify(iss)}`, () => iss),
  ),
  issuer("an empty iss", () => ""),
  issuer("iss with one other character", (iss) => iss.replace("example", "examp1e")),
  issuer("iss without its last character", (iss) => iss.slice(0, -1)),
  issuer("iss in capitals", (iss) => iss.toUpperCase()),
  issuer("iss with a slash after it", (iss) => `${iss}/`),
  issuer("iss with a blank after it", (iss) => `${iss} `),
  issuer("iss with a port", (iss) => `${iss}:443`),
  issuer("iss of http", (iss) => iss.replace("https", "http")),
  issuer("iss with a letter that looks alike", (iss) => iss.replace("e", "\u0435")),
  issuer("iss with a letter of no width", (iss) => `${iss}\u200b`),
  issuer("iss of another issuer", () => issOf("several")),
  bad("iss with NUL after it", "token_malformed", "text", (alg) =>
    mint(alg, { claims: { iss: raw(`"${issOf(alg.toLowerCase())}\\u0000"`) } }),
  ),
  good("iss and aud beyond ASCII", () => bearer(unicode({}), "unicode"), ["ES256"]),
  good(
    "iss beyond ASCII, escaped",
    () => bearer(unicode({ iss: raw('"https://caf\\u00e9.example.org"') }), "unicode"),
    ["ES256"],
  ),
  bad(
    "iss in another normal form",
    "token_issuer",
    null,
    () => bearer(unicode({ iss: unicodeIss.normalize("NFD") }), "unicode"),
    ["ES256"],
  ),
  bad("aud in another normal form", "token_audience", null, () => bearer(unicode({ aud: decomposed }), "unicode"), [
    "ES256",
  ]),
];

export const claimRows: readonly Row[] = [
  ...dates,
  ...times,
  ...audiences,
  ...json,
  ...duplicates,
  ...subjects,
  ...issuers,
];
