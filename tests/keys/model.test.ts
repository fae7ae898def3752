/**
 * All orders of what may happen to a key set on two workers, up to a stated depth: ticks, answers, resets, reloads, lost workers,
 * clocks that step. What must hold is asserted in the model, at every step; from every world there is a way on.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Machine } from "./machine.ts";
import { fingerprint, firstWorld, steps, type World, wedged } from "./model.ts";

let machine: Machine;
before(async () => {
  machine = await Machine.compile();
});

interface Found {
  world: World;
  path: readonly string[];
}

/** Every world that so many events lead to, each by a shortest way. */
function explore(depth: number, look: (found: Found) => void): number {
  const seen = new Set([fingerprint(firstWorld)]);
  let front: Found[] = [{ world: firstWorld, path: [] }];
  for (let level = 0; level < depth; level++) {
    const next: Found[] = [];
    for (const { world, path } of front) {
      for (const [name, step] of Object.entries(steps)) {
        const way = [...path, name];
        let after: World | undefined;
        try {
          after = step(machine, world);
        } catch (error) {
          throw new Error(`${way.join(", ")}: ${(error as Error).message}`);
        }
        if (after === undefined) continue;
        const mark = fingerprint(after);
        if (seen.has(mark)) continue;
        seen.add(mark);
        const found = { world: after, path: way };
        look(found);
        next.push(found);
      }
    }
    front = next;
  }
  return seen.size;
}

const depth = Number(process.env.MODEL_DEPTH ?? 5);

test(`nothing goes wrong in ${depth} events, in whatever order, and every world goes on`, () => {
  const worlds = explore(depth, ({ world, path }) => {
    const trouble = wedged(machine, world);
    assert.equal(trouble, undefined, `${path.join(", ")}: ${trouble}`);
  });
  console.log(`${worlds} worlds`);
  assert.ok(worlds > 10_000, `${worlds} worlds`);
});
