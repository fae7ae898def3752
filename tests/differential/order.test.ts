/**
 * The order in which a policy says things means nothing: rules, endpoints, callers, elements of lists, keys of mappings, and in
 * which file a rule stands. Policies that differ in it alone compile to the same bytes, so they decide alike. Two lists
 * alone are read in their order: of `scopesFrom` the first claim that a token has counts, and of scopes that are `any` the first is the one
 * that an answer asks for.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { writeKeySets } from "./arbitrary/keys.ts";
import { type PolicyParts, somePolicy, writePolicy } from "./arbitrary/policies.ts";
import { compileText } from "./product.ts";

const seed = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };
const folder = writeKeySets();

const ordered: ReadonlySet<string> = new Set(["scopesFrom", "any"]);

/** Everything of a value, each list and mapping in an order that the number gives it. */
function shuffled<Value>(value: Value, order: number): Value {
  const sorted = <Element>(elements: Element[]): Element[] => {
    const keyOf = (element: Element): string =>
      createHash("sha1")
        .update(`${order}${JSON.stringify(element)}`)
        .digest("hex");
    return elements
      .map((element) => ({ element, key: keyOf(element) }))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map(({ element }) => element);
  };
  if (Array.isArray(value)) return sorted(value.map((element) => shuffled(element, order))) as Value;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(
    ([name, one]) => [name, ordered.has(name) ? one : shuffled(one, order)] as const,
  );
  return Object.fromEntries(sorted(entries)) as Value;
}

function compile(parts: PolicyParts): Uint8Array {
  const image = compileText(writePolicy(parts), folder);
  fc.pre(image !== undefined);
  return image!;
}

test("the order in a policy never changes its image", () => {
  const property = fc.property(somePolicy, fc.nat(), fc.nat(4), (parts, order, includedRules) => {
    const other = { ...parts, policy: shuffled(parts.policy, order), includedRules };
    assert.deepEqual(compile(parts), compile(other), `${writePolicy(parts).main}\n--- and\n${writePolicy(other).main}`);
  });
  fc.assert(property, { numRuns: 1000, ...seed });
});
