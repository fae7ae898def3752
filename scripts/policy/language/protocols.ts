/**
 * Protocols whose calls share one path: what is said of them in a policy (`mcp`, `a2a`, `jsonrpc`, `graphql`), the methods that they
 * have, and what stands for them where rules are compared. How an endpoint names a call is in call.ts.
 */
import { call_method, offer_method } from "../../../assembly/policy/callmethods.ts";
import type { Located } from "../source/yaml.ts";
import { integer, list, mapping, optional, type Read, required, text, word } from "./shape.ts";

export { call_method, offer_method };
/** What stands for calls, and for what a rule could admit of them, among the methods of an image: no request has them. */
export const pseudo_methods: readonly string[] = [call_method, offer_method];

/** The protocols, as policies name them. */
export const protocol_names = ["mcp", "a2a", "jsonrpc", "graphql"] as const;
export type ProtocolName = (typeof protocol_names)[number];

/** Calls of one request: a batch of JSON-RPC, or of GraphQL; at the most, and where the policy does not say. */
export const calls_max = 128;
export const usual_calls = 20;
export const usual_operations = 5;
/** How deep a GraphQL document may select, and how many aliases it may have; likewise. */
export const depth_max = 128;
export const usual_depth = 10;
export const aliases_max = 1000;
export const usual_aliases = 20;
/** Paths of all protocols; documents of one file of persisted ones, the bytes of one of their IDs, and of one document. */
export const protocol_paths_max = 64;
export const persisted_documents_max = 10_000;
export const persisted_id_bytes_max = 256;
export const persisted_document_bytes_max = 1_048_576;
/** The method of a call, or the name of what it calls. */
export const call_text_bytes_max = 1024;

/** A document that clients name by an ID in place of sending it. */
export interface PersistedDocument {
  id: string;
  document: string;
}

/** What is spoken on one path. */
export interface Protocol {
  name: ProtocolName;
  /** Decoded. */
  segments: readonly string[];
  /** Calls of one request, at the most. */
  calls: number;
  /** Of GraphQL; undefined for others. */
  graphql?: GraphqlBounds;
}

/** What a GraphQL document may have, and the documents that clients may name by an ID, in the order of their IDs' bytes. */
export interface GraphqlBounds {
  depth: number;
  aliases: number;
  introspection: "deny" | "allow";
  persisted: readonly PersistedDocument[];
}

/** @param like the path that examples have */
const pathsKey = (like: string) =>
  required(
    list(text({ pattern: /^\/[^\s?#*{}]*$/u }), {
      empty: `, so nothing is spoken anywhere; name a path: \`[${like}]\``,
    }),
    "Where servers of the protocol listen: whole paths, without variables and stars. A path is one protocol's alone.",
    { examples: [[like]], asIn: `paths: [${like}]` },
  );

/** The keys of MCP, A2A and plain JSON-RPC. @param like the path that examples have */
function callsShape(like: string) {
  return mapping({
    paths: pathsKey(like),
    batch: optional(integer(1, calls_max), "How many calls a request may have; more are refused.", {
      default: usual_calls,
      examples: [1],
    }),
  });
}

export const mcp_shape = callsShape("/mcp");
export const a2a_shape = callsShape("/a2a");
export const jsonrpc_shape = callsShape("/rpc");
export const graphql_shape = mapping({
  paths: pathsKey("/graphql"),
  depth: optional(integer(1, depth_max), "How deep an operation may select, fragments counted where they are spread.", {
    default: usual_depth,
  }),
  aliases: optional(integer(0, aliases_max), "How many aliases an operation may have.", { default: usual_aliases }),
  batch: optional(integer(1, calls_max), "How many operations a request may have, as a JSON list.", {
    default: usual_operations,
  }),
  introspection: optional(
    word(["deny", "allow"]),
    "Whether operations may ask for the schema: the root fields `__schema` and `__type`.",
    { default: "deny" },
  ),
  persisted: optional(
    mapping({
      file: required(
        text(),
        'A JSON file of documents by ID, found from this file\'s folder: `{"ID": "query …"}`, or Apollo\'s manifest of persisted queries.',
        { examples: ["hashes.json"], asIn: "file: hashes.json" },
      ),
    }),
    "Documents that clients name by an ID. Without it, a request that has an ID and no document is denied.",
    { examples: [{ file: "hashes.json" }] },
  ),
});

export type DraftCalls = Read<typeof mcp_shape>;
export type DraftGraphql = Read<typeof graphql_shape>;
export type DraftPaths = Located<Located<string>[]>;

/** What clients of MCP send: https://modelcontextprotocol.io/specification, versions 2024-11-05 to 2025-11-25. */
const mcp_methods = [
  "initialize",
  "ping",
  "tools/list",
  "tools/call",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "prompts/list",
  "prompts/get",
  "completion/complete",
  "logging/setLevel",
  "tasks/list",
  "tasks/get",
  "tasks/result",
  "tasks/cancel",
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "notifications/roots/list_changed",
  "notifications/tasks/status",
];

/** What clients of A2A send: https://a2a-protocol.org/latest/specification, in the words of versions 0.2 and 0.3, then of 1.0. */
const a2a_methods = [
  "message/send",
  "message/stream",
  "tasks/get",
  "tasks/list",
  "tasks/cancel",
  "tasks/resubscribe",
  "tasks/pushNotificationConfig/set",
  "tasks/pushNotificationConfig/get",
  "tasks/pushNotificationConfig/list",
  "tasks/pushNotificationConfig/delete",
  "agent/getAuthenticatedExtendedCard",
  "SendMessage",
  "SendStreamingMessage",
  "GetTask",
  "ListTasks",
  "CancelTask",
  "SubscribeToTask",
  "CreateTaskPushNotificationConfig",
  "GetTaskPushNotificationConfig",
  "ListTaskPushNotificationConfigs",
  "DeleteTaskPushNotificationConfig",
  "GetExtendedAgentCard",
];

/** The methods that a protocol is known to have; none for plain JSON-RPC, whose methods are the server's own. Of GraphQL the types of operations. */
export const call_methods: Readonly<Record<ProtocolName, readonly string[]>> = {
  mcp: mcp_methods,
  a2a: a2a_methods,
  jsonrpc: [],
  graphql: ["query", "mutation", "subscription"],
};

/** Methods of MCP that call something by its name, and what the name is. */
export const named_methods: ReadonlyMap<string, string> = new Map([
  ["tools/call", "NAME"],
  ["resources/read", "URI"],
  ["prompts/get", "NAME"],
]);

/** Methods that ask for no change. */
const safe_calls: Readonly<Record<ProtocolName, RegExp>> = {
  mcp: /^(?!tools\/call$|tasks\/cancel$)/u,
  a2a: /^(?:tasks\/(?:get|list|resubscribe|pushNotificationConfig\/(?:get|list))|agent\/.*|(?:Get|List|Subscribe).*)$/u,
  jsonrpc: /^(?!)/u,
  graphql: /^(?:query|subscription)$/u,
};

/** Whether a method, written out, is known to ask for no change. */
export function isSafeCall(protocol: ProtocolName, method: string): boolean {
  return safe_calls[protocol].test(method);
}

/** What people call a protocol. */
export const protocol_words: Readonly<Record<ProtocolName, string>> = {
  mcp: "MCP",
  a2a: "A2A",
  jsonrpc: "JSON-RPC",
  graphql: "GraphQL",
};

/** The HTTP methods of requests that have calls. Others on the path are requests like any: of MCP, the streams and the end of a session. */
export function carriersOf(protocol: ProtocolName): readonly string[] {
  return protocol === "graphql" ? ["GET", "POST"] : ["POST"];
}

/** The key of the policy that says where a protocol is spoken, for messages. */
export function protocolKey(protocol: ProtocolName): string {
  const [path] = { mcp: ["/mcp"], a2a: ["/a2a"], jsonrpc: ["/rpc"], graphql: ["/graphql"] }[protocol];
  return `\`${protocol}: { paths: [${path}] }\``;
}

/** A protocol's path as it is written. */
export function protocolPath({ segments }: Pick<Protocol, "segments">): string {
  return `/${segments.map(encodeURIComponent).join("/")}`;
}

/**
 * What stands in `methods` of an endpoint for the calls on one path of a protocol, by one HTTP method: no method that a request has. So
 * endpoints of calls are compared with each other, path by path, and with none of requests.
 */
export function callMethods(protocol: Protocol): string[] {
  return carriersOf(protocol.name).map((carrier) => `:${protocol.name} ${carrier} ${protocolPath(protocol)}`);
}

/** What `callMethods` has put together. */
export interface CallPlace {
  protocol: ProtocolName;
  /** The HTTP method. */
  carrier: string;
  path: string;
  segments: string[];
}

/** Takes apart what `callMethods` has put together; undefined for a method of requests. */
export function callPlace(method: string): CallPlace | undefined {
  if (!method.startsWith(":")) return undefined;
  const [protocol, carrier, path] = method.slice(1).split(" ") as [ProtocolName, string, string];
  return { protocol, carrier, path, segments: path === "/" ? [] : path.slice(1).split("/").map(decodeURIComponent) };
}

/** Whether what stands in `methods` of an endpoint stands for calls. */
export function isCallMethod(method: string): boolean {
  return method.startsWith(":");
}
