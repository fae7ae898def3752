/** Operators: which types each takes and gives (cel-spec, langdef.md "List of Standard Definitions"). */
import * as code from "../../../assembly/policy/instructions.ts";
import { allFound, type Call, type Checker } from "./checker.ts";
import { checkFunction } from "./functions.ts";
import { claimAsTime, dashedName, isTime } from "./hints.ts";
import { print } from "./print.ts";
import type { Node } from "./syntax.ts";
import type { Term } from "./term.ts";
import { aType, isCompatible, join, type Type, typeName } from "./types.ts";
import { pathOf } from "./untyped.ts";

const comparisons: ReadonlyMap<string, [sign: string, op: number]> = new Map(
  Object.entries({
    "_==_": ["==", code.op_equal],
    "_!=_": ["!=", code.op_not_equal],
    "_<_": ["<", code.op_less],
    "_<=_": ["<=", code.op_less_equal],
    "_>_": [">", code.op_greater],
    "_>=_": [">=", code.op_greater_equal],
  }),
);
const ordered: readonly Type[] = ["bool", "int", "double", "string", "timestamp", "duration", "dyn"];
const arithmetic: ReadonlyMap<string, string> = new Map(Object.entries({ "_*_": "*", "_/_": "/", "_%_": "%" }));

/** Checks an operator or a function; undefined where something is wrong, which is reported. */
export function checkCall(checker: Checker, node: Call): Term | undefined {
  const { name } = node;
  const comparison = comparisons.get(name);
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
      return add(checker, node);
    case "-_":
      return checker.refuse(node.at, "a minus is only for a number that is written out");
  }
  const sign = arithmetic.get(name);
  if (sign !== undefined)
    return checker.refuse(node.at, `\`${sign}\` is not supported: a condition compares, it does not calculate`);
  return checkFunction(checker, node);
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
  for (const [one, other, claim] of [
    [left, right, node.args[1]!],
    [right, left, node.args[0]!],
  ] as const) {
    if (isTime(one.type) && isClaim(other)) return checker.mismatch(claim.start, claimAsTime(claim, one.type));
  }
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

/** Whether it is a claim, or what lies in one. */
function isClaim(term: Term): boolean {
  switch (term.kind) {
    case "load":
      return term.op === code.op_claims;
    case "element":
      return isClaim(term.loop);
    case "unary":
      return term.op === code.op_select && isClaim(term.operand);
    case "binary":
      return term.op === code.op_index && isClaim(term.left);
    default:
      return false;
  }
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

/** What to write in place of `in` where a string stands on its right. */
function insteadOfIn(key: Node, container: Node, right: Term): string {
  if (pathOf(right) === undefined) return "for a part of a string write `x.contains(y)`";
  const [one, text] = [print(key), print(container)];
  return `\`${text}\` is declared to be a string: write \`${text} == ${one}\`, or \`${one} in words(${text})\` where it holds words`;
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
  const list = checker.listOf(container);
  if (list !== undefined) return isInList(checker, node, key, list);
  const both = operandsOf(checker, node);
  if (both === undefined) return undefined;
  const [left, right] = both;
  const element = typeof right.type === "object" ? right.type.element : right.type === "map" ? "string" : right.type;
  if (typeof right.type !== "object" && right.type !== "map" && right.type !== "dyn") {
    const search = right.type === "string" ? `; ${insteadOfIn(key, container, right)}` : "";
    return checker.mismatch(
      node.at,
      `\`in\` is for a list or a map on its right, not for ${aType(right.type)}${search}`,
    );
  }
  if (!isCompatible(left.type, element))
    return checker.mismatch(node.at, `\`in\` cannot look for ${aType(left.type)} in ${aType(right.type)}`);
  return { kind: "binary", op: code.op_in, left, right, type: "bool", start: node.start, end: node.end };
}

/** A text in a named list. */
function isInList(checker: Checker, node: Call, key: Node, list: { name: string; at: number }): Term | undefined {
  const operand = checker.check(key);
  if (operand === undefined) return undefined;
  if (!isCompatible(operand.type, "string"))
    return checker.mismatch(node.at, `\`in\` cannot look for ${aType(operand.type)} in a list of texts`);
  if (operand.kind === "load" && operand.op === code.op_source_ip)
    return checker.mismatch(
      node.at,
      `an address has several ways to be written; write \`${listText(list.name)}.containsIP(${print(key)})\``,
    );
  if (!checker.names.list(list, "texts")) return undefined;
  const operands = { list: list.name };
  return { kind: "unary", op: code.op_in_texts, operands, operand, type: "bool", start: node.start, end: node.end };
}

function listText(name: string): string {
  return /^[A-Za-z_]\w*$/u.test(name) ? `lists.${name}` : `lists[${JSON.stringify(name)}]`;
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
  const name = right.kind === "constant" && typeof right.value === "string" ? right.value : undefined;
  const known = name === undefined ? undefined : left.declared?.get(name);
  const type = known?.type ?? (typeof left.type === "object" ? left.type.element : "dyn");
  const declared = known?.members;
  return { kind: "binary", op: code.op_index, left, right, type, declared, start: node.start, end: node.end };
}

/**
 * Texts joined, sums and differences of times: which types give which; `dyn` where it is not known whether it is a timestamp or
 * a duration. JSON has no times, so a sum of claims joins texts.
 */
function add(checker: Checker, node: Call): Term | undefined {
  const isSum = node.name === "_+_";
  const sign = isSum ? "+" : "-";
  const dashed = isSum ? undefined : dashedName(node, (of) => checker.tableOf(of) !== undefined || isLists(of));
  if (dashed !== undefined)
    return checker.refuse(node.at, `\`-\` is no part of a name here; write \`${dashed.of}[${dashed.name}]\``);
  const both = operandsOf(checker, node);
  if (both === undefined) return undefined;
  const [left, right] = both;
  if (!isTime(left.type) && !isTime(right.type))
    return isSum
      ? joinTexts(checker, node, left, right)
      : checker.refuse(node.at, "`-` is only for timestamps and durations");
  if (isClaim(right)) {
    // A timestamp less a claim may be meant as either; the time a token was issued is what claims have.
    const wanted = !isSum && left.type === "timestamp" ? "timestamp" : "duration";
    return checker.mismatch(node.args[1]!.start, claimAsTime(node.args[1]!, wanted));
  }
  if (isClaim(left)) {
    const wanted = isSum && right.type === "timestamp" ? "duration" : "timestamp";
    return checker.mismatch(node.args[0]!.start, claimAsTime(node.args[0]!, wanted));
  }
  const type = (isSum ? sumType : differenceType)(left.type, right.type);
  if (type === undefined)
    return checker.mismatch(node.at, `there is no \`${typeName(left.type)} ${sign} ${typeName(right.type)}\``);
  const op = isSum ? code.op_add : code.op_subtract;
  return { kind: "binary", op, left, right, type, start: node.start, end: node.end };
}

/** Joins two texts. */
function joinTexts(checker: Checker, node: Call, left: Term, right: Term): Term | undefined {
  for (const { type } of [left, right]) {
    if (isCompatible(type, "string")) continue;
    if (typeof type === "object") return checker.refuse(node.at, "lists are not joined; write `x in a || x in b`");
    const way = type === "int" || type === "double" ? ": a condition compares, it does not calculate" : "";
    return checker.refuse(node.at, `\`+\` joins strings and adds durations, and is not for ${aType(type)}${way}`);
  }
  return { kind: "binary", op: code.op_join, left, right, type: "string", start: node.start, end: node.end };
}

function isLists(node: Node): boolean {
  return node.kind === "name" && node.name === "lists";
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
