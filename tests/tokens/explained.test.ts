/** `sallyport token` says of each bad token, in one line, what is wrong with it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { type DetailName, detailNames, detailWords } from "../../scripts/evaluate/details.ts";
import { type ReasonName, reasonWords } from "../../scripts/evaluate/reasons.ts";
import { folderOf, sallyport } from "../cli/program.ts";
import { attackers, jwkOf, mint, nowSeconds, pairs, raw } from "./mint.ts";

const policy = (lines: string): string => `version: 1
name: bound
trust: { domains: [example.org] }
issuers:
  es256:
    issuer: https://es256.example.org
    audiences: [order-api]
    algorithms: [ES256]
    keys: { file: keys.json }
${lines}rules:
  - { name: orders, callers: [any], allow: [GET /orders], token: es256 }
`;
const second = `  other:
    issuer: https://second.example.org
    audiences: [a, b]
    algorithms: [ES256]
    keys: { url: https://second.example.org/keys, cluster: second }
`;
const svidTrust = `trust:
  domains: [example.org]
  identity: either
  jwtSvid: { audiences: [order-api], bundles: { example.org: { file: bundle.json } } }`;
const svidPolicy = `version: 1
name: svid
${svidTrust}
rules:
  - { name: orders, callers: [any], allow: [GET /orders] }
`;

/** Keys of all kinds, and more for ES256 than are tried on a token that names none. */
const strangers = Array.from({ length: 3 }, (_, n) => ({
  ...makeKeyPair("ec", { namedCurve: "P-256" }),
  kid: `o${n}`,
}));
const keys = [...Object.values(pairs), { ...attackers.p256, kid: "other" }, ...strangers].map((pair) => jwkOf(pair));
const folder = folderOf({
  "keys.json": JSON.stringify({ keys }),
  "policy.yaml": policy("    maxLifetime: 1h\n"),
  "caller.yaml": policy("    bind: caller\n"),
  "certificate.yaml": policy("    bind: certificate\n"),
  "several.yaml": policy(second),
  "svid.yaml": svidPolicy,
  "fetchedsvid.yaml": svidPolicy.replace(
    "{ file: bundle.json }",
    '{ url: "https://spire.example.org/", cluster: spire }',
  ),
  "both.yaml": policy("").replace("trust: { domains: [example.org] }", svidTrust),
  "bundle.json": JSON.stringify({ keys: [{ ...jwkOf(pairs.p256), use: "jwt-svid" }] }),
});
after(folder.remove);

const byKeys = ["--keys", folder.path("keys.json")];
const byPolicy = ["--policy", folder.path("policy.yaml")];

/** What the command line says, with its first two lines apart. */
function explain(token: string, args: readonly string[]): { code: number | null; verdict: string; line: string } {
  const { code, stdout, stderr } = sallyport(["token", "-", ...args], { input: token });
  assert.equal(stderr, "");
  const [verdict = "", line = ""] = stdout.split("\n");
  return { code, verdict, line };
}

const es256 = (recipe: Parameters<typeof mint>[1]): string => mint("ES256", recipe);
const resized = (size: number) => (good: Buffer) => Buffer.concat([good, good]).subarray(0, size);

/** For each detail a token can have by itself: the reason, words that must be in the line, and such a token. */
const explained: Partial<
  Record<DetailName, [reason: ReasonName, words: RegExp, token: string, args?: readonly string[]]>
> = {
  parts: ["token_malformed", /three parts/u, "a.b"],
  encrypted: ["token_malformed", /JWE/u, "e30.e30.e30.e30.e30"],
  base64: ["token_malformed", /base64url without padding/u, `${es256({})}=`],
  header_json: ["token_malformed", /header is no JSON object/u, es256({ headerText: "[]" })],
  claims_json: ["token_malformed", /claims are no JSON object/u, es256({ claimsText: "{" })],
  duplicate_member: ["token_malformed", /stands twice/u, es256({ claimsTail: ',"iss":"x"' })],
  nesting: ["token_malformed", /4112 deep/u, es256({ claims: { deep: raw("[".repeat(4112) + "]".repeat(4112)) } })],
  token_too_large: ["headers_too_large", /`tokenBytes`/u, "a".repeat(16385), byPolicy],
  opaque: ["token_malformed", /opaque token/u, "2YotnFZFEjr1zCsicMWpAA"],
  count: ["token_malformed", /names and values/u, es256({ claims: { many: Array.from({ length: 5000 }, () => 1) } })],
  text: ["token_malformed", /surrogate/u, es256({ claims: { sub: raw('"\\ud800"') } })],
  number: ["token_malformed", /`01`/u, es256({ claims: { exp: raw("01") } })],
  crit: ["token_malformed", /`crit`/u, es256({ header: { crit: ["exp"] } })],
  b64: ["token_malformed", /`b64`/u, es256({ header: { b64: false } })],
  kid: ["token_malformed", /256 bytes/u, es256({ header: { kid: 1 } })],
  alg: ["token_malformed", /no `alg`/u, es256({ header: { alg: undefined } })],
  alg_none: ["token_algorithm", /anybody could have written it/u, es256({ header: { alg: "none" } })],
  alg_secret: ["token_algorithm", /shared secret/u, es256({ header: { alg: "HS256" } })],
  alg_unknown: ["token_algorithm", /no algorithm the filter knows/u, es256({ header: { alg: "ES256K" } })],
  alg_refused: ["token_algorithm", /`algorithms` of the issuer/u, mint("RS256", { issuer: "es256" }), byPolicy],
  key_type: ["token_algorithm", /another type or curve/u, es256({ header: { kid: "rsa" } })],
  key_absent: ["token_key_unknown", /no key with this `kid`/u, es256({ header: { kid: "nobody" } })],
  kid_missing: ["token_key_unknown", /has no `kid`/u, es256({ header: { kid: undefined } })],
  signature_size: ["token_signature", /not DER/u, es256({ sign: resized(70) })],
  signature_range: ["token_signature", /zero/u, es256({ sign: () => Buffer.alloc(64) })],
  signature_wrong: [
    "token_signature",
    /changed, or signed with another key/u,
    es256({ signer: attackers.p256.privateKey }),
  ],
  exp_missing: ["token_malformed", /good for ever/u, es256({ claims: { exp: undefined } })],
  exp: ["token_malformed", /`exp` is not the seconds/u, es256({ claims: { exp: "123" } })],
  nbf: ["token_not_yet_valid", /`nbf` lies in the future/u, es256({ claims: { nbf: nowSeconds + 500 } })],
  iat: ["token_not_yet_valid", /`iat` lies in the future/u, es256({ claims: { iat: nowSeconds + 500 } })],
  sub: ["token_malformed", /`sub` is no string/u, es256({ claims: { sub: 1 } })],
  aud: ["token_malformed", /neither a string nor a list/u, es256({ claims: { aud: [1] } })],
  aud_missing: ["token_audience", /no `aud`/u, es256({ claims: { aud: undefined } })],
  cnf_key: ["token_binding", /DPoP/u, es256({ claims: { cnf: { jkt: "x" } } })],
  lifetime_unknown: ["token_lifetime", /no `iat`/u, es256({ claims: { iat: undefined } }), byPolicy],
};

/** Those that take a request, a caller, a JWT-SVID, or keys that no JWKS file may have, and the tests that have them. */
const elsewhere: Readonly<Partial<Record<DetailName, string>>> = {
  several_headers: "tests/wasm/tokendetails.test.ts",
  several_tokens: "tests/wasm/tokendetails.test.ts",
  scheme: "tests/wasm/tokendetails.test.ts",
  query: "tests/wasm/tokendetails.test.ts",
  cnf_missing: "tests/wasm/tokendetails.test.ts",
  cnf_other: "tests/wasm/tokendetails.test.ts",
  certificate_missing: "tests/wasm/tokendetails.test.ts",
  sub_other: "tests/wasm/tokendetails.test.ts",
  tenant: "tests/wasm/details.test.ts",
  typ: "tests/wasm/tokendetails.test.ts",
  limit_key_absent: "tests/wasm/limitsabsent.test.ts",
  header_bytes: "tests/wasm/sizes.test.ts",
  query_bytes: "tests/wasm/sizes.test.ts",
  hops: "tests/wasm/hops.test.ts",
  source_forwarded: "tests/envoy/sourceaddress.test.ts",
  kid_shared: "tests/tokens/headers.ts",
  content_type: "tests/wasm/heldbodies.test.ts",
  content_encoding: "tests/wasm/heldbodies.test.ts",
  expect: "tests/wasm/heldbodies.test.ts",
  body_empty: "tests/wasm/heldbodies.test.ts",
  json: "tests/wasm/heldbodies.test.ts",
  member_case: "tests/wasm/heldbodies.test.ts",
  jsonrpc: "tests/wasm/heldbodies.test.ts",
  batch: "tests/wasm/heldbodies.test.ts",
  call_name: "tests/wasm/heldbodies.test.ts",
  graphql_syntax: "tests/wasm/heldbodies.test.ts",
  graphql_operation: "tests/wasm/heldbodies.test.ts",
  graphql_fragment: "tests/wasm/heldbodies.test.ts",
  graphql_depth: "tests/wasm/heldbodies.test.ts",
  graphql_aliases: "tests/wasm/heldbodies.test.ts",
  graphql_introspection: "tests/wasm/heldbodies.test.ts",
  graphql_persisted: "tests/wasm/heldbodies.test.ts",
  graphql_method: "tests/wasm/heldbodies.test.ts",
  fleet_limits: "tests/wasm/heldbodies.test.ts",
};

describe("a line for each detail", () => {
  for (const [name, [reason, words, token, args = byKeys]] of Object.entries(explained)) {
    test(name, () => {
      const { code, verdict, line } = explain(token, args);
      assert.equal(code, 1);
      assert.equal(verdict, `${reason}: ${reasonWords(reason)}`);
      assert.equal(line, detailWords(name as DetailName));
      assert.match(line, words);
    });
  }

  test("every detail is in the table or takes more than a token", () => {
    assert.deepEqual([...Object.keys(explained), ...Object.keys(elsewhere)].sort(), [...detailNames].sort());
    for (const [name, file] of Object.entries(elsewhere))
      assert.match(readFileSync(file, "utf8"), new RegExp(`^  ${name}: \\[|"${name}"`, "mu"), `${file} lacks ${name}`);
  });

  test("every detail has words of its own, in one line", () => {
    const lines = detailNames.map((name) => detailWords(name));
    for (const [index, line] of lines.entries()) assert.match(line, /^[^\n]{10,200}$/u, detailNames[index]);
    assert.equal(new Set(lines).size, detailNames.length);
    assert.equal(new Set(detailNames).size, detailNames.length);
    assert.ok(!detailNames.some((name) => name === ("none" as string)));
  });
});

describe("what the reason says alone", () => {
  const cases: Partial<Record<ReasonName, [token: string, args: readonly string[]]>> = {
    token_expired: [es256({ claims: { exp: nowSeconds - 600 } }), byKeys],
  };
  for (const [reason, [token, args]] of Object.entries(cases)) {
    test(reason, () => {
      const { verdict, line } = explain(token, args);
      assert.equal(verdict, `${reason}: ${reasonWords(reason as ReasonName)}`);
      assert.match(line, /^signature: /u);
    });
  }
});

describe("what the issuer's terms are, for people", () => {
  const byOf = (name: string) => ["--policy", folder.path(name)];
  const lifetime = es256({ claims: { iat: nowSeconds, exp: nowSeconds + 7200 } });
  const ofSecond = { iss: "https://second.example.org" };
  const ofSvid = { iss: undefined, sub: "spiffe://example.org/web" };
  const svid = es256({ claims: ofSvid });
  const cases: Record<string, [reason: ReasonName, line: RegExp, signature: string, token: string, args: string[]]> = {
    "another `iss`": [
      "token_issuer",
      /^the `iss` of `es256` is https:\/\/es256\.example\.org, the token's is "https:\/\/other\.example\.org"$/u,
      "valid",
      mint("ES256", { issuer: "other" }),
      byPolicy,
    ],
    "an `iss` of no issuer": [
      "token_issuer",
      /^no issuer of the policy has this `iss`: the token's is "x\\u202e", and there are `es256` \(.*\), `other` \(.*\)$/u,
      "not checked (no issuer)",
      es256({ claims: { iss: "x\u202e" } }),
      byOf("several.yaml"),
    ],
    "another `iss` than that of the issuer that was named": [
      "token_issuer",
      /^the `iss` of `other` is https:\/\/second\.example\.org, the token has no `iss`$/u,
      "not checked (no key)",
      es256({ claims: { iss: undefined } }),
      [...byOf("several.yaml"), "--issuer", "other"],
    ],
    audiences: [
      "token_audience",
      /^`other` accepts the audiences a, b; the token's is \["c","d"\]$/u,
      "valid",
      es256({ claims: { ...ofSecond, aud: ["c", "d"] } }),
      [...byOf("several.yaml"), ...byKeys],
    ],
    lifetimes: [
      "token_lifetime",
      /^the longest that `es256` may issue for is 3600 s; this one was issued for 7200 s/u,
      "valid",
      lifetime,
      byPolicy,
    ],
    "the audiences of JWT-SVIDs": [
      "token_audience",
      /^JWT-SVIDs have to be for order-api; this one's `aud` is \["c"\]$/u,
      "valid",
      es256({ claims: { ...ofSvid, aud: ["c"] } }),
      byOf("both.yaml"),
    ],
  };
  for (const [name, [reason, line, signature, token, args]] of Object.entries(cases)) {
    test(name, () => {
      const { stdout, stderr } = sallyport(["token", "-", ...args], { input: token });
      const lines = stdout.split("\n");
      assert.equal(lines[0], `${reason}: ${reasonWords(reason)}`, stderr);
      assert.match(lines[1]!, line);
      assert.ok(lines.includes(`signature: ${signature}`), stdout);
      const { detail, reason: coded } = judge(token, args);
      assert.deepEqual([coded, detail], [reason, null], "programs get the reason as it is");
    });
  }

  describe("a JWT-SVID is judged by the bundle of its trust domain", () => {
    const byBundle = ["--keys", folder.path("bundle.json")];
    for (const [what, args] of [
      ["the policy's", byOf("svid.yaml")],
      ["the policy's, beside issuers", byOf("both.yaml")],
      ["one that is given", byBundle],
      ["one that is given in place of the policy's", [...byOf("fetchedsvid.yaml"), ...byBundle]],
    ] as const) {
      test(what, () => {
        const { code, stdout } = sallyport(["token", "-", ...args], { input: svid });
        assert.match(stdout, /^good: the filter would take this token\nsignature: valid\n/u);
        assert.equal(code, 0);
        const at = svid.length - 10;
        const changed = svid.slice(0, at) + (svid[at] === "A" ? "B" : "A") + svid.slice(at + 1);
        assert.equal(judge(changed, [...args]).reason, "token_signature");
        const { reason, signature } = judge(es256({ claims: { ...ofSvid, exp: nowSeconds - 600 } }), [...args]);
        assert.deepEqual([reason, signature], ["token_expired", "valid"]);
        const ofOthers = es256({ claims: { ...ofSvid, sub: "spiffe://other.example/web" } });
        // A bundle by itself says not of which trust domain it is.
        assert.equal(judge(ofOthers, [...args]).reason, args === byBundle ? null : "identity_untrusted");
      });
    }

    test("one whose bundle would be fetched", () => {
      const { stdout } = sallyport(["token", "-", ...byOf("fetchedsvid.yaml")], { input: svid });
      assert.match(
        stdout,
        /^keys_unavailable: .*\nthe bundle of `example\.org` is fetched, .*give `--keys`\nsignature: not checked \(no key\)\n/u,
      );
    });

    test("not where an issuer is meant, or its keys are", () => {
      const es = judge(svid, [...byOf("both.yaml"), "--issuer", "es256"]);
      assert.equal(es.reason, "token_issuer");
      const asToken = es256({ claims: { sub: "spiffe://example.org/web" } });
      assert.equal(judge(asToken, byKeys).reason, null);
      assert.equal(judge(asToken, byOf("both.yaml")).reason, null);
    });
  });

  test("a key that is absent, and one that would be fetched", () => {
    const absent = es256({ header: { kid: "nobody" } });
    const { stdout } = sallyport(["token", "-", ...byKeys], { input: absent });
    assert.match(stdout, /^signature: not checked \(no key\)$/mu);
    assert.doesNotMatch(stdout, /fetched/u);
    assert.equal(judge(absent, byKeys).signature, "invalid");
    const fetched = es256({ claims: ofSecond });
    const without = sallyport(["token", "-", ...byOf("several.yaml")], { input: fetched });
    assert.match(
      without.stdout,
      /^the keys of `other` are fetched, .*: give `--keys`\nsignature: not checked \(no key\)$/mu,
    );
    const given = sallyport(["token", "-", ...byOf("several.yaml"), ...byKeys], { input: fetched });
    assert.match(given.stdout, /^signature: valid$/mu);
    assert.doesNotMatch(given.stdout, /fetched/u);
  });

  test("times in milliseconds", () => {
    const { stdout } = sallyport(["token", "-", ...byKeys], {
      input: es256({ claims: { nbf: nowSeconds, iat: nowSeconds * 1000, exp: 1e15 } }),
    });
    assert.match(stdout, /^ {2}iat is \+\S+: milliseconds\? NumericDate is in seconds$/mu);
    assert.match(stdout, /^ {2}exp is 1000000000000000: milliseconds\? NumericDate is in seconds$/mu);
    assert.match(stdout, /^ {2}nbf is \S+Z$/mu);
  });
});

interface Report {
  signature: string;
  claims: { sub: string } | null;
  reason: string | null;
  detail: string | null;
  bind?: string;
}

function judge(token: string, args: readonly string[]): Report {
  return JSON.parse(sallyport(["token", "-", ...args, "--format", "json"], { input: token }).stdout) as Report;
}

describe("keys and policies", () => {
  test("a JWKS with keys of all kinds verifies tokens by each of them", () => {
    for (const alg of ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"]) {
      const { signature, claims, reason, detail } = judge(mint(alg), byKeys);
      assert.deepEqual([signature, claims?.sub, reason, detail], ["valid", "alice", null, null], alg);
    }
  });

  test("a policy's issuer says which algorithms", () => {
    const refused = judge(mint("RS256", { issuer: "es256" }), byPolicy);
    assert.deepEqual([refused.signature, refused.reason], ["unsupported", "token_algorithm"]);
    assert.equal(
      judge(mint("RS256", { issuer: "es256" }), byKeys).reason,
      null,
      "keys alone say nothing of algorithms",
    );
    const both = judge(es256({}), [...byPolicy, ...byKeys]);
    assert.deepEqual([both.signature, both.reason], ["valid", null]);
  });

  test("what an issuer binds its tokens to takes a caller: it is said, and not judged", () => {
    const cnf = { "x5t#S256": Buffer.alloc(32, 1).toString("base64url") };
    for (const [bind, claims] of [
      ["caller", { sub: "spiffe://example.org/checkout" }],
      ["certificate", { cnf }],
    ] as const) {
      const args = ["--policy", folder.path(`${bind}.yaml`)];
      const token = es256({ claims });
      const report = judge(token, args);
      assert.deepEqual([report.signature, report.reason, report.bind], ["valid", null, bind]);
      const { code, verdict, line } = explain(token, args);
      assert.equal(code, 0);
      assert.match(verdict, /^good/u);
      assert.match(
        line,
        new RegExp(`^bound to the caller.*${bind === "caller" ? "`sub`" : "`cnf"}.*not checked here$`, "u"),
      );
    }
  });
});
