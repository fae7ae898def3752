/** What people write for a name or a value that has another form here, and what to write instead. */
import { print } from "./print.ts";
import type { Node } from "./syntax.ts";
import type { Type } from "./types.ts";

/** Names of other languages and proxies. */
const names: ReadonlyMap<string, string> = new Map(
  Object.entries({
    token: "claims",
    jwt: "claims",
    headers: "request.headers",
    query: "request.query",
    method: "request.method",
    host: "request.host",
    ip: "source.ip",
  }),
);
const members: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "source.address": "source.ip",
    "source.principal": "caller.id",
    "caller.spiffe_id": "caller.id",
    "request.body": "body",
    "request.time": "now",
    "request.header": 'request.headers["…"]',
    "request.params": 'request.query["…"]',
    "request.url": "request.path",
    "request.uri": "request.path",
    "request.url_path": "request.path",
  }),
);
const headers = ["header", "headers", "getHeader"];

/** A name with dashes, and of what it is a member. */
interface Dashed {
  of: string;
  name: string;
  isClaim: boolean;
}

/** What a name elsewhere is here. */
export function nameFor(written: string): string | undefined {
  return names.get(written) ?? members.get(written);
}

/**
 * A name with dashes, which CEL reads as differences: `request.headers.x-team` is `request.headers.x - team`. The
 * name in quotes, where that is what the expression looks like.
 * @param isTable whether a node is the headers or the query, which hold texts, so that nobody subtracts from them
 */
export function dashedName(node: Node & { kind: "call" }, isTable: (of: Node) => boolean): Dashed | undefined {
  const [left, right] = node.args as [Node, Node];
  const last = rootOf(right);
  // Who writes blanks around a minus means a minus.
  if (last === undefined || left.end !== node.at || last.start !== node.at + 1) return undefined;
  const before = left.kind === "call" && left.name === "_-_" ? dashedParts(left, isTable) : memberOf(left, isTable);
  if (before === undefined || (before.isClaim && last.name === "now")) return undefined;
  return { ...before, name: JSON.stringify(`${before.name}-${last.name}`) };
}

function dashedParts(node: Node & { kind: "call" }, isTable: (of: Node) => boolean): Dashed | undefined {
  const [left, right] = node.args as [Node, Node];
  const before = left.kind === "call" && left.name === "_-_" ? dashedParts(left, isTable) : memberOf(left, isTable);
  return before === undefined || right.kind !== "name"
    ? undefined
    : { ...before, name: `${before.name}-${right.name}` };
}

function memberOf(node: Node, isTable: (of: Node) => boolean): Dashed | undefined {
  if (node.kind !== "select") return undefined;
  const isClaim = rootOf(node)?.name === "claims";
  return isClaim || isTable(node.operand) ? { of: print(node.operand), name: node.field, isClaim } : undefined;
}

/** The name an expression begins with. */
function rootOf(node: Node): (Node & { kind: "name" }) | undefined {
  if (node.kind === "name") return node;
  if (node.kind === "select") return rootOf(node.operand);
  if (node.kind === "loop") return rootOf(node.range);
  if (node.kind !== "call") return undefined;
  return node.target !== undefined ? rootOf(node.target) : node.name === "_[_]" ? rootOf(node.args[0]!) : undefined;
}

/** What to write for a call of what is no function: `request.header("x")`, `claims.has("a")`, `now()`. */
export function insteadOfCall({ name, target, args }: Node & { kind: "call" }): string | undefined {
  if (target === undefined) return name === "now" && args.length === 0 ? "now" : undefined;
  const [first] = args;
  const text = first?.kind === "literal" && typeof first.value === "string" ? first.value : undefined;
  if (text === undefined) return undefined;
  const key = JSON.stringify(text);
  const isRequest = target.kind === "name" && target.name === "request";
  if (isRequest && headers.includes(name)) return `request.headers[${key}]`;
  if (isRequest && name === "query") return `request.query[${key}]`;
  if (name === "get") return `${print(target)}[${key}]`;
  if (!["has", "hasKey", "containsKey"].includes(name)) return undefined;
  return /^[A-Za-z_]\w*$/u.test(text) ? `has(${print(target)}.${text})` : `${key} in ${print(target)}`;
}

/**
 * What to write where a claim meets a time: JSON has neither timestamps nor durations.
 * @param claim the one that is dyn
 * @param wanted what the claim would have to be
 */
export function claimAsTime(claim: Node, wanted: "timestamp" | "duration"): string {
  return wanted === "timestamp"
    ? `a claim is never a timestamp; write \`timestamp(${print(claim)})\``
    : 'a claim is never a duration; write the duration out, as in `duration("1h")`';
}

/** The duration a text of days or weeks is: CEL has none longer than hours, since a day is not always as long. */
export function inHours(text: string): string | undefined {
  const match = /^([0-9]{1,6})\s*(d|days?|w|weeks?)$/iu.exec(text);
  return match === null ? undefined : `${Number(match[1]) * (/^w/iu.test(match[2]!) ? 168 : 24)}h`;
}

/** Whether a value of the type may be compared with a claim only after a conversion. */
export function isTime(type: Type): type is "timestamp" | "duration" {
  return type === "timestamp" || type === "duration";
}
