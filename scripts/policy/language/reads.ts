/** What of a request's body a rule reads: such a rule is decided once the body has come, which is held until then. */
import * as code from "../../../assembly/policy/instructions.ts";
import { isCallable } from "./carried.ts";
import type { Condition } from "./condition.ts";
import type { Policy, Rule } from "./model.ts";
import { isFolded } from "./pathoptions.ts";
import { type CallPlace, callPlace, isCallMethod, type Protocol } from "./protocols.ts";

/** The body of a request that a rule reads: at the most, and where the rule does not say. */
export const read_body_bytes_max = 1_048_576;
export const usual_read_body_bytes = 65_536;

/** Values of a body that is read: for so many there is room whatever its size, and for no more. */
export const body_nodes_min = 1024;
export const body_nodes_max = 65_536;
/** How much more than another a condition may cost that reads a body, where it is as large as it may be: 6.5 ms. */
export const body_cost_factor = 10;

/** What a rule reads of a body. */
export interface Reads {
  /** Its condition, or its cost, reads the body as JSON. */
  body: boolean;
  /** They read parts of a call. */
  call: boolean;
  /** Some of its endpoints are calls. */
  endpoint: boolean;
}

type Reading = Pick<Rule, "condition" | "costFrom" | "endpoints">;

/** What a rule reads. */
export function readsOf({ condition, costFrom, endpoints }: Reading): Reads {
  const has = (op: number): boolean => [condition, costFrom].some((one) => hasInstruction(one, op));
  return {
    body: has(code.op_body),
    call: has(code.op_call),
    endpoint: endpoints.some(({ call }) => call !== undefined),
  };
}

function hasInstruction(condition: Condition | undefined, wanted: number): boolean {
  return condition?.instructions.some(({ op }) => op === wanted) ?? false;
}

/** Whether a rule reads the body of a request. */
export function readsBody(rule: Reading): boolean {
  const { body, call, endpoint } = readsOf(rule);
  return body || call || endpoint;
}

/** The bytes of the largest body that some rule reads; 0 where none does. */
export function readBodyBytes({ rules }: Policy): number {
  return Math.max(0, ...rules.filter(readsBody).map(({ mostBytes }) => mostBytes?.body ?? usual_read_body_bytes));
}

/** The protocols whose calls a rule may be for: those of its calls, and those on whose paths it takes requests. */
export function calledProtocols(
  rule: Pick<Rule, "action" | "paths" | "endpoints">,
  all: readonly Protocol[],
): Protocol[] {
  const isFoldedRule = isFolded(rule);
  return all.filter((protocol) =>
    rule.endpoints.some((endpoint) =>
      endpoint.call === undefined
        ? isCallable(endpoint, protocol, isFoldedRule)
        : endpoint.call.protocol === protocol.name,
    ),
  );
}

/** Whether some rule lets clients of MCP list tools, so that the answers to that are looked at. Without rules about calls there is nothing to take out of them. */
export function answersTools({ rules, protocols = [] }: Policy): boolean {
  const spoken = protocols.filter(({ name }) => name === "mcp");
  if (spoken.length === 0 || !rules.some(readsBody)) return false;
  return rules.some(
    (rule) =>
      rule.action === "allow" &&
      rule.endpoints.some((endpoint) =>
        endpoint.call === undefined
          ? spoken.some((protocol) => isCallable(endpoint, protocol, isFolded(rule)))
          : endpoint.call.protocol === "mcp" && holdsMethod(endpoint.segments[0], "tools/list"),
      ),
  );
}

type FirstSegment = Rule["endpoints"][number]["segments"][number] | undefined;

function holdsMethod(segment: FirstSegment, method: string): boolean {
  if (segment === undefined) return false;
  if (typeof segment === "string") return segment === method;
  return segment === null || method.startsWith(segment.prefix);
}

/** The names of tools that a rule's endpoints admit: whole, or with `*` at their end. In order, each once. */
export function toolsOf({ endpoints }: Pick<Rule, "endpoints">): string[] {
  const names = endpoints.flatMap(({ call, segments: [method, name], tail }) => {
    if (call?.protocol !== "mcp" || !holdsMethod(method, "tools/call")) return [];
    if (tail || name === null || name === undefined) return ["*"];
    return [typeof name === "string" ? name : `${name.prefix}*`];
  });
  const all = [...new Set(names)];
  return all.includes("*") ? ["*"] : all;
}

/**
 * An endpoint as people read it: a call in the words of the policy, with the paths that it is made on.
 * @param methods as `Endpoint.methods` has them
 * @param path its segments as a path; of a call its method and its name
 */
export function endpointWords(methods: readonly string[], path: string): string {
  if (!methods.some(isCallMethod)) return `${methods.join("|")} ${path}`;
  const places = methods.map((method) => callPlace(method)!);
  const [first] = places as [CallPlace];
  const parts =
    path === "/"
      ? []
      : path
          .slice(1)
          .split("/")
          .filter((part) => part !== "**");
  const words = parts.map((part) => (part === "*" ? part : decodeURIComponent(part)));
  const at = [...new Set(places.map((place) => place.path))].join(", ");
  const carriers = new Set(places.map(({ carrier }) => carrier));
  const by = carriers.has("POST") ? "" : ` by ${first.carrier}`;
  return `${first.protocol} ${words.length === 0 ? "*" : words.join(" ")} at ${at}${by}`;
}
