/** Who is among the callers that rules name: members of sets, of patterns, of trust domains. */
import type { CallerSet, RuleCaller } from "../language/model.ts";
import { type CallerPattern, callerCovers, callerText } from "../language/spiffe.ts";
import { widerCallers } from "./relations.ts";

/** Lists longer than this are not compared member by member. */
export const members_max = 256;
/** So many sets with the same member are looked at. */
const sets_max = 64;

/** Who is among whom, in one policy. */
export class Callers {
  readonly #sets: ReadonlyMap<string, CallerSet>;
  readonly #trusted: ReadonlySet<string>;
  /** The texts of each set's members, made when they are first asked for. */
  readonly #texts = new Map<string, Set<string>>();
  readonly #covered = new Map<string, boolean>();
  /** The members of each set that have a `*` before their end. */
  readonly #wild: ReadonlyMap<string, CallerPattern[]>;
  /** By text, the sets that name it. */
  readonly #setsWith = new Map<string, string[]>();

  constructor(sets: readonly CallerSet[], trusted: ReadonlySet<string>) {
    this.#sets = new Map(sets.map((set) => [set.name, set]));
    this.#trusted = trusted;
    this.#wild = new Map(sets.map(({ name, callers }) => [name, callers.filter(({ wildcards }) => wildcards !== 0)]));
    for (const { name, callers } of sets) {
      for (const pattern of callers) {
        const text = callerText(pattern);
        const names = this.#setsWith.get(text);
        if (names === undefined) this.#setsWith.set(text, [name]);
        else names.push(name);
      }
    }
  }

  /** The patterns that a caller stands for; none for `any` and `anonymous`. */
  members(caller: RuleCaller): readonly CallerPattern[] {
    if (caller.kind === "pattern") return [caller.pattern];
    return caller.kind === "set" ? (this.#sets.get(caller.name)?.callers ?? []) : [];
  }

  /** Whether nobody can be this caller. */
  isNobody(caller: RuleCaller): boolean {
    if (caller.kind === "any" || caller.kind === "anonymous") return false;
    return this.members(caller).every(({ trustDomain }) => !this.#trusted.has(trustDomain));
  }

  /** What rules may name to be for all of a caller, in the words of `callerKey`. */
  keysAround(caller: RuleCaller): string[] {
    if (caller.kind === "anonymous") return ["anonymous"];
    const keys = ["anonymous", "any"];
    if (caller.kind === "any") return keys;
    if (caller.kind === "set") keys.push(`set ${caller.name}`);
    const first = this.members(caller)[0];
    if (first === undefined) return keys;
    for (const text of [callerText(first), ...widerCallers(first)]) {
      keys.push(
        text,
        ...(this.#setsWith
          .get(text)
          ?.slice(0, sets_max)
          .map((name) => `set ${name}`) ?? []),
      );
    }
    return keys;
  }

  /** Whether everybody in `narrow` is in `wide`. */
  cover(wide: readonly RuleCaller[], narrow: readonly RuleCaller[]): boolean {
    if (wide.some(({ kind }) => kind === "anonymous")) return true;
    if (narrow.some(({ kind }) => kind === "anonymous")) return false;
    if (wide.some(({ kind }) => kind === "any")) return true;
    if (narrow.some(({ kind }) => kind === "any")) return false;
    if (wide.length > members_max || narrow.length > members_max) return false;
    const texts = new Set(wide.map(callerKey));
    return narrow.every((caller) => texts.has(callerKey(caller)) || this.#isWithin(caller, wide, texts));
  }

  /** The word of `wide` that a pattern is in by itself, if there is one. */
  around(pattern: CallerPattern, wide: readonly RuleCaller[]): string | undefined {
    for (const caller of wide) if (caller.kind === "any" || caller.kind === "anonymous") return caller.kind;
    const texts = new Set(wide.map(callerKey));
    const own = callerText(pattern);
    for (const text of [own, ...widerCallers(pattern)]) {
      if (text !== own && texts.has(text)) return text;
      const set = this.#setsWith.get(text)?.find((name) => texts.has(`set ${name}`));
      if (set !== undefined) return set;
    }
    for (const caller of wide) {
      const holds = this.#wildOf(caller).some((one) => callerText(one) !== own && callerCovers(one, pattern));
      if (holds) return caller.kind === "set" ? caller.name : callerKey(caller);
    }
    return undefined;
  }

  #isWithin(caller: RuleCaller, wide: readonly RuleCaller[], texts: ReadonlySet<string>): boolean {
    const members = this.members(caller);
    if (members.length > members_max) return false;
    // A large set in many rules is compared with each other caller once.
    const wild = wide.flatMap((one) => this.#wildOf(one));
    const isIn = (pattern: CallerPattern): boolean => {
      const around = [callerText(pattern), ...widerCallers(pattern)];
      return (
        around.some((text) => texts.has(text)) ||
        wide.some((one) => one.kind === "set" && around.some((text) => this.#textsOf(one.name).has(text))) ||
        wild.some((one) => callerCovers(one, pattern))
      );
    };
    if (caller.kind !== "set" || wide.length !== 1) return members.every(isIn);
    const key = `${caller.name} ${callerKey(wide[0]!)}`;
    const known = this.#covered.get(key) ?? members.every(isIn);
    this.#covered.set(key, known);
    return known;
  }

  /** The members of a caller that have a `*` before their end. */
  #wildOf(caller: RuleCaller): readonly CallerPattern[] {
    if (caller.kind === "pattern") return caller.pattern.wildcards === 0 ? [] : [caller.pattern];
    return caller.kind === "set" ? (this.#wild.get(caller.name) ?? []) : [];
  }

  #textsOf(name: string): Set<string> {
    const texts = this.#texts.get(name) ?? new Set(this.#sets.get(name)?.callers.map(callerText));
    this.#texts.set(name, texts);
    return texts;
  }
}

/** A text for each caller that a rule may name; no pattern begins like a set. */
export function callerKey(caller: RuleCaller): string {
  if (caller.kind === "pattern") return callerText(caller.pattern);
  return caller.kind === "set" ? `set ${caller.name}` : caller.kind;
}
