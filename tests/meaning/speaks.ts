/** Whether what `sallyport diff` tells speaks of a request: the narrowest pattern that fits decides, as people read it. */
import { type Endpoint, parseEndpoint } from "../../scripts/policy/language/endpoint.ts";
import { pathCovers } from "../../scripts/policy/language/pathpattern.ts";
import type { AccessChange } from "../../scripts/policy/meaning/difference.ts";
import { methodsCover } from "../../scripts/policy/meaning/relations.ts";
import type { Asked } from "../support/lookup.ts";

/** Whether a text is matched, and by nothing narrower that is excepted. */
function isMeant(
  named: string[],
  except: string[],
  fits: (text: string) => boolean,
  holds: (wide: string, narrow: string) => boolean,
): boolean {
  return named.some((one) => fits(one) && !except.some((other) => fits(other) && other !== one && holds(one, other)));
}

function callerFits(text: string, caller: string | null): boolean {
  if (text === "anonymous") return true;
  if (caller === null) return false;
  if (text === "any") return true;
  const [given, wanted] = [caller.split("/"), text.split("/")];
  if (text.endsWith("/**") ? given.length < wanted.length : given.length !== wanted.length) return false;
  return wanted.every((segment, index) => segment === "*" || segment === "**" || segment === given[index]);
}

const callerHolds = (wide: string, narrow: string): boolean =>
  wide === "anonymous" ||
  (narrow !== "anonymous" &&
    (wide === "any" || (narrow !== "any" && callerFits(wide, narrow.replace("/**", "/x/x").replaceAll("*", "x")))));

const hostFits = (text: string, host: string): boolean =>
  text === "*" || (text.startsWith("*.") ? host.endsWith(text.slice(1)) : host === text);
const hostHolds = (wide: string, narrow: string): boolean =>
  wide === "*" || (narrow !== "*" && hostFits(wide, narrow.replace("*.", "x.")));

/** An endpoint, also one with a method that no policy may name, such as `get`. */
function endpointOf(text: string): Endpoint {
  const [methods, path] = text.split(" ") as [string, string];
  const parsed = parseEndpoint(`* ${path}`);
  if ("message" in parsed) throw new Error(`${text}: ${parsed.message}`);
  return { ...parsed, methods: methods === "*" ? "*" : methods.split("|") };
}

function endpointHolds(wide: string, narrow: string): boolean {
  const [outer, inner] = [endpointOf(wide), endpointOf(narrow)];
  return methodsCover(outer.methods, inner.methods) && pathCovers(outer, inner);
}

function endpointFits(text: string, { method, segments }: Asked): boolean {
  const { methods, ...path } = endpointOf(text);
  return (methods === "*" || hasMethod(methods, method)) && pathCovers(path, { segments, tail: false });
}

/** `delete` stands for every spelling but `DELETE`: that is how far a deny rule reaches. */
function hasMethod(methods: readonly string[], method: string): boolean {
  const upper = method.toUpperCase();
  if (methods.includes(method) || (method === "HEAD" && methods.includes("GET"))) return true;
  return method !== upper && methods.includes(upper.toLowerCase());
}

/** Whether a change speaks of a request. */
export function speaksOf(change: AccessChange, asked: Asked): boolean {
  const { callers, hosts, endpoints, except = {} } = change;
  return (
    isMeant(callers, except.callers ?? [], (text) => callerFits(text, asked.caller), callerHolds) &&
    isMeant(hosts.length === 0 ? ["*"] : hosts, except.hosts ?? [], (text) => hostFits(text, asked.host), hostHolds) &&
    isMeant(endpoints, except.endpoints ?? [], (text) => endpointFits(text, asked), endpointHolds)
  );
}
