/**
 * When one pattern of a policy holds all that another does. Caller patterns, and host patterns, are nested or apart: two
 * of them never overlap in part, so what is wider than one can be listed. Paths with wildcards do overlap (paths.ts).
 */

import { methodsOf } from "../language/endpoint.ts";
import { isCallMethod } from "../language/protocols.ts";
import type { CallerPattern } from "../language/spiffe.ts";
import type { HostPattern } from "../language/values.ts";

/** One method, or "*" for every one. */
export type Method = string;

/** The patterns that hold all of one, itself left out, as texts from the narrowest to the trust domain. */
export function widerCallers({ kind, text, segments }: CallerPattern): string[] {
  const wider: string[] = [];
  const above = (id: string): string => id.slice(0, id.lastIndexOf("/"));
  let base = text;
  let left = segments;
  if (kind === "exact") {
    base = above(base);
    left--;
    wider.push(`${base}/*`, `${base}/**`);
  } else if (kind === "child") {
    wider.push(`${base}/**`);
  }
  for (; left > 0; left--) {
    base = above(base);
    wider.push(`${base}/**`);
  }
  return wider;
}

/** A host pattern as it is written in a policy. */
export function hostText({ kind, text }: HostPattern): string {
  return kind === "exact" ? text : `*.${text}`;
}

/** The patterns that hold all of one, itself left out, as texts from the narrowest to the widest. */
export function widerHosts({ text }: HostPattern): string[] {
  const wider: string[] = [];
  for (let dot = text.indexOf("."); dot >= 0; dot = text.indexOf(".", dot + 1)) wider.push(`*.${text.slice(dot + 1)}`);
  return wider;
}

/** Whether every host of `narrow` is one of `wide`; no pattern at all stands for every host. */
export function hostsCover(wide: readonly HostPattern[], narrow: readonly HostPattern[]): boolean {
  if (wide.length === 0) return true;
  if (narrow.length === 0) return false;
  const texts = new Set(wide.map(hostText));
  return narrow.every((host) => texts.has(hostText(host)) || widerHosts(host).some((text) => texts.has(text)));
}

/** Whether every method of `narrow` is one of `wide`. */
export function methodsCover(wide: readonly string[] | "*", narrow: readonly string[] | "*"): boolean {
  if (wide === "*") return narrow === "*" || !narrow.some(isCallMethod);
  return narrow !== "*" && narrow.every((method) => wide.some((named) => admitsMethod(named, method)));
}

/** Whether an endpoint for one method is for a request with another: who may GET may ask with HEAD (RFC 9110 §9.3.2). */
export function admitsMethod(named: Method, method: string): boolean {
  // Which calls an endpoint for every method is for is said beside it (calls.ts).
  return named === "*" ? !isCallMethod(method) : methodsOf(named).includes(method);
}

/**
 * Whether a deny rule for one method denies a request with another: in any case, since there are upstreams that read
 * `delete` as `DELETE`.
 */
export function deniesMethod(denied: Method, method: string): boolean {
  return admitsMethod(denied, method) || admitsMethod(denied, method.toUpperCase());
}

/** How much of one thing another holds: all, or some. */
export type Overlap = "whole" | "part";

/** How much an allow rule for one method holds of what another stands for; undefined: nothing. */
export function heldMethods(own: Method, other: Method): Overlap | undefined {
  if (own === "*") return isCallMethod(other) ? undefined : "whole";
  if (other === "*") return isCallMethod(own) ? undefined : "part";
  if (admitsMethod(own, other)) return "whole";
  return admitsMethod(other, own) ? "part" : undefined;
}

/** How much a deny rule for one method denies of what another stands for; undefined: nothing. */
export function deniedMethods(denied: Method, other: Method): Overlap | undefined {
  if (denied === "*") return isCallMethod(other) ? undefined : "whole";
  if (other === "*") return isCallMethod(denied) ? undefined : "part";
  const hit = methodsOf(other).filter((method) => deniesMethod(denied, method)).length;
  if (hit === 0) return undefined;
  return hit === methodsOf(other).length ? "whole" : "part";
}
