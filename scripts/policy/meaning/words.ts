/** Conditions as people read them: the same words in `diff` and in reports. */
import type { ConditionWords } from "./difference.ts";

/** What stands where nothing is asked for. */
export const unconditional = "without conditions";

/** One way to be admitted, on a line. */
export function conditionText(words: ConditionWords): string {
  const {
    token,
    isTokenOptional,
    scopes,
    when,
    starts,
    expires,
    limits,
    most,
    paths,
    others,
    unless,
    refuses,
    bodyMayBeHeldTo,
  } = words;
  const parts: string[] = [];
  if (token !== undefined) parts.push(`${isTokenOptional ? "no token or a " : ""}token of ${token.join(" or ")}`);
  if (scopes !== undefined) parts.push(`${scopes.length > 1 ? "scopes" : "scope"} ${scopes.join(" ")}`);
  if (when !== undefined) parts.push(`when ${when.join(" && ")}`);
  if (starts !== undefined) parts.push(`from ${starts}`);
  if (expires !== undefined) parts.push(`until ${expires}`);
  for (const { name, cost, from } of limits ?? []) {
    const words = from === undefined ? `cost ${cost}` : `cost ${from}, ${cost} at most`;
    parts.push(`limit ${name}${cost > 1 || from !== undefined ? ` (${words})` : ""}`);
  }
  for (const [part, bytes] of Object.entries(most ?? {})) parts.push(`${part} of at most ${bytes} bytes`);
  if (bodyMayBeHeldTo !== undefined) parts.push(`a body that may be held to ${bodyMayBeHeldTo} bytes`);
  parts.push(...(paths ?? []), ...(others ?? []));
  for (const one of unless ?? []) parts.push(`unless ${conditionText(one).replace(/^when /u, "")}`);
  if (refuses !== undefined) parts.push(`unless a bad token of ${refuses.join(" or ")}`);
  return parts.length === 0 ? unconditional : parts.join(", ");
}
