/**
 * What evaluating a condition can cost at the most, in units of about one instruction. Texts are compared for equality
 * eight bytes at a time, so 64 bytes count as one unit; put in order, measured and searched byte by byte, which costs more.
 *
 * A loop runs over parts of one token, which do not overlap: work that grows with the size of an element costs no more
 * over all rounds than it costs for the whole token once. So a cost has two parts: what every round costs, and what all
 * rounds together cost.
 */
import { json_members_max, json_nodes_max, search_bytes_max, split_elements_max } from "../../../assembly/limits.ts";
import * as code from "../../../assembly/policy/instructions.ts";
import type { Term } from "./term.ts";

/** Looking for a member among up to `json_members_max`. */
const member_units = 32;
/** Parsing an address and comparing it with the network. */
const address_units = 8;
/** Looking a text up by its hash; searching a million ranges of addresses. */
const lookup_units = 4;
const search_units = 20;
const units_bytes = 64;
const hashed_units_bytes = 16;
const ordered_units_bytes = 8;
const searched_units_bytes = 4;

/** The cost of a condition, and the part of it that costs the most: `rounds` times. */
export interface Cost {
  units: number;
  dearest: { term: Term; units: number; rounds: number };
}

/** How many values JSON may have that is read, and into how many calls a body is parted, while a condition is counted. */
let nodes_max = json_nodes_max;
let calls = 1;

/**
 * Counts a condition's worst case.
 * @param nodes how many values JSON may have that is read, the claims of a token or a body
 * @param parts so many calls share one body, of each of which this is the cost
 */
export function costOf(term: Term, nodes: number, parts = 1): Cost {
  nodes_max = nodes;
  calls = parts;
  prices = new WeakMap();
  const units = total(price(term));
  let dearest: Cost["dearest"] = { term, units, rounds: 1 };
  // Down to where more than half of the cost comes from.
  for (let next: Cost["dearest"] | undefined = dearest; next !== undefined; ) {
    dearest = next;
    const { term: whole, rounds } = dearest;
    next = partsOf(whole)
      .map((part) => {
        const times = whole.kind === "loop" && part === whole.body ? roundsOf(whole.range) : rounds;
        return { term: part, units: price(part).each * times + price(part).once, rounds: times };
      })
      .find((part) => part.units * 2 > units);
  }
  return { units, dearest };
}

/** Units of each round, and of all rounds of the loop together. */
interface Price {
  each: number;
  once: number;
}

function total({ each, once }: Price): number {
  return each + once;
}

let prices = new WeakMap<Term, Price>();

function price(term: Term): Price {
  let found = prices.get(term);
  if (found === undefined) {
    found = priceOf(term);
    prices.set(term, found);
  }
  return found;
}

function priceOf(term: Term): Price {
  const own = ownPrice(term);
  if (term.kind === "loop") {
    const body = price(term.body);
    const range = price(term.range);
    return { each: own.each + total(range) + roundsOf(term.range) * (body.each + 1) + body.once, once: 0 };
  }
  if (term.kind === "choose") {
    const condition = price(term.condition);
    const [yes, no] = [price(term.yes), price(term.no)];
    return {
      each: own.each + condition.each + Math.max(yes.each, no.each),
      once: condition.once + Math.max(yes.once, no.once),
    };
  }
  let { each, once } = own;
  for (const part of partsOf(term)) {
    each += price(part).each;
    once += price(part).once;
  }
  return { each, once };
}

/** Whether it is the same in each round of the loop it is in. */
export function isConstantInLoop(term: Term): boolean {
  return term.kind !== "element" && partsOf(term).every(isConstantInLoop);
}

/** What a term is made of. */
export function partsOf(term: Term): Term[] {
  switch (term.kind) {
    case "list":
      return term.elements;
    case "unary":
      return [term.operand];
    case "binary":
      return [term.left, term.right];
    case "logic":
      return term.operands;
    case "choose":
      return [term.condition, term.yes, term.no];
    case "loop":
      return [term.range, term.body];
    default:
      return [];
  }
}

/** What the operation itself costs, without its operands. */
function ownPrice(term: Term): Price {
  switch (term.kind) {
    case "load":
      return { each: 1 + term.units, once: 0 };
    case "list":
      return { each: 1 + term.elements.length, once: 0 };
    case "logic":
      return { each: 2 * (term.operands.length - 1), once: 0 };
    case "choose":
      return { each: 2, once: 0 };
    case "unary":
      return unaryPrice(term);
    case "binary":
      return binaryPrice(term);
    default:
      return { each: 1, once: 0 };
  }
}

function unaryPrice({ op, operand }: Term & { kind: "unary" }): Price {
  switch (op) {
    case code.op_select:
    case code.op_has:
      // All members of all elements together are members of the token.
      return shared(operand, member_units, (nodes_max / json_members_max) * member_units);
    case code.op_size: {
      const { bytes, nodes } = extent(operand);
      return shared(operand, texts(bytes, ordered_units_bytes) + nodes);
    }
    case code.op_contains_ip:
      return { each: 1 + address_units, once: 0 };
    case code.op_in_texts: {
      const { each, once } = shared(operand, texts(extent(operand).bytes, hashed_units_bytes));
      return { each: each + lookup_units, once };
    }
    case code.op_in_networks:
      return { each: 1 + address_units + search_units, once: 0 };
    case code.op_lower:
    case code.op_to_int:
      return shared(operand, texts(extent(operand).bytes, ordered_units_bytes));
    case code.op_words:
      return shared(operand, texts(extent(operand).bytes, searched_units_bytes));
    default:
      return { each: 1, once: 0 };
  }
}

function binaryPrice({ op, left, right }: Term & { kind: "binary" }): Price {
  const [mine, theirs] = [extent(left), extent(right)];
  switch (op) {
    case code.op_equal:
    case code.op_not_equal: {
      // Maps are compared member by member, each looked for in the other.
      // Of two values that lie beside each other, one has no more than half of what they are in.
      const nodes = Math.min(mine.nodes, theirs.nodes) / (areApart(left, right) ? 2 : 1);
      const perNode = mayBeMap(left) && mayBeMap(right) ? member_units / 2 : 1;
      return cheaper(left, right, texts(Math.min(mine.bytes, theirs.bytes)) + nodes * perNode, (one) => {
        return texts(one.bytes) + one.nodes * perNode;
      });
    }
    case code.op_in: {
      if (right.type === "map") return shared(right, member_units);
      const perNode = mayBeMap(left) && mayBeMap(right) ? member_units / 2 : 1;
      const compared = Math.min(theirs.bytes, mine.bytes * theirs.nodes);
      return shared(right, theirs.nodes * perNode + texts(compared));
    }
    case code.op_index:
      return typeof left.type === "object" ? shared(left, mine.nodes) : shared(left, nodes_max);
    case code.op_starts_with:
    case code.op_ends_with:
      return cheaper(left, right, texts(Math.min(mine.bytes, theirs.bytes)), (one) => texts(one.bytes));
    case code.op_less:
    case code.op_less_equal:
    case code.op_greater:
    case code.op_greater_equal: {
      const ordered = (bytes: number): number => texts(bytes, ordered_units_bytes);
      return cheaper(left, right, ordered(Math.min(mine.bytes, theirs.bytes)), (one) => ordered(one.bytes));
    }
    case code.op_join: {
      const [one, other] = [shared(left, texts(mine.bytes)), shared(right, texts(theirs.bytes))];
      return { each: one.each + other.each, once: one.once + other.once };
    }
    case code.op_split:
    case code.op_contains: {
      const searched = (bytes: number): number => texts(bytes, searched_units_bytes);
      const text = shared(left, searched(mine.bytes));
      const part = shared(right, searched(Math.min(theirs.bytes, search_bytes_max)), searched(theirs.bytes));
      return { each: text.each + part.each, once: text.once + part.once };
    }
    default:
      return { each: 1, once: 0 };
  }
}

function texts(bytes: number, a_unit = units_bytes): number {
  return Math.ceil(bytes / a_unit);
}

/** One for the instruction, and work that grows with the value: over all rounds only once, if the value is part of the loop's element. */
function shared(value: Term, units: number, together = units): Price {
  return isElement(value) ? { each: 1, once: together } : { each: 1 + units, once: 0 };
}

/** Work that grows with the smaller of two values, so with either. */
function cheaper(left: Term, right: Term, units: number, alone: (extent: Extent) => number): Price {
  const all = [left, right].filter(isElement).map((value) => alone(extent(value)));
  const once = Math.min(...all);
  // Where each round compares with something short, counting the rounds is the lower bound of the two.
  return all.length > 0 && once < units * nodes_max ? { each: 1, once } : { each: 1 + units, once: 0 };
}

/** The most a value can hold. */
interface Extent {
  /** Of text. */
  bytes: number;
  /** Values inside a list or map, itself included. */
  nodes: number;
}

function extent(term: Term): Extent {
  const { bytes, nodes } = extentByKind(term);
  if (term.type === "string") return { bytes, nodes: 1 };
  return term.type === "dyn" || term.type === "map" || typeof term.type === "object"
    ? { bytes, nodes }
    : { bytes: 0, nodes: 1 };
}

/** What is inside a value is no larger than the value. */
function extentByKind(term: Term): Extent {
  switch (term.kind) {
    case "constant":
      return { bytes: typeof term.value === "string" ? Buffer.byteLength(term.value) : 0, nodes: 1 };
    case "load":
      return loaded(term);
    case "list": {
      const all = term.elements.map(extent);
      return { bytes: sum(all.map(({ bytes }) => bytes)), nodes: 1 + sum(all.map(({ nodes }) => nodes)) };
    }
    case "element":
      return extent(term.loop);
    case "choose": {
      const [yes, no] = [extent(term.yes), extent(term.no)];
      return { bytes: Math.max(yes.bytes, no.bytes), nodes: Math.max(yes.nodes, no.nodes) };
    }
    case "unary":
      return isSplitting(term) ? extentOfParts(term.operand) : extent(term.operand);
    case "binary": {
      const left = extent(term.left);
      if (term.op === code.op_join) return { bytes: left.bytes + extent(term.right).bytes, nodes: 1 };
      if (isSplitting(term)) return extentOfParts(term.left);
      return term.op === code.op_index ? left : { bytes: 0, nodes: 1 };
    }
    default:
      return { bytes: 0, nodes: 1 };
  }
}

/** What a part of the request may hold. Calls lie beside each other in one body, so that all of them hold no more than it. */
function loaded({ op, bytes, nodes = nodes_max }: Term & { kind: "load" }): Extent {
  return op === code.op_call ? { bytes: Math.ceil(bytes / calls), nodes: Math.ceil(nodes / calls) } : { bytes, nodes };
}

/** Of the parts of a text. Those of all elements of a loop's list are together no more than these have bytes. */
function extentOfParts(text: Term): Extent {
  const { bytes } = extent(text);
  const nodes = Math.max(split_elements_max, nodes_max);
  return { bytes, nodes: isElement(text) ? Math.max(bytes, nodes) : nodes };
}

function sum(numbers: number[]): number {
  return numbers.reduce((one, other) => one + other, 0);
}

/** Whether it makes a list of the parts of a text, which are as many as a token may have values, and do not overlap either. */
function isSplitting(term: Term): boolean {
  return (term.kind === "unary" && term.op === code.op_words) || (term.kind === "binary" && term.op === code.op_split);
}

/** Whether the value is part of the element of a loop over a list of the token, whose elements do not overlap, or no longer than it. */
function isElement(term: Term): boolean {
  if (term.kind === "unary" && (term.op === code.op_lower || isSplitting(term))) return isElement(term.operand);
  if (term.kind === "binary" && isSplitting(term)) return isElement(term.left);
  return term.kind === "element" ? isOfToken(term.loop) : isMember(term, isElement);
}

function isOfToken(term: Term): boolean {
  if (isSplitting(term)) return true;
  return term.kind === "load" ? json_loads.includes(term.op) : isMember(term, isOfToken);
}

/** Whether two values lie beside each other in one body. */
function areApart(left: Term, right: Term): boolean {
  const [one, other] = [placeOf(left), placeOf(right)];
  if (one === undefined || other === undefined || one[0] !== other[0]) return false;
  const least = Math.min(one.length, other.length);
  return one.slice(0, least).some((name, index) => name !== other[index]);
}

/** The names that lead to a value of a body, after what of the body it is. */
function placeOf(term: Term): unknown[] | undefined {
  if (term.kind === "load")
    return term.op === code.op_body || term.op === code.op_call ? [`${term.op} ${term.operands.a}`] : undefined;
  const [of, name] =
    term.kind === "unary" && term.op === code.op_select
      ? [term.operand, term.operands.text]
      : term.kind === "binary" && term.op === code.op_index && term.right.kind === "constant"
        ? [term.left, term.right.value]
        : [];
  const above = of && placeOf(of);
  return above && [...above, name];
}

/** What is JSON of a token or of a body, whose values do not overlap. */
const json_loads: readonly number[] = [code.op_claims, code.op_body, code.op_call];

function isMember(term: Term, isContainer: (term: Term) => boolean): boolean {
  if (term.kind === "unary") return term.op === code.op_select && isContainer(term.operand);
  return term.kind === "binary" && term.op === code.op_index && isContainer(term.left);
}

function mayBeMap({ type }: Term): boolean {
  if (typeof type === "object")
    return type.element === "dyn" || type.element === "map" || typeof type.element === "object";
  return type === "dyn" || type === "map";
}

/** How often a loop goes round at the most. */
function roundsOf(range: Term): number {
  if (range.kind === "list") return range.elements.length;
  // A map has so many members; the body may be a list.
  if (range.kind === "load") return range.type === "map" ? json_members_max : loaded(range).nodes;
  if (range.kind === "choose") return Math.max(roundsOf(range.yes), roundsOf(range.no));
  return isSplitting(range) ? Math.max(split_elements_max, nodes_max) : nodes_max;
}
