/** Charts of what was simulated (docs/figures/). */
import { lineChart } from "../bench/plot.ts";
import { type Mode, modes } from "./envoy.ts";
import type { Result } from "./simulation.ts";
import type { Sweep } from "./sweeps.ts";

export interface Plot {
  file: string;
  sweep: string;
  title: string;
  /** What is drawn, in percent. */
  label: string;
  percent: (result: Result) => number;
  /** Whether the sweep's numbers lie far apart. */
  isLog: boolean;
}

export const plots: readonly Plot[] = [
  {
    file: "fleet-questions",
    sweep: "limit",
    title: "What the service is asked",
    label: "questions in 100 requests",
    percent: ({ questionsPerSecond, requestsPerSecond }) => (100 * questionsPerSecond) / requestsPerSecond,
    isLog: true,
  },
  {
    file: "fleet-denied",
    sweep: "size",
    title: "Clients that keep their limit",
    label: "% of their requests denied",
    percent: ({ honestDenied }) => 100 * honestDenied,
    isLog: true,
  },
  {
    file: "fleet-over",
    sweep: "outage",
    title: "The service goes away",
    label: "% a client is admitted beyond its limit, at the most",
    percent: ({ over }) => 100 * Math.max(0, over),
    isLog: false,
  },
];

/** A line for each way of counting. @param resultOf what came of a run of the sweep */
export function drawPlot(
  { title, label, percent, isLog }: Plot,
  { heading, runs }: Sweep,
  resultOf: (label: string, mode: Mode) => Result,
): string {
  const series = modes.map((mode) => ({
    name: mode,
    points: runs.map((run) => [run.x, percent(resultOf(run.label, mode))] as const),
  }));
  return lineChart({ title, x: { label: heading, log: isLog }, y: { label }, series });
}
