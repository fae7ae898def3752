/** Deny rules that deny nobody: their conditions compare what no request, under this policy, can have. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { check } from "../../support/policy.ts";

/** What is said of a rule, beside that it is for anybody. */
function saidOf(action: "allow" | "deny", when: string, { endpoint = "GET /a/**", paths = "", other = "" } = {}) {
  const { errors, warnings } = check(`version: 1
name: never
trust:
  domains: [example.org, partner.net]
  aliases: { old.example.org: example.org }
${paths === "" ? "" : `paths: { ${paths} }\n`}rules:
  - { name: all, callers: [any], allow: ["GET /**"]${other} }
  - { name: own, callers: [any], ${action}: ["${endpoint}"], when: '${when}' }
`);
  const said = [...errors, ...warnings].filter(({ code }) => ["deny_never", "condition_never"].includes(code));
  return said.map(({ code, message }) => `${code}: ${message}`);
}

const never: [when: string, message: RegExp][] = [
  ['caller.trust_domain == "old.example.org"', /`old.example.org` is an alias of `example.org`.*write `example.org`/],
  ['caller.id == "spiffe://old.example.org/web"', /alias of `example.org`/],
  ['caller.id.startsWith("spiffe://old.example.org/")', /alias of `example.org`/],
  [
    'caller.trust_domain == "exmple.org"',
    /no caller is of the trust domain `exmple.org`.*did you mean `example.org`\?/,
  ],
  ['caller.trust_domain in ["other.org", "exmple.org"]', /no caller is of the trust domain/],
  ['caller.id == "spiffe://other.org/x"', /`other.org`, which `trust.domains` does not name/],
  ['caller.id in ["spiffe://other.org/x"]', /`other.org`/],
  ["destination.port == 70000", /a port is a number from 0 to 65535/],
  ["source.port in [70000, 65536]", /a port is/],
  ['request.path == "/a/b/"', /leave the slash out, or say in `paths` what `trailingSlash` means/],
  ['request.path.contains("//")', /leave a slash out, or say `emptySegments: keep`/],
];

for (const [when, message] of never) {
  test(`${when} is an error in a deny rule, and a warning in an allow rule`, () => {
    const [denied] = saidOf("deny", when);
    assert.match(denied ?? "", /^deny_never: this rule denies nobody: this never holds/);
    assert.match(denied!, message);
    const [allowed] = saidOf("allow", when);
    assert.match(allowed ?? "", /^condition_never/);
    assert.match(allowed!, message);
  });
}

test("a deny rule whose condition is for another method denies nobody", () => {
  assert.match(
    saidOf("deny", 'request.method == "POST"')[0] ?? "",
    /^deny_never.*no such method; its endpoints are for GET, HEAD/,
  );
  // Rules may have one condition in common.
  assert.deepEqual(saidOf("allow", 'request.method in ["GET", "POST"]'), []);
  // Some upstreams read it as the method of the rule, so the rule is for it.
  assert.deepEqual(saidOf("deny", 'request.method == "get"'), []);
  assert.deepEqual(saidOf("deny", 'request.method == "HEAD"'), []);
});

describe("what some request can have is no error", () => {
  for (const when of [
    'caller.trust_domain == "partner.net" || caller.id.startsWith("spiffe://")',
    "source.port == 0 || destination.port < 70000",
    'caller.id == "spiffe://example.org/web" || caller.id.contains("old.example.org")',
  ])
    test(when, () => {
      for (const action of ["allow", "deny"] as const) assert.deepEqual(saidOf(action, when), []);
    });

  const slashes = ['request.path == "/a/b/"', 'request.path.startsWith("/a//b")'];
  test("where `paths` lets in a slash at the end, or an empty segment", () => {
    for (const [number, paths] of ["trailingSlash: same", "emptySegments: keep"].entries()) {
      assert.deepEqual(saidOf("allow", slashes[number]!, { paths }), []);
      assert.equal(saidOf("allow", slashes[1 - number]!, { paths }).length, 1);
      for (const when of slashes) assert.deepEqual(saidOf("deny", when, { paths }), []);
    }
  });

  test("where another rule does", () => {
    const other = ", paths: { semicolons: keep }";
    for (const when of slashes) assert.deepEqual(saidOf("deny", when, { other }), []);
    for (const when of slashes) assert.equal(saidOf("allow", when, { other }).length, 1);
  });
});

test("one condition is compiled anew where what it depends on is another", () => {
  const when = 'request.path == "/a/b/"';
  assert.equal(saidOf("deny", when).length, 1);
  assert.deepEqual(saidOf("deny", when, { paths: "trailingSlash: distinct" }), []);
  assert.equal(saidOf("deny", when).length, 1);
});
