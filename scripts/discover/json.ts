/** What was found, as JSON: without the usages that it was made from, and with times in UTC. */
import type { DocumentedOperation } from "./document.ts";
import { escapeSteering } from "./escape.ts";
import type { PolicyUse } from "./grants.ts";
import type { EndpointUse, Inventory } from "./inventory.ts";
import type { SpecReport } from "./spec.ts";
import { timeOf } from "./table.ts";

/** JSON in which no character of a log steers a terminal. */
export function jsonText(value: unknown): string {
  return `${escapeSteering(JSON.stringify(value, null, 2))}\n`;
}

/** The inventory. */
export function inventoryJson({ endpoints, attempts, firstSeen, lastSeen, ...all }: Inventory): object {
  const times = { firstSeen: timeOf(firstSeen), lastSeen: timeOf(lastSeen) };
  return { ...all, ...times, endpoints: endpoints.map(endpointJson), attempts: attempts.map(endpointJson) };
}

function endpointJson(endpoint: EndpointUse): object {
  const { usages: _, key: __, segments, firstSeen, lastSeen, callers, latency = null, ...rest } = endpoint;
  return {
    ...rest,
    variables: segments.filter((segment) => typeof segment !== "string"),
    latency,
    firstSeen: timeOf(firstSeen),
    lastSeen: timeOf(lastSeen),
    callers: callers.map((one) => ({ ...one, firstSeen: timeOf(one.firstSeen), lastSeen: timeOf(one.lastSeen) })),
  };
}

/** The comparison with a document. */
export function specJson({ shadow, dead, unclear, zombie, parameters, ...all }: SpecReport): object {
  return {
    ...all,
    shadow: shadow.map(({ endpoint, documentedMethods }) => ({ ...briefly(endpoint), documentedMethods })),
    dead: dead.map(({ operation, denied }) => ({ ...documented(operation), denied })),
    unclear: unclear.map(documented),
    zombie: zombie.map(({ endpoint, operation }) => ({ ...briefly(endpoint), path: operation.path })),
    parameters: parameters.map(({ endpoint, ...names }) => ({ ...briefly(endpoint), ...names })),
  };
}

/** What traffic used of a policy. */
export function policyJson({ rules, attempts, expired, ...all }: PolicyUse): object {
  const withTime = <T extends { lastSeen: number }>(one: T) => ({ ...one, lastSeen: timeOf(one.lastSeen) });
  return {
    ...all,
    rules: rules.map((rule) => ({ ...withTime(rule), used: rule.used.map(withTime) })),
    attempts: attempts.map(withTime),
    expired: expired.map(withTime),
  };
}

function briefly({ host, method, template, operation, admitted, callers, lastSeen }: EndpointUse): object {
  const names = callers.map(({ caller }) => caller);
  return { host, method, template, operation, requests: admitted, callers: names, lastSeen: timeOf(lastSeen) };
}

function documented({ method, path, isDeprecated }: DocumentedOperation): object {
  return { method, path, isDeprecated };
}
