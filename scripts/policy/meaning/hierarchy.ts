/**
 * Families of sets, and how to name a choice of their parts in few words. What two sets have in common is a set of the family
 * too, if it is anything. So whatever lies in several of them lies in one that lies in all of these.
 */

/** One set of a family. Its own part is what is in it and in none of its children. */
interface Member {
  text: string;
  /** The narrowest sets around it. */
  parents: number[];
  children: number[];
  /** Nothing is in it but what is in its children. */
  isHollow: boolean;
}

/** A set, without some that lie in it. */
export interface Part {
  text: string;
  except: string[];
}

/** A family of sets by text. The first is the one around all. */
export class Family {
  readonly members: Member[] = [];
  readonly #indices = new Map<string, number>();

  constructor(root: string) {
    this.#put(root, [], false);
  }

  /** @param isHollow nothing is in it but what is in its children */
  add(text: string, parents: readonly number[], isHollow = false): number {
    return this.#put(text, parents, isHollow);
  }

  /** The index of a text, if it is of the family. */
  find(text: string): number | undefined {
    return this.#indices.get(text);
  }

  /** Whether one set is the other, or lies in it. */
  isWithin(inner: number, outer: number): boolean {
    return inner === outer || this.around(inner).includes(outer);
  }

  /** Indices of the sets around one, itself first. */
  around(index: number): number[] {
    const around = new Set([index]);
    for (const at of around) for (const parent of this.members[at]!.parents) around.add(parent);
    return [...around];
  }

  /** Indices of a set and of those in it, save those that `stops` says, and what is in them. */
  inside(index: number, stops: (inner: number) => boolean): number[] {
    const found = new Set([index]);
    for (const outer of found) {
      for (const child of this.members[outer]!.children) if (!stops(child)) found.add(child);
    }
    return [...found];
  }

  /** Names a choice of own parts: as few sets as possible, each with what is not chosen in it. */
  name(chosen: ReadonlySet<number>): Part[] {
    const all = new Set(chosen);
    for (const [index, { isHollow, children }] of this.members.entries()) {
      if (isHollow && children.length > 0 && children.every((child) => all.has(child))) all.add(index);
    }
    const parts: Part[] = [];
    const named = new Set<number>();
    for (const index of [...all].sort((a, b) => a - b)) {
      const { text } = this.members[index]!;
      if (named.has(index)) continue;
      const except = new Set<number>();
      const inner = new Set([index]);
      for (const at of inner) {
        for (const child of this.members[at]!.children) {
          if (!all.has(child) && !this.members[child]!.isHollow) except.add(child);
          else inner.add(child);
        }
      }
      // What lies in one that is left out is not named by what is around that one.
      for (const one of inner)
        if (except.size === 0 || !this.around(one).some((outer) => except.has(outer))) named.add(one);
      parts.push({ text, except: [...except].map((one) => this.members[one]!.text).sort() });
    }
    return parts;
  }

  #put(text: string, parents: readonly number[], isHollow: boolean): number {
    const index = this.members.length;
    this.members.push({ text, parents: [...parents], children: [], isHollow });
    this.#indices.set(text, index);
    for (const parent of parents) this.members[parent]!.children.push(index);
    return index;
  }
}
