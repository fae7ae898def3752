/**
 * Finds the rules that match a request, twice: in an image, by the tables of assembly/policy/layout.ts, and in the policy
 * itself, by looking at each rule. The two share nothing, so that they can be held against each other.
 */
import * as layout from "../../assembly/policy/layout.ts";
import { hash32 } from "../../scripts/policy/image/hash.ts";
import type { Endpoint } from "../../scripts/policy/language/endpoint.ts";
import type { Policy, RuleCaller } from "../../scripts/policy/language/model.ts";
import type { CallerPattern } from "../../scripts/policy/language/spiffe.ts";

/** A request as the index sees it. */
export interface Asked {
  /** A valid ID of a trusted domain, or null. */
  caller: string | null;
  host: string;
  method: string;
  /** Decoded. */
  segments: string[];
}

/** Names of the rules of an image that match, in order. */
export function rulesInImage(image: Uint8Array, asked: Asked): string[] {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const word = (at: number): number => view.getUint32(at, true);
  const start = (section: number): number => word(layout.sections_at + section * 8);
  const count = (section: number): number => word(layout.sections_at + section * 8 + 4);
  const record = (section: number, index: number): number =>
    start(section) + index * layout.sectionRecordBytes(section);
  const text = (at: number): string => Buffer.from(image.subarray(word(at), word(at) + word(at + 4))).toString();

  const find = (slots: number, section: number, seed: number, key: Uint8Array, is: (at: number) => boolean): number => {
    const mask = count(slots) - 1;
    for (let slot = hash32(seed, key) & mask; ; slot = (slot + 1) & mask) {
      const value = word(start(slots) + slot * 4);
      if (value === 0) return -1;
      if (is(record(section, value - 1))) return value - 1;
    }
  };
  const findText = (slots: number, section: number, seed: number, name: string): number =>
    find(slots, section, seed, Buffer.from(name), (at) => word(at) === seed && text(at + 4) === name);

  const groups = new Set([layout.group_anonymous]);
  const join = (kind: number, name: string): void => {
    const index = findText(layout.section_caller_slots, layout.section_callers, kind, name);
    if (index < 0) return;
    const at = record(layout.section_callers, index) + layout.caller_groups_at;
    if (word(at + 4) === 1) groups.add(word(at));
    else {
      for (let place = 0; place < word(at + 4); place++)
        groups.add(word(start(layout.section_words) + (word(at) + place) * 4));
    }
  };
  if (asked.caller !== null) {
    groups.add(layout.group_any);
    join(layout.caller_exact, asked.caller);
    const parts = asked.caller.split("/");
    join(layout.caller_child, parts.slice(0, -1).join("/"));
    for (let size = 3; size < parts.length; size++) join(layout.caller_descendants, parts.slice(0, size).join("/"));
  }

  const hosts = new Set([layout.host_any]);
  hosts.add(findText(layout.section_host_slots, layout.section_hosts, layout.host_exact, asked.host) + 1);
  const labels = asked.host.split(".");
  for (let skip = 1; skip < labels.length; skip++) {
    hosts.add(
      findText(layout.section_host_slots, layout.section_hosts, layout.host_suffix, labels.slice(skip).join(".")) + 1,
    );
  }

  const policy = record(layout.section_policy, 0);
  let bit = 31;
  for (let place = 0; place < word(policy + layout.policy_methods_at + 4); place++) {
    const at = record(layout.section_texts, word(policy + layout.policy_methods_at) + place);
    if (text(at) === asked.method) bit = place;
  }

  const rules = new Set<number>();
  const collect = (at: number): void => {
    for (let place = 0; place < word(at + 4); place++) {
      const entry = record(layout.section_entries, word(at) + place);
      if ((word(entry + layout.entry_methods_at) >>> bit) & 1) rules.add(word(entry));
    }
  };
  const walk = (node: number, depth: number): void => {
    const at = record(layout.section_nodes, node);
    collect(at + layout.node_tails_at);
    const segment = asked.segments[depth];
    if (segment === undefined) {
      collect(at + layout.node_ends_at);
      return;
    }
    if (word(at) !== 0) walk(word(at) - 1, depth + 1);
    const isEdge = (edge: number): boolean => word(edge) === node && text(edge + layout.edge_text_at) === segment;
    const first = word(at + layout.node_edges_at);
    const edges = word(at + layout.node_edges_at + 4);
    const few = Array.from({ length: edges }, (_, place) => first + place);
    const edge =
      edges > layout.scanned_edges_max
        ? find(layout.section_edge_slots, layout.section_edges, node, Buffer.from(segment), isEdge)
        : (few.find((one) => isEdge(record(layout.section_edges, one))) ?? -1);
    if (edge >= 0) walk(word(record(layout.section_edges, edge) + layout.edge_child_at), depth + 1);
  };
  for (const group of groups) {
    const anyRoot = word(record(layout.section_groups, group) + layout.group_any_root_at);
    if (anyRoot !== 0) walk(anyRoot - 1, 0);
    for (const host of hosts) {
      if (host === layout.host_any) continue;
      const key = new Uint8Array(new Uint32Array([group, host]).buffer);
      const root = find(
        layout.section_root_slots,
        layout.section_roots,
        0,
        key,
        (at) => word(at) === group && word(at + 4) === host,
      );
      if (root >= 0) walk(word(record(layout.section_roots, root) + layout.root_node_at), 0);
    }
  }
  return [...rules].sort((a, b) => a - b).map((rule) => text(record(layout.section_rules, rule)));
}

/** Names of the rules of a policy that match, in byte order. */
export function rulesInPolicy(policy: Policy, asked: Asked): string[] {
  const isCaller = (pattern: CallerPattern): boolean => {
    if (asked.caller === null) return false;
    if (pattern.kind === "exact") return asked.caller === pattern.text;
    if (!asked.caller.startsWith(`${pattern.text}/`)) return false;
    return pattern.kind === "descendants" || !asked.caller.slice(pattern.text.length + 1).includes("/");
  };
  const isOneOf = (caller: RuleCaller): boolean => {
    if (caller.kind === "anonymous") return true;
    if (caller.kind === "any") return asked.caller !== null;
    if (caller.kind === "pattern") return isCaller(caller.pattern);
    return policy.callerSets.find(({ name }) => name === caller.name)!.callers.some(isCaller);
  };
  const isEndpoint = ({ methods, segments, tail }: Endpoint): boolean => {
    if (methods !== "*" && !methods.includes(asked.method)) return false;
    if (tail ? asked.segments.length < segments.length : asked.segments.length !== segments.length) return false;
    return segments.every((segment, place) => segment === null || segment === asked.segments[place]);
  };
  const names = policy.rules
    .filter((rule) => rule.callers.some(isOneOf))
    .filter(
      ({ hosts }) =>
        hosts.length === 0 ||
        hosts.some(({ kind, text }) => (kind === "exact" ? asked.host === text : asked.host.endsWith(`.${text}`))),
    )
    .filter(({ endpoints }) => endpoints.some(isEndpoint))
    .map(({ name }) => name);
  return names.sort((a, b) => (a < b ? -1 : 1));
}
