/**
 * The operations and fragments of a document, in a table of fixed size. A fragment has its place from where it is first named, by a spread
 * or by its definition, so that spreads know theirs at once. What a definition spreads is one edge for each fragment, however often.
 */
import { hash32 } from "../bytes/hash";
import { sameBytes } from "../bytes/span";
import { graphql_definitions_max, graphql_edges_max } from "../limits";
import { GraphqlFault, refuse } from "./fault";

/** What a definition is. */
export const enum DefinitionKind {
  /** A fragment that is spread, and not defined so far. */
  MENTIONED = 0,
  QUERY,
  MUTATION,
  SUBSCRIPTION,
  FRAGMENT,
}

/** How far the walk over fragments has come with one. */
export const enum Visit {
  NONE = 0,
  UNDER_WAY,
  DONE,
}

@unmanaged
export class Definition {
  kind: DefinitionKind;
  /** Its name; an operation without one has no bytes. */
  nameStart: usize;
  nameSize: u32;
  hash: u32;
  /** The first byte of its selection set. */
  set: usize;
  /** How deep its fields nest, and how many aliases it has; from the walk on with those of the fragments that it spreads. */
  depth: u32;
  aliases: u32;
  /** Whether it selects `__schema` or `__type` anywhere; from the walk on with what it spreads. */
  isIntrospecting: bool;
  /** Its edges: the first, and the byte after the last. */
  edges: usize;
  edgesEnd: usize;
  /** The newest edge that leads to it. */
  newestEdge: usize;
  /** The walk: how far it is, the next edge to follow, and from where it came. */
  visit: Visit;
  nextEdge: usize;
  from: Definition | null;
  /** How often its selection set stands at the root of the selected operation. */
  rootTimes: u32;
}

@unmanaged
export class Edge {
  to: Definition;
  /** The deepest level that it is spread at, in fields around it; how often it is, and how often with none around it. */
  level: u32;
  times: u32;
  rootTimes: u32;
}

export const edge_bytes: u32 = 16;
if (!(offsetof<Edge>() == 16)) ERROR("an edge is four words");

const definition_bytes: u32 = 64;
if (!(offsetof<Definition>() <= 64)) ERROR("a place holds a definition");

const places: usize = memory.data(graphql_definitions_max * 64, 8);
const edge_places: usize = memory.data(graphql_edges_max * 16, 8);
/** Definitions in the order of the document. */
const defined_places: usize = memory.data(graphql_definitions_max * 4, 4);
/** Finds names: the number of a definition + 1, at most half of them in use. */
const slots_mask: u32 = graphql_definitions_max * 2 - 1;
const slots: usize = memory.data(graphql_definitions_max * 4, 8);
if (!((graphql_definitions_max & (graphql_definitions_max - 1)) == 0)) ERROR("slots are found by a mask");

let count: u32 = 0;
let defined: u32 = 0;
let edgesEnd: usize = edge_places;

/** Forgets the document before. */
export function clearDefinitions(): void {
  memory.fill(slots, 0, graphql_definitions_max * 4);
  count = 0;
  defined = 0;
  edgesEnd = edge_places;
}

/** How many there are, those counted that are only spread. */
export function definitionCount(): u32 {
  return count;
}

/** One of them, by the order in which they were first named. */
export function definitionAt(index: u32): Definition {
  return changetype<Definition>(places + <usize>(index * definition_bytes));
}

/** How many are defined. */
export function definedCount(): u32 {
  return defined;
}

/** One that is defined, by the order of the document. */
export function definedAt(index: u32): Definition {
  return changetype<Definition>(load<usize>(defined_places + ((<usize>index) << 2)));
}

/** The fragment, or the operation, of a name; null where there is none. */
export function findDefinition(isFragment: bool, name: usize, size: u32): Definition | null {
  return definitionIn(slotOf(isFragment, hash32(<u32>isFragment, name, size), name, size));
}

/** The same; where there is none, it is added. Null where there is no room. */
export function nameDefinition(isFragment: bool, name: usize, size: u32): Definition | null {
  const hash = hash32(<u32>isFragment, name, size);
  const slot = slotOf(isFragment, hash, name, size);
  const found = definitionIn(slot);
  if (found != null) return found;
  const added = addDefinition(name, size);
  if (added == null) return null;
  added.hash = hash;
  added.kind = isFragment ? DefinitionKind.MENTIONED : DefinitionKind.QUERY;
  store<u16>(slot, count);
  return added;
}

/** Adds one that is not found by its name. Null where there is no room. */
export function addDefinition(name: usize, size: u32): Definition | null {
  if (count == graphql_definitions_max) {
    refuse(GraphqlFault.COUNT);
    return null;
  }
  const added = definitionAt(count++);
  memory.fill(changetype<usize>(added), 0, definition_bytes);
  added.nameStart = name;
  added.nameSize = size;
  return added;
}

/** The definition's own part of the document begins: what is spread from now on is its. */
export function defineDefinition(definition: Definition, kind: DefinitionKind, set: usize): void {
  definition.kind = kind;
  definition.set = set;
  definition.edges = edgesEnd;
  definition.edgesEnd = edgesEnd;
  // No more are defined than have a place.
  store<usize>(defined_places + ((<usize>defined) << 2), changetype<usize>(definition));
  defined++;
}

/** The definition that was begun last spreads a fragment, with so many fields around. False where there is no room. */
export function addSpread(definition: Definition, name: usize, size: u32, level: u32): bool {
  const fragment = nameDefinition(true, name, size);
  if (fragment == null) return false;
  let edge = changetype<Edge>(fragment.newestEdge);
  // Others are of definitions before, or there is none.
  if (fragment.newestEdge < definition.edges) {
    if (edgesEnd == edge_places + graphql_edges_max * edge_bytes) return refuse(GraphqlFault.COUNT);
    edge = changetype<Edge>(edgesEnd);
    edge.to = fragment;
    edge.level = 0;
    edge.times = 0;
    edge.rootTimes = 0;
    fragment.newestEdge = edgesEnd;
    edgesEnd += edge_bytes;
    definition.edgesEnd = edgesEnd;
  }
  edge.level = max(edge.level, level);
  edge.times++;
  if (level == 0) edge.rootTimes++;
  return true;
}

/** The slot that a name has, or would have. Never more than half of them are in use, so there is one. */
function slotOf(isFragment: bool, hash: u32, name: usize, size: u32): usize {
  let index = hash;
  while (true) {
    const slot = slots + ((<usize>(index & slots_mask)) << 1);
    const definition = definitionIn(slot);
    if (definition == null || isNamed(definition, isFragment, hash, name, size)) return slot;
    index++;
  }
}

function definitionIn(slot: usize): Definition | null {
  const number = <u32>load<u16>(slot);
  return number == 0 ? null : definitionAt(number - 1);
}

function isNamed(definition: Definition, isFragment: bool, hash: u32, name: usize, size: u32): bool {
  if (definition.hash != hash || definition.nameSize != size) return false;
  const kind = definition.kind;
  const isOfFragment = kind == DefinitionKind.MENTIONED || kind == DefinitionKind.FRAGMENT;
  return isOfFragment == isFragment && sameBytes(definition.nameStart, name, size);
}
