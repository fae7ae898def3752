/** How many ways there are to read one path, where rules take paths that upstreams read in several ways (assembly/request/forms.ts). */
import { type Condition, readsPath } from "../language/condition.ts";
import type { Rule } from "../language/model.ts";
import { isAnyForm } from "../language/pathoptions.ts";

/** Entries that one request may have judged, and the cost of their conditions, in units of `condition_cost_max`. */
export interface Judged {
  entries: number;
  cost: number;
}

/** What it costs to read the longest path in another way, in units of `condition_cost_max`: 33 µs for 8 KiB. Another slash at the end costs nothing. */
const reading_units = 3300;

/** How many readings of one path deny rules are matched with, at the most. */
export function readingsOf(rules: readonly Rule[]): number {
  const open = rules.filter(({ action }) => action === "allow").map(({ paths }) => paths);
  const encoded = open.some(({ encodedSlash }) => encodedSlash === "segment");
  const empty = open.some(({ emptySegments }) => emptySegments === "keep");
  const semicolon = open.some(({ semicolons }) => semicolons === "keep");
  // A parameter may be cut before anything is decoded, and after. Cutting, and decoding a slash, can leave an empty segment behind.
  const choices = [open.some(isAnyForm), encoded, empty || encoded || semicolon, semicolon, semicolon];
  return 2 ** choices.filter(Boolean).length;
}

/**
 * What a rule counts for at each of its endpoints. The condition of a deny rule that reads the path is judged for every reading. One that does not is
 * judged once; but other segments may lead to other such rules, save where the endpoint is every path.
 */
export function judgedOf({ action, condition, costFrom, endpoints }: Rule, readings: number): Judged {
  // Each call of a request is judged by itself.
  const unitsOf = (one: Condition | undefined): number => one?.callsUnits ?? one?.costUnits ?? 0;
  const cost = unitsOf(condition) + unitsOf(costFrom);
  if (action === "allow" || readings === 1) return { entries: 1, cost };
  // Half of the readings differ from the others in a slash at the end alone.
  const ways = readings / 2;
  if (readsPath(condition)) return { entries: readings, cost: (cost + (ways > 1 ? reading_units : 0)) * readings };
  const isEverywhere = endpoints.every(
    ({ segments, tail, after = [] }) => tail && segments.length + after.length === 0,
  );
  return { entries: 1, cost: isEverywhere ? cost : cost * ways };
}
