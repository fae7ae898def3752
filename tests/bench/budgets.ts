/** What the figures are held against: our chain's costs as ratios to others', most of them with a budget. */
import type { Kind, Protocol } from "./measure.ts";
import { type CaseResult, findCase } from "./results.ts";
import { differences, type Summary, summarize } from "./statistics.ts";

/** What one case adds to the router, divided by what another one adds. */
interface Comparison {
  what: string;
  measured: CaseName;
  against: CaseName;
  /** The budget, where there is one: the ratio is to be so much at most, or at least. */
  atMost?: number;
  atLeast?: number;
}

type CaseName = readonly [chain: string, kind: Kind];

/** A comparison of one protocol, as bench.json has it. */
export interface Judged {
  protocol: Protocol;
  what: string;
  /** From the medians; null where a cost is lost in the noise. */
  ratio: number | null;
  /** From the least of all rounds. */
  ratioByMinima: number | null;
  atMost?: number;
  atLeast?: number;
  /** By the medians. */
  verdict?: "kept" | "missed" | "unclear";
  /** How far the ratio is on the good side of its budget, in percent of the budget; negative where it is missed. */
  sparePercent?: number;
}

const known: Kind = "known";
/** The step of steps.ts with the calls that the module makes for an admitted request, whose limit is large. */
const same_calls_step = "step-ends";
const denials = [
  ["401", "401, no token"],
  ["403", "403, no rule"],
  ["429", "429, over the limit"],
] as const;

const comparisons: readonly Comparison[] = [
  {
    what: "cached token and a claim, to native doing the same job",
    measured: ["ours-condition", known],
    against: ["native-same-job", known],
    atMost: 1,
  },
  {
    what: "cached token and a claim, to the Rust filter",
    measured: ["ours-condition", known],
    against: ["rust", known],
    atMost: 0.7,
  },
  {
    what: "cached token and a claim, to the Rust filter, fewest callbacks",
    measured: ["ours-condition", known],
    against: ["rust-lean", known],
  },
  {
    what: "cached token, to native with cache, which does less",
    measured: ["ours", known],
    against: ["native-cache", known],
    atMost: 1.6,
  },
  {
    what: "cached token, module alone, to native with cache",
    measured: ["ours-module", known],
    against: ["native-cache", known],
  },
  {
    what: "cached token, module alone, to its host calls alone",
    measured: ["ours-module", known],
    against: [same_calls_step, known],
    atMost: 1.1,
  },
  {
    what: "cached token with a scope, to native with cache",
    measured: ["ours-scopes", known],
    against: ["native-scopes", known],
  },
  ...(["RS256", "ES256"] as const).map((algorithm): Comparison => {
    const kind: Kind = `new-${algorithm}`;
    return {
      what: `new token, ${algorithm}, to native`,
      measured: ["ours", kind],
      against: ["native", kind],
      atMost: 1,
    };
  }),
  ...denials.map(([kind, text]): Comparison => {
    return { what: `${text}, to ours admitted`, measured: ["ours", kind], against: ["ours", known], atMost: 1 };
  }),
  { what: "1,000 rules, to 10", measured: ["ours-1000", known], against: ["ours", known] },
  { what: "10,000 rules, to 10", measured: ["ours-10000", known], against: ["ours", known], atMost: 1.2 },
  { what: "100,000 rules, to 10", measured: ["ours-100000", known], against: ["ours", known], atMost: 1.5 },
  { what: "OPA, to ours", measured: ["opa", known], against: ["ours", known], atLeast: 25 },
];

/** The chains that are compared, by their names. */
export const comparedChains: ReadonlySet<string> = new Set(
  comparisons.flatMap(({ measured, against }) => [measured[0], against[0]]),
);

/** All comparisons whose cases were measured. */
export function judge(results: readonly CaseResult[]): Judged[] {
  return protocolsOf(results).flatMap((protocol) =>
    comparisons.flatMap(({ what, measured, against, atMost, atLeast }): Judged[] => {
      const [above, below] = [measured, against].map(([chain, kind]) => findCase(results, protocol, chain, kind));
      if (above === undefined || below === undefined) return [];
      const ratio = ratioOf(above.addedMicroseconds.median, below.addedMicroseconds.median);
      const ratioByMinima = ratioOf(above.addedByMinimaMicroseconds, below.addedByMinimaMicroseconds);
      return [{ protocol, what, ratio, ratioByMinima, ...verdictOf(ratio, atMost, atLeast) }];
    }),
  );
}

/** A cost that noise has made nothing, or less, cannot be divided by. */
export function ratioOf(above: number, below: number): number | null {
  return below > 0 ? above / below : null;
}

/** Which side of its budget a ratio is on, and how far. */
export function verdictOf(
  ratio: number | null,
  atMost: number | undefined,
  atLeast: number | undefined,
): Pick<Judged, "atMost" | "atLeast" | "verdict" | "sparePercent"> {
  const budget = atMost ?? atLeast;
  if (budget === undefined) return {};
  const limit = atMost === undefined ? { atLeast: budget } : { atMost: budget };
  if (ratio === null) return { ...limit, verdict: "unclear" };
  const spare = atMost === undefined ? ratio - budget : budget - ratio;
  return { ...limit, verdict: spare >= 0 ? "kept" : "missed", sparePercent: (spare / budget) * 100 };
}

/** What the enforcement check costs, in microseconds: the chain with it less the module alone. */
export interface EnforcementCheck {
  protocol: Protocol;
  microseconds: Summary;
  byMinimaMicroseconds: number;
}

export function enforcementCheck(results: readonly CaseResult[]): EnforcementCheck[] {
  return protocolsOf(results).flatMap((protocol) => {
    const both = findCase(results, protocol, "ours", known);
    const alone = findCase(results, protocol, "ours-module", known);
    if (both === undefined || alone === undefined) return [];
    const microseconds = summarize(differences(both.roundMicroseconds, alone.roundMicroseconds));
    return [{ protocol, microseconds, byMinimaMicroseconds: both.microseconds.minimum - alone.microseconds.minimum }];
  });
}

function protocolsOf(results: readonly CaseResult[]): Protocol[] {
  return [...new Set(results.map(({ protocol }) => protocol))];
}
