/** Differences of two policies that no rule has, and what finds them. */

/** A difference that is no rule's. */
export interface PolicyChange {
  what: string;
  /** null: it is not there. */
  before: string | null;
  after: string | null;
  /** More may be admitted than before. */
  gain: boolean;
}

/** JSON in which neither the order of keys nor that of lists has a say: no list of a policy has an order that matters. */
export function stableText(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return `[${value.map(stableText).sort().join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members
    .map(([key, member]) => `${key}:${stableText(member)}`)
    .sort()
    .join()}}`;
}

/** @param isGain whether something that is added admits more */
export function compareLists(
  what: string,
  before: readonly string[],
  after: readonly string[],
  isGain: (added: string) => boolean,
): PolicyChange[] {
  const added = after.filter((one) => !before.includes(one));
  const removed = before.filter((one) => !after.includes(one));
  return [
    ...added.map((one) => ({ what, before: null, after: one, gain: isGain(one) })),
    ...removed.map((one) => ({ what, before: one, after: null, gain: false })),
  ];
}

/** What is not compared part by part. */
export function compareRest(what: string, before: object, after: object, known: readonly string[]): PolicyChange[] {
  const [was, is] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  const keys = [...new Set([...was.keys(), ...is.keys()])].filter((key) => !known.includes(key));
  const words = (value: unknown): string | null => (value === undefined ? null : stableText(value));
  return keys.flatMap((key) => {
    const [old, now] = [words(was.get(key)), words(is.get(key))];
    return old === now ? [] : [{ what: what === "" ? key : `${what}: ${key}`, before: old, after: now, gain: true }];
  });
}
