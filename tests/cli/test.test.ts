/** `sallyport test`. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { folderOf, policyText, sallyport } from "./program.ts";

const keys = readFileSync(fileURLToPath(new URL("../policy/keys/corp.jwks.json", import.meta.url)), "utf8");
const tests = `policy: policy.yaml
now: 2026-11-21T10:00:00Z
defaults: { caller: spiffe://example.org/checkout }
tests:
  - name: an order
    token: { issuer: corp, claims: { scope: "orders:write" } }
    request: POST /orders
    expect: { allow: orders }
  - name: no token
    request: POST /orders
    expect: { deny: token_missing, status: 401 }
`;
const secondIssuer = `  partner:
    issuer: https://partner.example.net
    audiences: [order-api]
    algorithms: [ES256]
    keys: { file: keys.json }
    from: [{ cookie: session }]
rules:`;
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const unsigned = `${part({ alg: "none" })}.${part({ iss: "https://partner.example.net" })}.`;
const folder = folderOf({
  "policy.yaml": policyText,
  "keys.json": keys,
  "good.yaml": tests,
  "failing.yaml": tests.replace("expect: { allow: orders }", "expect: { deny: no_rule }"),
  "typo.yaml": tests.replace("request: POST", "reqest: POST").replace("deny: token_missing", "deny: token_mising"),
  "rule.yaml": tests.replace("allow: orders", "allow: order"),
  "issuer.yaml": tests.replace("issuer: corp", "issuer: crop"),
  "nopolicy.yaml": tests.replace("policy.yaml", "gone.yaml"),
  "broken.yaml": "policy: [",
  "anchor.yaml": tests.replace("{ allow: orders }", "&a { allow: orders }"),
  "tag.yaml": tests.replace("name: no token", "name: !!str no token"),
  "hex.yaml": tests.replace("name: no token", "name: no token\n    repeat: 0x2"),
  "source.yaml": tests.replace("name: no token", "name: no token\n    source: banana"),
  "grpc.yaml": tests.replace("request: POST /orders\n    expect: { deny", "request: grpc a b\n    expect: { deny"),
  "claims.yaml": tests.replace("scope:", "aud: &x"),
  "empty.yaml": "policy: policy.yaml\ntests: []\n",
  "nokeys.yaml": "now: 2026-11-21T10:00:00Z\n",
  "nothing.yaml": "",
  "conditional.yaml": policyText.replace("scopes: [orders:write]", "when: claims.tenant == 'a'"),
  "condition.yaml": tests.replace("policy.yaml", "conditional.yaml"),
  "defaults.yaml": tests.replace("checkout }", "checkout, token: { issuer: crop } }"),
  "caller.yaml": tests
    .replace("spiffe://example.org/checkout", "example.org/checkout")
    .replaceAll(/expect: .*/gu, "expect: deny"),
  "path.yaml": tests.replaceAll("POST /orders", "POST orders").replaceAll(/expect: .*/gu, "expect: deny"),
  "malformed.yaml": tests
    .replace("spiffe://example.org/checkout", "example.org/checkout")
    .replace("POST /orders", "POST orders")
    .replace("{ allow: orders }", "{ status: 400 }")
    .replace("{ deny: token_missing, status: 401 }", "{ deny: identity_malformed }"),
  "places.yaml": policyText.replace("rules:", secondIssuer).replace("token: corp", "token: partner"),
  "raw.yaml": tests
    .replace("policy.yaml", "places.yaml")
    .replace(/token: .*/u, `token: ${unsigned}`)
    .replace("{ allow: orders }", "{ deny: token_algorithm }"),
  "limited-policy.yaml": `version: 1
name: limited
trust: { domains: [example.org] }
limits: { large: { rate: 1/h, burst: 1000, per: [caller] } }
rules:
  - { name: orders, callers: [any], allow: [GET /orders], limit: large }
`,
  "limited.yaml": `policy: limited-policy.yaml
now: 2026-11-21T10:00:00Z
defaults: { caller: spiffe://example.org/checkout }
tests:
  - { name: one, request: GET /orders, expect: allow }
  - { name: the last, request: GET /orders, repeat: 1000, expect: allow }
  - { name: one too many, request: GET /orders, repeat: 1001, expect: { deny: limit_exceeded } }
`,
  "large.yaml": tests
    .replace("name: no token", `name: no token\n    token: ${"a".repeat(200_000)}`)
    .replace("{ deny: token_missing, status: 401 }", "{ deny: headers_too_large, status: 431 }"),
});
after(folder.remove);

describe("sallyport test", () => {
  test("passes, as text and as JSON", () => {
    const text = sallyport(["test", folder.path("good.yaml")]);
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stdout, /^ok +an order$/m);
    assert.match(text.stdout, /2 passed, 0 failed/);
    const { code, stdout } = sallyport(["test", folder.path("good.yaml"), "--format", "json"]);
    assert.equal(code, 0);
    const report = JSON.parse(stdout);
    assert.equal(report.passed, 2);
    assert.equal(report.failed, 0);
    assert.deepEqual(
      report.tests.map(({ name, ok, verdict }: Record<string, unknown>) => ({ name, ok, verdict })),
      [
        { name: "an order", ok: true, verdict: { decision: "allow", status: 200, reason: "allowed", rule: "orders" } },
        {
          name: "no token",
          ok: true,
          verdict: { decision: "deny", status: 401, reason: "token_missing", rule: "orders" },
        },
      ],
    );
  });

  test("each test begins with full limits, whatever the engine took ahead in the one before", () => {
    const { code, stdout, stderr } = sallyport(["test", folder.path("limited.yaml")]);
    assert.equal(code, 0, stdout + stderr);
  });

  test("a failure ends with 1 and says what was expected and what came", () => {
    const text = sallyport(["test", folder.path("failing.yaml"), folder.path("good.yaml")]);
    assert.equal(text.code, 1);
    assert.match(text.stdout, /^FAIL an order\n +\S+failing\.yaml:5\n +expected +deny, reason no_rule\n +got +allow/m);
    assert.match(text.stdout, /3 passed, 1 failed/);
    const { stdout } = sallyport(["test", folder.path("failing.yaml"), "--format", "json"]);
    assert.deepEqual(JSON.parse(stdout).tests[0].expected, { decision: "deny", reason: "no_rule" });
  });

  test("coverage names the rules that decided no test", () => {
    const { stdout } = sallyport(["test", folder.path("good.yaml"), "--coverage"]);
    assert.match(stdout, /1 of 3 rules decided a test/);
    assert.match(stdout, /no test is decided by no-deletes/);
    const json = sallyport(["test", folder.path("good.yaml"), "--coverage", "--format", "json"]);
    assert.deepEqual(JSON.parse(json.stdout).coverage[0].rules, [
      { rule: "elsewhere", tests: 0 },
      { rule: "no-deletes", tests: 0 },
      { rule: "orders", tests: 1 },
    ]);
  });

  test("JUnit XML", () => {
    const out = folder.path("out.xml");
    assert.equal(sallyport(["test", folder.path("failing.yaml"), "--junit", out]).code, 1);
    const xml = readFileSync(out, "utf8");
    assert.match(xml, /<testsuites name="sallyport" tests="2" failures="1">/);
    assert.match(
      xml,
      /<testcase name="an order" [^>]*line="5"[^>]*>\n +<failure message="expected deny, reason no_rule; got allow/,
    );
  });

  for (const [file, place, says] of [
    ["typo.yaml", "7:5", /no key `reqest`; did you mean `request`\?/],
    ["typo.yaml", "11:21", /no reason code `token_mising`; did you mean `token_missing`\?/],
    ["rule.yaml", "8:22", /no rule `order`; did you mean `orders`\?/],
    ["issuer.yaml", "6:22", /no issuer `crop`; did you mean `corp`\?/],
    ["defaults.yaml", "3:69", /no issuer `crop`; did you mean `corp`\?/],
    ["policy.yaml", "1:1", /this is a policy; give its tests/],
    ["broken.yaml", "1:", /./],
    ["nothere.yaml", "1:1", /no such file/],
    ["anchor.yaml", "8:", /YAML anchor/],
    ["tag.yaml", "9:", /YAML tags/],
    ["hex.yaml", "10:13", /whole number/],
    ["source.yaml", "10:13", /`source` must be an IP address/],
    ["grpc.yaml", "10:14", /`request` must be/],
    ["claims.yaml", "6:", /YAML anchor/],
    ["empty.yaml", "2:1", /`tests` is empty/],
    ["nokeys.yaml", "1:1", /a test file needs `policy`/],
    ["nokeys.yaml", "1:1", /a test file needs `tests`/],
    ["nothing.yaml", "1:1", /the file is empty/],
  ] as const) {
    test(`${file} is unusable: 2, with the place and a suggestion`, () => {
      const { code, stderr } = sallyport(["test", folder.path(file)]);
      assert.equal(code, 2);
      assert.ok(stderr.includes(`${folder.path(file)}:${place}`), stderr);
      assert.match(stderr, says);
    });
  }

  test("a policy in the place of its tests is one error, and so is an issuer of the defaults", () => {
    for (const file of ["policy.yaml", "defaults.yaml"]) {
      const { stderr } = sallyport(["test", folder.path(file)]);
      assert.equal(stderr.match(/: error: /gu)?.length, 1, stderr);
    }
  });

  test("a test that a condition failed shows what the condition was made of", () => {
    const { code, stdout } = sallyport(["test", folder.path("condition.yaml")]);
    assert.equal(code, 1);
    assert.match(stdout, /condition_error, rule orders.*\n +the `when` of orders\n +claims\.tenant == 'a' +error\n/);
    assert.match(stdout, /claims\.tenant +error: absent$/m);
    const json = sallyport(["test", folder.path("condition.yaml"), "--format", "json"]);
    assert.equal(JSON.parse(json.stdout).tests[0].explained.parts.at(-1).error, true);
  });

  test("slips that make a denial pass for the wrong reason are warned of once a place", () => {
    const caller = sallyport(["test", folder.path("caller.yaml")]);
    assert.equal(caller.code, 0, caller.stdout);
    assert.match(caller.stderr, /caller\.yaml:3:21: warning: .* \[caller_malformed\]/);
    assert.equal(caller.stderr.match(/: warning: /gu)?.length, 1, caller.stderr);
    const path = sallyport(["test", folder.path("path.yaml"), "--format", "json"]);
    const codes = JSON.parse(path.stdout).warnings.map(({ code, line }: Record<string, unknown>) => `${code} ${line}`);
    assert.deepEqual(codes, ["path_malformed 7", "path_malformed 10"]);
    const meant = sallyport(["test", folder.path("malformed.yaml")]);
    assert.deepEqual([meant.code, meant.stderr], [0, ""], meant.stdout);
  });

  test("init points editors at a schema that is there", (context) => {
    const fresh = folderOf({});
    context.after(fresh.remove);
    assert.equal(sallyport(["init", fresh.path("shop")]).code, 0);
    const schema = /^# yaml-language-server: \$schema=(\S+)\n/.exec(
      readFileSync(fresh.path("shop/policy.yaml"), "utf8"),
    )![1]!;
    assert.equal(JSON.parse(readFileSync(fresh.path(`shop/${schema}`), "utf8")).type, "object");
  });

  test("a raw token goes where the issuer that it names takes its tokens", () => {
    const { code, stdout, stderr } = sallyport(["test", folder.path("raw.yaml")]);
    assert.equal(code, 0, stdout + stderr);
  });

  test("a token larger than the engine's memory is refused as in Envoy", () => {
    const { code, stdout, stderr } = sallyport(["test", folder.path("large.yaml")]);
    assert.equal(code, 0, stdout + stderr);
  });

  test("a policy that is not there: 2, and its name", () => {
    const { code, stderr } = sallyport(["test", folder.path("nopolicy.yaml")]);
    assert.equal(code, 2);
    assert.match(stderr, /gone\.yaml:1:1/);
  });

  test("wrong usage: 2", () => {
    assert.equal(sallyport(["test"]).code, 2);
    assert.equal(sallyport(["test", "--nonsense", folder.path("good.yaml")]).code, 2);
    assert.equal(sallyport(["test", folder.path("good.yaml"), "--format", "xml"]).code, 2);
    assert.equal(sallyport(["test", "--help"]).code, 0);
  });

  test("the policy tests of this repository pass", () => {
    const cases = ["callers", "endpoints", "limits", "shadow", "shop", "tokens"].map(
      (name) => `tests/policy/cases/${name}.yaml`,
    );
    const { code, stdout, stderr } = sallyport(["test", ...cases]);
    assert.equal(code, 0, stdout + stderr);
  });
});
