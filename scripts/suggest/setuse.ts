/** Which members of caller sets the rules of a policy need, by what was used of them. */
import { isSeq } from "yaml";
import { idOf } from "../discover/matching.ts";
import type { Policy, Rule } from "../policy/language/model.ts";
import { type CallerPattern, callerCovers, printCaller } from "../policy/language/spiffe.ts";
import type { Splice } from "./splice.ts";
import type { RuleUse } from "./usedby.ts";
import type { YamlFile } from "./yamlnodes.ts";

/** What a policy loses. */
export interface Removal {
  rule: string;
  /** `rule`, or the endpoint, method or caller that the rule loses. */
  what: string;
}

/** Which members of caller sets are needed. */
export class SetUse {
  readonly #policy: Policy;
  readonly #members: ReadonlyMap<string, readonly CallerPattern[]>;
  /** By set: members that some rule needs. */
  readonly #needed = new Map<string, Set<CallerPattern>>();
  /** Sets that are left as they are. */
  readonly #kept = new Set<string>();

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#members = new Map(policy.callerSets.map(({ name, callers }) => [name, callers]));
  }

  members(name: string): readonly CallerPattern[] | undefined {
    return this.#members.get(name);
  }

  /** A rule that stays as it is. */
  keep(rule: Rule): void {
    for (const caller of rule.callers) if (caller.kind === "set") this.#kept.add(caller.name);
  }

  use(rule: Rule, use: RuleUse): void {
    const ids = [...use.callers].flatMap((caller) => idOf(caller) ?? []);
    for (const caller of rule.callers) {
      if (caller.kind !== "set") continue;
      const members = (this.#members.get(caller.name) ?? []).filter((one) => ids.some((id) => callerCovers(one, id)));
      // Where none is used, the rule loses the set.
      if (members.length === 0) continue;
      const needed = this.#needed.get(caller.name) ?? new Set();
      this.#needed.set(caller.name, needed);
      for (const member of members) needed.add(member);
    }
  }

  /** The sets of a file without members that no rule needs, and without sets that no rule has any more. */
  narrowed(file: YamlFile, removed: Removal[]): Splice[] {
    const mapping = file.mapping("callers");
    if (mapping === undefined) return [];
    const inUse = new Set(
      this.#policy.rules.flatMap(({ callers }) => callers.flatMap((one) => (one.kind === "set" ? [one.name] : []))),
    );
    let keys = mapping.items.length;
    return mapping.items.flatMap(({ key, value }) => {
      const name = String(key);
      const members = this.#members.get(name);
      // What no rule had before is not for us to judge.
      if (members === undefined || !isSeq(value) || this.#kept.has(name) || !inUse.has(name)) return [];
      const needed = this.#needed.get(name);
      if (needed === undefined) {
        const splice = file.withoutKey(mapping, name);
        // A mapping without any key would be none.
        if (splice === undefined || keys === 1) return [];
        keys--;
        removed.push({ rule: "", what: `set ${name}` });
        return [splice];
      }
      const unused = members.flatMap((member, place) => (needed.has(member) ? [] : [place]));
      if (unused.length === 0 || value.items.length !== members.length) return [];
      for (const place of unused) removed.push({ rule: "", what: `${printCaller(members[place]!)} of set ${name}` });
      return file.without(value, unused);
    });
  }
}
