/**
 * Random documents of GraphQL and spoilt ones, put to the engine's parser and to `graphql` (npm): both take the same documents, but for
 * the differences listed in compare.ts, and find the same operation, fields, depth and aliases. The seed is printed; SEED brings a run
 * back, CASES says how many.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random, runSeed } from "../support/random.ts";
import { compare, differences } from "./compare.ts";
import { generateName, generateTokens, joinTokens } from "./generate.ts";
import { mutateBytes, mutateTokens } from "./mutate.ts";
import { type Asked, faults, GraphqlParser } from "./parser.ts";

const seed = runSeed();
console.log(`SEED=${seed}`);
const cases = Number(process.env.CASES ?? 20_000);

function ask(random: Random, tokens: readonly string[]): Asked {
  const isBounded = random.below(3) === 0;
  return {
    operationName: generateName(random, tokens),
    depth_max: isBounded ? 1 + random.below(8) : 0xffffffff,
    aliases_max: isBounded ? random.below(6) : 0xffffffff,
    rootFields_max: isBounded ? 1 + random.below(8) : 0xffffffff,
  };
}

test("the parser and `graphql` agree on what is a document, and on what it selects", async () => {
  const parser = await GraphqlParser.compile();
  const random = new Random(seed);
  const tally = new Map<string, number>();
  let before: Uint8Array = Buffer.from("{ a }");
  for (let index = 0; index < cases; index++) {
    const way = random.below(5);
    const tokens = generateTokens(random);
    const text = joinTokens(random, way === 2 ? mutateTokens(random, tokens) : tokens);
    const document = Buffer.from(text);
    const bytes = way > 2 ? mutateBytes(random, document, before) : document;
    before = document;
    const met = compare(parser, bytes, ask(random, tokens), `SEED=${seed}, case ${index}`);
    tally.set(met, (tally.get(met) ?? 0) + 1);
  }
  const lines = [...tally].sort(([, left], [, right]) => right - left).map(([met, times]) => `${times} ${met}`);
  console.log(lines.join("\n"));
  // Fewer cases prove nothing about how many there are of each kind.
  if (cases < 20_000) return;
  // What bounds are for is in bounds.test.ts.
  const unmet = ["COUNT", "more than limits.ts has room for"];
  for (const name of [...faults, ...differences.map(({ name }) => name)])
    assert.ok(tally.has(name) || unmet.includes(name), `SEED=${seed}: no case met: ${name}`);
  assert.ok(tally.get("NONE")! > cases / 6, `SEED=${seed}: one in six documents is good`);
});
