/** What headers for the upstream say. */
import { claimAt, type Json, Unread } from "./json.ts";
import type { Claims } from "./token.ts";

/** The value of a forwarded header, one character a byte; "" for none. */
export function forwardedValue(
  { value: what, as }: { value: string; as: string | undefined },
  caller: string | null,
  names: ReadonlyMap<string, string>,
  claims: Claims | undefined,
): string {
  const [, domain, path] = /^spiffe:\/\/([^/]*)(.*)$/u.exec(caller ?? "") ?? [];
  if (what === "caller.id") return caller ?? "";
  if (what === "caller.trust_domain") return domain ?? "";
  if (what === "caller.path") return path ?? "";
  if (what.startsWith("caller.")) return names.get(what.slice("caller.".length)) ?? "";
  const claim = claimAt(what, claims);
  if (claim === undefined) return "";
  if (as === "json" || as === "base64url") {
    if (hasUnread(claim)) return "";
    const json = Buffer.from(jsonOf(claim));
    return as === "json" ? json.toString("latin1") : json.toString("base64url");
  }
  const elements = as === "comma" && Array.isArray(claim) ? claim : [claim];
  const isHeld = (one: Json): boolean =>
    one !== null &&
    typeof one !== "object" &&
    // RFC 9110 §5.5: what a header cannot hold is not sent, and a comma would make two elements of one.
    String(one).trim() === String(one) &&
    String(one) !== "" &&
    !/\p{Cc}/u.test(String(one)) &&
    !(as === "comma" && String(one).includes(","));
  return elements.every(isHeld) ? Buffer.from(elements.map(String).join()).toString("latin1") : "";
}

/** Whether there is a value in it that cannot be had exactly. */
function hasUnread(value: Json): boolean {
  if (value instanceof Unread) return true;
  if (Array.isArray(value)) return value.some(hasUnread);
  return value instanceof Map && [...value.values()].some(hasUnread);
}

function jsonOf(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(jsonOf).join()}]`;
  if (value instanceof Map)
    return `{${[...value].map(([name, one]) => `${JSON.stringify(name)}:${jsonOf(one)}`).join()}}`;
  return typeof value === "bigint" ? String(value) : JSON.stringify(value);
}
