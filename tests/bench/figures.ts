/** The results as figures for docs/: what a request costs beyond the bare router, chain beside chain. */
import type { Environment } from "./environment.ts";
import type { Kind, Protocol } from "./measure.ts";
import { type Bar, type BarChart, barChart, lineChart, type Series } from "./plot.ts";
import { type CaseResult, findCase } from "./results.ts";
import { protocolNames } from "./tables.ts";

type CaseName = readonly [chain: string, kind: Kind];

/** A bar of a figure. */
interface Shown {
  label: string;
  of: CaseName;
  /** The case whose cost is this one's budget. */
  budget?: CaseName;
}

interface Figure extends Pick<BarChart, "title" | "log"> {
  file: string;
  bars: Shown[];
  /** The chain without which the figure says nothing: protocols it was not measured over are left out. */
  needs?: CaseName;
}

const native_known: CaseName = ["native-cache", "known"];
/** With a claim, a bucket for each caller and a record, as sallyport with a condition has them. */
const native_same_job: CaseName = ["native-same-job", "known"];
const ours_known: CaseName = ["ours", "known"];

const bar_figures: readonly Figure[] = [
  {
    file: "bench-known.svg",
    title: "A token seen before",
    bars: [
      { label: "empty Wasm filter", of: ["empty", "known"] },
      { label: "the module's host calls alone", of: ["step-ends", "known"] },
      { label: "native, cache, which does less", of: native_known },
      { label: "sallyport, module alone", of: ["ours-module", "known"] },
      { label: "sallyport", of: ours_known },
      { label: "native, cache, scope", of: ["native-scopes", "known"] },
      { label: "sallyport, scope", of: ["ours-scopes", "known"] },
      { label: "native, the same job", of: native_same_job },
      { label: "sallyport, condition", of: ["ours-condition", "known"], budget: native_same_job },
      { label: "Rust filter, fewest callbacks", of: ["rust-lean", "known"] },
      { label: "Rust filter", of: ["rust", "known"] },
    ],
  },
  {
    file: "bench-new.svg",
    title: "A token never seen before",
    bars: (["RS256", "ES256"] as const).flatMap((algorithm): Shown[] => {
      const native: CaseName = ["native", `new-${algorithm}`];
      return [
        { label: `native, ${algorithm}`, of: native },
        { label: `sallyport, ${algorithm}`, of: ["ours", `new-${algorithm}`], budget: native },
        { label: `Rust filter, ${algorithm}`, of: ["rust", `new-${algorithm}`] },
      ];
    }),
  },
  {
    file: "bench-denials.svg",
    title: "Denied, and admitted",
    bars: [
      { label: "native, the same job, admitted", of: native_same_job },
      { label: "Rust filter, admitted", of: ["rust", "known"] },
      { label: "sallyport, admitted", of: ours_known },
      ...(
        [
          ["401", "no token"],
          ["403", "no rule"],
          ["429", "over the limit"],
        ] as const
      ).flatMap(([status, why]): Shown[] => [
        { label: `native, the same job, ${status}, ${why}`, of: ["native-same-job", status] },
        { label: `Rust filter, ${status}, ${why}`, of: ["rust", status] },
        { label: `sallyport, ${status}, ${why}`, of: ["ours", status], budget: ours_known },
      ]),
    ],
  },
  {
    file: "bench-opa.svg",
    title: "Against OPA behind ext_authz",
    log: true,
    needs: ["opa", "known"],
    bars: [
      { label: "sallyport", of: ours_known },
      { label: "native, the same job", of: native_same_job },
      { label: "Rust filter", of: ["rust", "known"] },
      { label: "OPA, ext_authz", of: ["opa", "known"] },
    ],
  },
];

/** The chains that the figures show, by their names. */
export const shownChains = (): ReadonlySet<string> =>
  new Set([
    ...bar_figures.flatMap(({ bars }) => bars.flatMap(({ of, budget = of }) => [of[0], budget[0]])),
    ...Object.values(sizes).flatMap((chains) => Object.values(chains)),
  ]);

/** Chains by how many rules they have, as a policy's author counts them. */
const sizes: Record<string, Record<number, string>> = {
  sallyport: { 10: "ours", 1000: "ours-1000", 10000: "ours-10000", 100000: "ours-100000" },
  native: { 10: "native-cache", 1000: "native-1000", 10000: "native-10000" },
};

/** Less than this cannot be told from nothing; a logarithmic axis has no nothing, and no bar is shorter than none. */
const microseconds_min = 0.01;
const drawable = (value: number): number => Math.max(microseconds_min, value);

/**
 * SVG by file name; figures none of whose cases were measured are left out. A bar ends at the median of its case's rounds.
 * @param results of at least one case
 */
export function drawFigures(results: readonly CaseResult[], environment: Environment): Map<string, string> {
  const figures = new Map<string, string>();
  const rounds = results[0]!.roundMicroseconds.length;
  const subtitle =
    `CPU a request beyond the bare router, median of ${rounds} rounds. Envoy ${environment.envoy}, one worker, mTLS; ` +
    `${environment.processor}.`;
  const protocols = [...new Set(results.map(({ protocol }) => protocol))];

  for (const { file, needs, bars: shown, ...chart } of bar_figures) {
    const over = protocols.filter((protocol) => needs === undefined || findCase(results, protocol, ...needs));
    const bars = over.flatMap((protocol) => shown.flatMap((one) => barOf(results, protocol, one)));
    if (bars.length === 0) continue;
    figures.set(file, barChart({ ...chart, subtitle, unit: "µs", bars, range: "the middle half of the rounds" }));
  }
  const series = protocols.flatMap((protocol) => seriesBySize(results, protocol));
  if (series.length > 0) {
    const x = { label: "rules", log: true };
    const y = { label: "added CPU a request, µs", log: true };
    figures.set("bench-rules.svg", lineChart({ title: "As the policy grows", subtitle, x, y, series }));
  }
  return figures;
}

/** The bar of a case, or none where it was not measured. */
function barOf(results: readonly CaseResult[], protocol: Protocol, { label, of, budget }: Shown): Bar[] {
  const found = findCase(results, protocol, ...of);
  if (found === undefined) return [];
  const { median, lowerQuartile, upperQuartile } = found.addedMicroseconds;
  const limit = budget && findCase(results, protocol, ...budget)?.addedMicroseconds.median;
  return [
    {
      ...{ label, group: protocolNames[protocol], value: drawable(median) },
      ...{ low: drawable(lowerQuartile), high: drawable(upperQuartile) },
      ...(limit === undefined ? {} : { budget: drawable(limit) }),
    },
  ];
}

/** Lines of two points and more: a single one says nothing of growth. */
function seriesBySize(results: readonly CaseResult[], protocol: Protocol): Series[] {
  return Object.entries(sizes).flatMap(([name, chains]) => {
    const points = Object.entries(chains).flatMap(([rules, chain]): [number, number][] => {
      const found = findCase(results, protocol, chain, "known");
      return found === undefined ? [] : [[Number(rules), drawable(found.addedMicroseconds.median)]];
    });
    return points.length > 1 ? [{ name: `${name}, ${protocolNames[protocol]}`, points }] : [];
  });
}
