/** What chains cost over each other: the figures that `npm run bench:limits` ends with. */
import { ratioOf } from "../budgets.ts";
import type { CaseResult } from "../results.ts";
import { differences, median } from "../statistics.ts";

/** A chain and another one, each over a base that is left out of it; without bases all that Envoy does for a request counts. */
interface Comparison {
  name: string;
  other: string;
  base?: string;
  otherBase?: string;
}

const inAll = (name: string, other: string): Comparison => ({ name, other });
const overRouter = (name: string, other: string): Comparison => ({ name, other, base: "router", otherBase: "router" });
const limitAlone = (name: string, other: string, otherBase: string): Comparison => ({
  ...{ name, base: "ours", other, otherBase },
});

const comparisons: readonly Comparison[] = [
  limitAlone("ours-reserved", "local-own", "rbac"),
  limitAlone("ours-shared", "local-own", "rbac"),
  limitAlone("ours-two", "local-own", "rbac"),
  limitAlone("ours-shared", "service", "rbac"),
  limitAlone("ours-expression", "ours-shared", "ours"),
  overRouter("ours-shared", "local-own"),
  overRouter("ours-shared", "service"),
  overRouter("ours-quarantine", "ours"),
  overRouter("ours-429", "local-own-429"),
  overRouter("ours-429", "service-429"),
  overRouter("ours-429", "ours-shared"),
  overRouter("ours-429", "ours-reserved"),
  overRouter("ours-403", "ours"),
  overRouter("local-own-429", "local-own"),
  inAll("ours-429", "ours-shared-upstream"),
  inAll("ours-429", "ours-reserved-upstream"),
  inAll("ours-403", "ours-reserved-upstream"),
  inAll("local-own-429", "local-own-upstream"),
];

export interface Ratio {
  what: string;
  /** By the medians of what each adds to its base in the same round; null where what it is held against is lost in the noise. */
  ratio: number | null;
  /** By the least of all rounds. */
  ratioByMinima: number | null;
}

/** The ratios of chains that were measured, by their names. */
export function ratiosOf(results: readonly CaseResult[]): Ratio[] {
  const of = (name: string): CaseResult => results.find(({ chain }) => chain === name)!;
  const medianOver = (name: string, base: string | undefined): number => {
    const own = of(name).roundMicroseconds;
    return median(base === undefined ? own : differences(own, of(base).roundMicroseconds));
  };
  const leastOver = (name: string, base: string | undefined): number =>
    of(name).microseconds.minimum - (base === undefined ? 0 : of(base).microseconds.minimum);
  return comparisons.map(({ name, base, other, otherBase }) => ({
    what: `${words(name, base)} : ${words(other, otherBase)}`,
    ratio: ratioOf(medianOver(name, base), medianOver(other, otherBase)),
    ratioByMinima: ratioOf(leastOver(name, base), leastOver(other, otherBase)),
  }));
}

function words(name: string, base: string | undefined): string {
  if (base === undefined) return `${name}, in all`;
  return base === "router" ? `${name} over the router` : `${name}, the limit alone (over ${base})`;
}
