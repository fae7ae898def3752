/** Expressions → one deterministic automaton over classes of bytes. */
import { guard_pattern_bytes_max, guard_pattern_bytes_min, guard_states_max } from "../../../assembly/limits.ts";
import type { Expression, Node } from "./expression.ts";

/** The automaton: state 0 is the end of every way, 1 begins inside a word, 2 elsewhere. */
export interface Automaton {
  /** The class of each byte. */
  classes: number[];
  classCount: number;
  /** By state: the next state by class; the expression that is accepted whatever follows, and that where no word goes on; -1 for none. */
  states: { next: number[]; accepts: number; acceptsAtEnd: number }[];
  longest: number;
}

/** An automaton with ways of choice: edges by a set of bytes, and edges that take none. */
class Ways {
  readonly edges: { bytes: readonly boolean[]; to: number }[][] = [];
  readonly free: number[][] = [];

  add(): number {
    if (this.edges.length > guard_states_max * 16) throw new Error("the patterns are too large");
    this.free.push([]);
    return this.edges.push([]) - 1;
  }

  /** Adds a tree's ways from a state; where they end. */
  addTree(node: Node, from: number): number {
    switch (node.kind) {
      case "bytes": {
        const to = this.add();
        this.edges[from]!.push({ bytes: node.bytes, to });
        return to;
      }
      case "sequence":
        return node.parts.reduce((at, part) => this.addTree(part, at), from);
      case "choice": {
        const to = this.add();
        for (const part of node.parts) this.free[this.addTree(part, from)]!.push(to);
        return to;
      }
      case "repeat": {
        const to = this.add();
        let at = from;
        for (let times = 0; times < node.most; times++) {
          if (times >= node.least) this.free[at]!.push(to);
          // A choice begins in a state of its own, so that its ways do not begin again.
          const begin = this.add();
          this.free[at]!.push(begin);
          at = this.addTree(node.part, begin);
        }
        this.free[at]!.push(to);
        return to;
      }
    }
  }

  /** The states that are reached from some without a byte, in order. */
  closed(states: Iterable<number>): number[] {
    const seen = new Set<number>(states);
    for (const state of seen) for (const to of this.free[state]!) seen.add(to);
    return [...seen].sort((a, b) => a - b);
  }
}

/** The fewest and the most bytes of a tree. */
export function lengthsOf(node: Node): [number, number] {
  if (node.kind === "bytes") return [1, 1];
  if (node.kind === "repeat") {
    const [least, most] = lengthsOf(node.part);
    return [least * node.least, most * node.most];
  }
  const all = node.parts.map(lengthsOf);
  if (node.kind === "choice")
    return [Math.min(...all.map(([least]) => least)), Math.max(...all.map(([, most]) => most))];
  return [all.reduce((sum, [least]) => sum + least, 0), all.reduce((sum, [, most]) => sum + most, 0)];
}

/** Makes the automaton. @throws where an expression is too short or too long, or all are too many states */
export function makeAutomaton(expressions: readonly Expression[]): Automaton {
  const ways = new Ways();
  const begins: number[] = [];
  const ends: number[] = [];
  let longest = 0;
  for (const [index, { tree }] of expressions.entries()) {
    const [least, most] = lengthsOf(tree);
    if (least < guard_pattern_bytes_min)
      throw new Error(`pattern ${index + 1} may match ${least} bytes; it takes at least ${guard_pattern_bytes_min}`);
    if (most > guard_pattern_bytes_max)
      throw new Error(`pattern ${index + 1} may match ${most} bytes; at most ${guard_pattern_bytes_max} may be`);
    longest = Math.max(longest, most);
    const begin = ways.add();
    begins.push(begin);
    ends.push(ways.addTree(tree, begin));
  }
  const { classes, classCount, sample } = classesOf(ways);
  const numbers = new Map<string, number>([["", 0]]);
  const sets: number[][] = [[]];
  const numberOf = (set: number[]): number => {
    const key = set.join();
    const known = numbers.get(key);
    if (known !== undefined) return known;
    if (sets.length >= guard_states_max)
      throw new Error(`the patterns take more than ${guard_states_max} states: say them more narrowly`);
    numbers.set(key, sets.length);
    return sets.push(set) - 1;
  };
  // The two beginnings have their numbers even where they are the same.
  sets.push(ways.closed(begins.filter((_, index) => !expressions[index]!.atBegin)), ways.closed(begins));
  const states: Automaton["states"] = [];
  for (let state = 0; state < sets.length; state++) {
    const set = sets[state]!;
    const next = sample.map((byte) =>
      numberOf(
        ways.closed(set.flatMap((one) => ways.edges[one]!.filter(({ bytes }) => bytes[byte]).map(({ to }) => to))),
      ),
    );
    const accepted = (atEnd: boolean): number =>
      ends.findIndex((end, index) => expressions[index]!.atEnd === atEnd && set.includes(end));
    states.push({ next, accepts: accepted(false), acceptsAtEnd: accepted(true) });
  }
  return { classes, classCount, states, longest };
}

/** Bytes that no edge tells apart are of a class. */
function classesOf(ways: Ways): { classes: number[]; classCount: number; sample: number[] } {
  const sets = [...new Set(ways.edges.flat().map(({ bytes }) => bytes.map(Number).join("")))];
  const numbers = new Map<string, number>();
  const sample: number[] = [];
  const classes = Array.from({ length: 256 }, (_, byte) => {
    const key = sets.map((set) => set[byte]).join("");
    if (!numbers.has(key)) {
      numbers.set(key, numbers.size);
      sample.push(byte);
    }
    return numbers.get(key)!;
  });
  return { classes, classCount: sample.length, sample };
}
