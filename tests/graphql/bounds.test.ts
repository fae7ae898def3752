/** The bounds of the engine's parser of GraphQL: what just fits, what does not, and documents made to take long, of up to 1 MiB. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as limits from "../../assembly/limits.ts";
import { findViolations } from "../../scripts/build/gate.ts";
import { type Asked, type Fault, GraphqlParser, type Selected, unbounded } from "./parser.ts";

const parser = await GraphqlParser.compile();
const count_max = 0xffffffff;

function faultOf(document: string, asked: Partial<Asked> = {}): Fault {
  return parser.parse(document, { ...unbounded, ...asked }).fault;
}

function selectedOf(document: string): Selected {
  const { fault, selected } = parser.parse(document);
  assert.equal(fault, "NONE", document.slice(0, 200));
  return selected;
}

/** `count` texts made of numbers from 0 on. */
function list(count: number, text: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => text(index)).join(" ");
}

test("the parser holds no instruction that may trap, and allocates nothing", () => {
  assert.deepEqual(findViolations(parser.text), []);
});

test("bytes of a document", () => {
  const padded = (bytes: number): string => `{ a }${" ".repeat(bytes - 5)}`;
  assert.equal(faultOf(padded(limits.graphql_document_bytes_max)), "NONE");
  assert.equal(faultOf(padded(limits.graphql_document_bytes_max + 1)), "COUNT");
});

test("tokens: comments and commas are none", () => {
  const document = (tokens: number): string => `{ a { ${"b, # c\n".repeat(tokens - 5)} } }`;
  assert.equal(faultOf(document(limits.graphql_tokens_max)), "NONE");
  assert.equal(faultOf(document(limits.graphql_tokens_max + 1)), "COUNT");
});

test("bytes of a name, wherever it stands", () => {
  for (const place of [
    "{ @ }",
    "{ @: a }",
    "query @ { a }",
    "{ a(@: 1) }",
    "{ a(b: $@) }",
    "{ a(b: @) }",
    "{ a @@ }",
  ]) {
    const document = (bytes: number): string => place.replace(/@(?=[^@]*$)/u, "n".repeat(bytes));
    assert.equal(faultOf(document(limits.graphql_name_bytes_max)), "NONE", place);
    assert.equal(faultOf(document(limits.graphql_name_bytes_max + 1)), "COUNT", place);
  }
});

test("operations and fragments", () => {
  const most = limits.graphql_definitions_max;
  const fragments = (count: number): string => `{ a } ${list(count, (index) => `fragment F${index} on T { a }`)}`;
  assert.equal(faultOf(fragments(most - 1)), "NONE");
  assert.equal(faultOf(fragments(most)), "COUNT");
  const operations = (count: number): string => list(count, (index) => `query Q${index} { f${index} }`);
  assert.equal(faultOf(operations(most), { operationName: `Q${most - 1}` }), "NONE");
  assert.deepEqual(parser.parse(operations(most), { ...unbounded, operationName: "Q77" }).selected.fields, [
    ["f77", 1],
  ]);
  assert.equal(faultOf(operations(most + 1), { operationName: "Q1" }), "COUNT");
  // Those that are spread and not defined have a place too.
  assert.equal(faultOf(`{ ${list(most - 1, (index) => `...F${index}`)} }`), "FRAGMENT");
  assert.equal(faultOf(`{ ${list(most, (index) => `...F${index}`)} }`), "COUNT");
});

test("distinct fragments that definitions spread", () => {
  const leaves = 250;
  const spreads = list(leaves, (index) => `...F${index}`);
  const groups = Math.floor(limits.graphql_edges_max / leaves);
  const rest = limits.graphql_edges_max - groups * leaves - groups;
  const document = (own: number): string =>
    `{ a { ${list(groups, (index) => `...G${index}`)} ${list(own, (index) => `...F${index} ...F${index}`)} } }
     ${list(leaves, (index) => `fragment F${index} on T { a }`)}
     ${list(groups, (index) => `fragment G${index} on T { ${spreads} ${spreads} }`)}`;
  assert.equal(faultOf(document(rest)), "NONE");
  assert.equal(faultOf(document(rest + 1)), "COUNT");
});

test("brackets that are open at a time", () => {
  const most = limits.graphql_nesting_max;
  const sets = (count: number): string => "{a".repeat(count) + "}".repeat(count);
  assert.equal(selectedOf(sets(most)).depth, most);
  assert.equal(faultOf(sets(most + 1)), "DEPTH");
  const inline = (count: number): string => `${"{...".repeat(count - 1)}{a}${"}".repeat(count - 1)}`;
  assert.equal(selectedOf(inline(most)).depth, 1);
  assert.equal(faultOf(inline(most + 1)), "DEPTH");
  for (const [open, close] of [
    ["[", "]"],
    ["{a:", "}"],
    ["[{a:", "}]"],
  ] as const) {
    // The set around the field is one of them.
    const values = (count: number): string => `{a(b:${open.repeat(count)}1${close.repeat(count)})}`;
    const fits = Math.floor((most - 1) / close.length);
    assert.equal(faultOf(values(fits)), "NONE", open);
    assert.equal(faultOf(values(fits + 1)), "DEPTH", open);
  }
  const types = (count: number): string => `query($a:${"[".repeat(count)}T${"]!".repeat(count)}){a}`;
  assert.equal(faultOf(types(most)), "NONE");
  assert.equal(faultOf(types(most + 1)), "DEPTH");
});

test("selections at the root: the policy's bound, and the parser's", () => {
  const most = limits.graphql_root_fields_max;
  const fields = (count: number): string => `{ ${list(count, (index) => `f${index}`)} }`;
  assert.equal(selectedOf(fields(most)).fields.length, most);
  assert.equal(faultOf(fields(most + 1)), "FIELDS");
  assert.equal(faultOf(fields(3), { rootFields_max: 3 }), "NONE");
  assert.equal(faultOf(fields(4), { rootFields_max: 3 }), "FIELDS");
  assert.equal(faultOf("{ ...F ...F } fragment F on T { a b }", { rootFields_max: 3 }), "FIELDS");
  assert.equal(faultOf("{ ...F ...F } fragment F on T { a b }", { rootFields_max: 4 }), "NONE");
  assert.equal(selectedOf(`{ a ${"__typename ".repeat(5000)} }`).typenames, 5000);
});

test("depth and aliases: as many as the policy's bounds say, and no more", () => {
  const document = "{ x: a { ...F ...F } } fragment F on T { y: b { c } }";
  assert.equal(faultOf(document, { depth_max: 3, aliases_max: 3 }), "NONE");
  assert.equal(faultOf(document, { depth_max: 2 }), "DEPTH");
  assert.equal(faultOf(document, { aliases_max: 2 }), "ALIASES");
});

test("fragments that spread the next one twice are counted, and not followed", () => {
  const chain = (count: number): string =>
    list(count, (index) => `fragment F${index} on T { x: a ...F${index + 1} b { ...F${index + 1} } }`);
  const document = `{ a { ...F0 ...F0 } } ${chain(200)} fragment F200 on T { __schema { y: c } }`;
  const { aliases, depth, isIntrospecting, fields } = selectedOf(document);
  assert.deepEqual({ aliases, depth, isIntrospecting }, { aliases: count_max, depth: 203, isIntrospecting: true });
  assert.deepEqual(fields, [["a", 1]]);
  const doubled = list(40, (index) => `fragment F${index} on T { ...F${index + 1} ...F${index + 1} }`);
  assert.equal(selectedOf(`{ a ...F0 } ${doubled} fragment F40 on T { __typename }`).typenames, count_max);
  assert.equal(faultOf(`{ ...F0 } ${doubled} fragment F40 on T { a }`), "FIELDS");
  const seven = doubled.slice(0, doubled.indexOf("fragment F7 "));
  assert.deepEqual(selectedOf(`{ ...F0 } ${seven} fragment F7 on T { a }`).fields, [["a", 128]]);
});

test("a document is read as itself, whatever stands behind it in memory and came before it", () => {
  const whole = `query A($a:[T!]!=[1.5e3,"\\ud83d\\ude00"]){x:a(b:"""c\\""" ""d""",e:-0)@f{...F}...on T{...F}}fragment F on T{g}#h`;
  const refused = ["{ a", "{ a(b: [[{", '{ a(b: "', "{ ...F ...G }", "query A { a } query A { a }", "type T"];
  for (let size = 1; size <= whole.length; size++) {
    const part = whole.slice(0, size);
    const alone = parser.parse(Buffer.concat([Buffer.from(part), Buffer.from("\0".repeat(32))]).subarray(0, size));
    for (const behind of ['"""', "}}}}", "0000", "name", "....", "\ud800", whole.slice(size)]) {
      parser.parse(part + behind);
      assert.deepEqual(parser.parse(part), alone, part);
    }
    for (const before of refused) {
      parser.parse(before);
      assert.deepEqual(parser.parse(part), alone, part);
    }
  }
});

/** Each is repeated until the document has its size; what it comes to where it is too large for the bounds. */
const hostile: Record<string, { head?: string; part: string; tail?: string; ends: readonly Fault[] }> = {
  "open sets": { part: "{a", ends: ["SYNTAX", "DEPTH"] },
  "open lists": { head: "{a(b:", part: "[", ends: ["SYNTAX", "DEPTH"] },
  "open types": { head: "query($a:", part: "[", ends: ["SYNTAX", "DEPTH"] },
  "one fragment, spread again and again": {
    head: "{a{",
    part: "...F ",
    tail: "}} fragment F on T { x: a ...G ...G } fragment G on T { y: b }",
    ends: ["NONE", "COUNT"],
  },
  "fields below the root": { head: "{a{", part: "b ", tail: "}}", ends: ["NONE", "COUNT"] },
  "one field at the root": { head: "{", part: "a ", tail: "}", ends: ["FIELDS", "COUNT"] },
  "the type's name at the root": { head: "{", part: "__typename ", tail: "}", ends: ["NONE", "COUNT"] },
  "quotes in a comment": { head: "{a}#", part: '"', ends: ["NONE"] },
  "backslashes in a comment": { head: "{a}#", part: "\\", ends: ["NONE"] },
  comments: { head: "{a}", part: "#\n", ends: ["NONE"] },
  commas: { head: "{a", part: ",", tail: "}", ends: ["NONE"] },
  "a string of escapes": { head: '{a(b:"', part: "\\u00e9", tail: '")}', ends: ["NONE"] },
  "a string beyond ASCII": { head: '{a(b:"', part: "é", tail: '")}', ends: ["NONE"] },
  "a string without its end": { head: '{a(b:"', part: "c", ends: ["SYNTAX"] },
  "quotes in a block string": { head: '{a(b:"""', part: '""c', tail: '""")}', ends: ["NONE"] },
  "escaped quotes in a block string": { head: '{a(b:"""', part: '\\"""', tail: '""")}', ends: ["NONE"] },
  "a block string without its end": { head: '{a(b:"""', part: '"" ', ends: ["SYNTAX"] },
  "empty strings": { head: "{a(b:[", part: '"" ', tail: "])}", ends: ["NONE", "COUNT"] },
  "a long number": { head: "{a(b:", part: "1", tail: ")}", ends: ["NONE"] },
  "a long name": { head: "{", part: "a", tail: "}", ends: ["NONE", "COUNT"] },
  directives: { head: "{a", part: "@b(c:{d:[]})", tail: "}", ends: ["NONE", "COUNT"] },
  variables: { head: "query(", part: "$a:[T!]!=[{}]@b ", tail: "){a}", ends: ["NONE", "COUNT"] },
};

test("documents made to take long, of 1 KiB to 1 MiB, come to an end: each byte is read at most twice", () => {
  for (const [name, { head = "", part, tail = "", ends }] of Object.entries(hostile)) {
    for (let bytes = 1024; bytes <= limits.graphql_document_bytes_max; bytes *= 4) {
      const room = bytes - Buffer.byteLength(head) - Buffer.byteLength(tail);
      const fault = faultOf(head + part.repeat(Math.floor(room / Buffer.byteLength(part))) + tail);
      assert.ok(ends.includes(fault), `${name}, ${bytes} bytes: ${fault}`);
    }
  }
});

test("as many fragments as there may be, that all spread all that follow", () => {
  for (const count of [4, 16, 44]) {
    const later = (index: number): string => list(count - index, (step) => `...F${index + step + 1}`);
    const chain = list(count, (index) => `fragment F${index} on T { x: a { ...F${count} } ${later(index)} }`);
    const { aliases, depth } = selectedOf(`{ b { ...F0 } } ${chain} fragment F${count} on T { c { y: d } }`);
    assert.equal(depth, 4);
    // The last has one; each of the others its own, twice that of the last, and what the later ones have.
    let expected = 1n;
    const known = [expected];
    for (let index = count - 1; index >= 0; index--) {
      expected = 2n + known.reduce((sum, one) => sum + one, 0n);
      known.push(expected);
    }
    assert.equal(aliases, Number(expected < BigInt(count_max) ? expected : BigInt(count_max)));
  }
});
