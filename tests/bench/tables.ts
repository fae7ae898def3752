/** The results as text: a line a case, a line a budget, a line a chain's latency. */
import type { EnforcementCheck, Judged } from "./budgets.ts";
import type { Latency } from "./latency.ts";
import type { Protocol } from "./measure.ts";
import type { CaseResult } from "./results.ts";

export const protocolNames: Record<Protocol, string> = { http1: "HTTP/1.1", http2: "HTTP/2" };

/** A cell and how wide its column is; the first column of a row is flush left, the others flush right. */
type Cell = readonly [text: string, width: number];

function row(first: Cell, ...others: Cell[]): string {
  return `${first[0].padEnd(first[1])}${others.map(([text, width]) => text.padStart(width)).join("")}`.trimEnd();
}

/** Figures of very different sizes, each with as many digits as say something. */
function micros(value: number): string {
  return value.toFixed(Math.abs(value) < 99.95 ? 2 : 1);
}

/** Of the columns behind a case's title. */
const case_widths = [9, 9, 17, 9, 16, 17, 9, 11];

/** The cases of one protocol. */
export function caseLines(protocol: Protocol, results: readonly CaseResult[]): string[] {
  const cases = results.filter((one) => one.protocol === protocol);
  if (cases.length === 0) return [];
  const rounds = cases[0]!.roundMicroseconds.length;
  const line = (title: string, ...texts: string[]): string =>
    row([title, 46], ...texts.map((text, column): Cell => [text, case_widths[column]!]));
  const lines = [
    "",
    `${protocolNames[protocol]}: CPU of Envoy and its helpers in µs a request, ${rounds} rounds; what is added to the router of the`,
    "same round; and, by minima, the least of all rounds over the router's least",
    line("case", "requests", "median", "quartiles", "least", "added: median", "quartiles", "least", "by minima"),
  ];
  for (const one of cases) {
    const { microseconds: whole, addedMicroseconds: added } = one;
    const figures = [whole, added].flatMap(({ median, lowerQuartile, upperQuartile, minimum }) => [
      micros(median),
      `${micros(lowerQuartile)}…${micros(upperQuartile)}`,
      micros(minimum),
    ]);
    lines.push(line(one.title, String(one.requestsPerRound), ...figures, micros(one.addedByMinimaMicroseconds)));
  }
  for (const { title, statuses } of cases.filter(({ isYours }) => isYours)) {
    lines.push(`${title} answered ${statusText(statuses)}`);
  }
  return lines;
}

function statusText(statuses: Record<string, number>): string {
  return Object.entries(statuses)
    .map(([status, count]) => `${count.toLocaleString("en")} × ${status}`)
    .join(", ");
}

/** The ratios of what is added, and how they stand to their budgets. */
export function budgetLines(judged: readonly Judged[], checks: readonly EnforcementCheck[]): string[] {
  if (judged.length === 0) return [];
  const lines = [
    "",
    "added CPU as ratios; a budget is held against that of the medians",
    row(["what", 60], ["medians", 9], ["minima", 9], ["budget", 9], ["", 3]),
  ];
  for (const one of judged) {
    const budget = one.atMost !== undefined ? `≤ ${one.atMost}` : one.atLeast !== undefined ? `≥ ${one.atLeast}` : "";
    const figures = row(
      [`${protocolNames[one.protocol]}: ${one.what}`, 60],
      [ratioText(one.ratio), 9],
      [ratioText(one.ratioByMinima), 9],
      [budget, 9],
    );
    lines.push(one.verdict === undefined ? figures : `${figures}   ${verdictText(one)}`);
  }
  for (const { protocol, microseconds, byMinimaMicroseconds } of checks) {
    lines.push(
      `${protocolNames[protocol]}: the enforcement check takes ${micros(microseconds.median)} µs ` +
        `(quartiles ${micros(microseconds.lowerQuartile)}…${micros(microseconds.upperQuartile)}, by minima ${micros(byMinimaMicroseconds)})`,
    );
  }
  const count = (wanted: Judged["verdict"]): number => judged.filter(({ verdict }) => verdict === wanted).length;
  const [kept, missed, unclear] = [count("kept"), count("missed"), count("unclear")];
  if (kept + missed + unclear > 0) lines.push(`budgets: ${kept} kept, ${missed} missed, ${unclear} unclear`);
  return lines;
}

export function ratioText(ratio: number | null): string {
  return ratio === null ? "?" : ratio.toFixed(2);
}

function verdictText({ verdict, sparePercent }: Judged): string {
  if (verdict === "unclear") return "UNCLEAR: what it is held against is lost in the noise";
  const distance = Math.abs(sparePercent!);
  const percent = distance.toFixed(distance < 9.95 ? 1 : 0);
  return verdict === "kept" ? `kept, ${percent} % to spare` : `MISSED by ${percent} %`;
}

export function latencyLines(measured: readonly Latency[]): string[] {
  if (measured.length === 0) return [];
  const wanted = measured[0]!.requestsPerSecond.toLocaleString("en");
  const lines = [
    "",
    `latency over HTTP/1.1 at ${wanted} requests/s`,
    row(["chain", 48], ["reached/s", 11], ["p50, µs", 11], ["p99, µs", 11]),
  ];
  for (const { title, reachedRequestsPerSecond, p50Microseconds, p99Microseconds, statuses } of measured) {
    const figures = row(
      [title, 48],
      [reachedRequestsPerSecond.toFixed(0), 11],
      [p50Microseconds.toFixed(0), 11],
      [p99Microseconds.toFixed(0), 11],
    );
    lines.push(
      "200" in statuses && Object.keys(statuses).length === 1 ? figures : `${figures}   ${statusText(statuses)}`,
    );
  }
  return lines;
}
