/** Conditions that say nothing, and conditions that say the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { normalConjuncts, normalDisjuncts } from "../../../scripts/policy/condition/normal.ts";
import { compile } from "../../support/condition.ts";

const always = /always true/;
const never = /always false/;
const neverTrue = /never true/;
const neverFalse = /never false/;

const constants: [text: string, message: RegExp | undefined][] = [
  ["true", always],
  ["false", never],
  ["claims.a || true", always],
  ["false && claims.a", never],
  ["!(claims.a || true)", never],
  ["1 < 2", always],
  ['"a" == "b"', never],
  ['"é" > "z" && "abc".startsWith("ab")', always],
  ["size('añb') == 3", always],
  ['timestamp("2026-01-01T00:00:00Z") < timestamp("2026-01-01T00:00:00+01:00")', never],
  ["[].exists(x, x)", never],
  ["[].all(x, x)", always],
  ["claims.a in []", neverTrue],
  ["now == now", always],
  ["request.method == request.method", always],
  ["request.method != request.method", never],
  ["caller.id == caller.id", neverFalse],
  ['claims.a == "x" && claims.a == "y"', neverTrue],
  ['claims.a == "x" && claims.a == 1', neverTrue],
  ['claims.a == "x" && claims.a != "x"', neverTrue],
  ['claims.a == "x" && !(claims.a in ["x", "y"])', neverTrue],
  ['claims.a in ["x", "y"] && "z" == claims.a', neverTrue],
  ["claims.a > 5 && claims.a < 3", neverTrue],
  ["claims.a > 5 && 5 >= claims.a", neverTrue],
  ["claims.a >= 5 && claims.a <= 5 && claims.a != 5.0", neverTrue],
  ['claims.a < "x" && claims.a > 3', neverTrue],
  ["claims.a && !claims.a", neverTrue],
  ["claims.a == claims.b && claims.b != claims.c && claims.a != claims.b", neverTrue],
  ['claims.a != "x" || claims.a != "y"', neverFalse],
  ["claims.a || !claims.a", neverFalse],
  ["claims.a < 5 || claims.a >= 5", neverFalse],
  ['request.method == "GET" || request.method != "GET"', always],
  ["claims.a.exists(x, x == 1 && x == 2)", neverTrue],
  ["has(path.id) || !has(path.id)", always],

  ["claims.a", undefined],
  ['claims.a == "x" || claims.a == "y"', undefined],
  ['claims.a != "x" && claims.a != "y"', undefined],
  ["claims.a >= 5 && claims.a <= 5", undefined],
  ["claims.a > 5 && claims.a < 6", undefined],
  ["claims.a == true || claims.a == false", undefined],
  ["claims.a == null || claims.a == 3", undefined],
  ["claims.a == claims.b", undefined],
  ["claims.a.all(x, true)", neverFalse],
  ["claims.a.exists(x, true)", undefined],
  ["claims.a ? true : false", undefined],
  ["claims.a ? true : true", neverFalse],
];

for (const [text, message] of constants) {
  test(`${message === undefined ? "not constant" : message.source}: ${text}`, () => {
    const { errors, warnings } = compile(text);
    assert.deepEqual(errors, []);
    assert.deepEqual(
      // A list slips past `!=`, which is another matter.
      warnings.map(({ code }) => code).filter((code) => code !== "claim_untyped"),
      message === undefined ? [] : ["condition_constant"],
    );
    if (message !== undefined) assert.match(warnings[0]!.message, message);
  });
}

const same: [one: string, other: string][] = [
  ["claims.a && claims.b", "claims.b  &&  (claims.a) // twice\n && claims.a"],
  ['claims.a == "x"', '"x" == claims.a'],
  ['claims.a == "x"', '!("\\x78" != claims.a)'],
  ["claims.a > 0x10", "16 < claims.a"],
  ["!(claims.a || !claims.b)", "claims.b && !claims.a"],
  ["claims.a || (claims.b || claims.c)", "(claims.c || claims.a) || claims.b"],
  ["!(claims.a && claims.b)", "!claims.b || !claims.a"],
  ["claims.a in [2, 1]", "claims.a in [1, 2, 1]"],
  ['claims["sub"] == path.id', "path.id == claims.sub"],
  ['request.headers["X-A"] == "b"', 'request.headers["x-a"] == "b"'],
  ["size(claims.a) == 1", "1 == claims.a.size()"],
  ["claims.a.exists(x, x == 1 && x.b)", "claims.a.exists(x, x.b && 1 == x)"],
];
for (const [one, other] of same) {
  test(`the same: ${one} | ${other}`, () => assert.deepEqual(normalConjuncts(one), normalConjuncts(other)));
}

const different: [one: string, other: string][] = [
  ["claims.a < 1", "claims.a > 1"],
  ["claims.a && claims.b", "claims.a || claims.b"],
  ["claims.a || claims.b && claims.c", "(claims.a || claims.b) && claims.c"],
  ["(claims.a ? claims.b : claims.c) || claims.d", "claims.a ? claims.b : (claims.c || claims.d)"],
  ["(claims.a == claims.b) == claims.c", "claims.a == (claims.b == claims.c)"],
  ["[claims.a, claims.b] == claims.c", "[claims.b, claims.a] == claims.c"],
  ["claims.a - now == now", "now - claims.a == now"],
  ["!(claims.a == 1)", "claims.a == 1"],
  ["!(claims.a in [1])", "!claims.a in [1]"],
  ["claims.a == 1", "claims.a == 1.0"],
  ['claims.a == "1"', "claims.a == 1"],
  ['request.query.A == "b"', 'request.query.a == "b"'],
  ['cidr("10.0.0.0/8").containsIP(source.ip)', 'cidr("11.0.0.0/8").containsIP(source.ip)'],
];
for (const [one, other] of different) {
  test(`not the same: ${one} | ${other}`, () => assert.notDeepEqual(normalConjuncts(one), normalConjuncts(other)));
}

test("conjuncts are told apart", () => {
  assert.deepEqual(normalConjuncts('claims.b && "x" == claims.a && !(claims.c || claims.d)'), [
    "!claims.c",
    "!claims.d",
    'claims.a == "x"',
    "claims.b",
  ]);
});

test("what is no condition stands for itself", () => assert.deepEqual(normalConjuncts(" a && "), ["a &&"]));

test("the alternatives of an operand", () => {
  const [operand] = normalConjuncts('claims.a == "x" || caller.id == "y" || claims.b');
  assert.deepEqual(
    normalDisjuncts(operand!),
    ['"y" == caller.id', '"x" == claims.a', "claims.b"].map((one) => normalConjuncts(one)[0]).sort(),
  );
  assert.deepEqual(normalDisjuncts("claims.a"), ["claims.a"]);
});

test("what is no bool is not made one", () => {
  assert.notDeepEqual(normalConjuncts("(claims.x && claims.x) == claims.y"), normalConjuncts("claims.x == claims.y"));
  assert.deepEqual(normalConjuncts("claims.x && claims.x"), normalConjuncts("claims.x"));
});
