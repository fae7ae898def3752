/** What the soak says: a line a sample, the verdict on memory, and the plot. */
import { lineChart } from "../bench/plot.ts";
import { type EnvoyMemory, wasm_page_bytes } from "./envoymemory.ts";
import { afterWarmup, type Growth, judgeGrowth, warmup_share } from "./flat.ts";

/** One measurement, and when it was made. */
export interface Sample extends EnvoyMemory {
  /** Requests, or reloads, so far. */
  done: number;
}

/** The verdict on memory. */
export interface MemoryVerdict {
  isFlat: boolean;
  /** The process as a whole, the part of it that no file backs, and Envoy's heap. Each may grow by a share of the whole. */
  rss: Growth;
  anonymous: Growth;
  allocated: Growth;
  /**
   * The largest Wasm memory of a VM: after the warm-up, and at most from then on. Of the largest, since workers take turns at
   * fetching keys, and one that does so for the first time needs what another had before.
   */
  modules: { firstBytes: number; mostBytes: number; isFlat: boolean };
}

const mebibyte = 1024 * 1024;

/**
 * Judges memory after the warm-up: the process must not grow by its trend, and Wasm memory not by one page.
 * @param total what `done` counts up to
 * @param share how much of it is warm-up
 */
export function judgeMemory(samples: readonly Sample[], total: number, share = warmup_share): MemoryVerdict {
  const rest = afterWarmup(samples, total, share);
  const rss = judgeGrowth(rest.map(({ done, rssBytes }) => [done, rssBytes]));
  const { allowed } = rss;
  const part = (bytes: (sample: Sample) => number): Growth => {
    const growth = judgeGrowth(rest.map((sample) => [sample.done, bytes(sample)]));
    return { ...growth, allowed, isFlat: growth.grown < allowed && growth.shifted < allowed };
  };
  const anonymous = part(({ anonymousBytes }) => anonymousBytes);
  const allocated = part(({ allocatedBytes }) => allocatedBytes);
  const firstBytes = rest[0]!.moduleBytes[0] ?? 0;
  const mostBytes = Math.max(...rest.map(({ moduleBytes }) => moduleBytes[0] ?? 0));
  const modules = { firstBytes, mostBytes, isFlat: mostBytes <= firstBytes };
  const isFlat = rss.isFlat && anonymous.isFlat && allocated.isFlat && modules.isFlat;
  return { isFlat, rss, anonymous, allocated, modules };
}

/** The figures of one sample. */
export function memoryText({ rssBytes, anonymousBytes, allocatedBytes, moduleBytes }: Sample): string {
  const each = moduleBytes.map((bytes) => bytes / wasm_page_bytes).join("+");
  const process = `RSS ${mebibytes(rssBytes)}  anonymous ${mebibytes(anonymousBytes)}  heap ${mebibytes(allocatedBytes)}`;
  return `${process}  Wasm ${each} pages`;
}

/**
 * The verdict in lines.
 * @param what is counted, in the plural: `requests`
 */
export function verdictLines(
  { rss, anonymous, allocated, modules }: MemoryVerdict,
  total: number,
  what: string,
  share = warmup_share,
): string[] {
  const counted = Math.round(total * (1 - share)).toLocaleString("en");
  const grown = (name: string, growth: Growth): string =>
    `  ${name.padEnd(10)}${mebibytes(growth.grown)} by its trend (${growth.grownEach.toFixed(3)} bytes each), ` +
    `${mebibytes(growth.shifted)} from the first quarter to the last, ${mebibytes(growth.allowed)} allowed: ${wordFor(growth)}`;
  const inPages = (bytes: number): string => `${bytes / wasm_page_bytes} pages`;
  return [
    `after the first ${share * 100} %, over ${counted} ${what}:`,
    grown("RSS", rss),
    grown("anonymous", anonymous),
    grown("heap", allocated),
    `  ${"Wasm".padEnd(10)}${inPages(modules.firstBytes)} in the largest VM at first, ${inPages(modules.mostBytes)} at most: ${wordFor(modules)}`,
  ];
}

/** Memory over what was counted, as SVG. */
export function plotMemory(samples: readonly Sample[], subtitle: string): string {
  const series = (name: string, bytes: (sample: Sample) => number) => ({
    name,
    points: samples.map((sample): [number, number] => [sample.done / 1e6, bytes(sample) / mebibyte]),
  });
  return lineChart({
    title: "Memory of Envoy with Sallyport under mixed requests",
    subtitle,
    x: { label: "requests (millions)" },
    y: { label: "memory (MiB)", fromZero: true },
    series: [
      series("Envoy, resident", ({ rssBytes }) => rssBytes),
      series("Envoy, anonymous", ({ anonymousBytes }) => anonymousBytes),
      series("Wasm memory, all VMs", ({ moduleBytes }) => sum(moduleBytes)),
    ],
  });
}

/** A number of bytes in MiB, seven columns wide at least. */
export function mebibytes(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(2).padStart(7)} MiB`;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function wordFor({ isFlat }: { isFlat: boolean }): string {
  return isFlat ? "flat" : "GROWN";
}
