/** One line of the tables: what the filter is shown, and what it answers. */

/** What the filter answers. `reason` and `detail` as they stand in the record. */
export interface Said {
  status: number;
  reason: string;
  /** The detail; null where the record has none. */
  detail: string | null;
}

/** A request for `GET /<issuer>`. */
export interface Shown {
  issuer: string;
  /** Values of `authorization`, one header each. */
  authorization: readonly string[];
}

export interface Row {
  name: string;
  /** The requests, all to be met alike; made when asked for, since signing takes its time. */
  shown: () => readonly Shown[];
  said: Said;
  /** What an Envoy says, whose codec has changed the header before the filter sees it. Default: the same. */
  inEnvoy?: Said;
}

/** One algorithm of each way to sign. */
export const families: readonly string[] = ["RS256", "PS256", "ES256", "EdDSA"];

/** A bearer token for the issuer of one algorithm, unless another is named. */
export type Make = (alg: string) => string | Shown;

export const bearer = (token: string, issuer: string): Shown => ({ issuer, authorization: [`Bearer ${token}`] });

function shownBy(make: Make, algorithms: readonly string[]): Row["shown"] {
  return () =>
    algorithms.map((alg) => {
      const made = make(alg);
      return typeof made === "string" ? bearer(made, alg.toLowerCase()) : made;
    });
}

/** Tokens that are refused: with 401, whatever the reason. */
export function bad(
  name: string,
  reason: string,
  detail: string | null,
  make: Make,
  algorithms: readonly string[] = families,
): Row {
  return { name, shown: shownBy(make, algorithms), said: { status: 401, reason, detail } };
}

/** Tokens that are taken. */
export function good(name: string, make: Make, algorithms: readonly string[] = families): Row {
  return { name, shown: shownBy(make, algorithms), said: { status: 200, reason: "allowed", detail: null } };
}
