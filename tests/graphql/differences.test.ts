/** What `graphql` (npm) takes and the engine's parser refuses: each difference by examples, and what stands beside it and is taken. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "graphql";
import { graphql_name_bytes_max } from "../../assembly/limits.ts";
import { compare, differences } from "./compare.ts";
import { type Fault, GraphqlParser, unbounded } from "./parser.ts";

interface Example {
  refused: readonly string[];
  taken: readonly string[];
}

const examples: Record<string, Example> = {
  "control characters in strings and comments": {
    refused: ['{ a(b: "\u0000") }', '{ a(b: "\u001f") }', "{ a } # \u0001", '{ a(b: """\u000b""") }'],
    taken: ['{ a(b: "\t\u007f\u0085") }', "{ a } # \t\u009f", '{ a(b: """\t\n\r\u2028""") }', '{ a(b: "\\u0000") }'],
  },
  "a byte order mark between tokens": {
    refused: ["\ufeff{ a }", "{ \ufeff a }", "{ a }\ufeff"],
    taken: ['{ a(b: "\ufeff") }', "{ a } # \ufeff"],
  },
  "escapes of characters by their number in braces": {
    refused: ['{ a(b: "\\u{41}") }', '{ a(b: "\\\\\\u{1F600}") }'],
    taken: ['{ a(b: "\\\\u{41}") }', '{ a(b: """\\u{41}""") }', '{ a(b: "\\ud83d\\ude00") }'],
  },
  descriptions: {
    refused: ['"what" query A { a }', '"""what""" fragment F on T { a } { ...F }', 'query A("what" $a: T) { a }'],
    taken: ["query A { a } # what"],
  },
  "definitions and extensions of types": {
    refused: [
      ...["scalar T", "type T { a: T }", "interface T { a: T }", "union T = T", "enum T { A }", "input T { a: T }"],
      ...["schema { query: T }", "directive @x on FIELD", "extend type T @x", "{ a } type T { a: T }"],
    ],
    taken: ["{ scalar type interface union enum input schema directive extend }", "query type { a }"],
  },
  "more than limits.ts has room for": {
    refused: [`{ ${"a".repeat(graphql_name_bytes_max + 1)} }`],
    taken: [`{ ${"a".repeat(graphql_name_bytes_max)} }`],
  },
};

const parser = await GraphqlParser.compile();

for (const { name, faults } of differences) {
  test(name, () => {
    const { refused, taken } = examples[name]!;
    for (const text of refused) {
      assert.doesNotThrow(() => parse(text), text);
      assert.ok(faults.includes(parser.parse(text).fault), `${parser.parse(text).fault}: ${text}`);
      assert.equal(compare(parser, Buffer.from(text), unbounded, name), name);
    }
    for (const text of taken) assert.equal(compare(parser, Buffer.from(text), unbounded, name), "NONE", text);
  });
}

test("a description of a type is none of a type: the document is refused by its syntax", () => {
  assert.equal(parser.parse('"what" type T { a: T }').fault, "SYNTAX");
});

test("what neither takes", () => {
  const texts: Record<string, Fault> = {
    // The grammar of October 2021 would have half of a pair; `graphql` reads by the newer one.
    '{ a(b: "\\ud83d") }': "SYNTAX",
    '{ a(b: "\\ude00") }': "SYNTAX",
    '{ a(b: "\\ud83d\\u0041") }': "SYNTAX",
    // The newest editions have arguments of fragments, which are experimental.
    "fragment F($a: T) on T { a } { ...F }": "SYNTAX",
    "fragment F on T { a } { ...F(a: 1) }": "SYNTAX",
    // Out of strings and comments, no space but these.
    "{ a\u00a0b }": "SYNTAX",
    "{ a\u000bb }": "TEXT",
    "{ é }": "SYNTAX",
  };
  for (const [text, fault] of Object.entries(texts)) {
    assert.throws(() => parse(text), text);
    assert.equal(parser.parse(text).fault, fault, text);
  }
});
