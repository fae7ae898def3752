/** What `npm run simulate:fleet` runs: fleets that differ in one thing, in each way of counting. */
import { lease_divisor } from "../../assembly/limits.ts";
import { type Mode, modes } from "./envoy.ts";
import type { FleetOptions } from "./simulation.ts";

export interface Sweep {
  name: string;
  /** What the runs differ in, as a heading, and how it is for each of them. */
  heading: string;
  runs: { label: string; x: number; options: Omit<FleetOptions, "mode" | "leaseTokens"> }[];
}

const minute_ms = 60_000;
/** A third of the first minute of a run (simulation.ts begins a million periods after zero). */
const outage_at_ms = minute_ms * 1_000_000 + 20_000;

/** A fleet as most are, with clients of whom a dozen ask for more than they may. */
export const usual: Sweep["runs"][number]["options"] = {
  envoys: 50,
  limit: 6_000,
  period_ms: minute_ms,
  rate: 5_000,
  periods: 2,
  connections: 16,
  latency_ms: 1,
  spread: 0.5,
  loss: 0,
  deadline_ms: 100,
};

/** Blocks as the compiler has them (scripts/policy/language/rate.ts, `leaseTokens`). */
export function fleetOptions(options: Sweep["runs"][number]["options"], mode: Mode): FleetOptions {
  return { ...options, mode, leaseTokens: Math.floor(options.limit / (lease_divisor * options.envoys)) };
}

const percent = (share: number): string => `${share * 100} %`;

export const sweeps: readonly Sweep[] = [
  {
    name: "size",
    heading: "Envoys",
    runs: [1, 10, 100, 1_000, 5_000].map((envoys) => ({
      label: String(envoys),
      x: envoys,
      options: { ...usual, envoys },
    })),
  },
  {
    name: "limit",
    heading: "limit a minute",
    runs: [60, 600, 6_000, 60_000].map((limit) => ({ label: String(limit), x: limit, options: { ...usual, limit } })),
  },
  {
    name: "large",
    heading: "Envoys, limit a minute",
    runs: [500, 5_000].map((envoys) => ({
      label: `${envoys}, 600000`,
      x: envoys,
      options: { ...usual, envoys, limit: 600_000, periods: 1 },
    })),
  },
  {
    name: "loss",
    heading: "messages lost",
    runs: [0, 0.001, 0.01, 0.1].map((loss) => ({ label: percent(loss), x: loss, options: { ...usual, loss } })),
  },
  {
    name: "latency",
    heading: "median of the service's answers",
    runs: [1, 5, 25, 75].map((latency_ms) => ({
      label: `${latency_ms} ms`,
      x: latency_ms,
      options: { ...usual, latency_ms },
    })),
  },
  {
    name: "outage",
    heading: "seconds without the service",
    runs: [0, 5, 20, 60].map((seconds) => ({
      label: `${seconds} s`,
      x: seconds,
      // In the midst of the first minute, and beyond it.
      options: seconds === 0 ? usual : { ...usual, outage_ms: [outage_at_ms, outage_at_ms + seconds * 1000] as const },
    })),
  },
];

export { modes };
