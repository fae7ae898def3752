/**
 * From a policy to the engine's index: callers to groups, hosts to numbers, rules to tries. The order in which a policy
 * names things has no meaning, so it has none here either: everything is put into byte order first, and equal policies
 * give equal images.
 */
import { call_method, offer_method } from "../../../assembly/policy/callmethods.ts";
import {
  caller_segment,
  host_any,
  no_segment,
  variable_from_end,
  variable_prefix_shift,
  variable_suffix_shift,
} from "../../../assembly/policy/layout.ts";
import { compare, sorted } from "../language/byteorder.ts";
import { captureName, ruleVariables } from "../language/condition.ts";
import { type Endpoint, methodsOf } from "../language/endpoint.ts";
import { foldPath } from "../language/folding.ts";
import type { Policy, Rule, RuleCaller } from "../language/model.ts";
import { isFolded } from "../language/pathoptions.ts";
import { isAffix, type PathPattern, type SegmentPattern, segmentAt } from "../language/pathpattern.ts";
import { callPlace, pseudo_methods } from "../language/protocols.ts";
import type { CallerPattern } from "../language/spiffe.ts";
import type { HostPattern } from "../language/values.ts";
import { type Captures, capturesKey, Groups } from "./groups.ts";
import { judgedOf, readingsOf } from "./readings.ts";
import { type Target, Tries } from "./trie.ts";

/** Every bit: the methods a policy names, and bit 31 for all others. */
const every_method = 0xffffffff;

/** What is looked up, ready to be written. */
export interface Index {
  /** Method names; a method's place is its bit. */
  methods: string[];
  /** Each caller or pattern that a rule names, by itself or in a set, with the groups it is a member of. */
  callers: { pattern: CallerPattern; groups: number[] }[];
  /** A host's number is its place here, and one. */
  hosts: HostPattern[];
  /** `node`: place in `tries.nodes`. */
  roots: { group: number; host: number; node: number }[];
  tries: Tries;
  groupCount: number;
  /** The groups of a rule's callers, each once. */
  groupsOf(callers: readonly RuleCaller[]): Set<number>;
}

/** Builds the index of a policy. */
export function compileIndex(policy: Policy): Index {
  const methods = namedMethods(policy);
  const groups = new Groups(policy);
  const hosts = hostsOf(policy);
  const hostNumbers = new Map(hosts.map((host, place) => [hostText(host), place + 1]));
  const tries = new Tries();
  const roots = rootsOf(policy, groups, hostNumbers, tries, targetsOf(policy, methods));
  return { methods, callers: groups.members, hosts, roots, tries, groupCount: groups.count, groupsOf: groups.of };
}

function hostText(host: HostPattern): string {
  return host.kind === "exact" ? host.text : `*.${host.text}`;
}

function namedMethods(policy: Policy): string[] {
  const methods = new Set<string>();
  for (const { endpoints } of policy.rules) {
    for (const { methods: own, call } of endpoints) {
      const named = call === undefined ? (own === "*" ? [] : own.flatMap(methodsOf)) : pseudo_methods;
      for (const method of named) methods.add(method);
    }
  }
  return sorted(methods);
}

/**
 * A rule's endpoints in an order of their own, so that the order they are written in leaves no trace, with the path variables
 * and captures that its condition and its limits read.
 */
function targetsOf(policy: Policy, methods: string[]): (rule: number, captures: Captures) => Target[] {
  const bits = new Map(methods.map((method, bit) => [method, (1 << bit) >>> 0]));
  const maskOf = (names: readonly string[]): number =>
    names.reduce((mask, method) => (mask | (bits.get(method) ?? 0)) >>> 0, 0);
  const everything = (every_method & ~maskOf(pseudo_methods)) >>> 0;
  return (number, captures) => {
    const rule = policy.rules[number]!;
    const { endpoints } = rule;
    const variables = ruleVariables(rule);
    const isFoldedRule = isFolded(rule);
    const targets = endpoints.flatMap((endpoint) => {
      const binding = variables.map((name) => bindingOf(name, endpoint, captures)).join();
      const target = (path: PathPattern, methods: number): Target => ({ path, binding, methods });
      const { methods } = endpoint;
      const path = isFoldedRule ? foldPath(endpoint) : endpoint;
      if (methods === "*") return [target(path, everything)];
      if (endpoint.call === undefined) return [target(path, maskOf(methods.flatMap(methodsOf)))];
      // Methods and names of calls have the case that they have, in deny rules too.
      return placesOf(methods).flatMap((segments) => [
        target({ segments: [...segments, ...endpoint.segments], tail: endpoint.tail }, maskOf([call_method])),
        target({ segments, tail: false }, maskOf([offer_method])),
      ]);
    });
    if (targets.length < 2) return targets;
    const keyed = targets.map((target) => ({ target, key: pathKey(target) }));
    return keyed.sort((a, b) => compare(a.key, b.key)).map(({ target }) => target);
  };
}

/** The paths that a call is made on, each once: some stand for several HTTP methods. */
function placesOf(methods: readonly string[]): (readonly string[])[] {
  const places = methods.flatMap((method) => callPlace(method) ?? []);
  return [...new Map(places.map(({ path, segments }) => [path, segments])).values()];
}

function readsCaptures(rule: Rule): boolean {
  return ruleVariables(rule).some((name) => captureName(name) !== undefined);
}

/** Where a variable is, as layout.ts has it: a segment of the path, or of the caller's ID. */
function bindingOf(name: string, endpoint: Endpoint, captures: Captures): number {
  const capture = captureName(name);
  if (capture === undefined) return pathBinding(name, endpoint);
  const segment = captures.get(capture);
  return segment === undefined ? no_segment : (segment | caller_segment) >>> 0;
}

function pathKey({ path, binding }: Target): string {
  const { segments, tail, after } = path;
  const ending = tail ? `//${(after ?? []).map(segmentKey).join("")}` : "";
  return `${segments.map(segmentKey).join("")}${ending}\0${binding}`;
}

function segmentKey(segment: SegmentPattern): string {
  if (segment === null) return "/";
  return isAffix(segment) ? `/\0${segment.least}${segment.prefix}\0${segment.suffix}` : `/ ${segment}`;
}

/** Where a path variable stands, with how much of the segment is no part of its value. */
function pathBinding(name: string, endpoint: Endpoint): number {
  const place = endpoint.variables.get(name);
  if (place === undefined) return no_segment;
  const segment = segmentAt(endpoint, place);
  const characters = (text: string): number => [...text].length;
  const [prefix, suffix] = isAffix(segment) ? [characters(segment.prefix), characters(segment.suffix)] : [0, 0];
  const index = place < 0 ? variable_from_end | (-1 - place) : place;
  return index | (prefix << variable_prefix_shift) | (suffix << variable_suffix_shift);
}

function hostsOf(policy: Policy): HostPattern[] {
  const hosts = new Map<string, HostPattern>();
  for (const rule of policy.rules) for (const host of rule.hosts) hosts.set(hostText(host), host);
  return sorted(hosts.keys()).map((text) => hosts.get(text)!);
}

function rootsOf(
  policy: Policy,
  groups: Groups,
  hostNumbers: Map<string, number>,
  tries: Tries,
  targetsOf: (rule: number, captures: Captures) => Target[],
): Index["roots"] {
  // Rules of each pair, keyed group-first so that numbers in ascending order are pairs in order.
  const hostCount = hostNumbers.size + 1;
  const rulesOf = new Map<number, number[]>();
  for (const [number, rule] of policy.rules.entries()) {
    const hosts =
      rule.hosts.length === 0 ? [host_any] : new Set(rule.hosts.map((host) => hostNumbers.get(hostText(host))!));
    for (const group of groups.of(rule.callers)) {
      for (const host of hosts) {
        const pair = group * hostCount + host;
        const rules = rulesOf.get(pair);
        if (rules === undefined) rulesOf.set(pair, [number]);
        else rules.push(number);
      }
    }
  }
  const readings = readingsOf(policy.rules);
  const judged = policy.rules.map((rule) => judgedOf(rule, readings));
  const nodes = new Map<string, number>();
  return [...rulesOf.keys()]
    .sort((a, b) => a - b)
    .map((pair) => {
      const rules = rulesOf.get(pair)!;
      const group = Math.floor(pair / hostCount);
      const captures = groups.captures(group);
      const reads = rules.some((rule) => readsCaptures(policy.rules[rule]!));
      const key = `${reads ? capturesKey(captures) : ""} ${rules.join()}`;
      let node = nodes.get(key);
      if (node === undefined) {
        node = tries.add(
          rules,
          (rule) => targetsOf(rule, captures),
          (rule) => judged[rule]!,
        );
        nodes.set(key, node);
      }
      return { group, host: pair % hostCount, node };
    });
}
