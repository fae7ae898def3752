/** What an operation selects: the outcome of a document that is not refused, and the fields at its root one by one. */
import { literal } from "../bytes/literal";
import { isLiteral, Span, sameBytes, spanSize, spanStart } from "../bytes/span";
import { graphql_root_fields_max } from "../limits";
import { DefinitionKind } from "./definitions";
import { GraphqlFault, refuse } from "./fault";
import { saturated } from "./saturated";

@unmanaged
export class Selected {
  /** QUERY, MUTATION or SUBSCRIPTION. */
  type: DefinitionKind;
  /** Distinct names of fields at the root, `__typename` not among them. */
  fields: u32;
  /** Selections of them, and of `__typename`: through fragments, as often as these are spread. */
  selections: u32;
  typenames: u32;
  /** How deep fields nest, 1 for those at the root, and how many aliases there are: through fragments, as often as these are spread. */
  depth: u32;
  aliases: u32;
  /**
   * Whether it selects `__schema` or `__type`. They are fields of the query's type (§4.2), which is seldom anywhere but at the root; but
   * a type that has a field of the query's type is allowed, so all levels count.
   */
  isIntrospecting: bool;
}

/** Of the document that was parsed last. */
export const selected: Selected = changetype<Selected>(memory.data(28, 8));
const selected_bytes: u32 = 28;
if (!(offsetof<Selected>() <= 28)) ERROR("the outcome has its room");

/** A field's name and how often it is selected. */
const field_bytes: u32 = 16;
const fields: usize = memory.data(graphql_root_fields_max * 16, 8);

const typename_field = literal("__typename");
const schema_field = literal("__schema");
const type_field = literal("__type");

/** The response key of a subscription's field, and whether there is more than that. */
let responseKey: Span = 0;
let isSingle: bool = true;
let selections_max: u32 = 0;

/** Forgets the document before. */
export function clearSelected(): void {
  memory.fill(changetype<usize>(selected), 0, selected_bytes);
}

/** Begins with the root of an operation, which may have so many selections. */
export function beginFields(type: DefinitionKind, rootFieldsMax: u32): void {
  selected.type = type;
  selections_max = min(rootFieldsMax, graphql_root_fields_max);
  responseKey = 0;
  isSingle = true;
}

/** The name of a field at the root, by the order of the document, among `selected.fields`. */
export function fieldName(index: u32): Span {
  return load<u64>(fieldAt(index));
}

/** How often it is selected. */
export function fieldTimes(index: u32): u32 {
  return load<u32>(fieldAt(index), 8);
}

function fieldAt(index: u32): usize {
  return fields + <usize>(index * field_bytes);
}

/** Whether a field is one of introspection, `__typename` not among them. */
export function isIntrospection(name: usize, size: u32): bool {
  return isLiteral(name, size, schema_field) || isLiteral(name, size, type_field);
}

/** Counts a field at the root. @param key its alias, or its name where it has none. False where there are too many. */
export function addField(name: Span, key: Span, times: u32): bool {
  const start = spanStart(name);
  const size = spanSize(name);
  const isTypename = isLiteral(start, size, typename_field);
  // §5.2.3.1; by response keys, of which one may stand there several times. Introspection has the names that begin so (§4).
  if (responseKey == 0) responseKey = key;
  if ((size >= 2 && load<u16>(start) == 0x5f5f) || !isSame(responseKey, key)) isSingle = false;
  if (isTypename) {
    selected.typenames = saturated(selected.typenames, times, 1);
    return true;
  }
  selected.selections = saturated(selected.selections, times, 1);
  if (selected.selections > selections_max) return refuse(GraphqlFault.FIELDS);
  let index: u32 = 0;
  while (index < selected.fields && !isSame(fieldName(index), name)) index++;
  // There is room: no more names than selections.
  const field = fieldAt(index);
  if (index == selected.fields) {
    selected.fields++;
    store<u64>(field, name);
    store<u32>(field, 0, 8);
  }
  store<u32>(field, fieldTimes(index) + times, 8);
  return true;
}

/** Ends the root. False where it is a subscription's and has not exactly one field. */
export function endFields(): bool {
  const isRefused = selected.type == DefinitionKind.SUBSCRIPTION && !isSingle;
  return !isRefused || refuse(GraphqlFault.SUBSCRIPTION_FIELDS);
}

function isSame(left: Span, right: Span): bool {
  return spanSize(left) == spanSize(right) && sameBytes(spanStart(left), spanStart(right), spanSize(left));
}
