/** Plots of what was simulated, as SVG. */
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { type Mode, modes } from "./envoy.ts";
import type { Result } from "./simulation.ts";

export interface Plot {
  file: string;
  sweep: string;
  title: string;
  value: (result: Result) => number;
  isPercent: boolean;
}

export const plots: readonly Plot[] = [
  {
    file: "fleet-questions",
    sweep: "limit",
    title: "questions to the service, per request",
    value: ({ questionsPerSecond, requestsPerSecond }) => questionsPerSecond / requestsPerSecond,
    isPercent: true,
  },
  {
    file: "fleet-denied",
    sweep: "size",
    title: "requests denied although the client kept its limit",
    value: ({ honestDenied }) => honestDenied,
    isPercent: true,
  },
  {
    file: "fleet-over",
    sweep: "outage",
    title: "most that a client was admitted beyond its limit in a minute",
    value: ({ over }) => Math.max(0, over),
    isPercent: true,
  },
];

interface Row {
  label: string;
  mode: Mode;
  value: number;
}

/** A line for each way of counting. Colours and dashes tell them apart, also without colours. */
export async function drawPlot({ title, isPercent }: Plot, heading: string, rows: readonly Row[]): Promise<string> {
  const spec: TopLevelSpec = {
    background: "white",
    width: 420,
    height: 200,
    title,
    data: { values: [...rows] },
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "label", type: "ordinal", sort: null, title: heading, axis: { labelAngle: 0 } },
      y: { field: "value", type: "quantitative", title: null, axis: isPercent ? { format: ".2~%" } : {} },
      color: { field: "mode", sort: [...modes], title: "counted" },
      strokeDash: { field: "mode", sort: [...modes], title: "counted" },
    },
  };
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  return `${await view.toSVG()}\n`;
}
