/** Patterns of paths, held against a path segment by segment. */

/** A literal; any number of segments; or text around a wildcard, which has a name if it is a variable. */
export type Segment = { literal: string } | "any" | { before: string; variable: string | undefined; after: string };

export type IsSame = (literal: string, given: string) => boolean;

/**
 * What the variables of an endpoint's path stand for in a request's; undefined where the paths do not fit.
 * @param emptyVariables whether a whole segment's wildcard stands for an empty one too
 */
export function bindPath(
  pattern: readonly Segment[],
  given: readonly string[],
  isSame: IsSame,
  emptyVariables: boolean,
): [name: string, value: string][] | undefined {
  const [first, ...others] = pattern;
  const further = (left: readonly string[]): [name: string, value: string][] | undefined =>
    bindPath(others, left, isSame, emptyVariables);
  if (first === undefined) return given.length === 0 ? [] : undefined;
  if (first === "any") {
    for (let skipped = 0; skipped <= given.length; skipped++) {
      const rest = further(given.slice(skipped));
      if (rest !== undefined) return rest;
    }
    return undefined;
  }
  const [segment, ...left] = given;
  if (segment === undefined) return undefined;
  if ("literal" in first) return isSame(first.literal, segment) ? further(left) : undefined;
  const { before, variable, after } = first;
  const value = around(first, segment, isSame);
  if (value === undefined) return undefined;
  const isWhole = before === "" && after === "";
  if (value === "" && (isWhole ? !emptyVariables : variable !== undefined)) return undefined;
  const rest = further(left);
  return variable === undefined ? rest : rest && [[variable, value], ...rest];
}

/** What stands in a segment between two texts; undefined where it does not begin and end with them. */
function around(
  { before, after }: { before: string; after: string },
  segment: string,
  isSame: IsSame,
): string | undefined {
  const letters = [...segment];
  const [first, last] = [[...before].length, [...after].length];
  if (letters.length < first + last) return undefined;
  const end = letters.length - last;
  const fits = isSame(before, letters.slice(0, first).join("")) && isSame(after, letters.slice(end).join(""));
  return fits ? letters.slice(first, end).join("") : undefined;
}
