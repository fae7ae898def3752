/** Which issuer, or limit, of one policy is which of another: by what it is, and only then by what it is called. */

/** A thing of the older policy and what has become of it. */
export interface Pair<Thing> {
  before: Thing;
  after: Thing;
}

/** Things of two policies, matched. */
export interface Matching<Thing> {
  pairs: Pair<Thing>[];
  /** What a name of the older policy is called where the two are compared: as in the newer one, or something it has not. */
  nameOf: (before: string) => string;
}

/**
 * Matches things: those that are equal in name and definition, then in definition, then in name, then in `likeness`.
 * @param definitionOf the same text for things that are the same but for their names
 */
export function matchNames<Thing extends { name: string }>(
  before: readonly Thing[],
  after: readonly Thing[],
  definitionOf: (thing: Thing) => string,
  likeness: (thing: Thing) => string = definitionOf,
): Matching<Thing> {
  const ofBefore = new Map<string, Thing>();
  const taken = new Set<string>();
  const pairs: Pair<Thing>[] = [];
  const keys = [
    (thing: Thing) => `${thing.name} ${definitionOf(thing)}`,
    definitionOf,
    ({ name }: Thing) => name,
    likeness,
  ];
  for (const key of keys) {
    const left = new Map<string, Thing[]>();
    for (const thing of after) {
      if (taken.has(thing.name)) continue;
      const text = key(thing);
      left.set(text, [...(left.get(text) ?? []), thing]);
    }
    for (const thing of before) {
      if (ofBefore.has(thing.name)) continue;
      const match = left.get(key(thing))?.shift();
      if (match === undefined) continue;
      ofBefore.set(thing.name, match);
      taken.add(match.name);
      pairs.push({ before: thing, after: match });
    }
  }
  const names = new Set(after.map(({ name }) => name));
  const nameOf = (name: string): string => ofBefore.get(name)?.name ?? (names.has(name) ? `${name} (before)` : name);
  return { pairs, nameOf };
}
