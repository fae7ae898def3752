/**
 * `npm run bench:learn`: how long reading an access log takes, and how much memory. `--lines N` (10,000,000), `--seed N` (1), `--runs N` (3), `--log FILE`
 * for one that is there. Each run is a process of its own with two threads; its memory is what the kernel says was resident at most, Node and all.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openTraffic } from "../../../scripts/traffic/open.ts";
import { writeLog } from "./generate.ts";

const { values } = parseArgs({
  options: {
    lines: { type: "string", default: "10000000" },
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "3" },
    log: { type: "string" },
    once: { type: "boolean", default: false },
  },
});

/** One run, told as JSON. */
async function once(log: string): Promise<void> {
  const start = performance.now();
  const traffic = await openTraffic([log], { threads: 2 });
  const usages = await traffic.usages();
  const seconds = (performance.now() - start) / 1_000;
  await traffic.close();
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const figures = {
    seconds,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    mebibytes: maxRSS / 1024,
    lines: traffic.summary.lines,
    groups: usages.length,
  };
  console.log(JSON.stringify(figures));
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-bench-"));
  try {
    const log = values.log ?? join(folder, "access.log");
    if (values.log === undefined) await writeLog(log, { lines: Number(values.lines), seed: Number(values.seed) });
    console.log(`${(statSync(log).size / 1e9).toFixed(2)} GB`);
    for (let run = 0; run < Number(values.runs); run++) {
      const args = [...process.execArgv, process.argv[1]!, "--once", "--log", log];
      const figures = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
      const { seconds, cpuSeconds, mebibytes, lines, groups } = figures as Record<string, number>;
      console.log(
        `${lines} lines, ${groups} groups: ${seconds!.toFixed(1)} s (${cpuSeconds!.toFixed(1)} s of processor), ` +
          `${Math.round(lines! / seconds!).toLocaleString("en")} lines/s, ${Math.round(mebibytes!)} MiB`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await (values.once ? once(values.log!) : main());
