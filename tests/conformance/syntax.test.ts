/** What conditions say is what is written: the compiler's tree against a parser that is made from the grammar alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { tests } from "@bufbuild/cel-spec/testdata/conformance.js";
import * as fc from "fast-check";
import { type Node, parseSyntax } from "../../scripts/policy/condition/syntax.ts";
import { parameters } from "../support/arbitrary.ts";
import { someCondition } from "../support/condition-arbitrary.ts";
import { doubleText, NoExpression, parseGrammar, type Tree } from "./grammar.ts";
import { someSyntax } from "./syntax-arbitrary.ts";

/** The compiler's tree in the grammar's form. */
function treeOf(node: Node): Tree {
  switch (node.kind) {
    case "literal": {
      const { value } = node;
      if (typeof value === "string") return ["text", value];
      if (typeof value === "bigint") return ["number", String(value)];
      if (typeof value !== "number") return ["literal", String(value)];
      return ["number", doubleText(value)];
    }
    case "list":
      return ["list", ...node.elements.map(treeOf)];
    case "name":
      return ["name", node.name];
    case "select":
      return [".", treeOf(node.operand), node.field];
    case "has":
      return ["has", treeOf(node.operand), node.field];
    case "logic":
      return [node.op, ...node.operands.map(treeOf)];
    case "loop":
      return [`.${node.name}()`, treeOf(node.range), node.variable, treeOf(node.body)];
    case "call": {
      const args = node.args.map(treeOf);
      if (node.target !== undefined) return [`.${node.name}()`, treeOf(node.target), ...args];
      return [{ "@in": "in", "_[_]": "[]", "_?_:_": "?:" }[node.name] ?? operatorOf(node.name), ...args];
    }
    default:
      return ["refused"];
  }
}

function operatorOf(name: string): string {
  return /^[A-Za-z_]\w*$/u.test(name) ? `${name}()` : name.replaceAll("_", "");
}

type Reading = { tree: Tree } | { codes: string[] };

function productReading(text: string): Reading {
  const codes: string[] = [];
  const root = parseSyntax(text, (code) => codes.push(code))?.root;
  assert.ok(root !== undefined || codes.length > 0, `\`${text}\` is refused without a word`);
  return root !== undefined && codes.length === 0 ? { tree: treeOf(root) } : { codes };
}

function grammarReading(text: string): Tree | undefined {
  try {
    return parseGrammar(text);
  } catch (error) {
    if (error instanceof NoExpression) return undefined;
    throw error;
  }
}

/** Whether the compiler takes the text; then it must read what the grammar does. */
function check(text: string): boolean {
  const product = productReading(text);
  if ("codes" in product) return false;
  assert.deepEqual(product.tree, grammarReading(text), text);
  return true;
}

interface Suite {
  suites?: Suite[];
  tests?: { original: { expr: string } }[];
}

test("the suite's expressions are read as they are written", () => {
  const expressions: string[] = [];
  const visit = ({ suites = [], tests: own = [] }: Suite): void => {
    for (const { original } of own) expressions.push(original.expr);
    for (const inner of suites) visit(inner);
  };
  visit(tests as unknown as Suite);
  const taken = expressions.filter(check).length;
  assert.ok(expressions.length > 2000 && taken > 1000, `${taken} of ${expressions.length} are taken`);
});

test("random conditions are read as they are written", () => {
  fc.assert(
    fc.property(someCondition, (text) => assert.ok(check(text), text)),
    { numRuns: 500, ...parameters },
  );
});

test("random expressions of the whole grammar are read as they are written, or refused", () => {
  let taken = 0;
  fc.assert(
    fc.property(someSyntax, (text) => {
      if (check(text)) taken++;
    }),
    { numRuns: 4000, ...parameters },
  );
  if (parameters.seed === undefined) assert.ok(taken > 500, `only ${taken} of 4000 are taken`);
});

test("random words are read as the grammar does, or refused", () => {
  const word = fc.constantFrom(
    ...'! - -- . ( ) [ ] , ? : && || == != < <= + * in has exists all x claims if 1 -1 .5 0x1F 1u 1e3 r \'a\' "" """ \' \\x41 \\ // \n'.split(
      " ",
    ),
    " ",
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 9 }), fc.constantFrom("", " "), (words, between) => {
      check(words.join(between));
    }),
    { numRuns: 20_000, ...parameters },
  );
});
