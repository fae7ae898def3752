/**
 * Caller patterns as a family of sets. Patterns without a `*` before their end are nested or apart. Others overlap: what two of
 * them have in common is a pattern too, and is put into the family, since its members meet the rules of both.
 */
import { type CallerPattern, callerCovers, callerText, commonCallers } from "../language/spiffe.ts";
import { widerCallers } from "./relations.ts";

/** More patterns that overlap than this are not told apart in reasonable time. */
const overlaps_max = 2000;

/** A pattern, and the narrowest of the others that it lies in. */
export interface OrderedCaller {
  pattern: CallerPattern;
  /** Texts; none for one that lies in no other. */
  parents: string[];
}

/**
 * Puts patterns, and what they have in common, into an order in which each comes after those it lies in.
 * @param patterns by text
 * @throws Error where too many overlap
 */
export function orderedCallers(patterns: ReadonlyMap<string, CallerPattern>): OrderedCaller[] {
  const all = new Map(patterns);
  const wild = [...all.values()].filter(({ wildcards }) => wildcards !== 0);
  addOverlaps(all, wild);
  // What is around a pattern has no more fixed segments, and fewer if it is as long.
  const ordered = [...all.values()].sort(
    (a, b) => fixed(a) - fixed(b) || a.segments - b.segments || order[a.kind] - order[b.kind],
  );
  return ordered.map((pattern) => ({ pattern, parents: parentsOf(pattern, all, wild) }));
}

const order: Record<CallerPattern["kind"], number> = { descendants: 0, child: 1, exact: 2 };

function fixed({ segments, wildcards }: CallerPattern): number {
  let count = segments;
  for (let bits = wildcards; bits !== 0; bits &= bits - 1) count--;
  return count;
}

/** Adds what patterns with a `*` have in common with others, until there is nothing new; `wild` grows along. */
function addOverlaps(all: Map<string, CallerPattern>, wild: CallerPattern[]): void {
  if (wild.length === 0) return;
  // An exact ID has nothing in common with a pattern but itself.
  const open = [...all.values()].filter(({ kind, wildcards }) => kind !== "exact" || wildcards !== 0);
  for (const one of wild) {
    for (const other of [...open]) {
      const common = commonCallers(one, other);
      if (common === undefined || all.has(callerText(common))) continue;
      all.set(callerText(common), common);
      if (common.kind !== "exact" || common.wildcards !== 0) open.push(common);
      if (common.wildcards !== 0) wild.push(common);
      if (open.length > overlaps_max)
        throw new Error(
          `more than ${overlaps_max} caller patterns overlap (those with \`*\` or \`{…}\` before their end); to compare the policies, use fewer`,
        );
    }
  }
}

/** The narrowest patterns around one. */
function parentsOf(
  pattern: CallerPattern,
  all: ReadonlyMap<string, CallerPattern>,
  wild: readonly CallerPattern[],
): string[] {
  const own = callerText(pattern);
  const around = new Map<string, CallerPattern>();
  for (const text of widerCallers(pattern)) {
    const wider = all.get(text);
    if (wider !== undefined) around.set(text, wider);
    // Of those that are nested, the first is the narrowest.
    if (wider !== undefined && wild.length === 0) break;
  }
  for (const wider of wild)
    if (callerText(wider) !== own && callerCovers(wider, pattern)) around.set(callerText(wider), wider);
  if (pattern.wildcards !== 0) {
    for (const wider of all.values())
      if (wider.kind !== "exact" && callerText(wider) !== own && callerCovers(wider, pattern))
        around.set(callerText(wider), wider);
  }
  const candidates = [...around.values()];
  return [...around]
    .filter(([, wider]) => !candidates.some((other) => other !== wider && callerCovers(wider, other)))
    .map(([text]) => text);
}
