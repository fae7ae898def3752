/**
 * What tokens look like: whom they are for, where their scopes stand, and what kind of token they are. Types (`typ`) are media types
 * (RFC 7515 §4.1.9), here in the form in which they are compared, "" where a token has none.
 */
import * as layout from "../../../assembly/policy/layout.ts";
import { sorted } from "./byteorder.ts";
import type { Issuer } from "./model.ts";

/** What an issuer's tokens look like. */
export type Terms = Pick<Issuer, "audiences" | "audienceClaim" | "scopeClaims" | "types">;

/** Those with a number of their own in every image; an issuer that names none accepts all of them. */
const usual_numbers: ReadonlyMap<string, number> = new Map([
  ["", layout.type_none],
  ["jwt", layout.type_jwt],
  ["at+jwt", layout.type_access_token],
]);

/** The terms of an issuer that says nothing but which audiences it accepts. */
export const usual_terms: Omit<Terms, "audiences"> = {
  audienceClaim: ["aud"],
  scopeClaims: [["scope"], ["scp"]],
  types: [...usual_numbers.keys()],
};

/** A media type as it is compared: in lower case, without `application/`. */
export function typeText(type: string): string {
  return type.toLowerCase().replace(/^application\/(?=[^/]+$)/u, "");
}

/** The types that issuers name and that are the policy's own, in their order in the image. */
export function ownTypes(issuers: Iterable<{ types: readonly string[] }>): string[] {
  const types = new Set([...issuers].flatMap((issuer) => issuer.types));
  return sorted(types).filter((type) => !usual_numbers.has(type));
}

/** The number of each type in an image. @param own the policy's own */
export function typeNumbers(own: readonly string[]): ReadonlyMap<string, number> {
  return new Map([...usual_numbers, ...own.map((type, index) => [type, layout.type_own + index] as const)]);
}
