/**
 * The cases of cel-spec's conformance suite, as conditions: each becomes an expression that is true where the result is
 * the one the suite wants. Variables become claims, for that is where values from outside come from.
 */
import { tests } from "@bufbuild/cel-spec/testdata/conformance.js";
import { rewrite } from "./rewrite.ts";

/** A value as the suite has it: `cel.expr.Value` in Protobuf's JSON. */
type Value = Record<string, unknown>;

interface Original {
  name: string;
  expr: string;
  value?: Value;
  typedResult?: { result?: Value };
  evalError?: unknown;
  bindings?: Record<string, { value?: Value }>;
  container?: string;
  checkOnly?: boolean;
}

interface Suite {
  name: string;
  suites?: Suite[];
  tests?: { original: Original }[];
}

/** A case that can be asked. */
export interface ConformanceCase {
  name: string;
  expr: string;
  /** The condition, and how it must come out. */
  condition: string;
  wanted: "true" | "false" | "error";
  claims: Record<string, unknown>;
}

/** All cases, and of those that cannot be asked how many there are by reason. */
export function conformanceCases(): { cases: ConformanceCase[]; leftOut: Map<string, number> } {
  const cases: ConformanceCase[] = [];
  const leftOut = new Map<string, number>();
  const visit = (suite: Suite, path: string): void => {
    for (const { original } of suite.tests ?? []) {
      const one = caseOf(original, `${path}/${original.name ?? original.expr}`);
      if (typeof one === "string") leftOut.set(one, (leftOut.get(one) ?? 0) + 1);
      else cases.push(one);
    }
    for (const inner of suite.suites ?? []) visit(inner, path === "" ? inner.name : `${path}/${inner.name}`);
  };
  visit(tests as unknown as Suite, "");
  return { cases, leftOut };
}

function caseOf(original: Original, name: string): ConformanceCase | string {
  const { bindings = {}, evalError, typedResult, checkOnly } = original;
  if (checkOnly === true) return "only the checker's type is asked for";
  if (original.container !== undefined) return "names are looked up in a container";
  const claims: Record<string, unknown> = {};
  for (const [variable, { value }] of Object.entries(bindings)) {
    const json = value === undefined ? undefined : jsonOf(value);
    if (json === undefined) return "a variable is no JSON value";
    if (["true", "false", "null"].includes(variable)) return "a variable's name is reserved";
    claims[variable] = json.value;
  }
  const expr = rewrite(original.expr, claims);
  if (evalError !== undefined) return { name, expr, condition: `[${expr}] == [${expr}]`, wanted: "error", claims };
  const value = original.value ?? typedResult?.result ?? { boolValue: true };
  if (value.boolValue !== undefined)
    return { name, expr, condition: expr, wanted: value.boolValue === true ? "true" : "false", claims };
  const literal = literalOf(value);
  if (literal === undefined) return "the result cannot be written as a literal";
  return { name, expr, condition: `(${expr}) == ${literal}`, wanted: "true", claims };
}

function jsonOf(value: Value): { value: unknown } | undefined {
  const [[kind, content]] = Object.entries(value) as [[string, never]];
  switch (kind) {
    case "nullValue":
      return { value: null };
    case "boolValue":
    case "stringValue":
      return { value: content };
    case "int64Value":
    case "doubleValue":
      return Number.isFinite(Number(content)) &&
        Number(content) === Number(String(content)) &&
        Number.isSafeInteger(Math.trunc(Number(content)))
        ? { value: Number(content) }
        : undefined;
    case "listValue": {
      const all = ((content as { values?: Value[] }).values ?? []).map(jsonOf);
      return all.includes(undefined) ? undefined : { value: all.map((one) => one!.value) };
    }
    case "mapValue": {
      const entries = ((content as { entries?: { key: Value; value: Value }[] }).entries ?? []).map(
        ({ key, value: member }) => [key.stringValue, jsonOf(member)],
      );
      if (entries.some(([key, member]) => typeof key !== "string" || member === undefined)) return undefined;
      return { value: Object.fromEntries(entries.map(([key, member]) => [key, (member as { value: unknown }).value])) };
    }
    default:
      return undefined;
  }
}

function literalOf(value: Value): string | undefined {
  const [[kind, content]] = Object.entries(value) as [[string, never]];
  switch (kind) {
    case "nullValue":
      return "null";
    case "boolValue":
    case "int64Value":
      return String(content);
    case "stringValue":
      return JSON.stringify(content);
    case "doubleValue": {
      const number = Number(content);
      if (!Number.isFinite(number)) return undefined;
      return Number.isInteger(number) && !String(number).includes("e") ? number.toFixed(1) : String(number);
    }
    case "listValue": {
      const all = ((content as { values?: Value[] }).values ?? []).map(literalOf);
      return all.includes(undefined) ? undefined : `[${all.join(", ")}]`;
    }
    case "objectValue": {
      const { "@type": type, value: text } = content as { "@type": string; value: string };
      if (type === "type.googleapis.com/google.protobuf.Timestamp") return `timestamp("${text}")`;
      return type === "type.googleapis.com/google.protobuf.Duration" ? `duration("${text}")` : undefined;
    }
    default:
      return undefined;
  }
}
