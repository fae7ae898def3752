/** The nearest valid name to one that is not: what a person probably meant. */

/** Edit distance in which two neighbours swapped count as one slip (optimal string alignment). */
function distance(a: string, b: string, atMost: number): number {
  if (Math.abs(a.length - b.length) > atMost) return atMost + 1;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const now = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(now[column - 1]! + 1, last[column]! + 1, last[column - 1]! + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, before[column - 2]! + 1);
      }
      now.push(cost);
    }
    before = last;
    last = now;
  }
  return last[b.length]!;
}

/** The candidate nearest to `name`, if one is near enough to have been meant (about a slip in three letters). */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.ceil(name.length / 3)) + 1;
  const lower = name.toLowerCase();
  for (const candidate of candidates) {
    const found = distance(lower, candidate.toLowerCase(), bestDistance - 1);
    if (found < bestDistance) {
      bestDistance = found;
      best = candidate;
    }
  }
  return best;
}

/** "; did you mean `x`?", or the names there are when none is near, or nothing when there is none. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const all = [...candidates];
  const best = nearest(name, all);
  if (best !== undefined) return `; did you mean \`${best}\`?`;
  if (all.length === 0) return "";
  const shown = all.slice(0, 12).map((one) => `\`${one}\``);
  return `; known: ${shown.join(", ")}${all.length > shown.length ? ", …" : ""}`;
}
