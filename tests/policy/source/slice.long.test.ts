/** Long files are read by pieces; nobody may notice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { check, mark, unmark } from "../../support/policy.ts";

const head = "version: 1\nname: shop\ntrust: { domains: [example.org] }\n";
const many = 3000;

function rules(indent: string, from = 0): string {
  return Array.from({ length: many }, (_, number) => {
    const name = `rule-${String(number + from).padStart(5, "0")}`;
    return `${indent}- name: ${name}\n${indent}  callers: [spiffe://example.org/${name}]\n${indent}  # one of many\n\n${indent}  allow:\n${indent}  - GET /${name}\n`;
  }).join("");
}

for (const indent of ["", "  ", "     "]) {
  test(`rules indented by ${indent.length} are all read`, () => {
    const { errors, policy } = check(`${head}rules: # many\n\n  # and more\n${rules(indent)}# the end\nmode: shadow\n`);
    assert.deepEqual(errors, []);
    assert.equal(policy?.rules.length, many);
    assert.equal(policy?.mode, "shadow");
    assert.equal(policy?.rules[2]?.line, 7 + 2 * 6);
  });
}

test("places of errors are those in the file, in, before and after the rules", () => {
  for (const marked of [
    `${head}rules:\n${rules("  ")}  - name: last\n    ${mark}callrs: [any]\n    callers: [any]\n    allow: [GET /a]\n`,
    `${head}${mark}moed: shadow\nrules:\n${rules("  ")}`,
    `${head}rules:\n${rules("  ")}${mark}moed: shadow\n`,
  ]) {
    const { text, line, column } = unmark(marked);
    const { errors } = check(text);
    assert.deepEqual(
      errors.map((error) => [error.code, error.line, error.column]),
      [["unknown_key", line, column]],
    );
  }
});

test("broken YAML between the rules is found where it is, and only there", () => {
  const { text, line } = unmark(
    `${head}rules:\n${rules("  ")}  - name: last\n    callers: ${mark}[any\n    allow: [GET /a]\n${rules("  ", many)}`,
  );
  const { errors } = check(text);
  assert.ok(errors.length > 0);
  for (const error of errors)
    assert.ok(error.code === "yaml" && error.line >= line && error.line <= line + 2, JSON.stringify(error));
});

test("a line that only looks like the list of rules is none", () => {
  const comment = `# ${"x".repeat(140000)}\n`;
  const quoted = `${head}${comment}callers:\n  a: ["spiffe://example.org/a\n\nrules:\n  - name: x"]\n`;
  assert.ok(check(quoted).errors.length > 0);
  const flow = `{version: 1, name: shop, trust: {domains: [example.org]},\n${comment}rules:\n [{name: a, callers: [any], allow: [GET /a]}]}\n`;
  assert.deepEqual(check(flow).errors, []);
});

test("two lists of rules are refused", () => {
  const { errors } = check(`${head}rules:\n${rules("  ")}rules:\n${rules("  ", many)}`);
  assert.ok(errors.some(({ code }) => code === "duplicate"));
});
