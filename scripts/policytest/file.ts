/**
 * A file of policy tests as people write it, read into a form the runner uses. Unknown keys and values of a wrong kind are
 * problems with a place.
 *
 *   policy    the policy's file, relative to this one
 *   now       the clock of every test that sets none (default: the real time)
 *   defaults  caller, source, token, host, headers of every test that sets none; headers are merged by name
 *   tests     name, caller, token, request, source, now, repeat, expect
 */
import { dirname, isAbsolute, join } from "node:path";
import { isMap, isScalar, isSeq } from "yaml";
import { reasonNames } from "../evaluate/reasons.ts";
import { readSource } from "../policy/read.ts";
import { sourceOf } from "../policy/source.ts";
import { didYouMean } from "../policy/suggest.ts";
import { type MaybeNode, Reader } from "./reader.ts";

/** The codes a denial may carry. */
const denialReasons = reasonNames.slice(1);

/** A token to be made and signed by the runner. */
export interface ClaimsToken {
  /** The issuer's name in the policy. */
  issuer: string;
  /** Claims of the payload; one that is null is left out, even where the runner would have added it. */
  claims: Readonly<Record<string, unknown>>;
  /** Members of the JOSE header; null leaves one out. */
  header: Readonly<Record<string, unknown>>;
}

/** A token as a test gives it: to be made, as it is, or none. */
export type TestToken = ClaimsToken | string | null;

export interface TestRequest {
  method: string;
  path: string;
  host: string;
  /** Names in lower case. */
  headers: readonly (readonly [string, string])[];
}

/** What a test asks for; all that is given must hold. */
export interface Expectation {
  decision?: "allow" | "deny";
  /** A reason code. */
  reason?: string;
  /** The rule that decided. */
  rule?: string;
  /** The HTTP status of the verdict, before a gRPC answer turns it into 200 and a gRPC status. */
  status?: number;
}

export interface PolicyTest {
  name: string;
  /** Where the test starts, from 1. */
  line: number;
  column: number;
  /** The caller's SPIFFE ID; null for a caller without a certificate. */
  caller: string | null;
  token: TestToken;
  request: TestRequest;
  /** The address the request comes from. */
  source: string;
  /** The test's clock in milliseconds since 1970; undefined for the real time. */
  now: number | undefined;
  /** How often the request is made; the last answer counts. */
  repeat: number;
  expect: Expectation;
}

export interface TestFile {
  path: string;
  /** The policy's path: absolute, or from where the test file's own path starts. */
  policy: string;
  tests: readonly PolicyTest[];
}

/** The defaults of the defaults: a host that says it does not matter, and an address of the local machine. */
const defaultHost = "localhost";
const defaultSource = "127.0.0.1";
const repeatMaximum = 1_000_000;

const fileKeys = ["policy", "now", "defaults", "tests"];
const defaultsKeys = ["caller", "source", "token", "host", "headers"];
const testKeys = ["name", "caller", "token", "request", "source", "now", "repeat", "expect"];
const requestKeys = ["method", "path", "host", "headers"];
const tokenKeys = ["issuer", "claims", "header"];
const expectKeys = ["allow", "deny", "rule", "status"];

type Headers = readonly (readonly [string, string])[];

interface Defaults {
  caller: string | null;
  source: string;
  token: TestToken;
  host: string;
  headers: Headers;
}

/** Reads a test file from disk. Throws PolicyError. */
export function readTestFile(path: string): TestFile {
  return parse(path, new Reader(readSource(path)));
}

/** Reads the text of a test file; `path` is what messages show and what the policy's path starts from. Throws PolicyError. */
export function parseTestFile(path: string, text: string): TestFile {
  return parse(path, new Reader(sourceOf(path, text)));
}

function parse(path: string, reader: Reader): TestFile {
  const file = reader.map(reader.root, "a test file", fileKeys) ?? new Map<string, MaybeNode>();
  const policy = reader.text(file.get("policy") ?? reader.root, "policy");
  const now = file.has("now") ? reader.time(file.get("now"), "now") : undefined;
  const defaults = readDefaults(reader, file.get("defaults"));
  const names = new Set<string>();
  const tests: PolicyTest[] = [];
  for (const node of reader.list(file.get("tests") ?? reader.root, "tests") ?? []) {
    const test = readTest(reader, node, defaults, now);
    if (test === undefined) continue;
    if (names.has(test.name)) reader.fail(node, "duplicate", `there is a test named \`${test.name}\` already`);
    names.add(test.name);
    tests.push(test);
  }
  reader.finish();
  return { path, policy: isAbsolute(policy!) ? policy! : join(dirname(path), policy!), tests };
}

function readDefaults(reader: Reader, node: MaybeNode): Defaults {
  const values = node === undefined ? new Map<string, MaybeNode>() : reader.map(node, "defaults", defaultsKeys);
  return {
    caller: readCaller(reader, values?.get("caller")) ?? null,
    source: values?.has("source") ? (reader.text(values.get("source"), "source") ?? "") : defaultSource,
    token: readToken(reader, values?.get("token")) ?? null,
    host: values?.has("host") ? (reader.text(values.get("host"), "host") ?? "") : defaultHost,
    headers: readHeaders(reader, values?.get("headers")),
  };
}

function readTest(
  reader: Reader,
  node: MaybeNode,
  defaults: Defaults,
  now: number | undefined,
): PolicyTest | undefined {
  const values = reader.map(node, "a test", testKeys);
  if (values === undefined) return undefined;
  const request = readRequest(reader, values.get("request") ?? node, defaults);
  const name = reader.text(values.get("name") ?? node, "name");
  const expect = readExpectation(reader, values.get("expect") ?? node);
  const caller = values.has("caller") ? readCaller(reader, values.get("caller")) : defaults.caller;
  const token = values.has("token") ? readToken(reader, values.get("token")) : defaults.token;
  const source = values.has("source") ? reader.text(values.get("source"), "source") : defaults.source;
  const own = values.has("now") ? reader.time(values.get("now"), "now") : now;
  const repeat = values.has("repeat") ? reader.integer(values.get("repeat"), "repeat", 1, repeatMaximum) : 1;
  if (token != null && request?.headers.some(([header]) => header === "authorization")) {
    reader.fail(values.get("token") ?? node, "conflict", "a token and an authorization header: give one of them");
  }
  if (!request || !name || !expect) return undefined;
  const place = reader.place(node);
  return {
    name,
    ...place,
    caller: caller ?? null,
    token: token ?? null,
    request,
    source: source ?? "",
    now: own,
    repeat: repeat ?? 1,
    expect,
  };
}

function readCaller(reader: Reader, node: MaybeNode): string | null | undefined {
  if (reader.isNull(node)) return null;
  return reader.text(node, "caller");
}

/** A token: `null`, a raw one, or a map of issuer, claims and header. */
function readToken(reader: Reader, node: MaybeNode): TestToken | undefined {
  if (reader.isNull(node)) return null;
  if (!isMap(node)) return reader.text(node, "token");
  const values = reader.map(node, "token", tokenKeys)!;
  const issuer = reader.text(values.get("issuer") ?? node, "issuer");
  const claims = readObject(reader, values.get("claims"), "claims");
  const header = readObject(reader, values.get("header"), "header");
  return issuer === undefined ? undefined : { issuer, claims, header };
}

/** Reads a token to be made from text such as `{issuer: corp, claims: {sub: alice}}`. Throws PolicyError. */
export function parseToken(name: string, text: string): ClaimsToken {
  const reader = new Reader(sourceOf(name, text));
  const token = readToken(reader, reader.root);
  reader.finish();
  return token as ClaimsToken;
}

function readObject(reader: Reader, node: MaybeNode, what: string): Record<string, unknown> {
  if (node === undefined) return {};
  if (!isMap(node)) return reader.fail(node, "type", `${what} must be a map`) ?? {};
  return node.toJSON() as Record<string, unknown>;
}

/** `METHOD PATH`, `grpc package.Service/Method`, or a map. */
function readRequest(reader: Reader, node: MaybeNode, defaults: Defaults): TestRequest | undefined {
  if (isMap(node) && !node.has("name")) {
    const values = reader.map(node, "request", requestKeys)!;
    const method = values.has("method") ? reader.text(values.get("method"), "method") : "GET";
    const path = reader.text(values.get("path") ?? node, "path");
    const host = values.has("host") ? reader.text(values.get("host"), "host") : defaults.host;
    const headers = merge(defaults.headers, readHeaders(reader, values.get("headers")));
    return method && path && host ? { method, path, host, headers } : undefined;
  }
  const line = isScalar(node) && typeof node.value === "string" ? parseRequestLine(node.value) : undefined;
  if (line === undefined) {
    return reader.fail(
      node,
      "request",
      "request must be METHOD PATH, grpc package.Service/Method, or a map with a path",
    );
  }
  return { method: line.method, path: line.path, host: defaults.host, headers: merge(defaults.headers, line.headers) };
}

/** A request in one line; undefined where it is none. */
export function parseRequestLine(text: string): { method: string; path: string; headers: Headers } | undefined {
  const match = /^(\S+) (\S.*)$/.exec(text);
  if (match === null) return undefined;
  const [, method, path] = match as unknown as [string, string, string];
  if (method !== "grpc") return { method, path, headers: [] };
  return { method: "POST", path: `/${path}`, headers: [["content-type", "application/grpc"]] };
}

function readHeaders(reader: Reader, node: MaybeNode): Headers {
  if (node === undefined) return [];
  if (!isMap(node)) return reader.fail(node, "type", "headers must be a map") ?? [];
  return node.items.flatMap(({ key, value }) => {
    const name = String(isScalar(key) ? key.value : key).toLowerCase();
    const values = isSeq(value) ? value.items : [value];
    return values.map((item) => {
      const isPlain = isScalar(item) && item.value !== null;
      if (!isPlain) reader.fail(item as MaybeNode, "type", `header ${name} must be text or a list of texts`);
      return [name, isPlain ? String(item.value) : ""] as const;
    });
  });
}

function merge(defaults: Headers, own: Headers): Headers {
  return [...defaults.filter(([name]) => !own.some(([other]) => other === name)), ...own];
}

function readExpectation(reader: Reader, node: MaybeNode): Expectation | undefined {
  if (isScalar(node)) {
    if (node.value === "allow" || node.value === "deny") return { decision: node.value };
    return reader.fail(node, "expect", "expect must be allow, deny, or a map with allow, deny or status");
  }
  const values = isMap(node) && !node.has("name") ? reader.map(node, "expect", expectKeys) : undefined;
  if (values === undefined || values.size === 0) return reader.fail(node, "expect", "expect is missing");
  if (values.has("allow") && values.has("deny"))
    reader.fail(node, "conflict", "expect: allow and deny exclude each other");
  const expectation: Expectation = {};
  if (values.has("allow")) {
    expectation.decision = "allow";
    expectation.rule = reader.text(values.get("allow"), "allow") ?? "";
  }
  if (values.has("deny")) {
    expectation.decision = "deny";
    expectation.reason = reader.text(values.get("deny"), "deny") ?? "";
    if (expectation.reason !== "" && !denialReasons.includes(expectation.reason)) {
      const hint = didYouMean(expectation.reason, denialReasons);
      reader.fail(values.get("deny"), "unknown_reason", `there is no reason code \`${expectation.reason}\`${hint}`);
    }
  }
  if (values.has("rule")) expectation.rule = reader.text(values.get("rule"), "rule") ?? "";
  if (values.has("status")) expectation.status = reader.integer(values.get("status"), "status", 100, 599) ?? 0;
  return expectation;
}
