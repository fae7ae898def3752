/**
 * Conditions by what they mean rather than by how they are written: for `diff` and for warnings about rules that ask for
 * the same. Equal texts mean the same; the same meaning may still have two texts.
 */
import type { Literal, Node } from "./syntax.ts";
import { parseSyntax } from "./syntax.ts";

/**
 * The operands of the outermost `&&`, each as canonical text, sorted and without duplicates: a condition that has all
 * operands of another asks for at least as much. Blanks, parentheses, comments, the order of operands of `&&`, `||`, `==`
 * and of list literals after `in`, double negation, and how a literal is written make no difference. A text that is no
 * condition stands for itself.
 */
export function normalConjuncts(text: string): string[] {
  const syntax = parseSyntax(text, () => {});
  if (syntax === undefined) return [text.trim()];
  return [...new Set(conjuncts(syntax.root, false))].sort();
}

/** The conjuncts of an expression or of its negation: `!(a || b)` is `!a && !b`, errors included. */
function conjuncts(node: Node, isNegated: boolean): string[] {
  if (node.kind === "call" && node.name === "!_") return conjuncts(node.args[0]!, !isNegated);
  if (node.kind === "logic" && (node.op === "&&") !== isNegated)
    return node.operands.flatMap((operand) => conjuncts(operand, isNegated));
  return [print(node, isNegated)];
}

const binary: Record<string, string> = {
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
};
const mirrored: Record<string, string> = { ">": "<", ">=": "<=" };
const opposite: Record<string, string> = { "==": "!=", "!=": "==" };

/** Canonical text of an expression, or of its negation. */
function print(node: Node, isNegated = false): string {
  const plain = (text: string): string => (isNegated ? `!${text}` : text);
  switch (node.kind) {
    case "literal":
      return typeof node.value === "boolean" ? String(node.value !== isNegated) : plain(printLiteral(node.value));
    case "list":
      return `[${node.elements.map((element) => print(element)).join(", ")}]`;
    case "name":
      return plain(node.name);
    case "select":
      return plain(member(node.operand, node.field));
    case "has":
      return plain(`has(${member(node.operand, node.field)})`);
    case "loop":
      return plain(`${inner(node.range)}.${node.name}(${node.variable}, ${print(node.body)})`);
    case "logic":
      return logic(node, isNegated);
    case "call":
      return call(node, isNegated);
    default:
      return "";
  }
}

/** An `&&` or `||` inside another expression; negated it is the other one. */
function logic({ op, operands }: Node & { kind: "logic" }, isNegated: boolean): string {
  const shown = isNegated ? (op === "&&" ? "||" : "&&") : op;
  const parts = new Set(operands.flatMap((operand) => flat(operand, shown, isNegated)));
  return [...parts].sort().join(` ${shown} `);
}

/** The operands of nested operations of one kind. */
function flat(node: Node, op: string, isNegated: boolean): string[] {
  if (node.kind === "call" && node.name === "!_") return flat(node.args[0]!, op, !isNegated);
  if (node.kind === "logic") {
    const shown = isNegated ? (node.op === "&&" ? "||" : "&&") : node.op;
    if (shown === op) return node.operands.flatMap((operand) => flat(operand, op, isNegated));
    return [`(${logic(node, isNegated)})`];
  }
  const text = print(node, isNegated);
  return [node.kind === "call" && node.name === "_?_:_" && !isNegated ? `(${text})` : text];
}

function call({ name, target, args }: Node & { kind: "call" }, isNegated: boolean): string {
  const plain = (text: string): string => (isNegated ? `!${text}` : text);
  if (name === "!_") return print(args[0]!, !isNegated);
  if (name === "-_") return `-${inner(args[0]!)}`;
  if (name === "_[_]") return plain(indexed(args[0]!, args[1]!));
  if (name === "_?_:_") {
    const text = args.map((argument) => inner(argument));
    return plain(isNegated ? `(${text[0]} ? ${text[1]} : ${text[2]})` : `${text[0]} ? ${text[1]} : ${text[2]}`);
  }
  const sign = binary[name];
  if (sign !== undefined) return comparison(sign, args, isNegated);
  if (name === "size") return plain(`size(${print(target ?? args[0]!)})`);
  const list = args.map((argument) => print(argument)).join(", ");
  return plain(target === undefined ? `${name}(${list})` : `${inner(target)}.${name}(${list})`);
}

function comparison(sign: string, args: Node[], isNegated: boolean): string {
  const [left, right] = args as [Node, Node];
  let texts = [inner(left), inner(right)];
  if (sign === "in" && right.kind === "list") {
    texts[1] = `[${[...new Set(right.elements.map((element) => print(element)))].sort().join(", ")}]`;
  }
  // What is written out stands on the right, where people expect it.
  if (sign in opposite && rank(left) + texts[0]! > rank(right) + texts[1]!) texts.reverse();
  const shown = mirrored[sign] ?? sign;
  if (shown !== sign) texts = texts.reverse();
  if (!isNegated) return texts.join(` ${shown} `);
  return shown in opposite ? texts.join(` ${opposite[shown]} `) : `!(${texts.join(` ${shown} `)})`;
}

function rank({ kind }: Node): string {
  return kind === "literal" || kind === "list" ? "1" : "0";
}

/** As an operand: operators in parentheses. */
function inner(node: Node): string {
  const text = print(node);
  const isOperation =
    node.kind === "logic" || (node.kind === "call" && (node.name in binary || ["!_", "_?_:_"].includes(node.name)));
  return isOperation ? `(${text})` : text;
}

/** Headers have no case, and a member that has a plain name is selected. */
function indexed(container: Node, key: Node): string {
  if (key.kind === "literal" && typeof key.value === "string") return member(container, key.value);
  return `${inner(container)}[${print(key)}]`;
}

function member(container: Node, field: string): string {
  const on = inner(container);
  const name = on === "request.headers" ? field.toLowerCase() : field;
  return /^[A-Za-z_]\w*$/u.test(name) ? `${on}.${name}` : `${on}[${JSON.stringify(name)}]`;
}

function printLiteral(value: Literal): string {
  if (typeof value !== "number") return typeof value === "bigint" ? String(value) : JSON.stringify(value);
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}
