/** What a policy says to requests of one kind: never, or under which conditions. */
import { type Conditions, deniesMore, isUnconditional, isWeaker, readsClaims } from "./conditions.ts";

/** Admitted where one of `alternatives` holds and none of `unless`; without alternatives, never. */
export interface Access {
  alternatives: Conditions[];
  unless: Conditions[];
}

/** How access differs: more requests are admitted, fewer, the same ones, or some more and some fewer (as far as can be told). */
export type Difference = "same" | "gained" | "lost" | "changed";

const no_access: Access = { alternatives: [], unless: [] };

/** The access that rules give to requests that all of them match. */
export function accessOf(allowed: readonly Conditions[], denied: readonly Conditions[]): Access {
  if (allowed.length === 0 || denied.some(isUnconditional)) return no_access;
  return {
    alternatives: withoutImplied(allowed.flatMap(byIssuer), isWeaker),
    unless: withoutImplied(denied, deniesMore),
  };
}

/**
 * A token of any of several issuers is one alternative for each, unless its claims matter: so it does not matter whether one
 * rule says so or two.
 */
function byIssuer(conditions: Conditions): Conditions[] {
  if (conditions.issuers.length < 2 || readsClaims(conditions)) return [conditions];
  return conditions.issuers.map((issuer) => ({ ...conditions, issuers: [issuer] }));
}

/** Leaves out what another one makes superfluous; of equals the first stays. */
function withoutImplied(
  all: readonly Conditions[],
  implies: (weak: Conditions, strong: Conditions) => boolean,
): Conditions[] {
  return all.filter(
    (one, place) =>
      !all.some((other, at) => at !== place && implies(other, one) && (at < place || !implies(one, other))),
  );
}

/** Compares what two policies say to the same requests. */
export function compareAccess(before: Access, after: Access): Difference {
  const gained = !admitsAll(before, after);
  const lost = !admitsAll(after, before);
  if (gained) return lost ? "changed" : "gained";
  return lost ? "lost" : "same";
}

/** Whether it can be shown that `wide` admits whatever `narrow` does. */
function admitsAll(wide: Access, narrow: Access): boolean {
  if (narrow.alternatives.length === 0) return true;
  return (
    wide.unless.every((one) => narrow.unless.some((other) => deniesMore(other, one))) &&
    narrow.alternatives.every((one) => wide.alternatives.some((other) => isWeaker(other, one)))
  );
}
