/** What conditions read of a call in the body: `mcp.tool`, `a2a.method`, `graphql.variables`, and where there is no such call. */
import * as code from "../../../assembly/policy/instructions.ts";
import type { Endpoint } from "../language/endpoint.ts";
import { type ProtocolName, protocol_names, protocol_words, protocolKey } from "../language/protocols.ts";
import { body_nodes_max, body_nodes_min, usual_read_body_bytes } from "../language/reads.ts";
import { didYouMean } from "../source/suggest.ts";
import type { NeverScope } from "./never.ts";
import type { OnFault, OnWarning } from "./problem.ts";
import type { Node, Range } from "./syntax.ts";
import type { Term } from "./term.ts";
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
const session_member = "session";
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
  /** How many bytes a body may have that the rule reads; without it as many as where a rule does not say. */
  bodyBytes?: number;
  /** How many calls one request of the rule may have; without it one. */
  calls?: number;
}

/** Why a rule reads no call of a protocol: the diagnostic's code and its message; undefined where it may. */
function noCall(
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
function lackingEndpoint(space: ProtocolName, field: string, endpoints: readonly Endpoint[]): Endpoint | undefined {
  const isOfTools = space === "mcp" && of_tools.includes(field);
  return endpoints.find(({ call, segments }) => {
    if (call === undefined) return isOfTools;
    return call.protocol !== space || (isOfTools && segments[0] !== tools_call);
  });
}

/** The condition that asks first whether a part is there. */
function askingFirst(space: ProtocolName): string {
  return space === "graphql"
    ? '`graphql.type == "query"`'
    : `\`${space}.method == "${space === "mcp" ? tools_call : "…"}"\``;
}

/** How many values a body of a size may have: each takes two bytes at least. The engine has room for no more. */
function nodesOf(bytes: number): number {
  return Math.min(Math.max(bytes >>> 1, body_nodes_min), body_nodes_max);
}

/** Resolves names of the body and of the calls in it, and remembers which were used. */
export class CallNames {
  /** It reads JSON of the body, or parts of a call; and whether it reads all of it. */
  readsBody = false;
  readsWhole = false;
  /** Parts of calls that are read, by where each is read first; and whether it is asked which call there is. */
  readonly #parts = new Map<string, { space: ProtocolName; field: string; at: number }>();
  #asksCall = false;
  readonly #scope: CallScope & NeverScope;
  readonly #onFault: OnFault;
  readonly #onWarning: OnWarning;

  constructor(scope: CallScope & NeverScope, onFault: OnFault, onWarning: OnWarning) {
    this.#scope = scope;
    this.#onFault = onFault;
    this.#onWarning = onWarning;
  }

  get #bodyBytes(): number {
    return this.#scope.bodyBytes ?? usual_read_body_bytes;
  }

  /** How many values what is read of the body may have. */
  get nodes(): number {
    return this.readsBody ? nodesOf(this.#bodyBytes) : 0;
  }

  /** The body as a value of JSON, of which nothing is declared. */
  body(node: Range): Term {
    this.readsWhole = true;
    return this.#load(code.op_body, 0, "dyn", node);
  }

  /** A part of the call that is decided; undefined where there is none, which is reported. */
  part(space: ProtocolName, node: Node & { kind: "select" }): Term | undefined {
    const { field, at } = node;
    const fault = noCall(space, this.#scope);
    if (fault !== undefined && !(fault.code === "call_never" && this.#scope.lacksEndpoints === true)) {
      this.#onFault(fault.code, at, fault.message);
      return undefined;
    }
    const known = call_parts.get(space)!;
    const part = known.get(field);
    if (part === undefined) {
      const all = [...known.keys(), ...(space === "mcp" ? [session_member] : [])];
      this.#onFault("unknown_name", at, `\`${space}\` has no member \`${field}\`${didYouMean(field, all)}`);
      return undefined;
    }
    if (field === "method" || field === "type") this.#asksCall = true;
    const key = `${space}.${field}`;
    if (!this.#parts.has(key)) this.#parts.set(key, { space, field, at });
    return this.#load(code.op_call, part.part, part.type, node);
  }

  #load(op: number, a: number, type: Type, { start, end }: Range): Term {
    this.readsBody = true;
    const bytes = this.#bodyBytes;
    return { kind: "load", op, operands: { a }, type, bytes, nodes: nodesOf(bytes), units: 0, safe: false, start, end };
  }

  /** Whether a name is `mcp.session`. */
  isSession(space: ProtocolName, { field }: { field: string }): boolean {
    return space === "mcp" && field === session_member;
  }

  /** Whether the policy speaks of a protocol; reported if not. */
  isSpoken(space: ProtocolName, { at }: { at: number }): boolean {
    const fault = noCall(space, { ...this.#scope, called: new Set([space]) });
    if (fault !== undefined) this.#onFault(fault.code, at, fault.message);
    return fault === undefined;
  }

  /** Reports that it is not asked whether there is a part of a call. */
  refuseHas(space: ProtocolName, { field, at }: { field: string; at: number }): undefined {
    const message = `\`has\` is not for \`${space}.${field}\`, but for what is in it; ask ${askingFirst(space)}`;
    this.#onFault("condition_unsupported", at, message);
  }

  /** Tells of parts that some call of the rule lacks and that nothing guards. */
  finish(): void {
    for (const { space, field, at } of this.#asksCall ? [] : this.#parts.values()) {
      const lacking = lackingEndpoint(space, field, this.#scope.endpoints);
      if (lacking === undefined) continue;
      const which = lacking.call === undefined ? "some request that the rule is for" : `\`${lacking.call.text}\``;
      const outcome = this.#scope.action === "deny" ? "the rule matches" : "the rule does not hold";
      const message = `${which} has no \`${space}.${field}\`, so that the condition is an error there, and ${outcome}; ask first for ${askingFirst(space)}, or make it two rules`;
      this.#onWarning("call_partial", at, message);
    }
  }
}
