/** A module of nothing but assembly/graphql/, for tests/graphql/: memory to write to, the parser, and what it found. */
import { absent, spanOf, spanSize, spanStart } from "../../../assembly/bytes/span";
import { parseDocument } from "../../../assembly/graphql/document";
import { fieldName, fieldTimes, selected } from "../../../assembly/graphql/selected";

/** A document of 1 MiB and one byte more, then the operation's name. */
const room_bytes: u32 = 1052672;
const room: usize = memory.data(room_bytes, 16);

/** Where the document goes; the operation's name goes right behind it. */
export function start(): usize {
  return room;
}

/** @param nameSize the bytes of the operation's name; negative where there is none. @returns the fault */
export function parse(size: u32, nameSize: i32, depthMax: u32, aliasesMax: u32, rootFieldsMax: u32): u32 {
  const name = nameSize < 0 ? absent : spanOf(room + size, nameSize);
  return parseDocument(room, size, name, depthMax, aliasesMax, rootFieldsMax);
}

/** The address of what is selected. */
export function outcome(): usize {
  return changetype<usize>(selected);
}

export function nameStart(index: u32): usize {
  return spanStart(fieldName(index));
}

export function nameSize(index: u32): u32 {
  return spanSize(fieldName(index));
}

export function times(index: u32): u32 {
  return fieldTimes(index);
}
