/** One order of texts on every machine. */

/** -1, 0 or 1, by code units: no locale has a say. */
export function compareTexts(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
