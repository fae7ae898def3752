/** Functions and operators: what each takes and gives (cel-spec, langdef.md "List of Standard Definitions"). */
import { search_bytes } from "../../../assembly/limits.ts";
import * as code from "../../../assembly/policy/instructions.ts";
import { nearest } from "../suggest.ts";
import { allFound, aType, type Checker, longOperands } from "./check.ts";
import { parseNetwork } from "./network.ts";
import type { Node } from "./syntax.ts";
import type { Term } from "./term.ts";
import { parseDuration, parseTimestamp, splitNanoseconds } from "./time.ts";
import { isCompatible, join, type Type, typeName } from "./types.ts";

/** An operator, or a function that is called. */
export type Call = Node & { kind: "call" };

const comparisons: Record<string, [sign: string, op: number]> = {
  "_==_": ["==", code.op_equal],
  "_!=_": ["!=", code.op_not_equal],
  "_<_": ["<", code.op_less],
  "_<=_": ["<=", code.op_less_equal],
  "_>_": [">", code.op_greater],
  "_>=_": [">=", code.op_greater_equal],
};
const ordered: readonly Type[] = ["bool", "int", "double", "string", "timestamp", "duration", "dyn"];
const searches: Record<string, number> = {
  startsWith: code.op_starts_with,
  endsWith: code.op_ends_with,
  contains: code.op_contains,
};
const functions = ["size", "timestamp", "duration", "cidr", "has"];
const methods = ["size", "startsWith", "endsWith", "contains", "containsIP", "exists", "all"];

const no_conversion = "compare values as they are; ints and doubles compare by their value";
const no_parts = 'compare times as a whole, as in `now < timestamp("2026-11-01T00:00:00Z")`';
/** What there is instead of what CEL has elsewhere. */
const ways_out: Record<string, string> = {
  matches: "regular expressions have no bound; use `startsWith`, `endsWith`, `contains`, or `in` with a list",
  int: no_conversion,
  uint: no_conversion,
  double: no_conversion,
  string: no_conversion,
  bool: no_conversion,
  dyn: no_conversion,
  bytes: "there are no bytes; compare strings",
  type: "compare the value; one of another type is not equal to it",
  map: "ask about each element with `exists` or `all`",
  filter: "ask about each element with `exists` or `all`",
  exists_one: "use `exists`",
  lowerAscii: 'compare with each way of writing it: `x in ["a", "A"]`',
  upperAscii: 'compare with each way of writing it: `x in ["a", "A"]`',
  split: "use `startsWith`, `endsWith` or `contains`",
  substring: "use `startsWith`, `endsWith` or `contains`",
  indexOf: "use `contains`",
  getFullYear: no_parts,
  getMonth: no_parts,
  getDate: no_parts,
  getDayOfMonth: no_parts,
  getDayOfWeek: no_parts,
  getDayOfYear: no_parts,
  getHours: no_parts,
  getMinutes: no_parts,
  getSeconds: no_parts,
  getMilliseconds: no_parts,
};
const arithmetic: Record<string, string> = { "_*_": "*", "_/_": "/", "_%_": "%" };

/** Checks an operator or a function; undefined where something is wrong, which is reported. */
export function checkCall(checker: Checker, node: Call): Term | undefined {
  const { name, args } = node;
  const comparison = comparisons[name];
  if (comparison !== undefined) return compare(checker, node, ...comparison);
  switch (name) {
    case "!_":
      return not(checker, node);
    case "_?_:_":
      return choose(checker, node);
    case "@in":
      return isIn(checker, node);
    case "_[_]":
      return index(checker, node);
    case "_+_":
    case "_-_":
      return addTimes(checker, node);
    case "-_":
      return checker.refuse(node.at, "a minus is only for a number that is written out");
  }
  const sign = arithmetic[name];
  if (sign !== undefined)
    return checker.refuse(node.at, `\`${sign}\` is not supported: a condition compares, it does not calculate`);
  if (node.target === undefined) return callFunction(checker, node, args);
  return callMethod(checker, node, node.target, args);
}

function callFunction(checker: Checker, node: Call, args: Node[]): Term | undefined {
  const { name, at } = node;
  const takesOne = (): boolean =>
    args.length === 1 || checker.mismatch(at, `\`${name}\` takes one argument, not ${args.length}`) !== undefined;
  switch (name) {
    case "size":
      return takesOne() ? size(checker, node, args[0]!) : undefined;
    case "timestamp":
      return takesOne() ? timestamp(checker, node, args[0]!) : undefined;
    case "duration":
      return takesOne() ? duration(checker, node, args[0]!) : undefined;
    case "cidr":
      return checker.refuse(at, 'a network is only good for `cidr("…").containsIP(x)`');
    case "has":
      return checker.refuse(at, '`has` takes one member, as in `has(claims.x)`; for other names write `"x" in claims`');
    case "exists":
    case "all":
      return checker.refuse(at, `\`${name}\` follows a list: \`x.${name}(element, …)\``);
  }
  if (methods.includes(name)) return checker.refuse(at, `\`${name}\` follows what it is about: \`x.${name}(y)\``);
  return unknown(checker, node, functions);
}

function callMethod(checker: Checker, node: Call, target: Node, args: Node[]): Term | undefined {
  const { name, at, start, end } = node;
  if (name === "size")
    return args.length === 0 ? size(checker, node, target) : checker.mismatch(at, "`size` takes no argument here");
  if (name === "exists" || name === "all")
    return checker.refuse(
      at,
      `\`${name}\` takes a name for the element and a test, as in \`claims.groups.${name}(g, g != "guest")\``,
    );
  const op = searches[name];
  if (op === undefined && name !== "containsIP") return unknown(checker, node, methods);
  if (args.length !== 1) return checker.mismatch(at, `\`${name}\` takes one argument, not ${args.length}`);
  const argument = args[0]!;
  if (op === undefined) return containsIp(checker, node, target, argument);
  const both = [checker.check(target), checker.check(argument)];
  if (!allFound(both)) return undefined;
  const [left, right] = both as [Term, Term];
  for (const [term, place] of [
    [left, at],
    [right, argument.start],
  ] as const) {
    if (isCompatible(term.type, "string")) continue;
    const list = typeof term.type === "object" && name === "contains" ? "; for a list write `x in list`" : "";
    return checker.mismatch(place, `\`${name}\` is for string, not for ${typeName(term.type)}${list}`);
  }
  if (op === code.op_contains && right.kind === "constant" && Buffer.byteLength(right.value as string) > search_bytes)
    return checker.invalid(argument.start, `\`contains\` looks for at most ${search_bytes} bytes`);
  return { kind: "binary", op, left, right, type: "bool", start, end };
}

function unknown(checker: Checker, { name, at }: Call, known: readonly string[]): undefined {
  const way = ways_out[name];
  if (way !== undefined) return checker.refuse(at, `\`${name}\` is not supported: ${way}`);
  const meant = nearest(name, known);
  const hint =
    meant === undefined ? `there are ${known.map((one) => `\`${one}\``).join(", ")}` : `did you mean \`${meant}\`?`;
  return checker.refuse(at, `there is no function \`${name}\`; ${hint}`);
}

function size(checker: Checker, { at, start, end }: Call, of: Node): Term | undefined {
  const operand = checker.check(of);
  if (operand === undefined) return undefined;
  const { type } = operand;
  if (typeof type !== "object" && !["string", "map", "dyn"].includes(type))
    return checker.mismatch(at, `\`size\` is for strings, lists and maps, not for ${aType(type)}`);
  return { kind: "unary", op: code.op_size, operands: {}, operand, type: "int", start, end };
}

function timestamp(checker: Checker, { at, start, end }: Call, of: Node): Term | undefined {
  if (of.kind === "literal" && typeof of.value === "string") {
    const value = parseTimestamp(of.value);
    if (typeof value === "string") return checker.invalid(of.start, value);
    return time("timestamp", value, start, end);
  }
  const operand = checker.check(of);
  if (operand === undefined) return undefined;
  if (operand.type === "string")
    return checker.refuse(
      of.start,
      "a timestamp is read from a text that is written out, or from an int: seconds since 1970",
    );
  if (!["int", "timestamp", "dyn"].includes(typeName(operand.type)))
    return checker.mismatch(at, `\`timestamp\` is for an int, seconds since 1970, not for ${aType(operand.type)}`);
  return { kind: "unary", op: code.op_to_timestamp, operands: {}, operand, type: "timestamp", start, end };
}

function duration(checker: Checker, { start, end }: Call, of: Node): Term | undefined {
  if (of.kind !== "literal" || typeof of.value !== "string")
    return checker.refuse(
      of.start,
      'a duration is read only from a text that is written out, as in `duration("1h30m")`',
    );
  const value = parseDuration(of.value);
  return typeof value === "string" ? checker.invalid(of.start, value) : time("duration", value, start, end);
}

function time(type: "timestamp" | "duration", value: bigint, start: number, end: number): Term {
  const { seconds, rest } = splitNanoseconds(value);
  const op = type === "timestamp" ? code.op_timestamp : code.op_duration;
  return { kind: "constant", op, operands: { ...longOperands(seconds), c: rest }, value, type, start, end };
}

function containsIp(checker: Checker, { at, start, end }: Call, target: Node, argument: Node): Term | undefined {
  const isNetwork = target.kind === "call" && target.name === "cidr" && target.target === undefined;
  const text = isNetwork && target.args.length === 1 ? target.args[0]! : undefined;
  if (text?.kind !== "literal" || typeof text.value !== "string")
    return checker.refuse(
      text?.start ?? at,
      '`containsIP` follows a network that is written out: `cidr("10.0.0.0/8").containsIP(source.ip)`',
    );
  const network = parseNetwork(text.value);
  if (typeof network === "string") checker.invalid(text.start, network);
  const operand = checker.check(argument);
  if (operand === undefined || typeof network === "string") return undefined;
  if (!isCompatible(operand.type, "string"))
    return checker.mismatch(
      argument.start,
      `\`containsIP\` is for an address as string, not for ${aType(operand.type)}`,
    );
  const operands = { text: network.address, c: network.prefixBits };
  return { kind: "unary", op: code.op_contains_ip, operands, operand, type: "bool", start, end };
}

function not(checker: Checker, { args, at, start, end }: Call): Term | undefined {
  const operand = checker.check(args[0]!);
  if (operand === undefined) return undefined;
  if (!isCompatible(operand.type, "bool"))
    return checker.mismatch(at, `\`!\` is for bool, not for ${typeName(operand.type)}`);
  return { kind: "unary", op: code.op_not, operands: {}, operand, type: "bool", start, end };
}

function choose(checker: Checker, { args, start, end }: Call): Term | undefined {
  const parts = args.map((argument) => checker.check(argument));
  if (!allFound(parts)) return undefined;
  const [condition, yes, no] = parts as [Term, Term, Term];
  if (!isCompatible(condition.type, "bool"))
    return checker.mismatch(condition.start, `what stands before \`?\` is a bool, not ${aType(condition.type)}`);
  if (!isCompatible(yes.type, no.type))
    return checker.mismatch(
      no.start,
      `\`? :\` gives ${typeName(yes.type)} or ${typeName(no.type)}; both must be of one type`,
    );
  return { kind: "choose", condition, yes, no, type: join(yes.type, no.type), start, end };
}

/** The operands of a binary operator. */
function operandsOf(checker: Checker, { args }: Call): [Term, Term] | undefined {
  const both = args.map((argument) => checker.check(argument));
  return allFound(both) ? (both as [Term, Term]) : undefined;
}

function compare(checker: Checker, node: Call, sign: string, op: number): Term | undefined {
  const both = operandsOf(checker, node);
  if (both === undefined) return undefined;
  const [left, right] = both;
  const isEquality = op === code.op_equal || op === code.op_not_equal;
  if (!isCompatible(left.type, right.type)) {
    const names = `${typeName(left.type)} with ${typeName(right.type)}`;
    return checker.mismatch(node.at, `\`${sign}\` cannot compare ${names}${hintFor(left.type, right.type)}`);
  }
  for (const { type } of both) {
    if (isEquality || ordered.includes(type)) continue;
    return checker.mismatch(node.at, `\`${sign}\` has no order for ${typeName(type)}`);
  }
  return { kind: "binary", op, left, right, type: "bool", start: node.start, end: node.end };
}

function hintFor(left: Type, right: Type): string {
  const types = [left, right];
  if (types.includes("int") && types.includes("double"))
    return "; write the int as a double, as in `1.0`, or the double as an int";
  if (types.includes("timestamp") && types.includes("string")) return '; write `timestamp("…")`';
  if (types.includes("duration") && types.includes("string")) return '; write `duration("…")`';
  if (types.includes("timestamp") && types.includes("int")) return "; write `timestamp(…)` around the int";
  if (types.some((type) => typeof type === "object")) return "; to look for a value in a list write `in`";
  return "";
}

function isIn(checker: Checker, node: Call): Term | undefined {
  const [key, container] = node.args as [Node, Node];
  const table = checker.tableOf(container);
  if (table !== undefined) {
    if (key.kind === "literal" && typeof key.value === "string")
      return checker.names.entry(table, "presence", key.value, key.start, node);
    return checker.refuse(
      key.start,
      `what is looked for in \`request.${table}\` must be written out: \`"x" in request.${table}\``,
    );
  }
  const both = operandsOf(checker, node);
  if (both === undefined) return undefined;
  const [left, right] = both;
  const element = typeof right.type === "object" ? right.type.element : right.type === "map" ? "string" : right.type;
  if (typeof right.type !== "object" && right.type !== "map" && right.type !== "dyn") {
    const search = right.type === "string" ? "; for a part of a string write `x.contains(y)`" : "";
    return checker.mismatch(
      node.at,
      `\`in\` is for a list or a map on its right, not for ${aType(right.type)}${search}`,
    );
  }
  if (!isCompatible(left.type, element))
    return checker.mismatch(node.at, `\`in\` cannot look for ${aType(left.type)} in ${aType(right.type)}`);
  return { kind: "binary", op: code.op_in, left, right, type: "bool", start: node.start, end: node.end };
}

function index(checker: Checker, node: Call): Term | undefined {
  const [container, key] = node.args as [Node, Node];
  const table = checker.tableOf(container);
  if (table !== undefined) {
    if (key.kind === "literal" && typeof key.value === "string")
      return checker.names.entry(table, "value", key.value, key.start, node);
    return checker.refuse(key.start, `the name must be written out: \`request.${table}["x"]\``);
  }
  const both = operandsOf(checker, node);
  if (both === undefined) return undefined;
  const [left, right] = both;
  const key_type: Type | undefined =
    typeof left.type === "object" ? "int" : left.type === "map" ? "string" : left.type === "dyn" ? "dyn" : undefined;
  if (key_type === undefined) return checker.mismatch(node.at, `${aType(left.type)} cannot be indexed with \`[]\``);
  const isKey =
    key_type === "dyn" ? ["int", "string", "dyn"].includes(typeName(right.type)) : isCompatible(right.type, key_type);
  if (!isKey)
    return checker.mismatch(
      key.start,
      `${aType(left.type)} is indexed by ${key_type === "dyn" ? "int or string" : key_type}, not by ${typeName(right.type)}`,
    );
  const type = typeof left.type === "object" ? left.type.element : "dyn";
  return { kind: "binary", op: code.op_index, left, right, type, start: node.start, end: node.end };
}

/** Sums and differences: which types give which; `dyn` where it is not known whether it is a timestamp or a duration. */
function addTimes(checker: Checker, node: Call): Term | undefined {
  const isSum = node.name === "_+_";
  const sign = isSum ? "+" : "-";
  const both = operandsOf(checker, node);
  if (both === undefined) return undefined;
  const [left, right] = both;
  const isTime = (type: Type): boolean => type === "timestamp" || type === "duration";
  if (!isTime(left.type) && !isTime(right.type)) {
    const texts = left.type === "string" || right.type === "string" ? "; compare the parts on their own" : "";
    return checker.refuse(node.at, `\`${sign}\` is only for timestamps and durations${texts}`);
  }
  const type = (isSum ? sumType : differenceType)(left.type, right.type);
  if (type === undefined)
    return checker.mismatch(node.at, `there is no \`${typeName(left.type)} ${sign} ${typeName(right.type)}\``);
  const op = isSum ? code.op_add : code.op_subtract;
  return { kind: "binary", op, left, right, type, start: node.start, end: node.end };
}

function sumType(left: Type, right: Type): Type | undefined {
  if (left === "timestamp") return isCompatible(right, "duration") ? "timestamp" : undefined;
  if (right === "timestamp") return isCompatible(left, "duration") ? "timestamp" : undefined;
  if (left === "duration" && right === "duration") return "duration";
  return left === "dyn" || right === "dyn" ? "dyn" : undefined;
}

function differenceType(left: Type, right: Type): Type | undefined {
  if (left === "timestamp")
    return right === "timestamp"
      ? "duration"
      : right === "duration"
        ? "timestamp"
        : right === "dyn"
          ? "dyn"
          : undefined;
  if (left === "duration") return isCompatible(right, "duration") ? "duration" : undefined;
  if (left !== "dyn") return undefined;
  return right === "timestamp" ? "duration" : "dyn";
}
