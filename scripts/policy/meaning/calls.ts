/**
 * Calls of protocols where rules are compared. An endpoint that is a call is for calls alone (scripts/policy/language/protocols.ts,
 * `callMethods`); one that is a path is for every call that is made on it, too. So with what it says of requests stands what it says of calls.
 */
import { isCallable, literalPath } from "../language/carried.ts";
import type { Endpoint } from "../language/endpoint.ts";
import { foldPath } from "../language/folding.ts";
import type { Policy, Rule } from "../language/model.ts";
import { isFolded } from "../language/pathoptions.ts";
import { pathCovers } from "../language/pathpattern.ts";
import { callMethods, callPlace, isCallMethod } from "../language/protocols.ts";
import { admitsMethod, deniesMethod, methodsCover } from "./relations.ts";

/** Finds what the endpoints of a rule that are paths say of calls which rules of some policies name. */
export function callsWithin(policies: readonly Policy[]): (rule: Rule) => Endpoint[] {
  const named = new Set(policies.flatMap(({ rules }) => rules.flatMap(callMethodsOf)));
  if (named.size === 0) return () => [];
  const spoken = policies.flatMap(({ protocols = [] }) => protocols);
  const places = new Map(spoken.flatMap((protocol) => callMethods(protocol).map((method) => [method, protocol])));
  return (rule) =>
    rule.endpoints.flatMap((endpoint) => {
      if (endpoint.call !== undefined) return [];
      const methods = [...places].flatMap(([method, protocol]) => {
        const { carrier } = callPlace(method)!;
        const isCarried = endpoint.methods === "*" || endpoint.methods.some((one) => isFor(rule, one, carrier));
        return named.has(method) && isCarried && isCallable(endpoint, protocol, isFolded(rule)) ? [method] : [];
      });
      if (methods.length === 0) return [];
      return [{ methods, segments: [], tail: true, variables: endpoint.variables }];
    });
}

function isFor({ action }: Rule, named: string, method: string): boolean {
  return action === "deny" ? deniesMethod(named, method) : admitsMethod(named, method);
}

function callMethodsOf({ endpoints }: Rule): string[] {
  return endpoints.flatMap(({ call, methods }) => (call === undefined || methods === "*" ? [] : methods));
}

/** Whether an endpoint that is a path holds all calls of another one. */
export function holdsCalls(outer: Rule, path: Endpoint, calls: Endpoint): boolean {
  if (calls.methods === "*") return false;
  const isFoldedRule = isFolded(outer);
  const pattern = isFoldedRule ? foldPath(path) : path;
  return calls.methods.every((method) => {
    const place = callPlace(method);
    if (place === undefined || !pathCovers(pattern, literalPath(place.segments, isFoldedRule))) return false;
    return path.methods === "*" || path.methods.some((one) => isFor(outer, one, place.carrier));
  });
}

/** Whether an endpoint of a rule holds all that another one does, by methods and path. */
export function endpointHolds(rule: Rule, outer: Endpoint, inner: Endpoint): boolean {
  if (inner.call !== undefined && outer.call === undefined) return holdsCalls(rule, outer, inner);
  if (!pathCovers(outer, inner)) return false;
  if (rule.action === "allow") return methodsCover(outer.methods, inner.methods);
  if (outer.methods === "*") return outer.call !== undefined || !isOfCalls(inner);
  const denied = outer.methods;
  return inner.methods !== "*" && inner.methods.every((method) => denied.some((other) => deniesMethod(other, method)));
}

function isOfCalls({ methods }: Endpoint): boolean {
  return methods !== "*" && methods.some(isCallMethod);
}
