/**
 * What definitions have through the fragments that they spread. Each fragment is looked at once, after all that it spreads, so that the
 * walk takes as long as there are edges, however often fragments spread each other.
 */
import { graphql_definitions_max } from "../limits";
import { Definition, DefinitionKind, definitionAt, definitionCount, Edge, edge_bytes, Visit } from "./definitions";
import { GraphqlFault, refuse } from "./fault";
import { saturated } from "./saturated";

/** The definitions, each after all that it spreads. */
const order: usize = memory.data(graphql_definitions_max * 4, 4);
let ordered: u32 = 0;

/** Adds to each definition what it spreads. False where a fragment is not defined, or leads back to itself (§5.5.2). */
export function walkSpreads(): bool {
  ordered = 0;
  for (let index: u32 = 0; index < definitionCount(); index++) {
    const definition = definitionAt(index);
    if (definition.kind == DefinitionKind.MENTIONED) return refuse(GraphqlFault.FRAGMENT);
    if (definition.visit == Visit.NONE && !walkFrom(definition)) return refuse(GraphqlFault.FRAGMENT);
  }
  return true;
}

/** False where the walk comes to where it is under way, or to what is not defined. */
function walkFrom(first: Definition): bool {
  let current: Definition | null = first;
  begin(first, null);
  while (current != null) {
    if (current.nextEdge == current.edgesEnd) {
      current.visit = Visit.DONE;
      store<usize>(order + ((<usize>ordered) << 2), changetype<usize>(current));
      ordered++;
      current = current.from;
      continue;
    }
    const edge = changetype<Edge>(current.nextEdge);
    const fragment = edge.to;
    if (fragment.visit == Visit.DONE) {
      current.depth = max(current.depth, edge.level + fragment.depth);
      current.aliases = saturated(current.aliases, edge.times, fragment.aliases);
      if (fragment.isIntrospecting) current.isIntrospecting = true;
      current.nextEdge += edge_bytes;
    } else {
      if (fragment.visit == Visit.UNDER_WAY || fragment.kind == DefinitionKind.MENTIONED) return false;
      begin(fragment, current);
      current = fragment;
    }
  }
  return true;
}

function begin(definition: Definition, from: Definition | null): void {
  definition.visit = Visit.UNDER_WAY;
  definition.nextEdge = definition.edges;
  definition.from = from;
}

/** Finds how often each fragment stands at the root of an operation: backwards, a definition before what it spreads. */
export function countAtRoot(operation: Definition): void {
  operation.rootTimes = 1;
  for (let index = ordered; index != 0; index--) {
    const definition = changetype<Definition>(load<usize>(order + ((<usize>index - 1) << 2)));
    if (definition.rootTimes == 0) continue;
    for (let at = definition.edges; at != definition.edgesEnd; at += edge_bytes) {
      const edge = changetype<Edge>(at);
      edge.to.rootTimes = saturated(edge.to.rootTimes, edge.rootTimes, definition.rootTimes);
    }
  }
}
