/** Grants → rules: those that let the same callers do things on the same conditions are one. Nothing is joined that would let in more. */

import type { Endpoint } from "../discover/endpoints.ts";
import { compareTexts } from "../discover/order.ts";
import type { Usage } from "../traffic/usage.ts";
import { type Grant, type LeftOut, unknown_caller } from "./grants.ts";
import { escaped } from "./hostile.ts";
import { addTo } from "./lists.ts";
import { Siblings } from "./siblings.ts";

/** A method on a path as a policy has it. */
export interface GroupedEndpoint {
  method: string;
  path: string;
}

/** What one rule says. */
export interface Group {
  /** SPIFFE IDs in order; one "" for everybody; empty where the log does not say who. */
  callers: string[];
  /** In order; empty for every host. */
  hosts: string[];
  /** By path, then method. */
  endpoints: GroupedEndpoint[];
  /** As the log has them, in order; empty where no token is asked for. */
  issuers: string[];
  scopes: readonly string[];
  /** CEL; undefined for none. */
  condition: string | undefined;
  usages: Usage[];
}

/** Groups, and grants that no group is for. */
export interface Grouping {
  groups: Group[];
  leftOut: LeftOut[];
}

/** A part of what a group is told by, unlike any other. */
const keyOf = (...parts: unknown[]): string => JSON.stringify(parts);

/** @param endpoints all that there are, also those that no grant is for */
export function groupsOf(grants: readonly Grant[], endpoints: readonly Endpoint[]): Grouping {
  const siblings = new Siblings(grants, endpoints);
  const leftOut: LeftOut[] = [];
  const single: Group[] = [];
  for (const grant of grants) {
    const condition = siblings.conditionOf(grant);
    const { caller, host, method, path, issuer, scopes, usages } = grant;
    if (condition === null) {
      const requests = usages.reduce((sum, { count }) => sum + count, 0);
      const why = "its variable stands beside too many endpoints that the caller did not ask for";
      leftOut.push({
        why,
        what: escaped(
          `${method} ${host}${path} by ${caller === "" || caller === unknown_caller ? "nobody known" : caller}`,
        ),
        requests,
      });
      continue;
    }
    single.push({
      callers: caller === unknown_caller ? [] : [caller],
      hosts: host === "" ? [] : [host],
      endpoints: [{ method, path }],
      issuers: issuer === "" ? [] : [issuer],
      scopes,
      condition,
      usages,
    });
  }
  // One after the other, each with all else the same: so a group is always all of its callers, hosts and endpoints, each with each.
  const byCallers = join(single, "callers", compareTexts);
  const byEndpoints = join(byCallers, "endpoints", compareEndpoints);
  const byHosts = join(byEndpoints, "hosts", compareTexts);
  const groups = join(byHosts, "issuers", compareTexts);
  for (const group of groups) group.endpoints = withoutHead(group.endpoints);
  return { groups: groups.sort(compareGroups), leftOut };
}

/** Joins groups that differ in one member alone. An empty one says that anything will do, or that callers are not known, which no other says. */
function join<Key extends "callers" | "endpoints" | "hosts" | "issuers">(
  groups: readonly Group[],
  member: Key,
  compare: (one: Group[Key][number], other: Group[Key][number]) => number,
): Group[] {
  const joined = new Map<string, Group>();
  for (const group of groups) {
    const { usages: _, [member]: own, ...rest } = group;
    const key = keyOf(own.length === 0, rest);
    const known = joined.get(key);
    if (known === undefined) {
      joined.set(key, { ...group, [member]: [...own], usages: [...group.usages] });
      continue;
    }
    (known[member] as unknown[]).push(...own);
    for (const usage of group.usages) known.usages.push(usage);
  }
  for (const group of joined.values()) {
    const values = new Map(group[member].map((value) => [keyOf(value), value]));
    (group as Record<Key, unknown>)[member] = [...values.values()].sort(compare);
  }
  return [...joined.values()];
}

/** `GET` is for `HEAD`, too. */
function withoutHead(endpoints: readonly GroupedEndpoint[]): GroupedEndpoint[] {
  const gets = new Set(endpoints.filter(({ method }) => method === "GET").map(({ path }) => path));
  return endpoints.filter(({ method, path }) => method !== "HEAD" || !gets.has(path));
}

function compareEndpoints(one: GroupedEndpoint, other: GroupedEndpoint): number {
  return compareTexts(one.path, other.path) || compareTexts(one.method, other.method);
}

function compareGroups(one: Group, other: Group): number {
  return (
    compareTexts(one.callers.join(), other.callers.join()) ||
    compareTexts(one.hosts.join(), other.hosts.join()) ||
    compareEndpoints(one.endpoints[0]!, other.endpoints[0]!) ||
    compareTexts(
      keyOf(one.issuers, one.scopes, one.condition ?? ""),
      keyOf(other.issuers, other.scopes, other.condition ?? ""),
    )
  );
}

/** Endpoints as a rule lists them: methods of one path joined, gRPC calls by their names. */
export function endpointTexts(endpoints: readonly GroupedEndpoint[]): string[] {
  const byPath = new Map<string, string[]>();
  for (const { method, path } of endpoints) addTo(byPath, path, method);
  return [...byPath].map(([path, methods]) => {
    const call = /^\/((?:[A-Za-z_]\w*\.)+[A-Z]\w*)\/([A-Z]\w*)$/u.exec(path);
    if (call !== null && methods.join() === "POST") return `grpc ${call[1]}/${call[2]}`;
    return `${methods.join("|")} ${path}`;
  });
}
