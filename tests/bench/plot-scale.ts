/** The axes of the charts of plot.ts: where values lie, which of them are marked, and how numbers are written. */

/** One axis: where a value lies, in pixels, and the values that are marked. */
export interface Scale {
  at(value: number): number;
  ticks: readonly number[];
}

/** From the round number below the least value to the one above the most, marked in about `count` round steps. */
export function linearScale(values: readonly number[], start: number, end: number, count: number): Scale {
  let [least, most] = [Math.min(...values), Math.max(...values)];
  if (least === most) [least, most] = least === 0 ? [0, 1] : [least - Math.abs(least) / 10, most + Math.abs(most) / 10];
  const rough = (most - least) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  // The tolerance keeps 0.3 / 0.1 = 2.9999999999999996 from being taken for less than 3.
  const first = Math.floor(least / step + 1e-9);
  const last = Math.ceil(most / step - 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
  const [from, to] = [ticks[0]!, ticks.at(-1)!];
  return { at: (value) => start + ((value - from) / (to - from)) * (end - start), ticks };
}

/**
 * From 1, 2 or 5 times a power of ten to another; marked are all such numbers, or the powers alone where there are many.
 * Every value is above 0.
 */
export function logScale(values: readonly number[], start: number, end: number): Scale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const steps: number[] = [];
  for (let power = Math.floor(Math.log10(least)) - 1; power <= Math.ceil(Math.log10(most)) + 1; power++) {
    for (const factor of [1, 2, 5]) steps.push(Number(`${factor}e${power}`));
  }
  const below = steps.findLast((step) => step <= least)!;
  const above = steps.find((step) => step >= most && step > below)!;
  const within = steps.filter((step) => step >= below && step <= above);
  const powers = within.filter((step) => step.toExponential().startsWith("1e"));
  const length = Math.log(above / below);
  return {
    at: (value) => start + (Math.log(value / below) / length) * (end - start),
    ticks: powers.length > 3 ? powers : within,
  };
}

/** A number at an axis: as short as it can be said, millions as `2M`. */
export function tickText(value: number): string {
  const [scaled, suffix] = Math.abs(value) >= 1e6 ? [value / 1e6, "M"] : [value, ""];
  return `${Number(scaled.toPrecision(9)).toLocaleString("en-US", { maximumFractionDigits: 9 })}${suffix}`;
}

/** Writes numbers that stand together: whole ones as they are, others with three digits that count or the whole part. */
export function figures(values: readonly number[]): (value: number) => string {
  const whole = values.every(Number.isInteger);
  return (value) => {
    const size = Math.abs(value);
    if (whole || size === 0) return value.toLocaleString("en-US");
    const decimals = Math.max(0, Math.min(20, 2 - Math.floor(Math.log10(size))));
    return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  };
}
