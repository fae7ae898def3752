/** The few statistics that say what many noisy rounds have in common. */

/** What is told of the rounds of a case, in their unit. */
export interface Summary {
  median: number;
  minimum: number;
  lowerQuartile: number;
  upperQuartile: number;
}

/**
 * The value below which such a share of the values lies, between two of them by proportion.
 * @throws RangeError where there are no values
 */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("there is no quantile of no values");
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)]!;
  const above = sorted[Math.ceil(at)]!;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function summarize(values: readonly number[]): Summary {
  return {
    median: median(values),
    minimum: Math.min(...values),
    lowerQuartile: quantile(values, 0.25),
    upperQuartile: quantile(values, 0.75),
  };
}

/** Each value less the other one of the same round. */
export function differences(values: readonly number[], others: readonly number[]): number[] {
  if (values.length !== others.length) throw new RangeError(`${values.length} rounds against ${others.length}`);
  return values.map((value, round) => value - others[round]!);
}
