/**
 * A file of policy tests as people write it, read as strictly as a policy into a form the runner uses.
 *
 *   policy    the policy's file, relative to this one
 *   now       the clock of every test that sets none (default: the real time)
 *   defaults  caller, svid, source, destination, token, host, headers of every test that sets none; headers are merged by name, and a test
 *             that says who its caller is, by caller or svid, takes neither from here
 *   tests     name, caller, svid, token, request, source, destination, now, repeat, expect
 */
import { dirname, isAbsolute, join } from "node:path";
import { reasonNames } from "../evaluate/reasons.ts";
import type { ErrorCode } from "../policy/source/codes.ts";
import { type Diagnostic, Findings, Reporter } from "../policy/source/diagnostic.ts";
import { readSource } from "../policy/source/read.ts";
import { positionOf } from "../policy/source/source.ts";
import { didYouMean } from "../policy/source/suggest.ts";
import { type Field, parseYaml, Reader, type Slot } from "../policy/source/yaml.ts";
import { body_keys, readBody, type ShortProtocol, short_protocols, withBodyHeaders } from "./body.ts";
import type { Expectation } from "./expectation.ts";
import { optional, readPort, readSourceAddress, readText, readTime, required } from "./fields.ts";
import { callerFault, isPolicy, pathFault, warnOfSlips } from "./lint.ts";
import { type Position, readSvid, readToken, type TestSvid, type TestToken } from "./token.ts";

/** The codes a denial may carry. */
const denialReasons = reasonNames.slice(1);

export interface TestRequest {
  method: string;
  path: string;
  host: string;
  /** Names in lower case. */
  headers: readonly (readonly [string, string])[];
  /** What comes behind them; left out: nothing does. */
  body?: string;
  /** The path is the first that the policy has for calls of this protocol; `path` is empty then. */
  callsOf?: ShortProtocol;
}

export interface PolicyTest {
  name: string;
  /** Where the test starts, from 1. */
  line: number;
  column: number;
  /** The caller's SPIFFE ID; null for a caller without a certificate. */
  caller: string | null;
  /** The JWT-SVID it sends; undefined: nothing is said of it. */
  svid: TestSvid | undefined;
  /** Where it stands. */
  svidPlace?: Position;
  token: TestToken;
  /** Where the token stands. */
  tokenPlace?: Position;
  request: TestRequest;
  /** Where it stands. */
  requestPlace?: Position;
  /** The address the request comes from. */
  source: string;
  /** The port it comes to; undefined: nothing is said of it. */
  destination: number | undefined;
  /** The test's clock in milliseconds since 1970; undefined for the real time. */
  now: number | undefined;
  /** How often the request is made; the last answer counts. */
  repeat: number;
  expect: Expectation;
  /** Where the name of the rule stands that is expected to decide. */
  rulePlace?: Position;
}

export interface TestFile {
  path: string;
  /** The policy's path: absolute, or from where the test file's own path starts. */
  policy: string;
  tests: readonly PolicyTest[];
  /** What is likely a slip. */
  warnings: readonly Diagnostic[];
}

/** The defaults of the defaults: a host that says it does not matter, and an address of the local machine. */
const defaultHost = "localhost";
const defaultSource = "127.0.0.1";
const repeatMaximum = 1_000_000;

const fileKeys = ["policy", "now", "defaults", "tests"];
const defaultsKeys = ["caller", "svid", "source", "destination", "token", "host", "headers"];
const testKeys = ["name", "caller", "svid", "token", "request", "source", "destination", "now", "repeat", "expect"];
const requestKeys = ["method", "path", "host", "headers", ...body_keys];
const expectKeys = ["allow", "deny", "rule", "status"];

type Headers = readonly (readonly [string, string])[];

interface Defaults {
  caller: string | null;
  callerSlot: Slot | undefined;
  svid: TestSvid | undefined;
  svidSlot: Slot | undefined;
  tokenSlot: Slot | undefined;
  source: string;
  destination: number | undefined;
  token: TestToken;
  host: string;
  headers: Headers;
}

/** Reads a test file from disk. Throws PolicyError. */
export function readTestFile(path: string): TestFile {
  const reporter = new Reporter(readSource(path), new Findings());
  const root = parseYaml(reporter, reporter.source.text);
  if (root === undefined && reporter.findings.errors.length === 0) {
    reporter.error("missing_key", 0, "the file is empty; tests need `policy` and `tests`");
  }
  const file = root === undefined ? undefined : readFile(new Reader(reporter), path, { at: 0, node: root });
  reporter.findings.throwIfErrors();
  return { ...file!, warnings: reporter.findings.warnings };
}

function readFile(reader: Reader, path: string, root: Slot): TestFile | undefined {
  if (isPolicy(root.node)) {
    reader.reporter.error("policy", 0, "this is a policy; give its tests: a file with `policy` and `tests`");
    return undefined;
  }
  const fields = reader.fields(root, "a test file", fileKeys);
  if (fields === undefined) return undefined;
  const policy = required(reader, fields, "policy", root, "a test file", (field) => readText(reader, field));
  const now = optional(fields.get("now"), (field) => readTime(reader, field));
  const defaults = readDefaults(reader, fields.get("defaults"));
  const names = new Set<string>();
  const tests: PolicyTest[] = [];
  const list = required(reader, fields, "tests", root, "a test file", (field) => reader.items(field, "`tests`"));
  if (list?.length === 0)
    reader.reporter.error("value", fields.get("tests")!.at, "`tests` is empty: nothing is tested");
  for (const item of list ?? []) {
    const test = readTest(reader, item, defaults, now);
    if (test === undefined) continue;
    if (names.has(test.name)) {
      reader.reporter.error("duplicate", reader.at(item), `there is a test named \`${test.name}\` already`);
    }
    names.add(test.name);
    tests.push(test);
  }
  if (policy === undefined) return undefined;
  return { path, policy: isAbsolute(policy) ? policy : join(dirname(path), policy), tests, warnings: [] };
}

function readDefaults(reader: Reader, field: Field | undefined): Defaults {
  const fields = optional(field, (slot) => reader.fields(slot, "`defaults`", defaultsKeys));
  const get = <T>(key: string, read: (reader: Reader, field: Field) => T): T | undefined =>
    optional(fields?.get(key), (one) => read(reader, one));
  return {
    caller: get("caller", readCaller) ?? null,
    callerSlot: fields?.get("caller"),
    svid: get("svid", readSvid),
    svidSlot: fields?.get("svid"),
    tokenSlot: fields?.get("token"),
    source: get("source", readSourceAddress) ?? defaultSource,
    destination: get("destination", readPort),
    token: get("token", readToken) ?? null,
    host: get("host", readText) ?? defaultHost,
    headers: get("headers", readHeaders) ?? [],
  };
}

function readTest(reader: Reader, slot: Slot, defaults: Defaults, now: number | undefined): PolicyTest | undefined {
  const fields = reader.fields(slot, "a test", testKeys);
  if (fields === undefined) return undefined;
  const need = <T>(key: string, read: (field: Field) => T | undefined): T | undefined =>
    required(reader, fields, key, slot, "a test", read);
  const request = need("request", (field) => readRequest(reader, field, defaults));
  const name = need("name", (field) => readText(reader, field));
  const expected = need("expect", (field) => readExpectation(reader, field));
  const given = fields.get("token");
  const token = given === undefined ? defaults.token : readToken(reader, given);
  const [caller, svid] = [fields.get("caller"), fields.get("svid")];
  // Who says whose request it is does not mean that of the defaults.
  const isDefault = caller === undefined && svid === undefined;
  const placeOf = (one: Slot | undefined): Position | undefined =>
    one && positionOf(reader.reporter.source, reader.at(one));
  const svidPlace = placeOf(isDefault ? defaults.svidSlot : svid);
  const tokenPlace = placeOf(given ?? defaults.tokenSlot);
  const test = {
    caller: isDefault ? defaults.caller : (optional(caller, (field) => readCaller(reader, field)) ?? null),
    svid: isDefault ? defaults.svid : optional(svid, (field) => readSvid(reader, field)),
    ...(svidPlace && { svidPlace }),
    token: token ?? null,
    ...(tokenPlace && { tokenPlace }),
    source: optional(fields.get("source"), (field) => readSourceAddress(reader, field)) ?? defaults.source,
    destination: optional(fields.get("destination"), (field) => readPort(reader, field)) ?? defaults.destination,
    now: optional(fields.get("now"), (field) => readTime(reader, field)) ?? now,
    repeat: optional(fields.get("repeat"), (field) => reader.integer(field, "`repeat`", 1, repeatMaximum))?.value ?? 1,
  };
  if (!request || !name || !expected) return undefined;
  warnOfSlips(reader, expected.expect, [
    {
      code: "caller_malformed",
      refusal: "identity_malformed",
      slot: isDefault ? defaults.callerSlot : caller,
      fault: callerFault(test.caller),
    },
    {
      code: "path_malformed",
      refusal: "request_malformed",
      slot: fields.get("request"),
      fault: request.callsOf === undefined ? pathFault(request.path) : undefined,
    },
  ]);
  const place = positionOf(reader.reporter.source, reader.at(slot));
  const requestPlace = placeOf(fields.get("request"));
  return { name, ...place, ...test, request, ...(requestPlace && { requestPlace }), ...expected };
}

function readCaller(reader: Reader, field: Field): string | null | undefined {
  return reader.isNull(field) ? null : readText(reader, field);
}

/** `METHOD PATH`, `grpc package.Service/Method`, or a mapping. */
function readRequest(reader: Reader, field: Field, defaults: Defaults): TestRequest | undefined {
  if (!reader.isMapping(field)) {
    const text = readText(reader, field);
    const line = text === undefined ? undefined : parseRequestLine(text);
    if (line !== undefined) {
      return { ...line, host: defaults.host, headers: merge(defaults.headers, line.headers) };
    }
    if (text !== undefined) {
      const message = "`request` must be METHOD PATH, grpc package.Service/Method, or a mapping with a path";
      reader.reporter.error("request", reader.at(field), message);
    }
    return undefined;
  }
  const fields = reader.fields(field, "`request`", requestKeys);
  if (fields === undefined) return undefined;
  const body = readBody(reader, fields);
  const hasBody = body_keys.some((key) => fields.has(key));
  const callsOf = fields.has("path") ? undefined : short_protocols.find((key) => fields.has(key));
  const path =
    callsOf === undefined ? required(reader, fields, "path", field, "`request`", (one) => readText(reader, one)) : "";
  const method = optional(fields.get("method"), (one) => readText(reader, one)) ?? (hasBody ? "POST" : "GET");
  const host = optional(fields.get("host"), (one) => readText(reader, one)) ?? defaults.host;
  const own = optional(fields.get("headers"), (one) => readHeaders(reader, one)) ?? [];
  const headers = merge(defaults.headers, own);
  if (path === undefined) return undefined;
  return {
    ...{ method, path, host },
    headers: body === undefined ? headers : withBodyHeaders(headers, body),
    ...(body && { body: body.text }),
    ...(callsOf && { callsOf }),
  };
}

/** A request in one line; undefined where it is none. */
export function parseRequestLine(text: string): { method: string; path: string; headers: Headers } | undefined {
  const match = /^(\S+) (\S.*)$/u.exec(text);
  if (match === null) return undefined;
  const [, method, path] = match as unknown as [string, string, string];
  if (method !== "grpc") return { method, path, headers: [] };
  if (!/^[^\s/]+\/[^\s/]+$/u.test(path)) return undefined;
  return { method: "POST", path: `/${path}`, headers: [["content-type", "application/grpc"]] };
}

/** Headers by name, each a text or a list of texts. */
function readHeaders(reader: Reader, field: Field): Headers {
  return (reader.entries(field, "`headers`") ?? []).flatMap((header) => {
    const texts = reader.textOrTexts(header, `header \`${header.name}\``) ?? [];
    return texts.map(({ value }) => [header.name.toLowerCase(), value] as const);
  });
}

function merge(defaults: Headers, own: Headers): Headers {
  return [...defaults.filter(([name]) => !own.some(([other]) => other === name)), ...own];
}

function readExpectation(reader: Reader, field: Field): Pick<PolicyTest, "expect" | "rulePlace"> | undefined {
  if (!reader.isMapping(field)) {
    const text = reader.text(field, "`expect`", "`allow`, `deny`, or a mapping such as `{ deny: no_rule }`");
    if (text?.value === "allow" || text?.value === "deny") return { expect: { decision: text.value } };
    const message = "`expect` must be `allow`, `deny`, or a mapping with `allow`, `deny`, `rule` or `status`";
    if (text !== undefined) reader.reporter.error("expect", text.at, message);
    return undefined;
  }
  const fields = reader.fields(field, "`expect`", expectKeys);
  if (fields === undefined) return undefined;
  const fail = (code: ErrorCode, at: number, message: string): void => reader.reporter.error(code, at, message);
  if (fields.size === 0) fail("expect", reader.at(field), "`expect` is empty");
  if (fields.has("allow") && fields.has("deny")) {
    fail("conflict", reader.at(field), "`expect`: `allow` and `deny` exclude each other");
  }
  const text = (key: string): string | undefined => optional(fields.get(key), (one) => readText(reader, one));
  const [allow, deny, rule] = [text("allow"), text("deny"), text("rule")];
  const reason = denialReasons.find((name) => name === deny);
  if (deny && reason === undefined) {
    const hint = didYouMean(deny, denialReasons);
    fail("unknown_reason", reader.at(fields.get("deny")!), `there is no reason code \`${deny}\`${hint}`);
  }
  if (allow !== undefined && rule !== undefined && allow !== rule) {
    fail("conflict", fields.get("rule")!.at, "`expect`: `allow` names a rule already");
  }
  const status = optional(fields.get("status"), (one) => reader.integer(one, "`status`", 100, 599))?.value;
  const named = rule === undefined ? fields.get("allow") : fields.get("rule");
  const rulePlace = named && positionOf(reader.reporter.source, reader.at(named));
  const expect: Expectation = {
    ...(fields.has("allow") && { decision: "allow" }),
    ...(fields.has("deny") && { decision: "deny" }),
    ...(reason !== undefined && { reason }),
    ...((rule ?? allow) !== undefined && { rule: rule ?? allow! }),
    ...(status !== undefined && { status }),
  };
  return { expect, ...(rulePlace && { rulePlace }) };
}
