/** Callers with the same rights, joined in sets. */

import { compareTexts } from "../discover/order.ts";
import type { Group } from "./groups.ts";
import { addTo } from "./lists.ts";
import { callerName, callersName, Names } from "./names.ts";

/** A set, and how its name came about. */
export interface CallerSet {
  name: string;
  callers: string[];
}

/** Who a rule names, and what each of them is called. */
export interface NamedCallers {
  /** SPIFFE IDs, names of sets, or `anonymous`; empty where the log does not say who. */
  callers: string[];
  names: string[];
}

const keyOf = (callers: readonly string[]): string => callers.join(" ");

/** A rule that would name more has a set of its own. */
const named_callers_max = 4;
/** Sets beyond those of callers with the same rights: a caller may be in so many groups, and no more. */
const own_sets_max = 200;

/** Finds the sets of groups of callers. */
export class CallerSets {
  /** The largest first. */
  readonly sets: CallerSet[] = [];
  readonly #names: Names;
  readonly #byMembers = new Map<string, CallerSet>();

  /** @param taken names that no set may have */
  constructor(groups: readonly Group[], taken: Iterable<string>) {
    this.#names = new Names([...taken, "any", "anonymous"]);
    const lists = new Map<string, { callers: string[]; uses: number }>();
    const rights = new Map<string, number[]>();
    for (const [at, { callers }] of groups.entries()) {
      const list = lists.get(keyOf(callers)) ?? { callers, uses: 0 };
      lists.set(keyOf(callers), { callers, uses: list.uses + 1 });
      for (const caller of callers) addTo(rights, caller, at);
    }
    const classes = new Map<string, string[]>();
    for (const caller of [...rights.keys()].sort(compareTexts)) {
      const key = rights.get(caller)!.join();
      addTo(classes, key, caller);
    }
    for (const members of classes.values()) this.#add(members);
    let own = 0;
    for (const { callers, uses } of lists.values()) {
      const kinds = new Set(callers.map((caller) => rights.get(caller)!.join())).size;
      if (kinds > 1 && (uses > 1 || kinds > named_callers_max) && own++ < own_sets_max) this.#add(callers);
    }
    this.sets.sort((one, other) => other.callers.length - one.callers.length || compareTexts(one.name, other.name));
  }

  /** Whom a group is for: the largest sets that it is the whole of, and whoever is left. */
  of({ callers }: Group): NamedCallers {
    if (callers[0] === "") return { callers: ["anonymous"], names: ["anonymous"] };
    if (callers.length === 0) return { callers: [], names: ["unknown"] };
    const exact = this.#byMembers.get(keyOf(callers));
    if (exact !== undefined) return { callers: [exact.name], names: [exact.name] };
    const left = new Set(callers);
    const chosen = this.sets.filter((set) => {
      const isWithin = set.callers.length <= left.size && set.callers.every((caller) => left.has(caller));
      if (isWithin) for (const caller of set.callers) left.delete(caller);
      return isWithin;
    });
    const sets = chosen.map(({ name }) => name);
    return { callers: [...sets, ...left], names: [...sets, ...[...left].map(callerName)] };
  }

  #add(callers: readonly string[]): void {
    if (callers.length < 2) return;
    const set = { name: this.#names.take(callersName(callers)), callers: [...callers] };
    this.sets.push(set);
    this.#byMembers.set(keyOf(callers), set);
  }
}
