/** Which requests an endpoint is for, by their HTTP methods, and which calls those can carry. */
import { type Endpoint, methodsOf } from "./endpoint.ts";
import { foldCase, foldPath } from "./folding.ts";
import { type PathPattern, pathCovers } from "./pathpattern.ts";
import { call_methods, carriersOf, isSafeCall, type Protocol } from "./protocols.ts";

/** Whether some request that an endpoint is for may ask for a change. */
export function mayWrite({ methods, call, segments }: Endpoint): boolean {
  if (call === undefined) return methods === "*" || methods.some((method) => !safe_methods.includes(method));
  const [method] = segments;
  if (typeof method === "string") return !isSafeCall(call.protocol, method);
  const prefix = method?.prefix ?? "";
  const known = call_methods[call.protocol].filter((one) => one.startsWith(prefix));
  return known.length === 0 || known.some((one) => !isSafeCall(call.protocol, one));
}

/** The HTTP methods of requests that an endpoint is for, or "*" for every one. */
export function requestMethods({ methods, call }: Endpoint): readonly string[] | "*" {
  if (methods === "*") return methods;
  return call === undefined ? methods.flatMap(methodsOf) : carriersOf(call.protocol);
}

/** Whether requests to an endpoint of requests can be calls of a protocol on a path of it. @param isFolded it is for both cases of letters */
export function isCallable(endpoint: Endpoint, { name, segments }: Protocol, isFolded: boolean): boolean {
  const methods = requestMethods(endpoint);
  const isCarried = methods === "*" || carriersOf(name).some((carrier) => methods.includes(carrier));
  return isCarried && pathCovers(isFolded ? foldPath(endpoint) : endpoint, literalPath(segments, isFolded));
}

/** A path of literals as a pattern, folded or as it is. */
export function literalPath(segments: readonly string[], isFolded: boolean): PathPattern {
  return { segments: isFolded ? segments.map(foldCase) : segments, tail: false };
}

/** Methods that RFC 9110 §9.2.1 calls safe: they ask for no change. */
const safe_methods: readonly string[] = ["GET", "HEAD", "OPTIONS", "TRACE"];
