/**
 * Documents of GraphQL that are executed (October 2021, https://spec.graphql.org/October2021/): bytes in, out what the selected operation
 * selects at its root (`selected`). A document is read once, and of it once more the definitions that stand at the operation's root. It
 * is not validated against types, which only the upstream knows. Whatever `@skip` and `@include` say, a field counts as selected.
 *
 * Refused though the grammar has it: a byte order mark, and what is beyond the bounds of `limits.ts`. Refused as later editions do: half
 * of a surrogate pair as an escape. Only later editions have descriptions of operations, and escapes such as `\u{1F600}`.
 */
import { literal } from "../bytes/literal";
import { absent, isRun, Span, spanSize, spanStart } from "../bytes/span";
import { graphql_document_bytes_max } from "../limits";
import {
  addDefinition,
  clearDefinitions,
  Definition,
  DefinitionKind,
  defineDefinition,
  definedAt,
  definedCount,
  findDefinition,
  nameDefinition,
} from "./definitions";
import { clearFault, faultMet, GraphqlFault, refuse } from "./fault";
import { clearNesting } from "./nesting";
import { beginFields, clearSelected, endFields, selected } from "./selected";
import { on_word, readSelections } from "./selections";
import { advance, beginTokens, isWord, Token, take, token, tokenSize, tokenStart } from "./tokens";
import { skipDirectives, skipVariables } from "./values";
import { countAtRoot, walkSpreads } from "./walk";

const query_word = literal("query");
const mutation_word = literal("mutation");
const subscription_word = literal("subscription");
const fragment_word = literal("fragment");
const schema_word = literal("schema");
const scalar_word = literal("scalar");
const type_word = literal("type");
const interface_word = literal("interface");
const union_word = literal("union");
const enum_word = literal("enum");
const input_word = literal("input");
const directive_word = literal("directive");
const extend_word = literal("extend");

/** Operations so far, one of them, and whether their names tell them apart (§5.2.1, §5.2.2). */
let operations: u32 = 0;
let operation: Definition | null = null;
let isNameless: bool = false;
let isRepeated: bool = false;
/** Whether a fragment is defined twice (§5.5.1.1). */
let isFragmentRepeated: bool = false;

/**
 * Parses a document of `size` bytes; then `selected` has what the operation selects.
 * @param operationName which operation is meant, as the request has it; `absent` where it does not say
 * @param depthMax how deep the operation's fields may nest
 * @param aliasesMax how many aliases it may have
 * @param rootFieldsMax how many selections it may have at its root, at most `graphql_root_fields_max`
 */
export function parseDocument(
  start: usize,
  size: u32,
  operationName: Span,
  depthMax: u32,
  aliasesMax: u32,
  rootFieldsMax: u32,
): GraphqlFault {
  clearFault();
  clearSelected();
  if (size > graphql_document_bytes_max) return GraphqlFault.COUNT;
  const end = start + size;
  const isGood =
    readDefinitions(start, end) &&
    (!isFragmentRepeated || refuse(GraphqlFault.FRAGMENT)) &&
    walkSpreads() &&
    select(operationName, end, depthMax, aliasesMax, rootFieldsMax);
  if (!isGood) refuse(GraphqlFault.SYNTAX);
  return faultMet();
}

/** §2.2: at least one definition. */
function readDefinitions(start: usize, end: usize): bool {
  clearDefinitions();
  clearNesting();
  operations = 0;
  operation = null;
  isNameless = false;
  isRepeated = false;
  isFragmentRepeated = false;
  beginTokens(start, end);
  do {
    if (!readDefinition()) return false;
  } while (token != Token.END);
  return true;
}

function readDefinition(): bool {
  if (token == Token.SET_OPEN) return readOperation(DefinitionKind.QUERY);
  if (isWord(fragment_word)) return readFragment();
  if (isWord(query_word)) return readOperation(DefinitionKind.QUERY);
  if (isWord(mutation_word)) return readOperation(DefinitionKind.MUTATION);
  if (isWord(subscription_word)) return readOperation(DefinitionKind.SUBSCRIPTION);
  if (
    isWord(schema_word) ||
    isWord(scalar_word) ||
    isWord(type_word) ||
    isWord(interface_word) ||
    isWord(union_word) ||
    isWord(enum_word) ||
    isWord(input_word) ||
    isWord(directive_word) ||
    isWord(extend_word)
  )
    return refuse(GraphqlFault.DEFINITION);
  return false;
}

/** §2.3; a query may be nothing but its selection set. */
function readOperation(kind: DefinitionKind): bool {
  let nameSize: u32 = 0;
  let nameStart: usize = tokenStart;
  if (take(Token.NAME)) {
    if (token == Token.NAME) {
      nameStart = tokenStart;
      nameSize = tokenSize();
      advance();
    }
    if (!skipVariables() || !skipDirectives(false)) return false;
  }
  const added = nameSize != 0 ? nameDefinition(false, nameStart, nameSize) : addDefinition(nameStart, 0);
  if (added == null) return false;
  operations++;
  if (nameSize == 0) isNameless = true;
  else if (added.set != 0) isRepeated = true;
  operation = added;
  return readSet(added, kind);
}

/** §2.8. */
function readFragment(): bool {
  advance();
  const nameStart = tokenStart;
  const nameSize = tokenSize();
  if (isWord(on_word) || !take(Token.NAME)) return false;
  if (!isWord(on_word)) return false;
  advance();
  if (!take(Token.NAME) || !skipDirectives(false)) return false;
  const fragment = nameDefinition(true, nameStart, nameSize);
  if (fragment == null) return false;
  if (fragment.set != 0) isFragmentRepeated = true;
  return readSet(fragment, DefinitionKind.FRAGMENT);
}

/** Where there is another definition of that name, the document is refused once its syntax is known to be sound. */
function readSet(definition: Definition, kind: DefinitionKind): bool {
  if (definition.set == 0) defineDefinition(definition, kind, tokenStart);
  return readSelections(definition, 0);
}

/** Finds the operation that is meant, and what it selects. */
function select(operationName: Span, end: usize, depthMax: u32, aliasesMax: u32, rootFieldsMax: u32): bool {
  const chosen = chooseOperation(operationName);
  if (chosen == null) return refuse(GraphqlFault.OPERATION_NAME);
  selected.depth = chosen.depth;
  selected.aliases = chosen.aliases;
  selected.isIntrospecting = chosen.isIntrospecting;
  beginFields(chosen.kind, rootFieldsMax);
  if (chosen.depth > depthMax) return refuse(GraphqlFault.DEPTH);
  if (chosen.aliases > aliasesMax) return refuse(GraphqlFault.ALIASES);
  countAtRoot(chosen);
  for (let index: u32 = 0; index < definedCount(); index++) {
    const definition = definedAt(index);
    if (definition.rootTimes == 0) continue;
    beginTokens(definition.set, end);
    if (!readSelections(definition, definition.rootTimes)) return false;
  }
  return endFields();
}

/** §6.1, `GetOperation`; null where it is not one. A name has at least one character: an empty one is no operation's. */
function chooseOperation(operationName: Span): Definition | null {
  if (isRepeated || (isNameless && operations > 1)) return null;
  if (operationName == absent) return operations == 1 ? operation : null;
  if (!isRun(operationName)) return null;
  const size = spanSize(operationName);
  return size == 0 ? null : findDefinition(false, spanStart(operationName), size);
}
