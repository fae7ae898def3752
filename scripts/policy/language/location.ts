/** Token locations as data: the usual one, what tells one from another, and how people call it. */
import type { Place } from "./model.ts";

/** The place of RFC 6750 §2.1. This prefix, in any header, is a scheme: without case, and with blanks after it. */
export const bearer_place: Place = { kind: "header", name: "authorization", prefix: "Bearer " };

/** What tells a place from others. */
export function placeKey({ kind, name, prefix }: Place): string {
  return `${kind} ${name} ${prefix}`;
}

/** A place for people. */
export function placeText({ kind, name, prefix }: Place): string {
  if (kind === "query") return `the query parameter \`${name}\``;
  return `the ${kind} \`${name}\`${prefix === "" ? "" : ` after \`${prefix}\``}`;
}
