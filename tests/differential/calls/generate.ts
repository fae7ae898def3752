/** Random policies with calls, and requests that come to them: most nearly what the rules are for, some spoilt. */
import { createHash } from "node:crypto";
import type { Random } from "../../support/random.ts";
import type { CallPattern, Policy, Protocol, Request, Rule } from "./reference.ts";

const callers = ["spiffe://example.org/web", "spiffe://example.org/admin", "spiffe://example.org/job"];
const paths: Record<Protocol, string> = { mcp: "/mcp", a2a: "/a2a", jsonrpc: "/rpc", graphql: "/graphql" };
const protocols = Object.keys(paths) as Protocol[];
const rpcMethods = ["add", "sum", "sub.mit", "add/two"];
const tools = ["get_a", "get_b", "get_", "put", "a/b", "%2e", ""];
const fields = ["orders", "order", "other", "__typename", "__schema"];

/** @param random what decides */
export function somePolicy(random: Random): Policy {
  const count = 1 + random.below(7);
  const rules = Array.from({ length: count }, (_, index) => someRule(random, `r${index}`));
  // One that reads calls is always there: a policy without has no protocols.
  if (!rules.some(({ calls }) => calls.length > 0)) rules[0] = { ...rules[0]!, calls: [somePattern(random)] };
  return {
    rules,
    paths,
    batch: 1 + random.below(4),
    depth: 1 + random.below(4),
    aliases: random.below(4),
    introspection: random.below(2) === 0,
    burst: 1 + random.below(6),
  };
}

function someRule(random: Random, name: string): Rule {
  const action = random.below(8) === 0 ? "deny" : "allow";
  const calls = Array.from({ length: random.pick([0, 1, 1, 2, 3]) }, () => somePattern(random));
  const plain = Array.from({ length: calls.length === 0 ? 1 : random.pick([0, 0, 0, 1]) }, () => somePlain(random));
  const hasBound = (action === "allow" || calls.length > 0) && random.below(4) === 0;
  return {
    name,
    action,
    callers: random.below(5) < 3 ? ["any"] : [random.pick(callers), random.pick(callers)].filter(isFirst),
    plain: plain.filter(isFirst),
    calls: calls.filter((one, index) => calls.findIndex((other) => textOf(other) === textOf(one)) === index),
    ...(hasBound && { maxBodyBytes: random.pick([40, 60, 120, 65_536]) }),
    isLimited: action === "allow" && random.below(3) === 0,
  };
}

const isFirst = <Item>(one: Item, index: number, all: readonly Item[]): boolean => all.indexOf(one) === index;

function somePlain(random: Random): string {
  return `${random.pick(["POST", "POST", "GET"])} ${random.pick([...Object.values(paths), "/plain"])}`;
}

function somePattern(random: Random): CallPattern {
  const protocol = random.pick(["mcp", "mcp", "graphql", "graphql", "jsonrpc", "a2a"] as const);
  if (protocol === "mcp") {
    if (random.below(3) === 0)
      return {
        protocol,
        method: random.pick(["*", "tools/*", "tools/list", "tools/call", "initialize", "notifications/*"]),
      };
    if (random.below(4) === 0)
      return { protocol, method: "resources/read", name: random.pick(["file:///*", "file:///a", "*"]) };
    return { protocol, method: "tools/call", name: random.pick(["get_*", "get_a", "put", "*", "a/b", "%2e"]) };
  }
  if (protocol === "graphql") {
    const method = random.pick(["query", "query", "mutation", "*"]);
    const name = random.pick([undefined, "orders", "order", "ord*", "*", "__typename", "__schema"]);
    return { protocol, method, ...(method !== "*" && name !== undefined && { name }) };
  }
  return { protocol, method: random.pick(["*", "add", "sum", "ad*", "add/two", "add*"]) };
}

const textOf = ({ protocol, method, name }: CallPattern): string =>
  `${protocol} ${method}${name === undefined ? "" : ` ${name}`}`;

/** A policy as people write it. */
export function writePolicy({ rules, batch, depth, aliases, introspection, burst }: Policy): string {
  const list = (texts: readonly string[]): string => JSON.stringify(texts);
  return [
    "version: 1",
    "name: p",
    "trust: { domains: [example.org] }",
    ...(["mcp", "a2a", "jsonrpc"] as const).map((one) => `${one}: { paths: [${paths[one]}], batch: ${batch} }`),
    `graphql: { paths: [${paths.graphql}], batch: ${batch}, depth: ${depth}, aliases: ${aliases}, introspection: ${introspection ? "allow" : "deny"} }`,
    `limits: { few: { rate: 1/h, burst: ${burst}, per: [caller] } }`,
    "rules:",
    ...rules.flatMap((rule) => [
      `  - name: ${rule.name}`,
      `    callers: ${list(rule.callers)}`,
      `    ${rule.action}: ${list([...rule.plain, ...rule.calls.map(textOf)])}`,
      ...(rule.maxBodyBytes === undefined ? [] : [`    maxBodyBytes: ${rule.maxBodyBytes}`]),
      ...(rule.isLimited ? ["    limit: few"] : []),
    ]),
    "",
  ].join("\n");
}

export function someRequest(random: Random): Request {
  const protocol = random.pick(protocols);
  const path = random.below(20) === 0 ? random.pick(["/MCP", "/Graphql", "/plain", "/nowhere"]) : paths[protocol];
  const request: Request = { caller: random.pick(callers), method: "POST", path, query: {}, headers: [] };
  if (random.below(12) === 0) {
    const { query, operationName } = someOperation(random);
    const isAsked = protocol === "graphql" && random.below(4) > 0;
    if (isAsked && typeof query === "string") request.query = { query };
    if (isAsked && typeof operationName === "string") request.query = { ...request.query, operationName };
    return { ...request, method: random.pick(["GET", "GET", "POST"]) };
  }
  const body = someBody(random, protocol);
  const headers = someHeaders(random, body);
  const query: Request["query"] = protocol === "graphql" && random.below(30) === 0 ? { query: "{ orders }" } : {};
  return { ...request, method: random.below(30) === 0 ? "PUT" : "POST", headers, body, query };
}

function someHeaders(random: Random, body: string): [string, string][] {
  const types = [
    "application/json; charset=utf-8",
    'Application/JSON;charset="UTF-8"',
    "application/graphql-response+json",
    "text/plain",
    "application/json; charset=latin1",
    "application/jsonx",
  ];
  const type = random.below(6) === 0 ? random.pick(types) : "application/json";
  const headers: [string, string][] = [["content-type", type]];
  if (random.below(40) === 0) headers.push(["content-type", "application/json"]);
  if (random.below(40) === 0) headers.push(["content-encoding", random.pick(["gzip", "identity", "Identity"])]);
  if (random.below(40) === 0) headers.shift();
  if (random.below(2) === 0) headers.push(["content-length", String(Buffer.byteLength(body))]);
  return headers;
}

function someBody(random: Random, protocol: Protocol): string {
  const one = (): object => (protocol === "graphql" ? someOperation(random) : someMessage(random, protocol));
  const isList = random.below(4) === 0;
  const value = isList ? Array.from({ length: random.below(5) }, one) : one();
  const text = JSON.stringify(value, undefined, random.below(8) === 0 ? 1 : 0);
  return random.below(10) === 0 ? spoilt(random, text) : text;
}

/** What some upstream could read otherwise, or what is no JSON at all. */
function spoilt(random: Random, text: string): string {
  const ways: readonly (() => string)[] = [
    () => "",
    () => `\ufeff${text}`,
    () => `${text} x`,
    () => `${text}\n`,
    () => text.slice(0, random.below(text.length)),
    () => text.replace(/"method"/u, '"Method"'),
    () => text.replace(/"query"/u, '"QUERY"'),
    () => text.replace(/"params"/u, '"param\u017f"'),
    () => text.replace(/"method":/u, '"method":"add","method":'),
    () => text.replace(/"query":/u, '"query":"{ other }","query":'),
    () => text.replace(/"method"/u, '"\\u006dethod"'),
    () => text.replace(/"name"/u, '"Name"'),
    () => text.replace(/"a"|"x"/u, '"a\\u0000"'),
    () => text.replace(/,/u, ",/* */"),
    () => text.replace(/"2\.0"/u, "2.0"),
    () => text.replace(/get_a/u, "get\\u005fa"),
    () => text.replace(/:1/u, ":01"),
    () => random.pick(["null", "1", '"a"', "[]", "[[]]", "{}", "[{}]", '{"id":1}']),
  ];
  return random.pick(ways)();
}

function someMessage(random: Random, protocol: Protocol): Record<string, unknown> {
  const id = random.pick([{ id: 1 }, { id: 1 }, { id: "x" }, {}, { id: null }, { id: 1.5 }]);
  if (random.below(20) === 0)
    return {
      jsonrpc: "2.0",
      ...id,
      ...random.pick([{ result: {} }, { error: { code: 1 } }, { result: 1, method: "add" }]),
    };
  if (protocol !== "mcp") {
    const params = random.pick([{}, { params: [1] }, { params: { a: 1 } }, { params: 1 }, { params: null }]);
    return {
      jsonrpc: "2.0",
      ...id,
      method: random.pick([...rpcMethods, "Add", ""]),
      ...(random.below(3) === 0 && params),
    };
  }
  const method = random.pick([
    "tools/call",
    "tools/call",
    "tools/call",
    "tools/list",
    "initialize",
    "notifications/x",
    "resources/read",
    "TOOLS/CALL",
  ]);
  const name =
    method === "resources/read"
      ? { uri: random.pick(["file:///a", "file:///b", "http://a"]) }
      : { name: random.pick(tools) };
  const params =
    random.below(12) === 0 ? random.pick([{}, { name: 1 }, [], { uri: "a" }]) : { ...name, arguments: { a: "x" } };
  const isAlone = method !== "tools/call" && method !== "resources/read" && random.below(2) === 0;
  return { jsonrpc: "2.0", ...id, method, ...(!isAlone && { params }) };
}

function someOperation(random: Random): Record<string, unknown> {
  const query = someDocument(random);
  const operationName = random.pick([
    {},
    {},
    {},
    {},
    { operationName: "A" },
    { operationName: "B" },
    { operationName: "" },
    { operationName: null },
  ]);
  const variables = random.pick([{}, {}, { variables: { n: 1 } }, { variables: null }, { variables: [] }]);
  const operation = { query, ...operationName, ...(random.below(3) === 0 && variables) };
  if (random.below(12) > 0) return operation;
  const hash = createHash("sha256").update(query).digest("hex");
  const byHash = (sha256Hash: unknown): object => ({ extensions: { persistedQuery: { version: 1, sha256Hash } } });
  const { query: _, ...unsaid } = operation;
  return random.pick([
    { ...operation, ...byHash(hash) },
    { ...operation, ...byHash(hash.toUpperCase()) },
    { ...operation, ...byHash("00") },
    { ...unsaid, ...byHash(hash) },
    { ...operation, id: "x" },
    { ...unsaid, documentId: "x" },
    { ...unsaid, id: 1 },
    { ...unsaid, id: "a", documentId: "b" },
    { ...operation, extensions: 1 },
    unsaid,
    { ...operation, query: null },
  ]);
}

function someDocument(random: Random): string {
  const field = (depth: number): string => {
    const alias = random.below(5) === 0 ? `${random.pick(["a", "b", "c"])}: ` : "";
    const given = random.below(6) === 0 ? '(id: 1, a: "}")' : "";
    return `${alias}${random.pick(fields)}${given}${depth > 0 && random.below(2) === 0 ? ` ${set(depth - 1)}` : ""}`;
  };
  const part = (depth: number): string => {
    const way = random.below(12);
    if (way === 0) return "...F";
    return way === 1 ? `... on Query ${set(depth)}` : field(depth);
  };
  const set = (depth: number): string =>
    `{ ${Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => part(depth)).join(" ")} }`;
  const type = random.pick(["query", "query", "query", "mutation", "subscription"]);
  const operation = random.below(2) === 0 ? set(2) : `${type} ${random.pick(["A", "A", "B", ""])} ${set(2)}`;
  const other = random.below(8) === 0 ? ` query B ${set(1)}` : "";
  const fragment = random.below(4) === 0 ? ` fragment F on Query ${set(1)}` : "";
  const document = `${operation}${other}${operation.includes("...F") || random.below(10) === 0 ? fragment || ` fragment F on Query { ${random.pick(fields)} }` : fragment}`;
  return random.below(25) === 0 ? document.slice(0, random.below(document.length)) : document;
}
