/**
 * `npx tsx tests/lifecycle/idle.ts [reloads]`: the CPU of an Envoy that nobody asks for anything, with a policy whose keys are fetched,
 * before and after reloads (1,200 if not said otherwise) over LDS and over ECDS. What is left of old configurations shows.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { StormWorld } from "../storm/world.ts";
import { until } from "../support/until.ts";

const seconds = 20;
/** Of `/proc/<pid>/stat`, on Linux. */
const ticks_per_second = 100;

/** Percent of a core. */
async function idleShare({ local }: StormWorld): Promise<number> {
  const used = (): number => {
    const fields = readFileSync(`/proc/${local.envoy.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / ticks_per_second;
  };
  const before = used();
  await sleep(seconds * 1000);
  return ((used() - before) / seconds) * 100;
}

const reloads = Number(process.argv[2] ?? 1_200);
for (const source of ["lds", "ecds"] as const) {
  const world = await StormWorld.start({ source });
  try {
    const before = await idleShare(world);
    for (let count = 0; count < reloads; count++) await world.reloadAndWait();
    const draining = "listener_manager.total_filter_chains_draining";
    await until("nothing drains", async () => (await world.stat(draining)) === 0);
    await sleep(1_000);
    const after = await idleShare(world);
    console.log(`${source}: ${before.toFixed(2)} % of a core, after ${reloads} reloads ${after.toFixed(2)} %`);
  } finally {
    await world.stop();
  }
}
