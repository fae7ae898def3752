/**
 * `npx tsx tests/bench/page.ts`: puts the last run (build/bench.json and its figures) into docs/performance.md. A table stands
 * between two lines, and what is around them is prose that nobody touches:
 *
 *   <!-- measured: cases -->
 *   …
 *   <!-- /measured -->
 */
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Judged } from "./budgets.ts";
import type { Environment } from "./environment.ts";
import type { Latency } from "./latency.ts";
import type { Protocol } from "./measure.ts";
import type { CaseResult } from "./results.ts";
import type { Summary } from "./statistics.ts";

/** What of build/bench.json the page shows. */
export interface Results {
  environment: Environment;
  options: { rounds: number };
  cases: CaseResult[];
  budgets: Judged[];
  latency: Latency[];
}

const page_path = "docs/performance.md";
const protocols: readonly Protocol[] = ["http1", "http2"];
const protocol_heads = ["HTTP/1.1, median", "quartiles", "HTTP/2, median", "quartiles"];
const marks = /(<!-- measured: (\w+) -->\n)[\s\S]*?(<!-- \/measured -->)/gu;

const blocks: Readonly<Record<string, (results: Results) => string>> = { environment, cases, steps, budgets, latency };

/** The page with the tables of these results. Throws where there is no table of a name. */
export function withResults(text: string, results: Results): string {
  return text.replace(marks, (_, begin: string, name: string, end: string) => {
    const block = blocks[name];
    if (block === undefined) throw new Error(`no table is named ${name}: there are ${Object.keys(blocks).join(", ")}`);
    return `${begin}${block(results)}\n${end}`;
  });
}

function environment({ environment: machine, options }: Results): string {
  const { date, envoy, processor, processors, kernel, engineBytes } = machine;
  return (
    `CPU in µs that a chain adds to the router of the same round: Envoy ${envoy} on a shared virtual machine with ${processors} processors ` +
    `(${processor}), Linux ${kernel}, ${options.rounds} rounds, an engine of ${Math.round(engineBytes / 1024)} KiB, ${date.slice(0, 10)}.`
  );
}

function cases({ cases: measured }: Results): string {
  const router = protocols.map((protocol) =>
    measured.find((one) => one.chain === "router" && one.protocol === protocol),
  );
  const whole = ["the router alone, in all", ...router.flatMap((found) => summaryCells(found?.microseconds))];
  const isShown = ({ chain, isYours }: CaseResult): boolean =>
    chain !== "router" && !isStep(chain) && !isYours && !/^engine-\d/.test(chain);
  return table(["chain", ...protocol_heads], [whole, ...addedRows(measured.filter(isShown))]);
}

function steps({ cases: measured }: Results): string {
  const shown = measured.filter(({ chain }) => chain === "empty" || isStep(chain) || chain === "ours-module");
  return table(["step", ...protocol_heads], addedRows(shown));
}

function budgets({ budgets: judged }: Results): string {
  const rows = [...new Set(judged.map(({ what }) => what))].map((what) => {
    const found = protocols.map((protocol) => judged.find((one) => one.what === what && one.protocol === protocol));
    const { atMost, atLeast } = found.find((one) => one !== undefined)!;
    const budget = atMost !== undefined ? `at most ${atMost}` : atLeast !== undefined ? `at least ${atLeast}` : "";
    const cells = found.map((one) => (one === undefined ? "" : `${ratio(one.ratio)} / ${ratio(one.ratioByMinima)}`));
    const missed = found.flatMap((one) => (one?.verdict === "missed" ? [protocolOf(one.protocol)] : []));
    return [what, budget, ...cells, missed.length === 0 ? "" : `missed, ${missed.join(" and ")}`];
  });
  return table(["what", "budget", "HTTP/1.1, medians / minima", "HTTP/2, medians / minima", ""], rows);
}

function latency({ latency: measured }: Results): string {
  const rows = measured.map(({ title, p50Microseconds, p99Microseconds }) => [
    title,
    digits(p50Microseconds, 0),
    digits(p99Microseconds, 0),
  ]);
  return table(["chain", "p50, µs", "p99, µs"], rows);
}

const isStep = (chain: string): boolean => chain.startsWith("step-");
const protocolOf = (protocol: Protocol): string => (protocol === "http1" ? "HTTP/1.1" : "HTTP/2");
const ratio = (value: number | null): string => (value === null ? "?" : value.toFixed(2));

/** One row a case, with both protocols beside each other. */
function addedRows(measured: readonly CaseResult[]): string[][] {
  return [...new Set(measured.map(({ title }) => title))].map((title) => [
    title.replace(/: cached token$/u, ""),
    ...protocols.flatMap((protocol) =>
      summaryCells(measured.find((one) => one.title === title && one.protocol === protocol)?.addedMicroseconds),
    ),
  ]);
}

function summaryCells(summary: Summary | undefined): string[] {
  if (summary === undefined) return ["", ""];
  const { median, lowerQuartile, upperQuartile } = summary;
  return [digits(median), `${digits(lowerQuartile)} to ${digits(upperQuartile)}`];
}

function digits(value: number, after = Math.abs(value) < 99.95 ? 1 : 0): string {
  return value.toLocaleString("en", { minimumFractionDigits: after, maximumFractionDigits: after });
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`.replaceAll(/\| {2}(?=\|)/g, "| ");
  return [line(heads), `|${"---|".repeat(heads.length)}`, ...rows.map(line)].join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const results = JSON.parse(await readFile("build/bench.json", "utf8")) as Results;
  await writeFile(page_path, withResults(await readFile(page_path, "utf8"), results));
  for (const name of ["known", "new", "rules", "denials", "opa"]) {
    await copyFile(join("build", `bench-${name}.svg`), join("docs/figures", `bench-${name}.svg`));
  }
  console.log(`${page_path} and docs/figures/ show the run of ${results.environment.date}`);
}
