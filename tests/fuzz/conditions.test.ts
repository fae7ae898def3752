/**
 * Conditions that were tampered with, the image sealed anew: the engine refuses them, or evaluates them without a trap. The
 * seed is printed; SEED brings a run back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as layout from "../../assembly/policy/layout.ts";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { concreteTests } from "../../scripts/policytest/cases.ts";
import { readTestFile } from "../../scripts/policytest/file.ts";
import { engine, nowSeconds, policyNamed } from "../support/plugin.ts";
import { Random, runSeed } from "../support/random.ts";
import { reseal } from "./mutate.ts";

const seed = runSeed();
console.log(`SEED=${seed}`);

const images = 2000;
const requests_an_image = 12;
/** Numbers that matter to operands: indices, opcodes, sizes, and what is out of every bound. */
const numbers = [0, 1, 2, 3, 5, 8, 16, 33, 46, 47, 48, 128, 1024, 0x10000, 0x7fffffff, 0xfffffffe, 0xffffffff];

const policy = policyNamed("conditions");
const path = fileURLToPath(new URL("../policy/cases/conditions.yaml", import.meta.url));
const requests = concreteTests(readTestFile(path), policy, { now: nowSeconds * 1000 }).tests.map(
  ({ request }) => request,
);

/** Changes one to three words among the instructions and the rules' conditions. */
function tamper(random: Random): Buffer {
  const bytes = Buffer.from(policy.standInImage);
  const section = (number: number): { start: number; count: number } => ({
    start: bytes.readUInt32LE(layout.sections_at + number * 8),
    count: bytes.readUInt32LE(layout.sections_at + number * 8 + 4),
  });
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const isInstruction = random.below(8) !== 0;
    const { start, count } = section(isInstruction ? layout.section_instructions : layout.section_rules);
    const size = isInstruction ? layout.instruction_record_bytes : layout.rule_record_bytes;
    const within = isInstruction ? random.below(4) * 4 : layout.rule_condition_at + random.below(3) * 4;
    const at = start + random.below(count) * size + within;
    // What stands at the same place elsewhere, a neighbour of what stood there, or a number that matters.
    const elsewhere = bytes.readUInt32LE(start + random.below(count) * size + within);
    const neighbour = bytes.readUInt32LE(at) + random.below(5) - 2;
    const value = random.pick([elsewhere, elsewhere, elsewhere, neighbour, neighbour, random.pick(numbers)]);
    bytes.writeUInt32LE(value >>> 0, at);
  }
  reseal(bytes);
  return bytes;
}

test(`${images} images with spoilt conditions`, () => {
  const module = new WebAssembly.Module(engine as Uint8Array<ArrayBuffer>);
  let refused = 0;
  for (let number = 0; number < images; number++) {
    const random = new Random(seed ^ Math.imul(number + 1, 0x9e3779b1));
    const host = PluginHost.load(module, { clock: () => BigInt(nowSeconds) * 1_000_000_000n });
    const { ok, trapped, rootContext } = host.startPlugin(pluginConfiguration(tamper(random)));
    assert.equal(trapped, false, `image ${number}, SEED=${seed}`);
    if (!ok) {
      refused++;
      continue;
    }
    for (let asked = 0; asked < requests_an_image; asked++) {
      const outcome = host.request(rootContext, hostRequest(random.pick(requests)));
      assert.equal(outcome.trapped, false, `image ${number}, SEED=${seed}: ${outcome.error?.message}`);
    }
  }
  assert.ok(refused > images / 10 && refused < (images * 9) / 10, `${refused} of ${images} were refused`);
});
