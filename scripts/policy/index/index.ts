/**
 * From a policy to the engine's index: callers to groups, hosts to numbers, rules to tries. The order in which a policy
 * names things has no meaning, so it has none here either: everything is put into byte order first, and equal policies
 * give equal images.
 *
 * A group is `any`, `anonymous`, a caller or pattern that a rule names, or a set that a rule names. A caller is told its
 * groups once, and each group has its own rules: so a set of 1,000 callers in 1,000 rules costs 2,000, not a million.
 */
import { group_anonymous, group_any, host_any, no_segment } from "../../../assembly/policy/layout.ts";
import { compare, sorted } from "../language/byteorder.ts";
import type { Policy, RuleCaller } from "../language/model.ts";
import { type CallerPattern, callerText } from "../language/spiffe.ts";
import type { HostPattern } from "../language/values.ts";
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
  const methods = methodsOf(policy);
  const numbers = groupNumbers(policy);
  const groupsOf: Index["groupsOf"] = (rule) => new Set(rule.map((caller) => numbers.get(groupKey(caller))!));
  const hosts = hostsOf(policy);
  const hostNumbers = new Map(hosts.map((host, place) => [hostText(host), place + 1]));
  const tries = new Tries();
  const roots = rootsOf(policy, groupsOf, hostNumbers, tries, targetsOf(policy, methods));
  const callers = callersOf(policy, numbers);
  return { methods, callers, hosts, roots, tries, groupCount: numbers.size, groupsOf };
}

function hostText(host: HostPattern): string {
  return host.kind === "exact" ? host.text : `*.${host.text}`;
}

function methodsOf(policy: Policy): string[] {
  const methods = new Set<string>();
  for (const { endpoints } of policy.rules) {
    for (const endpoint of endpoints)
      if (endpoint.methods !== "*") for (const method of endpoint.methods) methods.add(method);
  }
  return sorted(methods);
}

/** A rule's endpoints in an order of their own, so that the order they are written in leaves no trace. */
function targetsOf(policy: Policy, methods: string[]): Target[][] {
  const bits = new Map(methods.map((method, bit) => [method, (1 << bit) >>> 0]));
  return policy.rules.map(({ endpoints, condition }) => {
    const variables = condition?.variables ?? [];
    const targets = endpoints.map((endpoint) => ({
      path: endpoint,
      binding: variables.map((name) => endpoint.variables.get(name) ?? no_segment).join(),
      methods:
        endpoint.methods === "*"
          ? every_method
          : endpoint.methods.reduce((mask, method) => (mask | bits.get(method)!) >>> 0, 0),
    }));
    if (targets.length < 2) return targets;
    const keyed = targets.map((target) => ({ target, key: pathKey(target) }));
    return keyed.sort((a, b) => compare(a.key, b.key)).map(({ target }) => target);
  });
}

function pathKey({ path, binding }: Target): string {
  const segments = path.segments.map((segment) => (segment === null ? "/" : `/ ${segment}`));
  return `${segments.join("")}${path.tail ? "//" : ""}\0${binding}`;
}

/** What tells a caller's group from others: its text, which begins with a scheme, the set's name, which cannot, or a word no set may have. */
function groupKey(caller: RuleCaller): string {
  if (caller.kind === "pattern") return callerText(caller.pattern);
  return caller.kind === "set" ? caller.name : caller.kind;
}

/** The number of each group by its key. */
function groupNumbers(policy: Policy): Map<string, number> {
  const patterns = new Set<string>();
  const sets = new Set<string>();
  for (const { callers } of policy.rules) {
    for (const caller of callers) {
      if (caller.kind === "set") sets.add(caller.name);
      else if (caller.kind === "pattern") patterns.add(callerText(caller.pattern));
    }
  }
  const words: string[] = [];
  words[group_any] = "any";
  words[group_anonymous] = "anonymous";
  const keys = [...words, ...sorted(patterns), ...sorted(sets)];
  return new Map(keys.map((key, number) => [key, number]));
}

function hostsOf(policy: Policy): HostPattern[] {
  const hosts = new Map<string, HostPattern>();
  for (const rule of policy.rules) for (const host of rule.hosts) hosts.set(hostText(host), host);
  return sorted(hosts.keys()).map((text) => hosts.get(text)!);
}

/** Members of groups: each caller or pattern once, in byte order. */
function callersOf(policy: Policy, numbers: Map<string, number>): Index["callers"] {
  const members = new Map<string, { pattern: CallerPattern; groups: Set<number> }>();
  const join = (pattern: CallerPattern, group: number): void => {
    const text = callerText(pattern);
    const member = members.get(text);
    if (member === undefined) members.set(text, { pattern, groups: new Set([group]) });
    else member.groups.add(group);
  };
  for (const { callers } of policy.rules) {
    for (const caller of callers) {
      if (caller.kind === "pattern") join(caller.pattern, numbers.get(callerText(caller.pattern))!);
    }
  }
  for (const { name, callers } of policy.callerSets) {
    const group = numbers.get(name);
    if (group !== undefined) for (const pattern of callers) join(pattern, group);
  }
  return sorted(members.keys()).map((text) => {
    const { pattern, groups } = members.get(text)!;
    return { pattern, groups: [...groups].sort((a, b) => a - b) };
  });
}

function rootsOf(
  policy: Policy,
  groupsOf: Index["groupsOf"],
  hostNumbers: Map<string, number>,
  tries: Tries,
  targets: Target[][],
): Index["roots"] {
  // Rules of each pair, keyed group-first so that numbers in ascending order are pairs in order.
  const hostCount = hostNumbers.size + 1;
  const rulesOf = new Map<number, number[]>();
  for (const [number, rule] of policy.rules.entries()) {
    const hosts =
      rule.hosts.length === 0 ? [host_any] : new Set(rule.hosts.map((host) => hostNumbers.get(hostText(host))!));
    for (const group of groupsOf(rule.callers)) {
      for (const host of hosts) {
        const pair = group * hostCount + host;
        const rules = rulesOf.get(pair);
        if (rules === undefined) rulesOf.set(pair, [number]);
        else rules.push(number);
      }
    }
  }
  const nodes = new Map<string, number>();
  return [...rulesOf.keys()]
    .sort((a, b) => a - b)
    .map((pair) => {
      const rules = rulesOf.get(pair)!;
      const key = rules.join();
      let node = nodes.get(key);
      if (node === undefined) {
        node = tries.add(
          rules,
          (rule) => targets[rule]!,
          (rule) => policy.rules[rule]!.condition?.costUnits ?? 0,
        );
        nodes.set(key, node);
      }
      return { group: Math.floor(pair / hostCount), host: pair % hostCount, node };
    });
}
