/**
 * Whether memory stays as it is: what a series of measurements grows by, told apart from its noise.
 *
 * The line through the points is Theil and Sen's: its slope is the median of the slopes between all pairs of points. Up to
 * a quarter of the points may be off without moving it much, as they would least squares, and a small growth that never ends
 * is not lost among them. What such a line does not see is a single step, so the medians of the first and of the last quarter
 * are compared as well.
 */

/** What was counted so far (requests, reloads), and what was measured there. */
export type Point = readonly [x: number, y: number];

/** What a series grew by. */
export interface Growth {
  /** By the line through the points, from the first to the last; negative where it shrank. In the unit of `y`. */
  grown: number;
  /** From the median of the first quarter of the points to that of the last. */
  shifted: number;
  /** The most either may come to. */
  allowed: number;
  /** The same for one of what `x` counts. */
  grownEach: number;
  isFlat: boolean;
}

/** What a process may grow by in a long run, as a share of what it has. */
export const allowed_share = 0.02;
/** The share of a run that is for warming up: caches fill, code is compiled, the allocator finds its size. */
export const warmup_share = 0.1;

/** The slope of Theil and Sen's line. Throws where there are not two points of different `x`. */
export function slope(points: readonly Point[]): number {
  const slopes: number[] = [];
  for (const [index, [x, y]] of points.entries()) {
    for (const [earlierX, earlierY] of points.slice(0, index)) {
      if (x !== earlierX) slopes.push((y - earlierY) / (x - earlierX));
    }
  }
  if (slopes.length === 0) throw new Error("a slope needs two points that do not stand above each other");
  return median(slopes);
}

/**
 * Judges a series: it is flat where it grew by less than a share of its median.
 * @param share the most it may grow by, as a share of the median of `y`
 */
export function judgeGrowth(points: readonly Point[], share = allowed_share): Growth {
  const grownEach = slope(points);
  const all = points.map(([x]) => x);
  const grown = grownEach * (Math.max(...all) - Math.min(...all));
  const allowed = share * median(points.map(([, y]) => y));
  const values = [...points].sort(([a], [b]) => a - b).map(([, y]) => y);
  const quarter = Math.ceil(values.length / 4);
  const shifted = median(values.slice(-quarter)) - median(values.slice(0, quarter));
  return { grown, shifted, allowed, grownEach, isFlat: grown < allowed && shifted < allowed };
}

/** The points after the warm-up, of a run that counts up to `total`. */
export function afterWarmup<T extends { done: number }>(
  samples: readonly T[],
  total: number,
  share = warmup_share,
): T[] {
  return samples.filter(({ done }) => done >= share * total);
}

/** The middle value; of an even number of values the mean of the two in the middle. Throws where there is none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("there is no median of no values");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
