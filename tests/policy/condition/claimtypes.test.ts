/** Conditions on claims whose types are declared, and warnings of those that are not. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { declaredByAll } from "../../../scripts/policy/condition/claimtypes.ts";
import type { ClaimType } from "../../../scripts/policy/language/claims.ts";
import { compile } from "../../support/condition.ts";

const claim = (path: string, type: ClaimType["type"]): ClaimType => ({
  path: path.split("/"),
  type,
  isRequired: false,
});
const corp = [
  claim("admin", "bool"),
  claim("groups", "list"),
  claim("level", "int"),
  claim("org", "map"),
  claim("org/id", "string"),
  claim("other", "any"),
  claim("ratio", "double"),
  claim("role", "string"),
  { path: ["https://x.example/roles"], type: "list", isRequired: true } as const,
];
const claims = declaredByAll([corp]);
const codes = (text: string, scope: Parameters<typeof compile>[1] = { claims }): string[] => {
  const { errors, warnings } = compile(text, scope);
  return [...errors, ...warnings].map(({ code }) => code);
};

describe("a condition is checked against what is declared", () => {
  const refused: [string, RegExp][] = [
    ["claims.role == 3", /string with int/],
    ['claims.level == "3"', /int with string/],
    ["claims.level == 3.0", /as an int/],
    ["claims.ratio > 1", /as a double|as in `1\.0`/],
    ['claims.admin == "true"', /bool with string/],
    ['claims.groups == "admin"', /in a list write `in`/],
    ['claims.groups.contains("admin")', /write `x in list`/],
    ['"a" in claims.role', /write `claims\.role == "a"`, or `"a" in words\(claims\.role\)`/],
    ['claims.org == "a"', /map\(string, dyn\) with string/],
    ["claims.org.id > 3", /string with int/],
    ['claims["org"]["id"] == 1', /string with int/],
    ['claims["https://x.example/roles"] == "a"', /write `in`/],
    ["claims.role.name == 1", /a string has no members/],
    ["has(claims.role.name)", /a string has no members/],
    ["claims.sub == 3", /string with int/],
    ["claims.iss in [1, 2]", /look for a string/],
    ["claims.level", /a condition is for bool, not for int/],
  ];
  for (const [text, message] of refused) {
    test(text, () => {
      const { errors } = compile(text, { claims });
      assert.deepEqual(
        errors.map(({ code }) => code),
        ["condition_type"],
      );
      assert.match(errors[0]!.message, message);
      // Where nothing is declared, only the engine can tell.
      assert.ok(compile(text).errors.every(({ message: said }) => said !== errors[0]!.message));
    });
  }

  const taken = [
    'claims.role == "a" && claims.level > 3 && claims.ratio < 1.5 && claims.admin',
    '"a" in claims.groups && "b" in claims["https://x.example/roles"]',
    "claims.org.id == path.id && has(claims.org.id) && claims.org.more == 3",
    'claims.other == 3 || claims.other == "a" || claims.undeclared',
    "claims.groups.exists(g, g == 3) && size(claims.role) > 3",
  ];
  for (const text of taken) test(text, () => assert.deepEqual(codes(text), []));

  test("of several issuers counts what all of them declare alike", () => {
    const partner = [claim("role", "string"), claim("level", "double"), claim("org", "map"), claim("other", "list")];
    const both = declaredByAll([corp, partner]);
    assert.deepEqual(codes("claims.role == 3", { claims: both }), ["condition_type"]);
    for (const text of ['claims.level == "a"', "claims.admin == 3", "claims.org.id == 3"])
      assert.deepEqual(codes(text, { claims: both }), [], text);
    const deny = { claims: both, action: "deny" } as const;
    assert.deepEqual(codes("claims.level == 3", deny), ["claim_untyped"]);
    // Who says `any` knows.
    assert.deepEqual(codes("claims.other == 3", deny), []);
    assert.deepEqual(codes("claims.role == 3", { claims: declaredByAll([[], corp]) }), []);
  });

  test("one text is compiled for each set of declarations", () => {
    assert.deepEqual(codes("claims.level == 7"), []);
    assert.deepEqual(codes("claims.level == 7", { claims: declaredByAll([[claim("level", "string")]]) }), [
      "condition_type",
    ]);
  });
});

describe("a comparison that a claim of another type slips past", () => {
  const denied: [string, RegExp][] = [
    ['claims.kind == "guest"', /`claims: \{ kind: string \}`/],
    ['claims.kind != "guest"', /`claims: \{ kind: string \}`/],
    ['claims.kind in ["a", "b"]', /a list in its place slips past.*\{ kind: string \}/],
    ['"a" in claims.kinds', /a text in its place.*\{ kinds: list \}/],
    ["claims.blocked == true", /\{ blocked: bool \}/],
    ["claims.rank == 3", /\{ rank: int \}/],
    ['claims.org.kind == "a"', /\{ org: \{ kind: string \} \}/],
    ['claims["https://x.example/kind"] == "a"', /\{ "https:\/\/x\.example\/kind": string \}/],
    ['!(claims.kind == "a")', /kind/],
    ['claims.kind == "a" || request.path == "/x"', /kind/],
    ["path.id == claims.kind", /kind: string/],
    ['claims.kind == "a" ? false : true', /kind/],
  ];
  for (const [text, message] of denied) {
    test(`in a deny rule: ${text}`, () => {
      const { errors, warnings } = compile(text, { claims, action: "deny" });
      assert.deepEqual(errors, []);
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ["claim_untyped"],
      );
      assert.match(warnings[0]!.message, message);
    });
  }

  for (const text of [
    'claims.role == "guest" && claims.other != 3 && claims.level in [1, 2]',
    'claims.sub == "a" || claims.iss != "b"',
    'claims.kind.startsWith("a") || claims.rank > 3 || has(claims.kind)',
    "claims.groups.exists(g, g == 3)",
    "claims.kind == null",
  ])
    test(`not in a deny rule: ${text}`, () => assert.deepEqual(codes(text, { claims, action: "deny" }), []));

  for (const text of [
    'claims.kind != "guest"',
    '!(claims.kind == "guest")',
    '!(claims.kind in ["guest"])',
    '!("guest" in claims.kinds)',
    'path.id == "a" && !(claims.x == "b" || path.id == "c")',
  ])
    test(`in an allow rule: ${text}`, () => assert.deepEqual(codes(text), ["claim_untyped"]));

  for (const text of [
    'claims.kind == "guest"',
    '!(claims.kind != "guest")',
    '"a" in claims.kinds',
    'claims.role != "a"',
  ])
    test(`not in an allow rule: ${text}`, () => assert.deepEqual(codes(text), []));

  test("each claim is told of once", () => {
    assert.deepEqual(codes('claims.a != "x" && claims.a != "y" && claims.b != "x"'), [
      "claim_untyped",
      "claim_untyped",
    ]);
  });
});

describe("contains with one word", () => {
  const words: [string, RegExp][] = [
    ['claims.kinds.contains("admin")', /`"admin" in claims\.kinds` for a list, or `"admin" in words\(claims\.kinds\)`/],
    ['claims.scope.contains("orders:read")', /words/],
    ['claims.role.contains("admin")', /write `"admin" in words\(claims\.role\)`/],
    ['claims["x-y"].contains("a_b.c/d-e")', /"a_b\.c\/d-e" in claims\["x-y"\]|in claims\.x-y/],
    ['request.headers["x-roles"].contains("admin")', /words\(request\.headers\["x-roles"\]\)/],
    ['!claims.kinds.contains("admin")', /admin/],
  ];
  for (const [text, message] of words) {
    test(text, () => {
      const { warnings } = compile(text, { claims });
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ["contains_word"],
      );
      assert.match(warnings[0]!.message, message);
    });
  }

  for (const text of [
    'claims.email.contains("@")',
    'claims.email.contains("@example.org")',
    'claims.name.contains("a b")',
    'claims.path.contains("/admin/")',
    'claims.name.contains("")',
    'request.path.contains("admin")',
    "claims.name.contains(path.id)",
    'caller.path.contains("web")',
  ])
    test(`not ${text}`, () => assert.deepEqual(codes(text), []));
});

describe("a deny rule that denies nobody", () => {
  for (const [text, message] of [
    ['source.ip == "10.0.0.0/8"', /denies nobody: this never holds.*cidr/],
    ['request.host == "API.example.org"', /lower case/],
    ['source.ip in ["10.0.0.0/8", "10.1.2.3:80"]', /cidr/],
    ['claims.a == 3 && source.ip == "10.0.0.0/8"', /cidr/],
    ['!(source.ip != "a" || true)', /denies nobody/],
    ["false", /always false/],
    ['claims.a == "x" && claims.a == "y"', /never true/],
  ] as const) {
    test(text, () => {
      const { errors } = compile(text, { claims, action: "deny" });
      assert.deepEqual(
        errors.map(({ code }) => code),
        ["deny_never"],
      );
      assert.match(errors[0]!.message, message);
      assert.deepEqual(compile(text, { claims }).errors, []);
    });
  }

  for (const text of [
    'source.ip == "10.0.0.0/8" || source.port == 1',
    '!(source.ip == "10.0.0.0/8")',
    'source.ip in ["10.0.0.0/8", "10.1.2.3"]',
    'source.ip != "10.0.0.0/8"',
    "true",
  ])
    test(`not ${text}`, () => assert.deepEqual(compile(text, { claims, action: "deny" }).errors, []));
});
