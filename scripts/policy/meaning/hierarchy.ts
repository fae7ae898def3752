/** Families of sets that are nested or apart, and how to name a choice of their parts in few words. */

/** One set of a family. Its own part is what is in it and in none of its children. */
interface Member {
  text: string;
  parent: number;
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
    this.#put(root, -1, false);
  }

  /** @param isHollow nothing is in it but what is in its children */
  add(text: string, parent: number, isHollow = false): number {
    return this.#put(text, parent, isHollow);
  }

  /** The index of a text, if it is of the family. */
  find(text: string): number | undefined {
    return this.#indices.get(text);
  }

  /** Whether one set is the other, or lies in it. */
  isWithin(inner: number, outer: number): boolean {
    for (let index = inner; index >= 0; index = this.members[index]!.parent) if (index === outer) return true;
    return false;
  }

  /** Indices of the sets around one, itself first. */
  around(index: number): number[] {
    const around: number[] = [];
    for (let at = index; at >= 0; at = this.members[at]!.parent) around.push(at);
    return around;
  }

  /** Indices of a set and of those in it, save those that `stops` says, and what is in them. */
  inside(index: number, stops: (inner: number) => boolean): number[] {
    const found = [index];
    for (const outer of found) {
      for (const child of this.members[outer]!.children) if (!stops(child)) found.push(child);
    }
    return found;
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
      const except: string[] = [];
      const pending = [index];
      for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
        for (const child of this.members[at]!.children) {
          const { text: childText, isHollow } = this.members[child]!;
          if (!all.has(child) && !isHollow) {
            except.push(childText);
            continue;
          }
          named.add(child);
          pending.push(child);
        }
      }
      parts.push({ text, except: except.sort() });
    }
    return parts;
  }

  #put(text: string, parent: number, isHollow: boolean): number {
    const index = this.members.length;
    this.members.push({ text, parent, children: [], isHollow });
    this.#indices.set(text, index);
    if (parent >= 0) this.members[parent]!.children.push(index);
    return index;
  }
}
