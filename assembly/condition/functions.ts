/** Functions and members of values. Each leaves its outcome in the cell of its first operand. */
import * as json from "../bytes/tape";
import { search_bytes_max } from "../limits";
import { isInNetwork, parseAddress } from "./address";
import { listSize, mapSize } from "./compare";
import { codePoints, holds } from "./text";
import { isList, kindOf, recordOf, setBool, setError, setInt, sizeOf, startOf, ValueKind } from "./value";

/** The tape record of a map's member, or `absent`, also where the value is no map. */
export function memberOf(cell: usize, name: usize, size: u32): usize {
  return kindOf(cell) == ValueKind.TAPE_MAP ? json.member(recordOf(cell), name, size) : json.absent;
}

/** Code points of a string, elements of a list, members of a map. */
export function readSize(cell: usize): void {
  if (kindOf(cell) == ValueKind.STRING) setInt(cell, codePoints(startOf(cell), sizeOf(cell)));
  else if (isList(cell)) setInt(cell, listSize(cell));
  else if (kindOf(cell) == ValueKind.TAPE_MAP) setInt(cell, mapSize(cell));
  else setError(cell);
}

/** Whether a network holds the address in the cell; no network holds an address of the other version. */
export function containsAddress(cell: usize, network: usize, size: u32, prefix: u32): void {
  const found = kindOf(cell) == ValueKind.STRING ? parseAddress(startOf(cell), sizeOf(cell)) : 0;
  if (found == 0) setError(cell);
  else setBool(cell, found == size && isInNetwork(network, prefix));
}

/** Whether one string holds another; an error where the other is longer than is looked for. */
export function holdsText(text: usize, part: usize): void {
  if (sizeOf(part) > sizeOf(text)) setBool(text, false);
  else if (sizeOf(part) > search_bytes_max) setError(text);
  else setBool(text, holds(startOf(text), sizeOf(text), startOf(part), sizeOf(part)));
}
