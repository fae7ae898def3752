/** The brackets that are open, one inside the other: of selection sets, lists and objects. A byte each says what kind it is. */
import { graphql_nesting_max } from "../limits";
import { GraphqlFault, refuse } from "./fault";

const stack: usize = memory.data(graphql_nesting_max);
let levels: u32 = 0;

/** Begins with none. */
export function clearNesting(): void {
  levels = 0;
}

/** How many are open. */
export function openLevels(): u32 {
  return levels;
}

/** Opens one. False where there is no room. */
export function openLevel(kind: bool): bool {
  if (levels == graphql_nesting_max) return refuse(GraphqlFault.DEPTH);
  store<u8>(stack + levels, kind);
  levels++;
  return true;
}

/** The kind of the innermost; false where none is open. */
export function innermost(): bool {
  return levels != 0 && load<u8>(stack + levels - 1) != 0;
}

/** Closes the innermost, of which there is one. */
export function closeLevel(): void {
  levels--;
}
