/**
 * What a test's request has behind its headers: a body as it is or as JSON, or a call of MCP or of GraphQL in few words.
 *
 *   body      a text, sent as it is; a mapping or a list, sent as JSON
 *   mcp       `tools/call get_weather {"city": "Ulm"}`; or { method, name | uri, arguments, params, id }; or a list of those, a batch
 *   graphql   a document; or { query, variables, operationName, extensions }; or a list of those, a batch
 */
import { protocolPath } from "../policy/language/protocols.ts";
import type { Field, Reader } from "../policy/source/yaml.ts";
import type { Fields } from "./fields.ts";
import { readText, required } from "./fields.ts";
import type { TestPolicy } from "./policy.ts";

/** The keys of a request that say what its body is. */
export const body_keys = ["body", "mcp", "graphql"] as const;

/** Protocols that a request's body has a short form for. */
export const short_protocols = ["mcp", "graphql"] as const;
export type ShortProtocol = (typeof short_protocols)[number];

/** A body, as a request has it. */
export interface TestBody {
  /** What is sent, in UTF-8. */
  text: string;
  isJson: boolean;
  /** The protocol whose call it is, where it was given as one. */
  protocol: ShortProtocol | undefined;
}

const mcpKeys = ["method", "name", "uri", "arguments", "params", "id"];
const graphqlKeys = ["query", "variables", "operationName", "extensions"];

/** The body among the keys of a request; undefined where there is none, or where what stands there is wrong, which is reported. */
export function readBody(reader: Reader, fields: Fields): TestBody | undefined {
  const given = body_keys.flatMap((key) => fields.get(key) ?? []);
  const [field, other] = given;
  if (other !== undefined)
    reader.reporter.error(
      "conflict",
      other.at,
      `\`request\`: \`${field!.name}\` and \`${other.name}\` exclude each other`,
    );
  if (field === undefined || other !== undefined) return undefined;
  if (field.name === "body") return readPlain(reader, field);
  const protocol = field.name as ShortProtocol;
  const readOne = protocol === "mcp" ? readMcp : readGraphql;
  const value = reader.isList(field)
    ? reader.items(field, `\`${protocol}\``)?.map((item) => readOne(reader, { ...item, name: protocol }))
    : readOne(reader, field);
  return value && { text: JSON.stringify(value), isJson: true, protocol };
}

function readPlain(reader: Reader, field: Field): TestBody | undefined {
  if (reader.isMapping(field) || reader.isList(field))
    return { text: JSON.stringify(reader.json(field, "`body`")), isJson: true, protocol: undefined };
  const text = reader.text(
    field,
    "`body`",
    "text, or a mapping or a list that is sent as JSON; other JSON goes in quotes",
  );
  return text && { text: text.value, isJson: false, protocol: undefined };
}

function readMcp(reader: Reader, field: Field): object | undefined {
  if (!reader.isMapping(field)) {
    const text = readText(reader, field);
    const call = text === undefined ? undefined : parseMcpCall(text);
    if (typeof call === "string") reader.reporter.error("request", reader.at(field), call);
    return typeof call === "string" ? undefined : call;
  }
  const fields = reader.fields(field, "`mcp`", mcpKeys);
  if (fields === undefined) return undefined;
  const method = required(reader, fields, "method", field, "`mcp`", (one) => readText(reader, one));
  const json = (key: string): Record<string, unknown> => {
    const one = fields.get(key);
    return one === undefined ? {} : { [key]: reader.json(one, `\`${key}\``) };
  };
  const parts = { ...json("name"), ...json("uri"), ...json("arguments") };
  if (fields.has("params") && Object.keys(parts).length > 0) {
    const [part] = Object.keys(parts);
    const message = `\`mcp\`: \`params\` and \`${part}\` exclude each other: \`${part}\` is a member of \`params\``;
    reader.reporter.error("conflict", fields.get("params")!.at, message);
  }
  const params = fields.has("params") ? json("params") : Object.keys(parts).length > 0 ? { params: parts } : {};
  const id = fields.get("id");
  const own = id === undefined ? {} : reader.isNull(id) ? { id: undefined } : json("id");
  return method === undefined ? undefined : { ...mcpMessage(method), ...params, ...own };
}

/** A call without what it is made with. A notification has no `id` (JSON-RPC 2.0, §4.1). */
function mcpMessage(method: string): object {
  return { jsonrpc: "2.0", ...(!method.startsWith("notifications/") && { id: 1 }), method };
}

/**
 * The message of a call in one line: `METHOD`, `METHOD NAME` or `METHOD NAME {ARGUMENTS}`, where NAME is a URI of `resources/…`.
 * @returns what is wrong, where it is none
 */
export function parseMcpCall(text: string): object | string {
  const [, method, name, given] = /^(\S+)(?: +([^\s{]\S*))?(?: +(\{.*\}))?$/su.exec(text.trim()) ?? [];
  if (method === undefined) return "a call of MCP is `METHOD`, or `METHOD NAME {ARGUMENTS}`";
  let found: unknown;
  try {
    found = given === undefined ? undefined : JSON.parse(given);
  } catch {
    return `what is behind \`${method}\` is no JSON: \`${given}\``;
  }
  const isNamed = name !== undefined;
  if (!isNamed && found === undefined) return mcpMessage(method);
  const called = isNamed && (method.startsWith("resources/") ? { uri: name } : { name });
  return {
    ...mcpMessage(method),
    params: isNamed ? { ...called, ...(found !== undefined && { arguments: found }) } : found,
  };
}

function readGraphql(reader: Reader, field: Field): object | undefined {
  if (!reader.isMapping(field)) {
    const query = readText(reader, field);
    return query === undefined ? undefined : { query };
  }
  const before = reader.reporter.findings.errors.length;
  const fields = reader.fields(field, "`graphql`", graphqlKeys);
  if (fields === undefined) return undefined;
  const isSound = reader.reporter.findings.errors.length === before;
  if (fields.size === 0 && isSound) reader.reporter.error("value", reader.at(field), "`graphql` is empty");
  return Object.fromEntries([...fields.values()].map((one) => [one.name, reader.json(one, `\`${one.name}\``)]));
}

/** Headers that a client sends with a body, where it sends no others of that name. */
export function withBodyHeaders(
  headers: readonly (readonly [string, string])[],
  { text, isJson }: Pick<TestBody, "text" | "isJson">,
): readonly (readonly [string, string])[] {
  const has = (header: string): boolean => headers.some(([name]) => name === header);
  const isSized = has("content-length") || has("transfer-encoding");
  return [
    ...headers,
    ...(isJson && !has("content-type") ? [["content-type", "application/json"] as const] : []),
    ...(isSized ? [] : [["content-length", String(Buffer.byteLength(text))] as const]),
  ];
}

/** Where a policy has calls of a protocol: the first of its paths, as it is sent. Undefined: nowhere. */
export function pathOfCalls({ protocols }: Pick<TestPolicy, "protocols">, protocol: ShortProtocol): string | undefined {
  const first = protocols.find(({ name }) => name === protocol);
  return first && encodeURI(protocolPath(first)).replace(/[?#]/gu, encodeURIComponent);
}
