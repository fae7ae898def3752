/**
 * `when`, by the parser and the evaluator of @bufbuild/cel; of these the product uses the parser alone. What is put right
 * here are places where that library is not what cel-spec's langdef.md says.
 */
import {
  type CelInput,
  type CelMap,
  type CelObjectType,
  CelScalar,
  type CelValue,
  celEnv,
  celError,
  celFunc,
  celList,
  celMap,
  celMethod,
  celType,
  isCelList,
  listType,
  mapType,
  parse,
  plan,
} from "@bufbuild/cel";
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";
import { cidrContains } from "./address.ts";
import { type Json, Unread } from "./json.ts";
import { type Arrived, queryParameter, type Readable, readSource } from "./request.ts";
import * as sameness from "./sameness.ts";
import type { Claims } from "./token.ts";

/** What a condition may speak of. */
export interface ConditionInput {
  arrived: Arrived;
  readable: Readable;
  /** The caller's ID if it counts. */
  caller: string | null;
  nowMilliseconds: number;
  /** Those of a token that is good for one of the rule's issuers. */
  claims: Claims | undefined;
  /** Segments of the caller's ID by the names that the rule's pattern for it has. */
  names: ReadonlyMap<string, string>;
  /** Whether the caller's address may be what a header says, which has no port. */
  takesForwardedAddress: boolean;
  /** Decoded segments by the endpoint's names for them. */
  path: ReadonlyMap<string, string>;
}

export type Evaluate = (input: ConditionInput) => true | false | "error";
/** What a request costs, by the CEL of a rule. */
export type Calculate = (input: ConditionInput) => bigint | "error";

/** Strings are compared by code points (langdef.md "Ordering operators"), not by the halves that UTF-16 makes of some. */
function compareText(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

/** The most parts a text is taken apart into. */
const parts_max = 1024;

function atMost(parts: string[]): string[] {
  if (parts.length > parts_max) throw new Error(`${parts.length} parts`);
  return parts;
}

/** CEL's strings extension: `limit` parts at the most, of which the last has what is left; without a separator characters. */
function split(text: string, separator: string, limit = -1): string[] {
  if (Buffer.byteLength(separator) > 1024) throw new Error("the separator is too long");
  const all = separator === "" ? [...text] : text.split(separator);
  if (limit === 0) return [];
  return atMost(
    limit < 0 || all.length <= limit ? all : [...all.slice(0, limit - 1), all.slice(limit - 1).join(separator)],
  );
}

/** The library takes a text with a sign or blanks around it too, and rounds doubles otherwise (langdef.md "int"). */
function int(text: string): bigint {
  if (!/^-?[0-9]+$/u.test(text)) throw new Error("not an int");
  return inLong(BigInt(text));
}

/** Not the least int, which others are rounded to. */
function intOfDouble(value: number): bigint {
  if (value === -(2 ** 63)) throw new Error("rounded, maybe");
  return inLong(BigInt(Math.trunc(value)));
}

function inLong(value: bigint): bigint {
  if (value !== BigInt.asIntN(64, value)) throw new Error("beyond 64 bits");
  return value;
}

/** The words between blanks; a list is taken as it is. */
function words(value: CelValue): unknown {
  if (typeof value === "string") return celList(atMost(value.split(" ").filter((word) => word !== "")));
  if (isCelList(value)) return value;
  throw new Error("neither a text nor a list");
}

function unsupported(): never {
  throw new Error("only texts and times are added");
}

const { BOOL, DOUBLE, DYN, INT, STRING, UINT } = CelScalar;
const list = listType(DYN);
const map = mapType(STRING, CelScalar.DYN);

/** A time as the library makes it from a literal; the clock of many conditions is the same. */
const times = new Map<number, CelValue>();
function timestamp(milliseconds: number): CelValue {
  let time = times.get(milliseconds);
  if (time === undefined) {
    time = plan(celEnv(), parse(`timestamp("${new Date(milliseconds).toISOString()}")`))() as CelValue;
    if (times.size > 10_000) times.clear();
    times.set(milliseconds, time);
  }
  return time;
}

const TIMESTAMP = celType(timestamp(0)) as CelObjectType;

const environment = celEnv({
  funcs: [
    ...sameness.functions,
    celFunc("_<_", [STRING, STRING], BOOL, (left, right) => compareText(left, right) < 0),
    celFunc("_<=_", [STRING, STRING], BOOL, (left, right) => compareText(left, right) <= 0),
    celFunc("_>_", [STRING, STRING], BOOL, (left, right) => compareText(left, right) > 0),
    celFunc("_>=_", [STRING, STRING], BOOL, (left, right) => compareText(left, right) >= 0),
    // What is neither a text nor a time is not added; see docs/policy-language.md.
    celFunc("_+_", [INT, INT], INT, unsupported),
    celFunc("_+_", [UINT, UINT], UINT, unsupported),
    celFunc("_+_", [DOUBLE, DOUBLE], DOUBLE, unsupported),
    celFunc("_+_", [list, list], list, unsupported),
    celMethod("lowerAscii", STRING, [], STRING, function () {
      return this.replace(/[A-Z]/gu, (letter) => letter.toLowerCase());
    }),
    celMethod("split", STRING, [STRING], listType(STRING), function (separator) {
      return celList(split(String(this), separator));
    }),
    celMethod("split", STRING, [STRING, INT], listType(STRING), function (separator, limit) {
      return celList(split(String(this), separator, Number(limit)));
    }),
    celFunc("words", [DYN], list, words as never),
    celFunc("int", [STRING], INT, int),
    celFunc("int", [DOUBLE], INT, intOfDouble),
    // The library takes milliseconds; langdef.md "timestamp" says seconds.
    celFunc("timestamp", [INT], TIMESTAMP, (seconds) => timestamp(Number(seconds) * 1000) as never),
    celFunc("has_member", [map, STRING], BOOL, (container, name) => container.has(name)),
    celFunc("cidr", [STRING], map, (network) => ({ network })),
    celMethod("containsIP", map, [STRING], BOOL, function (address) {
      const named = this.get("networks") as unknown as string[] | undefined;
      const results = (named ?? [String(this.get("network"))]).map((network) => cidrContains(network, address));
      return results.includes(true);
    }),
  ],
});

/** Compiles a condition; conditions are few beside the requests that meet them. */
export function compileCondition(text: string, lists: ReadonlyMap<string, readonly string[]>): Evaluate {
  const evaluate = compile(text, lists);
  return (input) => {
    const result = evaluate(input);
    return typeof result === "boolean" ? result : "error";
  };
}

/** Compiles a cost that is CEL: an int, or else an error. */
export function compileCost(text: string, lists: ReadonlyMap<string, readonly string[]>): Calculate {
  const evaluate = compile(text, lists);
  return (input) => {
    const result = evaluate(input);
    return typeof result === "bigint" ? result : "error";
  };
}

function compile(text: string, lists: ReadonlyMap<string, readonly string[]>): (input: ConditionInput) => unknown {
  // `has(x["y"])` is of the policy language, not of CEL.
  const parsed = parse(
    text.replace(/\bhas\(([\w.]+(?:\["[^"\\]*"\][\w.]*)*)\[("[^"\\]*")\]\)/gu, "has_member($1, $2)"),
  );
  replaceHas(parsed.expr);
  const evaluate = plan(environment, parsed);
  const named = celMap(new Map([...lists].map(([name, entries]) => [name, listOf(entries)])));
  return (input) => evaluate({ ...variablesOf(input), lists: named } as never);
}

/**
 * Of what is no map, `has` is an error (langdef.md "Field Selection"), and false to the library: so a function of ours,
 * which takes maps alone, stands for it.
 */
function replaceHas(expr: Expr): void {
  const { case: kind, value } = expr.exprKind;
  const inside = Object.values(value ?? {}).flat() as { $typeName?: string }[];
  for (const part of inside) if (part?.$typeName === "cel.expr.Expr") replaceHas(part as Expr);
  if (kind !== "selectExpr" || !value.testOnly) return;
  const call = parse(`has_member(x, ${JSON.stringify(value.field)})`).expr;
  if (call.exprKind.case === "callExpr") call.exprKind.value.args[0] = value.operand!;
  expr.exprKind = call.exprKind;
}

const absent = celError("there is none");

function variablesOf(input: ConditionInput): Record<string, unknown> {
  const { arrived, readable, caller } = input;
  const source = readSource(arrived.source);
  const hasSource = source.port !== 0 || input.takesForwardedAddress;
  const [, domain, path] = /^spiffe:\/\/([^/]*)(.*)$/u.exec(caller ?? "") ?? [];
  return {
    caller:
      caller === null
        ? celMap(new Map())
        : celMap(new Map([...input.names, ...Object.entries({ id: caller, trust_domain: domain!, path: path! })])),
    claims: input.claims === undefined ? absent : celValueOf(input.claims),
    path: celMap(new Map(input.path)),
    request: celMap(
      new Map<string, CelInput>([
        ["method", readable.method],
        ["path", readable.reading.text],
        ["host", readable.host],
        ["scheme", "https"],
        ["headers", headersOf(arrived)],
        ["query", lookup((name) => queryParameter(readable.query, name))],
      ]),
    ),
    source: !hasSource
      ? absent
      : celMap(
          new Map<string, CelInput>([
            ["ip", source.ip],
            ["port", BigInt(source.port)],
          ]),
        ),
    destination: arrived.destination === undefined ? absent : celMap(new Map([["port", BigInt(arrived.destination)]])),
    now: timestamp(input.nowMilliseconds),
  };
}

/** A header that stands once is a text; another may be asked for, but not read. */
function headersOf({ headers }: Arrived): CelMap {
  const valuesOf = (name: string): string[] => headers.filter(([one]) => one === name).map(([, value]) => value);
  const map = lookup((name) => {
    const [value, second] = valuesOf(name);
    return value === undefined ? undefined : second === undefined ? utf8(value) : null;
  });
  return Object.assign(map, { has: (name: unknown) => valuesOf(String(name)).length > 0 });
}

function utf8(bytes: string): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, "latin1"));
  } catch {
    return null;
  }
}

/** A named list: whether a text is in it is what `in` asks; `containsIP` is told its networks, of which one may be an address. */
function listOf(entries: readonly string[]): CelMap {
  const all = new Set(entries);
  const networks = entries.map((entry) => (entry.includes("/") ? entry : `${entry}/${entry.includes(":") ? 128 : 32}`));
  const has = (value: unknown): unknown => (typeof value === "string" ? all.has(value) : absent);
  const get = (name: unknown): unknown => (name === "networks" ? networks : undefined);
  return Object.assign(celMap(new Map()), { has, get }) as CelMap;
}

/** A map whose members are found when they are asked for; null stands for an error. */
function lookup(find: (name: string) => string | undefined | null): CelMap {
  const get = (name: unknown): unknown => {
    const found = find(String(name));
    return found === null ? absent : found;
  };
  const has = (name: unknown): unknown => {
    const found = find(String(name));
    return found === null ? absent : found !== undefined;
  };
  return Object.assign(celMap(new Map()), { get, has }) as CelMap;
}

function celValueOf(json: Json): CelInput {
  if (Array.isArray(json)) return json.map(celValueOf) as CelInput;
  if (json instanceof Unread) return sameness.unreadable;
  if (!(json instanceof Map)) return json;
  const map = celMap(new Map([...json].map(([name, value]) => [name, celValueOf(value)])));
  // The library takes a member that is null for one that is not there.
  return Object.assign(map, { has: (name: unknown) => json.has(String(name)) });
}
