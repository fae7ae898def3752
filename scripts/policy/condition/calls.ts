/** What conditions read of a call in the body: `mcp.tool`, `a2a.method`, `graphql.variables`, and where there is no such call. */
import * as code from "../../../assembly/policy/instructions.ts";
import type { Endpoint } from "../language/endpoint.ts";
import { type ProtocolName, protocol_names, protocol_words, protocolKey } from "../language/protocols.ts";
import type { Type } from "./types.ts";

/** A part of a call. */
export interface CallPart {
  /** Operand of `op_call`. */
  part: number;
  type: Type;
}

const method: CallPart = { part: code.call_method_name, type: "string" };

/** The parts of calls, by protocol. Those of plain JSON-RPC may come with a list in place of a map. */
export const call_parts: ReadonlyMap<string, ReadonlyMap<string, CallPart>> = new Map(
  Object.entries({
    mcp: {
      method,
      tool: { part: code.call_tool, type: "string" },
      args: { part: code.call_arguments, type: "map" },
      params: { part: code.call_params, type: "map" },
    },
    a2a: { method, params: { part: code.call_params, type: "map" } },
    jsonrpc: { method, params: { part: code.call_params, type: "dyn" } },
    graphql: {
      type: { part: code.call_type, type: "string" },
      field: { part: code.call_field, type: "string" },
      name: { part: code.call_operation_name, type: "string" },
      variables: { part: code.call_variables, type: "map" },
    },
  } satisfies Record<ProtocolName, Record<string, CallPart>>).map(([space, all]) => [
    space,
    new Map<string, CallPart>(Object.entries(all)),
  ]),
);

/** `mcp.session` is no part of a call, but a header that requests of one session share (Streamable HTTP, "Session Management"). */
export const session_member = "session";
export const session_header = "mcp-session-id";

/** Whether a name stands for the calls of a protocol. */
export function isCallSpace(name: string): name is ProtocolName {
  return protocol_names.some((one) => one === name);
}

/** What rules of a policy may read of calls. */
export interface CallScope {
  /** The protocols that the policy speaks of. */
  protocols?: ReadonlySet<ProtocolName>;
  /** Those whose calls the rule may be for. */
  called?: ReadonlySet<ProtocolName>;
}

/** Why a rule reads no call of a protocol: the diagnostic's code and its message; undefined where it may. */
export function noCall(
  space: ProtocolName,
  { protocols, called }: CallScope,
): { code: "call_without_paths" | "call_never"; message: string } | undefined {
  const words = protocol_words[space];
  if (protocols?.has(space) !== true) {
    const message = `the policy does not say where ${words} is spoken; add ${protocolKey(space)} beside \`rules\``;
    return { code: "call_without_paths", message };
  }
  if (called?.has(space) === true) return undefined;
  const example = {
    mcp: "mcp tools/call get_*",
    a2a: "a2a message/send",
    jsonrpc: "jsonrpc add",
    graphql: "graphql query x",
  };
  const message = `no request that the rule is for can be a call of ${words}; name one in its endpoints, as in \`${example[space]}\`, or the POST of a path in \`${space}.paths\``;
  return { code: "call_never", message };
}

/** What only calls of tools have. */
const of_tools: readonly string[] = ["tool", "args"];
const tools_call = "tools/call";

/** An endpoint some requests to which do not have a part of a call; undefined where all have it, as far as can be told. */
export function lackingEndpoint(
  space: ProtocolName,
  field: string,
  endpoints: readonly Endpoint[],
): Endpoint | undefined {
  const isOfTools = space === "mcp" && of_tools.includes(field);
  return endpoints.find(({ call, segments }) => {
    if (call === undefined) return isOfTools;
    return call.protocol !== space || (isOfTools && segments[0] !== tools_call);
  });
}

/** The condition that asks first whether a part is there. */
export function askingFirst(space: ProtocolName): string {
  return space === "graphql"
    ? '`graphql.type == "query"`'
    : `\`${space}.method == "${space === "mcp" ? tools_call : "…"}"\``;
}
