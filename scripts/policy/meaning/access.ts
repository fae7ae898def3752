/** What a policy says to requests of one kind: never, or under which conditions. */
import {
  type Conditions,
  deniesMore,
  holdsBodies,
  isUnconditional,
  isWeaker,
  readsClaims,
  refusesMore,
} from "./conditions.ts";

/** Admitted where one of `alternatives` holds and none of `unless`; without alternatives, never. */
export interface Access {
  alternatives: Conditions[];
  unless: Conditions[];
  /** Rules whose token is optional: one that is there and not good keeps alternatives from admitting without a token. */
  refusals: Conditions[];
  /**
   * Rules that bound bodies. One that comes first by name admits a body without `content-length`, and holds it to its bound, though
   * another rule would take a larger one. What rules are called is not compared, so any of them may come first.
   */
  bounds: Conditions[];
}

/** How access differs: more requests are admitted, fewer, the same ones, or some more and some fewer (as far as can be told). */
export type Difference = "same" | "gained" | "lost" | "changed";

const no_access: Access = { alternatives: [], unless: [], refusals: [], bounds: [] };

/** The access that rules give to requests that all of them match. */
export function accessOf(allowed: readonly Conditions[], denied: readonly Conditions[]): Access {
  if (allowed.length === 0 || denied.some(isUnconditional)) return no_access;
  const each = allowed.flatMap(byIssuer);
  const alternatives = withoutImplied(each, isWeaker);
  const refusing = alternatives.some(admitsWithout) ? allowed.filter((one) => one.isTokenOptional) : [];
  return {
    alternatives,
    unless: withoutImplied(denied, deniesMore),
    refusals: withoutImplied(refusing, refusesMore),
    bounds: withoutImplied(
      each.filter((one) => alternatives.some((other) => takesLargerBody(other, one))),
      holdsBodies,
    ),
  };
}

function takesLargerBody(wide: Conditions, narrow: Conditions): boolean {
  return wide.most.body > narrow.most.body;
}

/** Whether it admits requests that have no good token. */
function admitsWithout({ issuers, isTokenOptional }: Conditions): boolean {
  return issuers.length === 0 || isTokenOptional;
}

/**
 * A token of any of several issuers is one alternative for each, unless its claims matter: so it does not matter whether one
 * rule says so or two.
 */
function byIssuer(conditions: Conditions): Conditions[] {
  if (conditions.issuers.length < 2 || conditions.isTokenOptional || readsClaims(conditions)) return [conditions];
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
    (!narrow.alternatives.some(admitsWithout) ||
      wide.refusals.every((one) => narrow.refusals.some((other) => refusesMore(other, one)))) &&
    wide.bounds
      .filter((one) => narrow.alternatives.some((other) => takesLargerBody(other, one)))
      .every((one) => narrow.bounds.some((other) => holdsBodies(other, one))) &&
    narrow.alternatives.every((one) => wide.alternatives.some((other) => isWeaker(other, one)))
  );
}
