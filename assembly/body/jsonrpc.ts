/**
 * JSON-RPC 2.0 (https://www.jsonrpc.org/specification, §4 to §6), as MCP and A2A have it: a body is one message or a list of some. A call
 * without `id` is a notification; what has no `method` answers a call of the server's (MCP, "Sending Messages to the Server").
 *
 * A message is refused where an upstream could read it otherwise: a member whose name differs in case alone, which Go's decoder takes
 * for the same (encoding/json, `Unmarshal`), a version that is none, an `id` that is neither text nor number.
 */
import { literal } from "../bytes/literal";
import { lower, sameBytes, spanOf } from "../bytes/span";
import { absent, after, firstOf, isString, Kind, kindOf, member, sizeOf, startOf, valueAfter } from "../bytes/tape";
import { Detail } from "../detail";
import { Finding, finding, good } from "../finding";
import * as layout from "../policy/layout";
import { Reason } from "../reason";
import { addCall, Call, callCount, noteBatch, setMethod, setName } from "./calls";

const jsonrpc = literal("jsonrpc");
const version = literal("2.0");
const method_name = literal("method");
const params_name = literal("params");
const id_name = literal("id");
const result_name = literal("result");
const error_name = literal("error");
const arguments_name = literal("arguments");
const name_name = literal("name");
const uri_name = literal("uri");
const tools_call = literal("tools/call");
const prompts_get = literal("prompts/get");
const resources_prefix = literal("resources/");
const read_word = literal("read");
const subscribe_word = literal("subscribe");
const unsubscribe_word = literal("unsubscribe");

/** Reads the calls of a body. @param body its record @param kind of PROTOCOLS @param most calls in one list */
export function readJsonRpc(body: usize, kind: u32, most: u32): Finding {
  const isList = kindOf(body) == Kind.ARRAY;
  if (isList) noteBatch();
  if (!isList) return readMessage(body, kind);
  const end = after(body);
  for (let message = firstOf(body); message < end; message = after(message)) {
    if (callCount() == most) return finding(Reason.CALL_REFUSED, Detail.BATCH);
    const found = readMessage(message, kind);
    if (found != good) return found;
  }
  return callCount() == 0 ? malformed(Detail.JSONRPC) : good;
}

function malformed(detail: Detail): Finding {
  return finding(Reason.BODY_MALFORMED, detail);
}

function readMessage(message: usize, kind: u32): Finding {
  if (kindOf(message) != Kind.OBJECT) return malformed(Detail.JSONRPC);
  if (hasOtherCase(message)) return malformed(Detail.MEMBER_CASE);
  const spoken = member(message, jsonrpc.start, jsonrpc.size);
  if (spoken == absent || !isString(spoken, version.start, version.size)) return malformed(Detail.JSONRPC);
  const id = member(message, id_name.start, id_name.size);
  const isNamed = id != absent && (kindOf(id) == Kind.STRING || kindOf(id) == Kind.NUMBER);
  if (id != absent && !isNamed) return malformed(Detail.JSONRPC);
  const call = addCall();
  if (call == null) return finding(Reason.CALL_REFUSED, Detail.BATCH);
  call.id = id;
  call.times = 1;
  const method = member(message, method_name.start, method_name.size);
  const isAnswer =
    member(message, result_name.start, result_name.size) != absent ||
    member(message, error_name.start, error_name.size) != absent;
  if (method == absent) {
    if (!isAnswer || !isNamed) return malformed(Detail.JSONRPC);
    call.isResponse = true;
    return good;
  }
  if (isAnswer || kindOf(method) != Kind.STRING || sizeOf(method) == 0) return malformed(Detail.JSONRPC);
  setMethod(call, spanOf(startOf(method), sizeOf(method)));
  const params = member(message, params_name.start, params_name.size);
  if (params != absent && kindOf(params) != Kind.OBJECT && kindOf(params) != Kind.ARRAY)
    return malformed(Detail.JSONRPC);
  call.params = params;
  return kind == layout.protocol_mcp ? readName(call) : good;
}

/** What a call of MCP is for: a tool or a prompt by its name, a resource by its URI (MCP 2025-06-18, "Server Features"). */
function readName(call: Call): Finding {
  const isTool = isMethod(call, tools_call.start, tools_call.size);
  const isPrompt = isMethod(call, prompts_get.start, prompts_get.size);
  if (!isTool && !isPrompt && !isOfResource(call)) return good;
  const params = call.params;
  if (params == absent || kindOf(params) != Kind.OBJECT) return malformed(Detail.CALL_NAME);
  if (hasOtherCase(params)) return malformed(Detail.MEMBER_CASE);
  const key = isTool || isPrompt ? name_name : uri_name;
  const name = member(params, key.start, key.size);
  // No endpoint names an empty one: a star would not deny what a rule for all of them admits.
  if (name == absent || kindOf(name) != Kind.STRING || sizeOf(name) == 0) return malformed(Detail.CALL_NAME);
  setName(call, spanOf(startOf(name), sizeOf(name)));
  call.arguments = member(params, arguments_name.start, arguments_name.size);
  return good;
}

export function isMethod(call: Call, start: usize, size: u32): bool {
  return call.methodSize == size && sameBytes(call.methodStart, start, size);
}

/** Whether it calls a tool. */
export function isMethodOfTools(call: Call): bool {
  return call.hasName && isMethod(call, tools_call.start, tools_call.size);
}

function isOfResource(call: Call): bool {
  const prefix = resources_prefix.size;
  if (call.methodSize <= prefix || !sameBytes(call.methodStart, resources_prefix.start, prefix)) return false;
  const start = call.methodStart + prefix;
  const size = call.methodSize - prefix;
  return (
    (size == read_word.size && sameBytes(start, read_word.start, size)) ||
    (size == subscribe_word.size && sameBytes(start, subscribe_word.start, size)) ||
    (size == unsubscribe_word.size && sameBytes(start, unsubscribe_word.start, size))
  );
}

/** Whether some member of an object is one that is read here but for its case, as readers that fold it see. */
export function hasOtherCase(object: usize): bool {
  const end = after(object);
  for (let name = firstOf(object); name < end; name = after(valueAfter(name))) {
    const start = startOf(name);
    const size = sizeOf(name);
    if (
      isFolded(start, size, jsonrpc.start, jsonrpc.size) ||
      isFolded(start, size, method_name.start, method_name.size) ||
      isFolded(start, size, params_name.start, params_name.size) ||
      isFolded(start, size, id_name.start, id_name.size) ||
      isFolded(start, size, arguments_name.start, arguments_name.size) ||
      isFolded(start, size, name_name.start, name_name.size) ||
      isFolded(start, size, uri_name.start, uri_name.size) ||
      isFolded(start, size, result_name.start, result_name.size) ||
      isFolded(start, size, error_name.start, error_name.size)
    )
      return true;
  }
  return false;
}

/**
 * Whether a name is another one but for case, and not the same. Beside ASCII's letters two characters fold into them: U+017F into `s` and
 * U+212A into `k` (Unicode, CaseFolding.txt).
 */
export function isFolded(start: usize, size: u32, word: usize, wordSize: u32): bool {
  if (size < wordSize || size > wordSize * 3) return false;
  if (size == wordSize && sameBytes(start, word, size)) return false;
  const end = start + size;
  for (let index: u32 = 0; index < wordSize; index++) {
    if (start >= end) return false;
    let byte = <u32>load<u8>(start);
    let taken: usize = 1;
    if (byte == 0xc5 && end - start >= 2 && load<u8>(start, 1) == 0xbf) {
      byte = 0x73;
      taken = 2;
    } else if (byte == 0xe2 && end - start >= 3 && load<u8>(start, 1) == 0x84 && load<u8>(start, 2) == 0xaa) {
      byte = 0x6b;
      taken = 3;
    }
    if (lower(byte) != <u32>load<u8>(word + index)) return false;
    start += taken;
  }
  return start == end;
}
