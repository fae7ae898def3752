/**
 * Groups of callers: `any`, `anonymous`, a caller or pattern that a rule names, or a set that a rule names. A caller is told
 * its groups once, and each group has its own rules: so a set of 1,000 callers in 1,000 rules costs 2,000, not a million.
 *
 * What a `{name}` stands for is the same for all of a group. So a set, or a pattern that is written with other names
 * elsewhere, is a group for each way of naming.
 */
import { group_anonymous, group_any } from "../../../assembly/policy/layout.ts";
import { sorted } from "../language/byteorder.ts";
import type { Policy, RuleCaller } from "../language/model.ts";
import { type CallerPattern, callerText } from "../language/spiffe.ts";

/** By name, the index of the segment that a `{name}` stands for. */
export type Captures = CallerPattern["captures"];

const no_captures: Captures = new Map();

/** A text for each way of naming segments; "" for none. */
export function capturesKey(captures: Captures): string {
  return sorted(captures.keys())
    .map((name) => `${name}=${captures.get(name)}`)
    .join();
}

/** The groups of a policy, each with a number. */
export class Groups {
  /** Each caller or pattern that a rule names, by itself or in a set, once and in byte order, with its groups. */
  readonly members: { pattern: CallerPattern; groups: number[] }[];
  readonly #captures: Captures[] = [];
  readonly #numbers: ReadonlyMap<string, number>;
  /** The keys of each set's groups. */
  readonly #keysOfSets = new Map<string, ReadonlySet<string>>();

  constructor(policy: Policy) {
    for (const { name, callers } of policy.callerSets)
      this.#keysOfSets.set(name, new Set(callers.map((pattern) => keyOf(name, pattern))));
    this.#numbers = this.#number(policy);
    this.members = this.#findMembers(policy);
  }

  get count(): number {
    return this.#numbers.size;
  }

  /** The groups of a rule's callers, each once. */
  readonly of = (callers: readonly RuleCaller[]): Set<number> =>
    new Set(callers.flatMap((caller) => this.#keysOf(caller).map((key) => this.#numbers.get(key)!)));

  /** The names that segments of the IDs of a group's callers have. */
  captures(group: number): Captures {
    return this.#captures[group] ?? no_captures;
  }

  /** What tells a caller's group from others: its text, which begins with a scheme, the set's name, which cannot, or a word no set may have. */
  #keysOf(caller: RuleCaller): string[] {
    if (caller.kind === "pattern") return [keyOf(callerText(caller.pattern), caller.pattern)];
    return caller.kind === "set" ? [...(this.#keysOfSets.get(caller.name) ?? [])] : [caller.kind];
  }

  #number({ rules }: Policy): Map<string, number> {
    const patterns = new Set<string>();
    const sets = new Set<string>();
    for (const { callers } of rules) {
      for (const caller of callers) {
        const keys = caller.kind === "set" ? sets : patterns;
        if (caller.kind === "set" || caller.kind === "pattern") for (const key of this.#keysOf(caller)) keys.add(key);
      }
    }
    const words: string[] = [];
    words[group_any] = "any";
    words[group_anonymous] = "anonymous";
    const keys = [...words, ...sorted(patterns), ...sorted(sets)];
    return new Map(keys.map((key, number) => [key, number]));
  }

  #findMembers({ rules, callerSets }: Policy): Groups["members"] {
    const members = new Map<string, { pattern: CallerPattern; groups: Set<number> }>();
    const join = (pattern: CallerPattern, key: string): void => {
      const group = this.#numbers.get(key);
      if (group === undefined) return;
      if (pattern.captures.size > 0) this.#captures[group] = pattern.captures;
      const text = callerText(pattern);
      const member = members.get(text);
      if (member === undefined) members.set(text, { pattern, groups: new Set([group]) });
      else member.groups.add(group);
    };
    for (const { callers } of rules) {
      for (const caller of callers) {
        if (caller.kind === "pattern") join(caller.pattern, keyOf(callerText(caller.pattern), caller.pattern));
      }
    }
    for (const { name, callers } of callerSets) for (const pattern of callers) join(pattern, keyOf(name, pattern));
    return sorted(members.keys()).map((text) => {
      const { pattern, groups } = members.get(text)!;
      return { pattern, groups: [...groups].sort((a, b) => a - b) };
    });
  }
}

function keyOf(name: string, { captures }: CallerPattern): string {
  return captures.size === 0 ? name : `${name}\0${capturesKey(captures)}`;
}
