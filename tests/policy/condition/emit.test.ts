/** What conditions become: instructions with their jumps and ranges, their cost, and where errors are in a YAML file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as code from "../../../assembly/policy/instructions.ts";
import { compile, show } from "../../support/condition.ts";
import { check, unmark, withRule } from "../../support/policy.ts";

const emitted: [text: string, instructions: string[]][] = [
  ['claims.device.posture == "healthy"', ["claims", 'select "device"', 'select "posture"', 'text "healthy"', "equal"]],
  ['claims["a b"] != null', ["claims", 'text "a b"', "index", "null", "not_equal"]],
  [
    "claims.a && (claims.b || claims.c) && claims.d",
    [
      ...["claims", 'select "a"', "jump_if_false 14"],
      ...["claims", 'select "b"', "jump_if_true 9", "claims", 'select "c"', "or"],
      ...["and", "jump_if_false 14", "claims", 'select "d"', "and"],
    ],
  ],
  [
    "claims.a ? true : !claims.b",
    ["claims", 'select "a"', "choose 5 8", "bool 1", "jump 8", "claims", 'select "b"', "not"],
  ],
  [
    'claims.groups.exists(g, g == "admin")',
    ["claims", 'select "groups"', "loop 7 0", "element", 'text "admin"', "equal", "next 3"],
  ],
  [
    "[1, -2].all(n, n in [3])",
    ["int 1 0", "int 4294967294 4294967295", "list 2", "loop 9 1", "element", "int 3 0", "list 1", "in", "next 4"],
  ],
  [
    'has(claims.a.b) && "x" in claims.c',
    ["claims", 'select "a"', 'has "b"', "jump_if_false 9", 'text "x"', "claims", 'select "c"', "in", "and"],
  ],
  ['has(claims["a b"])', ["claims", 'has "a b"']],
  ['has(claims.a[ r"b c" ])', ["claims", 'select "a"', 'has "b c"']],
  ['has(request.headers["X-Y"])', ['has_header "x-y"']],
  ["1.5 < claims.n", ["double 0 1073217536", "claims", 'select "n"', "less"]],
  ['caller.trust_domain.endsWith(".org")', ["caller 1", 'text ".org"', "ends_with"]],
  ['request.headers["X-Team"].contains("a")', ['header "x-team"', 'text "a"', "contains"]],
  ['has(request.headers.accept) == ("X-B" in request.headers)', ['has_header "accept"', 'has_header "x-b"', "equal"]],
  [
    'request.query.Page == "1" && has(request.query.q)',
    ['query "Page"', 'text "1"', "equal", "jump_if_false 6", 'has_query "q"', "and"],
  ],
  ['cidr("10.0.0.0/8").containsIP(source.ip)', ["source_ip 0", "contains_ip 10.0.0.0 8"]],
  [
    'cidr("2001:db8:0:1::/64").containsIP(source.ip)',
    ["source_ip 0", "contains_ip 32.1.13.184.0.0.0.1.0.0.0.0.0.0.0.0 64"],
  ],
  [
    'cidr("::10.0.0.0/104").containsIP(claims.ip)',
    ["claims", 'select "ip"', "contains_ip 0.0.0.0.0.0.0.0.0.0.0.0.10.0.0.0 104"],
  ],
  ['now >= timestamp("1969-12-31T23:59:59.5Z")', ["now", "timestamp 4294967295 4294967295 500000000", "greater_equal"]],
  [
    'now - timestamp(claims.iat) <= duration("1h0m1.25s")',
    ["now", "claims", 'select "iat"', "to_timestamp", "subtract", "duration 3601 0 250000000", "less_equal"],
  ],
  ['now + duration("-1ms") > now', ["now", "duration 4294967295 4294967295 999000000", "add", "now", "greater"]],
  ["size(caller.path) > 1", ["caller 2", "size", "int 1 0", "greater"]],
  [
    "claims.exists(key, key == claims.sub)",
    ["claims", "loop 7 0", "element", "claims", 'select "sub"', "equal", "next 2"],
  ],
  [
    'request.method == "GET" || source.port == 443',
    ["request 0", 'text "GET"', "equal", "jump_if_true 8", "source_port 0", "int 443 0", "equal", "or"],
  ],
];

for (const [text, instructions] of emitted) {
  test(`emitted: ${text}`, () => {
    const { condition, errors } = compile(text);
    assert.deepEqual(errors, []);
    assert.deepEqual(condition!.instructions.map(show), instructions);
  });
}

test("path variables are numbered in the order they are read", () => {
  const { condition } = compile('has(path.org) && path.org == path.id && path.id != "0"');
  assert.deepEqual(condition?.variables, ["org", "id"]);
  assert.equal(condition?.usesClaims, false);
});

test("an instruction tells which part of the text it computes", () => {
  const text = '(claims.a || (claims.b)) && [1, 2].exists( x, x == claims["c"] ) // why';
  const parts = compile(text).condition!.instructions.map(({ start, end }) => text.slice(start, end));
  assert.deepEqual(parts, [
    "claims",
    "claims.a",
    "claims.a",
    "claims",
    "claims.b",
    "claims.a || (claims.b)",
    "(claims.a || (claims.b))",
    "1",
    "2",
    "[1, 2]",
    '[1, 2].exists( x, x == claims["c"] )',
    "x",
    "claims",
    '"c"',
    'claims["c"]',
    'x == claims["c"]',
    '[1, 2].exists( x, x == claims["c"] )',
    '(claims.a || (claims.b)) && [1, 2].exists( x, x == claims["c"] )',
  ]);
});

test("the cost of a loop counts what grows with its elements once", () => {
  const cost = (text: string): number => compile(text).condition!.costUnits;
  const once = cost('claims.a.exists(x, x.contains("y"))');
  // 1024 rounds of at least three instructions, and 8192 bytes of token searched once.
  assert.ok(once > 3 * 1024 + 2048 && once < 10 * 1024, String(once));
  assert.ok(cost('request.headers.x == "y"') < cost("request.headers.x == request.headers.y") / 2);
  assert.ok(cost("claims.sub == path.id") < 200);
  assert.ok(cost("claims.a ? claims.b : claims.c") < cost("claims.a || claims.b || claims.c"));
  assert.ok(cost("path.id in claims.tenants") < 2000);
});

/** A rule with a condition, in whichever style of YAML. */
const rule = (when: string): string =>
  withRule(
    `  - name: a\n    callers: [storefront]\n    allow: ["GET /a/{id}"]\n    token: corp\n    scopes: [all]\n    when: ${when}\n`,
  );

const places: [style: string, marked: string][] = [
  ["plain", "claims.a == ▸caler.id"],
  ["plain, over two lines", "claims.a ==\n      ▸caler.id"],
  ["in double quotes", '"claims.a == \\"x\\" && ▸caler.id == 1"'],
  ["in double quotes, over two lines", '"claims.a ==\\\n      1 && ▸caler.id == 1"'],
  ["in single quotes", "'claims.a == ''x'' && ▸caler.id == ''y'''"],
  ["literal", "|\n      claims.a == 1 &&\n        ▸caler.id == 1\n"],
  ["literal, with a comment", "|- # why\n      claims.a == 1 && // because\n      ▸caler.id == 1"],
  ["folded", ">\n      claims.a == 1 &&\n      ▸caler.id == 1\n\n      || claims.b"],
  ["with an escape that stands for another character", '▸"claims.a == \\x31 && caler.id == 1"'],
];

for (const [style, marked] of places) {
  test(`placed: ${style}`, () => {
    const { text, line, column } = unmark(rule(marked));
    const { errors } = check(text);
    assert.deepEqual(
      errors.map((one) => [one.code, one.line, one.column]),
      [["unknown_name", line, column]],
    );
  });
}

test("a comment that YAML makes swallow the lines after it is refused", () => {
  const { text, line, column } = unmark(rule(">\n      claims.a == 1 ▸// why\n      && claims.b == 1\n"));
  const { errors } = check(text);
  assert.deepEqual(
    errors.map((one) => [one.code, one.line, one.column]),
    [["condition_syntax", line, column]],
  );
  assert.match(errors[0]!.message, /`when: \|`/);
});

test("no comment takes a part of a condition away, however YAML has its lines", () => {
  const hidden = [
    `"claims.x == 'A\\u0026B' // only\n      && claims.b == 1"`,
    `"claims.a == 1 // c\\n && claims.x == 1 // d\n      && claims.b == 1"`,
    `"claims.a == 1 // c\\x0a && claims.b == 1"`,
    `'claims.a == 1 // only\n      && claims.b == 1'`,
    `claims.a == 1 // only\n      && claims.b == 1`,
  ];
  for (const when of hidden) {
    const { errors } = check(rule(when));
    assert.deepEqual(
      errors.map(({ code }) => code),
      Array.from({ length: when.split("//").length - 1 }, () => "condition_syntax"),
      when,
    );
  }
});

test("comments stand where lines are kept", () => {
  const kept = [
    "|\n      // why\n      // and why not\n      claims.a == 1 // because\n      // so\n      && claims.b == 1\n",
  ];
  for (const when of [...kept, "claims.a == 1 // because"]) {
    const { errors, policy } = check(rule(when));
    assert.deepEqual(errors, [], when);
    assert.equal(policy!.rules.find(({ name }) => name === "a")!.condition!.usesClaims, true);
  }
});

test("what a header or a query can hold is counted by the byte", () => {
  const header = (texts: number): string =>
    `[${Array.from({ length: texts }, (_, n) => `"${n}"`).join(", ")}].exists(p, request.headers["x"].startsWith(p))`;
  assert.equal(compile(header(20)).errors.length, 0);
  assert.deepEqual(
    compile(header(250)).errors.map(({ code }) => code),
    ["condition_cost"],
  );
  const queries = Array.from({ length: 20 }, (_, n) => `request.query["a${n}"] == "b"`).join(" && ");
  assert.deepEqual(
    compile(queries).errors.map(({ code }) => code),
    ["condition_cost"],
  );
});

test("every instruction has a form, and no number without an instruction has one", () => {
  const numbers = Object.entries(code).filter(([name]) => name.startsWith("op_") && name !== "op_count");
  const sorted = numbers.map(([, number]) => Number(number)).sort((left, right) => left - right);
  assert.deepEqual(sorted, [...Array(code.op_count).keys()]);
  for (const [name, number] of numbers) assert.notEqual(code.formOf(Number(number)), code.Form.NONE, name);
  for (const number of [code.op_count, 255, 0xffffffff]) assert.equal(code.formOf(number), code.Form.NONE);
});
