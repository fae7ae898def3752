/** What the filter counts in a real Envoy, which its metrics show up to a second later. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LocalEnvoy } from "../../scripts/envoy/local.ts";

const decisions = /^wasmcustom\.sallyport_requests\./u;

/** Envoy's counters and gauges, once they have a decision for each record in the access log. */
export async function statsWithCounts({ envoy, accessLog }: LocalEnvoy): Promise<Map<string, number>> {
  const deadlineMs = Date.now() + 60_000;
  for (;;) {
    const stats = await envoy.stats();
    const counted = [...stats].reduce((sum, [name, value]) => (decisions.test(name) ? sum + value : sum), 0);
    const recorded = (await accessLog()).filter(({ record }) => record !== undefined).length;
    if (counted >= recorded) return stats;
    if (Date.now() > deadlineMs) throw new Error(`${counted} decisions are counted where ${recorded} are recorded`);
    await sleep(100);
  }
}
