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
  celMap,
  celMethod,
  celType,
  mapType,
  parse,
  plan,
} from "@bufbuild/cel";
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";
import { cidrContains } from "./address.ts";
import type { Json } from "./json.ts";
import { type Arrived, queryParameter, type Readable, readSource } from "./request.ts";
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
  /** Decoded segments by the endpoint's names for them. */
  path: ReadonlyMap<string, string>;
}

export type Evaluate = (input: ConditionInput) => true | false | "error";

/** Strings are compared by code points (langdef.md "Ordering operators"), not by the halves that UTF-16 makes of some. */
function compareText(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

const { BOOL, INT, STRING } = CelScalar;
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
    celFunc("_<_", [STRING, STRING], BOOL, (left, right) => compareText(left, right) < 0),
    celFunc("_<=_", [STRING, STRING], BOOL, (left, right) => compareText(left, right) <= 0),
    celFunc("_>_", [STRING, STRING], BOOL, (left, right) => compareText(left, right) > 0),
    celFunc("_>=_", [STRING, STRING], BOOL, (left, right) => compareText(left, right) >= 0),
    // The library takes milliseconds; langdef.md "timestamp" says seconds.
    celFunc("timestamp", [INT], TIMESTAMP, (seconds) => timestamp(Number(seconds) * 1000) as never),
    celFunc("has_member", [map, STRING], BOOL, (container, name) => container.has(name)),
    celFunc("cidr", [STRING], map, (network) => ({ network })),
    celMethod("containsIP", map, [STRING], BOOL, function (address) {
      return cidrContains(String(this.get("network")), address);
    }),
  ],
});

/** Compiles a condition; conditions are few beside the requests that meet them. */
export function compileCondition(text: string): Evaluate {
  const parsed = parse(text);
  replaceHas(parsed.expr);
  const evaluate = plan(environment, parsed);
  return (input) => {
    const result = evaluate(variablesOf(input) as never);
    return typeof result === "boolean" ? result : "error";
  };
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
  const [, domain, path] = /^spiffe:\/\/([^/]*)(.*)$/u.exec(caller ?? "") ?? [];
  return {
    caller:
      caller === null ? absent : celMap(new Map(Object.entries({ id: caller, trust_domain: domain!, path: path! }))),
    claims: input.claims === undefined ? absent : celValueOf(input.claims),
    path: celMap(new Map(input.path)),
    request: celMap(
      new Map<string, CelInput>([
        ["method", readable.method],
        ["path", `/${readable.segments.join("/")}`],
        ["host", readable.host],
        ["headers", headersOf(arrived)],
        ["query", lookup((name) => queryParameter(readable.query, name))],
      ]),
    ),
    source: celMap(
      new Map<string, CelInput>([
        ["ip", source.ip],
        ["port", BigInt(source.port)],
      ]),
    ),
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
  if (!(json instanceof Map)) return json;
  const members = new Map([...json].map(([name, value]) => [name, celValueOf(value)]));
  // The library takes a member that is null for one that is not there.
  return Object.assign(celMap(members), { has: (name: unknown) => members.has(String(name)) });
}
