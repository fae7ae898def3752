/** The second evaluator about a list with an element that cannot be read, since it does not leave that to @bufbuild/cel. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConditionInput, compileCondition } from "./reference/condition.ts";
import { type Json, Unread } from "./reference/json.ts";

const beyond = new Unread("123456789012345678901234567890");
const claims = new Map<string, Json>([
  ["groups", ["x", beyond, "a"]],
  ["nested", new Map<string, Json>([["level", beyond]])],
]);
const input: ConditionInput = {
  arrived: { source: "127.0.0.1:5", headers: [] } as never,
  readable: { method: "GET", host: "h", reading: { segments: [], text: "/" }, query: undefined } as never,
  caller: null,
  names: new Map(),
  claims,
  path: new Map(),
  nowMilliseconds: 0,
  takesForwardedAddress: false,
};

const answers: [string, true | false | "error"][] = [
  ['"a" in claims.groups', true],
  ['"b" in claims.groups', "error"],
  ["claims.groups.exists(one, one in lists.words)", true],
  ['claims.groups.exists(one, one == "b")', "error"],
  ['claims.groups.all(one, one == "x")', false],
  ['claims.groups == ["y", "b", "a"]', false],
  ['claims.groups != ["y", "b", "a"]', true],
  ['claims.groups == ["x", "b", "a"]', "error"],
  ['claims.groups == ["x"]', false],
  ["claims.groups[1] == claims.groups[1]", "error"],
  ["claims.groups[1] == claims.groups[1] || true", true],
  ["claims.groups[1].size() == 0", "error"],
  ["size(claims.groups[1]) == 0", "error"],
  ["claims.groups[1] < claims.groups[1]", "error"],
  ["words(claims.groups[1]).size() == 0", "error"],
  ["size(claims.groups) == 3", true],
  ["claims.nested == claims.nested", "error"],
  ["claims.nested == claims.groups", false],
  ["has(claims.nested.level)", true],
  ["has(claims.nested.level.of)", "error"],
];

for (const [condition, answer] of answers)
  test(`${condition}: ${answer}`, () => {
    assert.equal(compileCondition(condition, new Map([["words", ["a"]]]))(input), answer);
  });
