/**
 * Finds the rules that match a request, twice: in an image, by the tables of assembly/policy/layout.ts, and in the policy
 * itself, by looking at each rule. The two share nothing, so that they can be held against each other.
 */
import * as layout from "../../assembly/policy/layout.ts";
import { hash32 } from "../../scripts/policy/image/hash.ts";
import type { Endpoint } from "../../scripts/policy/language/endpoint.ts";
import type { Policy, RuleCaller } from "../../scripts/policy/language/model.ts";
import type { PathPattern, SegmentPattern } from "../../scripts/policy/language/pathpattern.ts";
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
    const shapes = record(layout.section_policy, 0) + layout.policy_caller_shapes_at;
    for (let place = 0; place < word(shapes + 4); place += 2) {
      const at = start(layout.section_words) + (word(shapes) + place) * 4;
      const [kind, segments] = [word(at) & 0xff, word(at) >>> layout.caller_shape_segments_shift];
      const more = parts.length - 3 - segments;
      if (kind === layout.caller_exact ? more !== 0 : kind === layout.caller_child ? more !== 1 : more < 1) continue;
      const masked = parts.map((part, index) => (index >= 3 && (word(at + 4) >>> (index - 3)) & 1 ? "*" : part));
      join(kind, masked.slice(0, 3 + segments).join("/"));
    }
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
  /** The edge of a text in a run of edges of one parent, or -1. */
  const edgeOf = (run: number, parent: number, name: string): number => {
    const isEdge = (edge: number): boolean => word(edge) === parent && text(edge + layout.edge_text_at) === name;
    const few = Array.from({ length: word(run + 4) }, (_, place) => word(run) + place);
    return few.length > layout.scanned_edges_max
      ? find(layout.section_edge_slots, layout.section_edges, parent, Buffer.from(name), isEdge)
      : (few.find((one) => isEdge(record(layout.section_edges, one))) ?? -1);
  };
  const edgesOf = (node: number, segment: string): number[] => {
    const found = [edgeOf(record(layout.section_nodes, node) + layout.node_edges_at, node, segment)];
    const fork = word(record(layout.section_nodes, node) + layout.node_fork_at);
    const run = fork === 0 ? 0 : record(layout.section_forks, fork - 1) + layout.fork_shapes_at;
    for (let place = 0; fork !== 0 && place < word(run + 4); place++) {
      const shape = record(layout.section_shapes, word(run) + place);
      const bytes = Buffer.from(segment);
      if (bytes.length < word(shape + layout.shape_least_bytes_at)) continue;
      const prefix = bytes.subarray(0, word(shape));
      const suffix = bytes.subarray(bytes.length - word(shape + layout.shape_suffix_bytes_at));
      const name = Buffer.concat([prefix, suffix]).toString();
      found.push(edgeOf(shape + layout.shape_edges_at, count(layout.section_nodes) + word(run) + place, name));
    }
    return found.filter((edge) => edge >= 0);
  };
  const walk = (node: number, segments: readonly string[], isBackward = false): void => {
    const at = record(layout.section_nodes, node);
    collect(at + layout.node_tails_at);
    const fork = word(at + layout.node_fork_at);
    if (fork !== 0) {
      const backward = word(record(layout.section_forks, fork - 1));
      if (backward !== 0) walk(backward - 1, [...segments].reverse(), true);
    }
    const [segment, ...left] = segments;
    if (segment === undefined) {
      if (!isBackward) collect(at + layout.node_ends_at);
      return;
    }
    if (word(at) !== 0) walk(word(at) - 1, left, isBackward);
    for (const edge of edgesOf(node, segment))
      walk(word(record(layout.section_edges, edge) + layout.edge_child_at), left, isBackward);
  };
  for (const group of groups) {
    const anyRoot = word(record(layout.section_groups, group) + layout.group_any_root_at);
    if (anyRoot !== 0) walk(anyRoot - 1, asked.segments);
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
      if (root >= 0) walk(word(record(layout.section_roots, root) + layout.root_node_at), asked.segments);
    }
  }
  return [...rules].sort((a, b) => a - b).map((rule) => text(record(layout.section_rules, rule)));
}

/** Whether a path is one of a pattern's: by a regular expression, which the product knows nothing of. */
function isPath({ segments, tail, after = [] }: PathPattern, path: readonly string[]): boolean {
  const escaped = (text: string): string =>
    text.replace(/[^\p{L}\p{N}]/gu, (one) => `\\u{${one.codePointAt(0)!.toString(16)}}`);
  const any = "[^/]";
  const form = (segment: SegmentPattern): string => {
    if (segment === null) return `/${any}+`;
    if (typeof segment === "string") return `/${escaped(segment)}`;
    return `/${escaped(segment.prefix)}${any}${segment.least === 0 ? "*" : "+"}${escaped(segment.suffix)}`;
  };
  const forms = [...segments.map(form), tail ? `(?:/${any}+)*` : "", ...after.map(form)];
  return new RegExp(`^${forms.join("")}$`, "su").test(path.map((segment) => `/${segment}`).join(""));
}

/** Names of the rules of a policy that match, in byte order. */
export function rulesInPolicy(policy: Policy, asked: Asked): string[] {
  const isCaller = (pattern: CallerPattern): boolean => {
    if (asked.caller === null) return false;
    const rest = { exact: "", child: "/[^/]+", descendants: "/.+" }[pattern.kind];
    const text = pattern.text.replaceAll(".", "\\.").replaceAll("*", "[^/]+");
    return new RegExp(`^${text}${rest}$`, "u").test(asked.caller);
  };
  const isOneOf = (caller: RuleCaller): boolean => {
    if (caller.kind === "anonymous") return true;
    if (caller.kind === "any") return asked.caller !== null;
    if (caller.kind === "pattern") return isCaller(caller.pattern);
    return policy.callerSets.find(({ name }) => name === caller.name)!.callers.some(isCaller);
  };
  const isEndpoint = (endpoint: Endpoint): boolean => {
    const { methods } = endpoint;
    if (methods !== "*" && !methods.includes(asked.method) && !(asked.method === "HEAD" && methods.includes("GET")))
      return false;
    return isPath(endpoint, asked.segments);
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
