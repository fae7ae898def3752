/**
 * GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/, "Request"): a JSON object with `query`, `operationName`,
 * `variables` and `extensions`, or a list of them; by GET the same as parameters of the query. Each field at an operation's root is a call.
 *
 * A document may be left out where the request names it by its hash (`extensions.persistedQuery.sha256Hash`, or `documentId`, or `id`), and
 * the policy has it. One that comes along has to be the one that is named.
 */
import { literal } from "../bytes/literal";
import { absent, hexDigit, isRun, Span, sameBytes, spanOf, spanSize, spanStart } from "../bytes/span";
import { after, firstOf, Kind, kindOf, member, absent as no_record, sizeOf, startOf, valueAfter } from "../bytes/tape";
import { hashOf } from "../crypto/sha2";
import { Detail } from "../detail";
import { Finding, finding, good } from "../finding";
import { DefinitionKind } from "../graphql/definitions";
import { parseDocument } from "../graphql/document";
import { GraphqlFault } from "../graphql/fault";
import { fieldName, fieldTimes, selected } from "../graphql/selected";
import { calls_max } from "../limits";
import * as layout from "../policy/layout";
import { Policy, recordAt, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { findParameter } from "../request/query";
import { addCall, callCount, noteBatch, setMethod, setName } from "./calls";
import { isFolded } from "./jsonrpc";

const query_name = literal("query");
const operation_name = literal("operationName");
const variables_name = literal("variables");
const extensions_name = literal("extensions");
const persisted_name = literal("persistedQuery");
const hash_name = literal("sha256Hash");
const document_id_name = literal("documentId");
const id_name = literal("id");
const mutation_word = literal("mutation");
const subscription_word = literal("subscription");
const typename = literal("__typename");
const digest: usize = memory.data(32, 8);

/** Reads the calls of a body. @param body its record @param protocol the record of PROTOCOLS */
export function readGraphqlBody(policy: Policy, protocol: usize, body: usize): Finding {
  // Which of two an upstream reads, nobody knows.
  const beside = findParameter(query_name.start, query_name.size);
  if (beside != absent) return malformed(Detail.GRAPHQL_METHOD);
  const isList = kindOf(body) == Kind.ARRAY;
  if (isList) noteBatch();
  if (!isList) return readOperation(policy, protocol, body);
  const end = after(body);
  let operations: u32 = 0;
  for (let operation = firstOf(body); operation < end; operation = after(operation)) {
    if (++operations > load<u32>(protocol, layout.protocol_calls_at)) return refused(Detail.BATCH);
    const found = readOperation(policy, protocol, operation);
    if (found != good) return found;
  }
  return operations == 0 ? malformed(Detail.GRAPHQL_OPERATION) : good;
}

/** Whether a request without a body has an operation in its query. */
export function hasGraphqlQuery(): bool {
  return (
    findParameter(query_name.start, query_name.size) != absent ||
    findParameter(extensions_name.start, extensions_name.size) != absent ||
    findParameter(document_id_name.start, document_id_name.size) != absent
  );
}

/** Reads the calls of a query: of a GET, which no mutation may come by. What is in `extensions` is not read. */
export function readGraphqlQuery(protocol: usize): Finding {
  const document = findParameter(query_name.start, query_name.size);
  const operation = findParameter(operation_name.start, operation_name.size);
  if (!isRun(document) || (operation != absent && !isRun(operation))) return malformed(Detail.GRAPHQL_OPERATION);
  const named = isRun(operation) && spanSize(operation) != 0 ? operation : absent;
  const found = readDocument(protocol, document, named, no_record);
  if (found != good) return found;
  return selected.type == DefinitionKind.QUERY ? good : malformed(Detail.GRAPHQL_METHOD);
}

function malformed(detail: Detail): Finding {
  return finding(Reason.BODY_MALFORMED, detail);
}

function refused(detail: Detail): Finding {
  return finding(Reason.CALL_REFUSED, detail);
}

function readOperation(policy: Policy, protocol: usize, operation: usize): Finding {
  if (kindOf(operation) != Kind.OBJECT) return malformed(Detail.GRAPHQL_OPERATION);
  if (hasOtherCase(operation)) return malformed(Detail.MEMBER_CASE);
  const variables = member(operation, variables_name.start, variables_name.size);
  if (variables != no_record && kindOf(variables) != Kind.OBJECT && kindOf(variables) != Kind.NULL)
    return malformed(Detail.GRAPHQL_OPERATION);
  const name = member(operation, operation_name.start, operation_name.size);
  let named = absent;
  if (name != no_record && kindOf(name) != Kind.NULL) {
    if (kindOf(name) != Kind.STRING) return malformed(Detail.GRAPHQL_OPERATION);
    // Most upstreams take an empty name for none; those that do not find no operation of that name.
    if (sizeOf(name) != 0) named = spanOf(startOf(name), sizeOf(name));
  }
  const document = findDocument(policy, protocol, operation);
  return isRun(document) ? readDocument(protocol, document, named, variables) : fault;
}

/** Why `findDocument` has found none. */
let fault: Finding = good;

function none(found: Finding): Span {
  fault = found;
  return absent;
}

/** The document of an operation: its own, or the one that it names. */
function findDocument(policy: Policy, protocol: usize, operation: usize): Span {
  const own = member(operation, query_name.start, query_name.size);
  if (own != no_record && kindOf(own) != Kind.STRING && kindOf(own) != Kind.NULL)
    return none(malformed(Detail.GRAPHQL_OPERATION));
  const hasOwn = own != no_record && kindOf(own) == Kind.STRING;
  const extensions = member(operation, extensions_name.start, extensions_name.size);
  const hash = member(member(extensions, persisted_name.start, persisted_name.size), hash_name.start, hash_name.size);
  let id = member(operation, document_id_name.start, document_id_name.size);
  const other = member(operation, id_name.start, id_name.size);
  if (id == no_record) id = other;
  else if (other != no_record) return none(malformed(Detail.GRAPHQL_PERSISTED));
  if (hash != no_record && kindOf(hash) != Kind.STRING) return none(malformed(Detail.GRAPHQL_PERSISTED));
  if (hasOwn) {
    if (id != no_record) return none(malformed(Detail.GRAPHQL_PERSISTED));
    if (hash != no_record && !isHashOf(hash, own)) return none(malformed(Detail.GRAPHQL_PERSISTED));
    return spanOf(startOf(own), sizeOf(own));
  }
  if (hash != no_record && id != no_record) return none(malformed(Detail.GRAPHQL_PERSISTED));
  const key = hash != no_record ? hash : id;
  if (key == no_record) return none(malformed(Detail.GRAPHQL_OPERATION));
  if (kindOf(key) != Kind.STRING) return none(malformed(Detail.GRAPHQL_PERSISTED));
  const document = findPersisted(policy, protocol, startOf(key), sizeOf(key));
  return isRun(document) ? document : none(refused(Detail.GRAPHQL_PERSISTED));
}

/** Whether a text of 64 hexadecimal digits is the SHA-256 of a document. */
function isHashOf(hash: usize, document: usize): bool {
  if (sizeOf(hash) != 64) return false;
  hashOf(32, startOf(document), sizeOf(document), digest);
  for (let index: u32 = 0; index < 32; index++) {
    const at = startOf(hash) + <usize>(index << 1);
    const high = hexDigit(load<u8>(at));
    const low = hexDigit(load<u8>(at, 1));
    if (high < 0 || low < 0 || ((high << 4) | low) != <i32>load<u8>(digest + index)) return false;
  }
  return true;
}

/** The policy's document of an ID, by halves of its run in PERSISTED. */
function findPersisted(policy: Policy, protocol: usize, id: usize, size: u32): Span {
  let low = load<u32>(protocol, layout.protocol_persisted_at);
  let high = low + load<u32>(protocol, layout.protocol_persisted_at + 4);
  while (low < high) {
    const middle = (low + high) >> 1;
    const record = recordAt(policy, layout.section_persisted, middle);
    const text = record + layout.persisted_id_at;
    const order = compare(textStart(policy, text), textSize(text), id, size);
    if (order == 0) {
      const document = record + layout.persisted_document_at;
      return spanOf(textStart(policy, document), textSize(document));
    }
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return absent;
}

function compare(left: usize, leftSize: u32, right: usize, rightSize: u32): i32 {
  const shorter = min(leftSize, rightSize);
  const order = memory.compare(left, right, shorter);
  return order != 0 ? order : <i32>leftSize - <i32>rightSize;
}

function readDocument(protocol: usize, document: Span, named: Span, variables: usize): Finding {
  const depth = load<u32>(protocol, layout.protocol_depth_at);
  const aliases = load<u32>(protocol, layout.protocol_aliases_at);
  const met = parseDocument(spanStart(document), spanSize(document), named, depth, aliases, calls_max);
  if (met != GraphqlFault.NONE) return findingOf(met);
  if (selected.isIntrospecting && load<u32>(protocol, layout.protocol_introspection_at) == 0)
    return refused(Detail.GRAPHQL_INTROSPECTION);
  for (let index: u32 = 0; index < selected.fields; index++) {
    if (!addField(fieldName(index), fieldTimes(index), named, variables)) return refused(Detail.BATCH);
  }
  if (selected.fields != 0) return good;
  const isAdded = addField(spanOf(typename.start, typename.size), 1, named, variables);
  return isAdded ? good : refused(Detail.BATCH);
}

function addField(name: Span, times: u32, named: Span, variables: usize): bool {
  const call = addCall();
  if (call == null) return false;
  const type = selected.type;
  const word =
    type == DefinitionKind.QUERY ? query_name : type == DefinitionKind.MUTATION ? mutation_word : subscription_word;
  setMethod(call, spanOf(word.start, word.size));
  setName(call, name);
  call.times = times;
  call.operationStart = spanStart(named);
  call.operationSize = spanSize(named);
  if (variables != no_record && kindOf(variables) == Kind.OBJECT) call.params = variables;
  return callCount() != 0;
}

function findingOf(met: GraphqlFault): Finding {
  switch (met) {
    case GraphqlFault.DEPTH:
      return refused(Detail.GRAPHQL_DEPTH);
    case GraphqlFault.ALIASES:
      return refused(Detail.GRAPHQL_ALIASES);
    case GraphqlFault.FIELDS:
      return refused(Detail.BATCH);
    case GraphqlFault.OPERATION_NAME:
      return malformed(Detail.GRAPHQL_OPERATION);
    case GraphqlFault.FRAGMENT:
      return malformed(Detail.GRAPHQL_FRAGMENT);
    case GraphqlFault.COUNT:
      return refused(Detail.COUNT);
    default:
      return malformed(Detail.GRAPHQL_SYNTAX);
  }
}

/** Whether some member is one that is read here but for its case. */
function hasOtherCase(operation: usize): bool {
  const end = after(operation);
  for (let name = firstOf(operation); name < end; name = after(valueAfter(name))) {
    const start = startOf(name);
    const size = sizeOf(name);
    if (
      isFolded(start, size, query_name.start, query_name.size) ||
      isFolded(start, size, id_name.start, id_name.size) ||
      isOther(start, size, operation_name.start, operation_name.size) ||
      isOther(start, size, variables_name.start, variables_name.size) ||
      isOther(start, size, extensions_name.start, extensions_name.size) ||
      isOther(start, size, document_id_name.start, document_id_name.size)
    )
      return true;
  }
  return false;
}

/** The same for a word that has capitals of its own. */
function isOther(start: usize, size: u32, word: usize, wordSize: u32): bool {
  if (size == wordSize && sameBytes(start, word, size)) return false;
  memory.copy(folded, word, wordSize);
  for (let index: u32 = 0; index < wordSize; index++) {
    const byte = <u32>load<u8>(folded + index);
    if (byte - 0x41 < 26) store<u8>(folded + index, byte | 0x20);
  }
  // Where only the capitals make the difference, the text in small letters is another one too.
  return (size == wordSize && sameBytes(start, folded, size)) || isFolded(start, size, folded, wordSize);
}

const folded: usize = memory.data(16);
