/** Expressions as text again: one text for each tree. */
import type { Literal, Node } from "./syntax.ts";

const binary: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "_==_": "==",
    "_!=_": "!=",
    "_<_": "<",
    "_<=_": "<=",
    "_>_": ">",
    "_>=_": ">=",
    "@in": "in",
    "_+_": "+",
    "_-_": "-",
    "_*_": "*",
    "_/_": "/",
    "_%_": "%",
  }),
);
const unary: ReadonlyMap<string, string> = new Map(Object.entries({ "!_": "!", "-_": "-" }));

/** The text of an expression, with parentheses around operators inside others. */
export function print(node: Node): string {
  switch (node.kind) {
    case "literal":
      return printLiteral(node.value);
    case "list":
      return `[${node.elements.map(print).join(", ")}]`;
    case "name":
      return node.name;
    case "select":
      return member(node.operand, node.field);
    case "has":
      return `has(${member(node.operand, node.field)})`;
    case "loop":
      return `${inner(node.range)}.${node.name}(${node.variable}, ${print(node.body)})`;
    case "logic":
      return node.operands.map(operand).join(` ${node.op} `);
    case "call":
      return printCall(node);
    default:
      return "";
  }
}

function printCall({ name, target, args }: Node & { kind: "call" }): string {
  const [first, second, third] = args;
  const sign = binary.get(name);
  if (sign !== undefined) return `${inner(first!)} ${sign} ${inner(second!)}`;
  const prefix = unary.get(name);
  if (prefix !== undefined) return prefix + inner(first!);
  if (name === "_[_]") return `${inner(first!)}[${print(second!)}]`;
  if (name === "_?_:_") return `${inner(first!)} ? ${inner(second!)} : ${inner(third!)}`;
  const list = args.map(print).join(", ");
  return target === undefined ? `${name}(${list})` : `${inner(target)}.${name}(${list})`;
}

/** As an operand of `&&` or `||`: comparisons bind closer. */
function operand(node: Node): string {
  return node.kind === "call" && binary.has(node.name) ? print(node) : inner(node);
}

/** As an operand of anything else. */
function inner(node: Node): string {
  const isOperator = node.kind === "call" && (binary.has(node.name) || node.name === "_?_:_");
  return isOperator || node.kind === "logic" ? `(${print(node)})` : print(node);
}

/** A member that has no plain name is indexed. */
function member(container: Node, field: string): string {
  return /^[A-Za-z_]\w*$/u.test(field)
    ? `${inner(container)}.${field}`
    : `${inner(container)}[${JSON.stringify(field)}]`;
}

function printLiteral(value: Literal): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "number") return JSON.stringify(value);
  const text = String(value);
  return Object.is(value, -0) ? "-0.0" : /[.e]/u.test(text) ? text : `${text}.0`;
}
