/**
 * Claims of well signed tokens, met for the first time and again: what a token's claims say at a time must not depend on
 * whether they were found on its own tape or in the cache, and must be what the second evaluator
 * (tests/differential/reference) says. Names of three characters, in every spelling, and dates at the borders are what
 * assembly/token/claims.ts looks for in one go. The seed is printed; SEED brings a run back, CASES says how many tokens.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { signRaw, writeKeySets } from "../differential/arbitrary/keys.ts";
import { issuer_urls, start_seconds } from "../differential/arbitrary/tokens.ts";
import { compileText, Product } from "../differential/product.ts";
import { Reference } from "../differential/reference/evaluate.ts";
import { readPolicy } from "../differential/reference/policy.ts";
import { answerOf, isSame } from "../differential/scenario.ts";
import { Random, runSeed } from "../support/random.ts";

const seed = runSeed();
console.log(`SEED=${seed}`);
const cases = Number(process.env.CASES ?? 4000);

const lifetime_seconds = 7200;
const leeway_seconds = 30;
const text = `version: 1
name: claims
trust:
  domains: [example.org]
  identity: either
  jwtSvid:
    audiences: [order-api]
    bundles: { example.org: { file: example.org.jwks.json } }
    from: [{ header: x-svid }]
    leeway: 0s
issuers:
  corp:
    issuer: ${issuer_urls.corp}
    audiences: [order-api, billing]
    algorithms: [ES256]
    keys: { file: corp.jwks.json }
    leeway: ${leeway_seconds}s
    maxLifetime: ${lifetime_seconds}s
    from: [{ header: x-corp }, { header: x-more }]
  loose:
    issuer: ${issuer_urls.app}
    audiences: [order-api]
    algorithms: [ES256]
    keys: { file: corp.jwks.json }
    leeway: 0s
    from: [{ header: x-corp }, { header: x-more }]
    bind: caller
forward: { x-user: claims.sub, x-issuer: claims.iss, x-inner: claims.act.sub }
rules:
  - { name: corp, callers: [anonymous], allow: [GET /corp], token: corp }
  - { name: loose, callers: [any], allow: [GET /loose], token: loose }
  - { name: both, callers: [anonymous], allow: [GET /both], token: [loose, corp] }
  - { name: svid, callers: [any], allow: [GET /svid] }
`;
const id = "spiffe://example.org/a";

/** A name as JSON, now and then with some of its characters escaped. */
function nameText(random: Random, name: string): string {
  if (random.below(4) !== 0) return JSON.stringify(name);
  const units = [...name].map((one) => {
    const hex = one.charCodeAt(0).toString(16).padStart(4, "0");
    return random.below(2) === 0 ? `\\u${random.below(2) === 0 ? hex : hex.toUpperCase()}` : one;
  });
  return `"${units.join("")}"`;
}

const near_names = [
  "is",
  "isss",
  "ISS",
  "Iss",
  "isṡ",
  "ſub",
  "é1",
  "日",
  "ißs",
  "exq",
  "eyp",
  "fxp",
  "nbe",
  "iau",
  "aue",
  "",
  "act",
  "a\tb",
  "abc",
  "su",
  "subs",
];
const others = [
  "null",
  "true",
  "false",
  "1",
  '"x"',
  '"iss"',
  "[]",
  "{}",
  "[[]]",
  '["order-api"]',
  '"order-api"',
  '["x","order-api"]',
  '["order-api",1]',
  '[["order-api"]]',
  '["billing"]',
];
/** Objects and lists that have names and values of those looked for inside them. */
const nested = [
  `{"iss":"${issuer_urls.app}","sub":"mallory","exp":99999999999,"aud":"order-api"}`,
  '{"sub":"inner","act":{"sub":"innermost"}}',
  '[{"iss":"x"},{"exp":1}]',
  '["iss","sub","aud","exp"]',
  '{"a":{"b":[{"iat":0,"nbf":9e9}]},"exp":0}',
]; // biome-ignore format: one value a word

function dateText(random: Random, now: number): string {
  const offsets = [
    0,
    1,
    -1,
    leeway_seconds,
    leeway_seconds + 1,
    -leeway_seconds,
    -leeway_seconds - 1,
    lifetime_seconds,
    lifetime_seconds + 1,
  ];
  const near = String(now + random.pick(offsets));
  return random.pick([
    ...[near, near, near, near, `${near}.0`, `${near}.5`, `${near}.999`, `-${near}`, `"${near}"`, `[${near}]`],
    ...["0", "0.0", "-1", "9007199254740991", "9007199254740991.0", "9007199254740992", "9223372036854775807"],
    ...["9223372036854775808", "9999999999999999999", "4294967296", "2147483648", "0.5", "null", "true", "{}"],
  ]);
}

/** The text of claims: those of a good token, of which some are changed, and others among them. */
function claimsText(random: Random, kind: "corp" | "loose" | "svid"): string {
  const iss = kind === "corp" ? issuer_urls.corp : issuer_urls.app;
  const members: [name: string, value: string][] = [
    ...(kind === "svid" ? [] : [["iss", JSON.stringify(iss)] as [string, string]]),
    ["sub", JSON.stringify(kind === "corp" ? "alice" : id)],
    ["aud", '"order-api"'],
    ["exp", String(start_seconds + 3600)],
    ["iat", String(start_seconds)],
  ];
  for (let changes = random.below(4); changes > 0; changes--) {
    const at = random.below(members.length + 1);
    const [name, value] = members[at] ?? ["act", "{}"];
    switch (random.below(9)) {
      case 0:
        members.splice(at, 1);
        break;
      case 1:
        members.splice(at, 1, [name, random.pick(others)]);
        break;
      case 2:
      case 3: {
        const date = random.pick(["exp", "nbf", "iat"]);
        const found = members.findIndex((one) => one[0] === date);
        members.splice(found < 0 ? at : found, found < 0 ? 0 : 1, [date, dateText(random, start_seconds)]);
        break;
      }
      case 4:
        members.splice(at, 0, [random.pick(near_names), random.pick([...others, ...nested])]);
        break;
      case 5:
        members.splice(at, 0, [random.pick(["act", "abc", "x"]), random.pick(nested)]);
        break;
      case 6:
        if (random.below(4) === 0) members.splice(random.below(members.length + 1), 0, [name, value]);
        break;
      case 7:
        members.sort(() => random.below(3) - 1);
        break;
      default:
        members.splice(at, 0, [random.pick(["iss", "sub", "aud"]), random.pick([...others, ...nested])]);
    }
  }
  const space = () => random.pick(["", "", "", " ", "\n\t"]);
  const written = members.map(([name, value]) => `${space()}${nameText(random, name)}${space()}:${space()}${value}`);
  return `{${written.join(",")}${space()}}`;
}

const kinds = {
  corp: { header: { alg: "ES256", kid: "e1" }, key: "corp-ec", at: "x-corp" },
  loose: { header: { alg: "ES256", kid: "e1" }, key: "corp-ec", at: "x-corp" },
  svid: { header: { alg: "ES256", kid: "s1" }, key: "svid-ec", at: "x-svid" },
};

test(`${cases} tokens, cold and warm`, () => {
  const folder = writeKeySets();
  const image = compileText({ main: text, included: {} }, folder)!;
  const reference = new Reference(readPolicy(text, [], folder));
  // Each meets a token at the time at which the other has met it already.
  const [early, late] = [new Product(image), new Product(image)];
  let admitted = 0;
  let before: string | undefined;
  for (let number = 0; number < cases; number++) {
    const random = new Random(seed ^ Math.imul(number + 1, 0x9e3779b1));
    const kind = random.pick(["corp", "loose", "svid"] as const);
    const { header, key, at } = kinds[kind];
    const claims = claimsText(random, kind);
    const token = signRaw(Buffer.from(JSON.stringify(header)), Buffer.from(claims), key, "ES256");
    // Beside a token that was met before, which is known to one of the places, or none.
    const beside =
      kind !== "svid" && random.below(3) === 0 && before !== undefined ? [["x-more", before] as const] : [];
    const path = kind === "svid" ? "/svid" : random.pick([`/${kind}`, "/both"]);
    const caller = kind === "svid" ? null : id;
    const request = { caller, digest: null, source: "10.1.2.3", method: "GET", path, host: "example.org" };
    const arrived = { ...request, headers: [[at, token] as const, ...beside] as [string, string][] };
    const offsets = [0, leeway_seconds, 3599, 3600 + leeway_seconds, -1, -leeway_seconds - 1];
    const times = [0, random.pick(offsets)].map((offset) => (start_seconds + offset) * 1000);
    const answers = new Map<number, ReturnType<typeof answerOf>[]>(times.map((time) => [time, []]));
    for (const [product, order] of [
      [early, times],
      [late, times.toReversed()],
    ] as const) {
      for (const time of order) {
        const outcome = product.ask(arrived, time);
        assert.equal(outcome.trapped, false, claims);
        answers.get(time)!.push(answerOf(outcome));
      }
    }
    for (const [time, [first, ...more]] of answers) {
      const expected = reference.ask(arrived, time);
      const what = `case ${number}, SEED=${seed}, ${path}, ${time / 1000 - start_seconds} s: ${claims}\nproduct ${JSON.stringify(first)}\nreference ${JSON.stringify(expected)}`;
      for (const other of more) assert.ok(isSame(other, first!), `${what}\nagain ${JSON.stringify(other)}`);
      assert.ok(isSame(first!, expected), what);
      if (first!.decision === "allow") {
        admitted++;
      }
    }
    if (kind !== "svid") before = token;
  }
  console.log(`${admitted} of ${cases * 2} decisions admitted`);
  for (const product of [early, late]) {
    const hits = product.metric("sallyport_cached_tokens.policy.claims;.result.hit");
    assert.ok(hits > cases / 4, `only ${hits} tokens were known: the test no longer tests much`);
  }
  assert.ok(admitted > cases / 10, `only ${admitted} were admitted: the test no longer tests much`);
});
