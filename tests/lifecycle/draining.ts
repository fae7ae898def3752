/**
 * `npx tsx tests/lifecycle/draining.ts [rules] [reloads]`: what Envoy's memory comes to while old configurations drain, with a large policy
 * (99,000 rules if not said otherwise) in the filter's configuration, and in the module.
 */
import { extractImage } from "../../scripts/policy/module/embed.ts";
import { readEnvoyMemory } from "../soak/envoymemory.ts";
import { mebibytes, sum } from "../soak/report.ts";
import { type Reload, StormWorld, type WorldOptions } from "../storm/world.ts";
import { moduleFor } from "../support/envoy.ts";

const [rules = 99_000, reloads = 12] = process.argv.slice(2).map(Number);
const policyYaml = `version: 1
name: large
trust: { domains: [example.org] }
rules:
${Array.from({ length: rules }, (_, rule) => `  - { name: r-${rule}, callers: ["spiffe://example.org/svc-${rule}"], allow: ["GET /svc-${rule}/{id}"] }`).join("\n")}
`;
const module = await moduleFor({ policyYaml });
const image = Buffer.from(extractImage(module)!);
console.log(`${rules.toLocaleString("en")} rules, an image of ${mebibytes(image.length)}, drain time 600 s, 1 worker`);

const cases: [string, WorldOptions, Reload][] = [
  ["in the configuration", {}, { members: `"policy":"${image.toString("base64")}"` }],
  ["in the module", { change: () => module, sets: 0 }, { isNewVm: true }],
];
for (const [where, options, change] of cases) {
  const world = await StormWorld.start({ source: "lds", drainSeconds: 600, ...options });
  try {
    for (let count = 0; count <= reloads; count++) {
      if (count > 0) await world.reloadAndWait(change);
      if (count % 4 > 0) continue;
      const { rssBytes, moduleBytes } = await readEnvoyMemory(world.local.envoy);
      const wasm = `${moduleBytes.length} VMs with ${mebibytes(sum(moduleBytes))}`;
      console.log(`  ${where}, ${String(count).padStart(3)} reloads: RSS ${mebibytes(rssBytes)}, ${wasm}`);
    }
  } finally {
    await world.stop();
  }
}
