/**
 * Endpoints that hold in upper and lower case, as endpoints that hold exactly: one for the folded letters, which stands for every
 * spelling that no rule names, and one for each spelling that a rule names. So the comparison need not know of case.
 */
import type { Endpoint } from "../language/endpoint.ts";
import { foldCase } from "../language/folding.ts";
import type { Policy, Rule } from "../language/model.ts";
import { isFolded } from "../language/pathoptions.ts";
import { afterOf, isAffix, type PathPattern, type SegmentPattern } from "../language/pathpattern.ts";

/** An endpoint has no more spellings than these; of one that had more, no two segments are spelled otherwise at a time. */
const spellings_max = 64;

/** How a text begins and ends that a rule names; all of it in both for a literal. */
interface Ends {
  prefix: string;
  suffix: string;
}

const endsOf = (segment: string | Ends): Ends =>
  typeof segment === "string" ? { prefix: segment, suffix: segment } : segment;

const segmentsOf = (path: PathPattern): readonly SegmentPattern[] => [...path.segments, ...afterOf(path)];

/** Spells out the endpoints of rules as far as the rules of some policies tell spellings apart. */
export function speller(policies: readonly Policy[]): (rule: Rule) => Endpoint[] {
  const named = new Map<string, Set<string>>();
  const affixes = new Map<string, Ends>();
  for (const rule of policies.flatMap(({ rules }) => rules)) {
    if (isFolded(rule)) continue;
    for (const segment of rule.endpoints.flatMap(segmentsOf)) {
      if (segment === null) continue;
      if (isAffix(segment)) affixes.set(`${segment.prefix}\0${segment.suffix}`, segment);
      else {
        const known = named.get(foldCase(segment)) ?? new Set();
        named.set(foldCase(segment), known.add(segment));
      }
    }
  }
  const literalSpellings = (text: string): string[] => {
    const folded = foldCase(text);
    const known = new Set(named.get(folded));
    for (const ends of affixes.values()) known.add(respelled({ prefix: folded, suffix: folded }, ends).prefix);
    if (known.size === 0) return [folded];
    // Where the folded letters are a spelling that a rule names, another one stands for those that none does.
    const spare = known.has(folded) ? otherSpelling(folded, known) : undefined;
    return [...new Set([folded, ...known, ...(spare === undefined ? [] : [spare])])];
  };
  const spellingsOf = (segment: SegmentPattern): SegmentPattern[] => {
    if (segment === null) return [segment];
    if (!isAffix(segment)) return literalSpellings(segment);
    const folded = { ...segment, prefix: foldCase(segment.prefix), suffix: foldCase(segment.suffix) };
    const found = new Map([[`${folded.prefix}\0${folded.suffix}`, folded]]);
    const others: (string | Ends)[] = [...[...named.values()].flatMap((known) => [...known]), ...affixes.values()];
    for (const other of others) {
      const ends = respelled(folded, endsOf(other));
      found.set(`${ends.prefix}\0${ends.suffix}`, { ...segment, ...ends });
    }
    return [...found.values()];
  };
  return (rule) =>
    isFolded(rule)
      ? rule.endpoints.flatMap((endpoint) =>
          endpoint.call === undefined ? spelledOut(endpoint, spellingsOf) : [endpoint],
        )
      : rule.endpoints;
}

/** Folded texts, spelled as another one is where they are alike. */
function respelled({ prefix, suffix }: Ends, other: Ends): Ends {
  const begin = Math.min(prefix.length, other.prefix.length);
  const end = Math.min(suffix.length, other.suffix.length);
  const [head, tail] = [other.prefix.slice(0, begin), end === 0 ? "" : other.suffix.slice(-end)];
  const isAlike = prefix.startsWith(foldCase(head)) && suffix.endsWith(foldCase(tail));
  if (!isAlike) return { prefix, suffix };
  const whole = (text: string): string => {
    const begun = head + text.slice(head.length);
    return tail.length > text.length ? begun : begun.slice(0, begun.length - tail.length) + tail;
  };
  // Of a literal both are the same text, so both ends show in it.
  if (prefix === suffix) return { prefix: whole(prefix), suffix: whole(suffix) };
  return {
    prefix: head + prefix.slice(head.length),
    suffix: suffix.slice(0, suffix.length - tail.length) + tail,
  };
}

/** A spelling that is none of those known; undefined for a text without letters. */
function otherSpelling(folded: string, known: ReadonlySet<string>): string | undefined {
  const upper = folded.toUpperCase();
  const capital = folded.charAt(0).toUpperCase() + folded.slice(1);
  const ending = folded.slice(0, -1) + folded.slice(-1).toUpperCase();
  return [upper, capital, ending].find((one) => one !== folded && !known.has(one) && foldCase(one) === folded);
}

function spelledOut(endpoint: Endpoint, spellingsOf: (segment: SegmentPattern) => SegmentPattern[]): Endpoint[] {
  const choices = segmentsOf(endpoint).map(spellingsOf);
  const count = choices.reduce((product, { length }) => product * length, 1);
  let all: SegmentPattern[][] = [[]];
  if (count <= spellings_max) {
    for (const choice of choices) all = all.flatMap((begun) => choice.map((segment) => [...begun, segment]));
  } else {
    const first = choices.map((choice) => choice[0]!);
    const others = choices.flatMap((choice, at) =>
      choice.slice(1).map((segment) => first.map((own, place) => (place === at ? segment : own))),
    );
    all = [first, ...others];
  }
  const { length } = endpoint.segments;
  return all.map((segments) => ({
    ...endpoint,
    segments: segments.slice(0, length),
    ...(endpoint.after !== undefined && { after: segments.slice(length) }),
  }));
}
