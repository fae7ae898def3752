/**
 * Spoilt tokens at all kinds of places, signed anew where only that would make a difference: the engine never traps, and
 * admits none that the second evaluator (tests/differential/reference) and `jose` would not. The seed is printed; SEED
 * brings a run back, CASES says how many.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import { signRaw, writeKeySets } from "../differential/arbitrary/keys.ts";
import { digests, issuer_urls, start_seconds } from "../differential/arbitrary/tokens.ts";
import { compileText, Product } from "../differential/product.ts";
import { Reference } from "../differential/reference/evaluate.ts";
import { readPolicy } from "../differential/reference/policy.ts";
import type { Arrived } from "../differential/reference/request.ts";
import { answerOf, isSame } from "../differential/scenario.ts";
import { Random, runSeed } from "../support/random.ts";

const seed = runSeed();
console.log(`SEED=${seed}`);
const cases = Number(process.env.CASES ?? 12_000);
/** A VM serves so many cases, so that what one leaves behind is met by others. */
const cases_a_vm = 500;

const text = `version: 1
name: fuzz
trust:
  domains: [example.org, partner.net]
  identity: either
  jwtSvid:
    audiences: [order-api]
    bundles: { example.org: { file: example.org.jwks.json }, partner.net: { file: partner.net.jwks.json } }
    from: [{ header: x-svid }]
    leeway: 0s
    forwardToken: false
issuers:
  corp:
    issuer: ${issuer_urls.corp}
    audiences: [order-api]
    algorithms: [RS256, PS256, ES256, EdDSA]
    keys: { file: corp.jwks.json }
    leeway: 0s
    from: [{ header: authorization }, { header: x-token, prefix: "v1 " }, { cookie: s }, { query: t }]
    forwardToken: false
  device:
    issuer: ${issuer_urls.device}
    audiences: [order-api]
    algorithms: [ES256]
    keys: { file: partner.jwks.json }
    leeway: 0s
    from: [{ header: x-device }]
    bind: certificate
rules:
  - { name: corp, callers: [anonymous], allow: [GET /corp], token: corp }
  - { name: device, callers: [anonymous], allow: [GET /device], token: device }
  - { name: svid, callers: [any], allow: [GET /svid] }
`;

interface Kind {
  key: string;
  alg: string;
  kid?: string;
  iss?: string;
  path: string;
  /** Its JWKS. */
  keys: string;
}
const kinds: readonly Kind[] = [
  { key: "corp-ec", alg: "ES256", kid: "e1", iss: issuer_urls.corp, path: "/corp", keys: "corp" },
  { key: "corp-ed", alg: "EdDSA", kid: "e1", iss: issuer_urls.corp, path: "/corp", keys: "corp" },
  { key: "corp-rsa", alg: "PS256", kid: "r1", iss: issuer_urls.corp, path: "/corp", keys: "corp" },
  { key: "partner-ec", alg: "ES256", iss: issuer_urls.device, path: "/device", keys: "partner" },
  { key: "svid-ec", alg: "ES256", kid: "s1", path: "/svid", keys: "example.org" },
];

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const odd_texts = [
  "null", "true", "-0", "1e400", "1.0", "1e3", "-1", "9007199254740993", "18446744073709551616", "0x1", '""', '"\\u0000"', '"\\ud800"',
  '"\\ud83d\\ude00"', "[]", "{}", "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", '{"a":1,"a":2}', '{"x5t#S256":null}', '["order-api"]', '["order-api",1]',
  '"order-api"', "1795255200", "1795258800.5", "NaN", "'a'", '"spiffe://example.org/a"', '"spiffe://partner.net/a"',
]; // biome-ignore format: one value a word
const names = [
  "alg",
  "kid",
  "typ",
  "crit",
  "b64",
  "jwk",
  "jku",
  "iss",
  "sub",
  "aud",
  "exp",
  "nbf",
  "iat",
  "cnf",
  "",
  "\u0069ss",
];

/** A JSON object's text, spoilt in structure. */
function spoilJson(random: Random, value: { [name: string]: Json }): string {
  const members = Object.entries(value).map(([name, one]): [string, string] => [
    JSON.stringify(name),
    JSON.stringify(one),
  ]);
  for (let changes = 1 + random.below(2); changes > 0; changes--) {
    const at = random.below(Math.max(1, members.length));
    switch (random.below(8)) {
      case 0:
        members.splice(at, 1);
        break;
      case 1:
        if (members[at] !== undefined) members[at][1] = random.pick(odd_texts);
        break;
      case 2:
        members.push([JSON.stringify(random.pick(names)), random.pick(odd_texts)]);
        break;
      case 3:
        // The same name again, the second time in another spelling.
        if (members[at] !== undefined)
          members.push([
            members[at][0].replace(/[a-z]/u, (one) => `\\u00${one.charCodeAt(0).toString(16)}`),
            members[at][1],
          ]);
        break;
      case 4:
        if (members[at] !== undefined) members[at][0] = members[at][0].toUpperCase();
        break;
      case 5:
        if (members[at] !== undefined)
          members[at][0] = members[at][0].replace(/[a-z]/u, (one) => `\\u00${one.charCodeAt(0).toString(16)}`);
        break;
      case 6:
        members.push(
          ...Array.from({ length: 120 + random.below(20) }, (_, index): [string, string] => [`"m${index}"`, "1"]),
        );
        break;
      default:
        if (members[at] !== undefined) members[at][1] = ` ${members[at][1]}\n`;
    }
  }
  const json = `{${members.map((member) => member.join(":")).join(",")}}`;
  return random.below(10) === 0
    ? random.pick([`${json} `, `\ufeff${json}`, `[${json}]`, json.slice(0, -1), `${json}x`, `${json}{}`])
    : json;
}

/** Bytes of a text, changed, cut, said twice or swapped with others. */
function spoilBytes(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length);
  const other = random.below(bytes.length);
  switch (random.below(7)) {
    case 0:
      bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 1:
      bytes[at] = random.pick([0x2e, 0x3d, 0x20, 0x2c, 0x2b, 0x2f, 0x00, 0x41, 0xc3, 0x25, 0x3b, 0x26]);
      return bytes;
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(other, other + 8), bytes.subarray(at)]);
    case 5: {
      const parts = bytes.toString("latin1").split(".");
      [parts[0], parts[1]] = [parts[1] ?? "", parts[0]!];
      return Buffer.from(parts.join("."), "latin1");
    }
    default:
      return bytes.subarray(at);
  }
}

/** A token of a kind, good or spoilt. */
function someToken(random: Random, kind: Kind): string {
  const { alg, kid, iss } = kind;
  const header = { alg, ...(kid !== undefined && { kid }), typ: "JWT" };
  const claims = {
    ...(iss !== undefined && { iss }),
    sub: iss === undefined ? "spiffe://example.org/a" : "alice",
    aud: "order-api",
    exp: start_seconds + 3600,
    iat: start_seconds,
    cnf: { "x5t#S256": Buffer.from(digests[0]!, "hex").toString("base64url") },
  };
  const way = random.below(6);
  // One in eight is signed by a key that does not go with it.
  const key = random.below(8) === 0 ? random.pick(kinds).key : kind.key;
  let texts: Uint8Array[] = [
    way === 1 ? spoilJson(random, header) : JSON.stringify(header),
    way === 2 ? spoilJson(random, claims) : JSON.stringify(claims),
  ].map((part) => Buffer.from(part));
  if (way === 3) texts = texts.map((part) => (random.below(2) === 0 ? spoilBytes(random, Buffer.from(part)) : part));
  const token = Buffer.from(signRaw(texts[0]!, texts[1]!, key, alg));
  return (way >= 4 ? spoilBytes(random, token) : token).toString("latin1");
}

/** The request with the token somewhere, and sometimes not quite there. */
function someRequest(random: Random, kind: Kind, token: string): Arrived {
  const headers: [string, string][] = [];
  let query = "";
  const put = (value: string): void => {
    const encoded = value.replaceAll(
      /[^A-Za-z0-9._-]/gu,
      (one) => `%${one.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
    const places: (() => void)[] = [
      () =>
        headers.push([
          "authorization",
          `${random.pick(["Bearer ", "Bearer ", "Bearer ", "bearer ", "Bearer  ", "Bearer\t", "", "Basic "])}${value}`,
        ]),
      () => headers.push(["x-token", `${random.pick(["v1 ", "v1 ", "V1 ", "v1"])}${value}`]),
      () =>
        headers.push([
          "cookie",
          random.pick([
            `s=${value}`,
            `a=b; s=${value}`,
            `a=b;s=${value};`,
            `s="${value}"`,
            `S=${value}`,
            ` s=${value}`,
            `s =${value}`,
          ]),
        ]),
      () => {
        query += `${query === "" ? "?" : "&"}${random.pick(["t", "t", "t", "%74", "T", "x=1&t", "t[]"])}=${random.below(8) === 0 ? value : encoded}`;
      },
    ];
    if (kind.path === "/device") headers.push([random.pick(["x-device", "x-device", "x_device"]), value]);
    else if (kind.path === "/svid") headers.push(["x-svid", value]);
    else random.pick(places)();
  };
  put(token);
  if (random.below(8) === 0) put(random.below(2) === 0 ? token : "x.y.z");
  return {
    caller: random.below(5) === 0 ? "spiffe://example.org/b" : null,
    digest: random.pick([digests[0]!, digests[0]!, digests[1]!, null]),
    source: "10.1.2.3",
    method: "GET",
    path: kind.path + query,
    host: "example.org",
    // The host refuses what no header can hold.
    headers: headers.map(([name, value]) => [name, value.replaceAll(/[\0\r\n]/gu, "?")]),
  };
}

/** The keys as `jose` finds them for a token, which knows EdDSA by its older name alone, and asks for a key of the token's `kid`. */
function keysForJose(keys: JSONWebKeySet["keys"]): JWTVerifyGetKey {
  const plain = keys.map(({ use: _, alg, ...key }) => ({
    ...key,
    ...(alg !== undefined && { alg: alg === "Ed25519" ? "EdDSA" : alg }),
  }));
  const all = createLocalJWKSet({ keys: plain });
  const unnamed = createLocalJWKSet({ keys: plain.filter(({ kid }) => kid === undefined) });
  return (header, token) => {
    if (header.kid === undefined || plain.some(({ kid }) => kid === header.kid)) return all(header, token);
    const { kid: _, ...rest } = header;
    return unnamed(rest, token);
  };
}

/** Throws what `jose` has against a token; of several keys one has to be right. */
async function verify(token: string, keys: JWTVerifyGetKey, options: JWTVerifyOptions): Promise<void> {
  try {
    await jwtVerify(token, keys, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    const candidates = [];
    for await (const key of error) candidates.push(key);
    await Promise.any(candidates.map((key) => jwtVerify(token, key, options)));
  }
}

test(`${cases} spoilt tokens`, async () => {
  const folder = writeKeySets();
  const image = compileText({ main: text, included: {} }, folder)!;
  const policy = readPolicy(text, [], folder);
  const sets = new Map(
    kinds.map(({ keys }) => {
      const jwks = JSON.parse(readFileSync(join(folder, `${keys}.jwks.json`), "utf8")) as JSONWebKeySet;
      const used = jwks.keys.filter(({ use = "sig" }) => use === (keys === "example.org" ? "jwt-svid" : "sig"));
      return [keys, keysForJose(used)];
    }),
  );
  let product = new Product(image);
  const reference = new Reference(policy);
  let admitted = 0;
  let stricter = 0;
  let otherwise = 0;
  for (let number = 0; number < cases; number++) {
    if (number % cases_a_vm === 0) product = new Product(image);
    const random = new Random(seed ^ Math.imul(number + 1, 0x9e3779b1));
    const kind = random.pick(kinds);
    const token = someToken(random, kind);
    const arrived = someRequest(random, kind, token);
    const now = (start_seconds + random.pick([0, 0, 0, 3599, 3600])) * 1000;
    const outcome = product.ask(arrived, now);
    const given = answerOf(outcome);
    const expected = reference.ask(arrived, now);
    const what = `case ${number}, SEED=${seed}: product ${given.reason}, reference ${expected.reason}\n${JSON.stringify(arrived)}`;
    assert.equal(outcome.trapped, false, what);
    assert.notEqual(given.reason, "internal", what);
    if (given.decision !== "allow") {
      if (expected.decision === "allow") {
        stricter++;
        if (process.env.VERBOSE) console.log(what);
      } else if (given.reason !== expected.reason) {
        otherwise++;
        if (process.env.VERBOSE) console.log(what);
      }
      continue;
    }
    admitted++;
    assert.ok(isSame(given, expected), what);
    if (given.rule === "svid" && arrived.caller !== null) continue;
    try {
      await verify(token, sets.get(kind.keys)!, {
        algorithms: ["RS256", "PS256", "ES256", "EdDSA"],
        audience: "order-api",
        currentDate: new Date(now),
        ...(kind.iss !== undefined && { issuer: kind.iss }),
      });
    } catch (error) {
      assert.fail(`${what}\njose: ${(error as Error).message}`);
    }
  }
  console.log(
    `${admitted} admitted, ${stricter} refused that the reference would admit, ${otherwise} refused for another reason`,
  );
  assert.ok(admitted > cases / 20, `only ${admitted} were admitted: the test no longer tests much`);
  // Bounds of the engine that the reference does not have.
  assert.ok(stricter < cases / 50, `${stricter} were refused that the reference would admit`);
});
