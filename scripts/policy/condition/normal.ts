/**
 * Conditions by what they mean rather than by how they are written: for `diff` and for warnings about rules that ask for
 * the same. Equal texts mean the same; the same meaning may still have two texts.
 */
import { print } from "./print.ts";
import { type Node, parseSyntax } from "./syntax.ts";

/**
 * The operands of the outermost `&&`, each as canonical text, sorted and without duplicates: a condition that has all
 * operands of another asks for at least as much. Blanks, parentheses, comments, the order of operands of `&&`, `||`, `==`
 * and of list literals after `in`, a `!` around `&&` or `||`, and how a literal is written make no difference. A text that is no
 * condition stands for itself.
 */
export function normalConjuncts(text: string): string[] {
  const syntax = parseSyntax(text, () => {});
  if (syntax === undefined) return [text.trim()];
  const root = normal(syntax.root);
  const operands = root.kind === "logic" && root.op === "&&" ? root.operands : [root];
  return sorted(operands).map(print);
}

/**
 * The operands of the outermost `||` of a conjunct that `normalConjuncts` gave: the conjunct is true where one of them is, and
 * false only where all of them are.
 */
export function normalDisjuncts(conjunct: string): string[] {
  const root = conjunct.includes("||") ? parseSyntax(conjunct, () => {})?.root : undefined;
  return root?.kind === "logic" && root.op === "||" ? root.operands.map(print) : [conjunct];
}

const mirrored: ReadonlyMap<string, string> = new Map(Object.entries({ "_>_": "_<_", "_>=_": "_<=_" }));
const opposite: ReadonlyMap<string, string> = new Map(Object.entries({ "_==_": "_!=_", "_!=_": "_==_" }));

/** The normal form of an expression, or of its negation: `!(a || b)` is `!a && !b`, errors included. */
function normal(node: Node, isNegated = false): Node {
  switch (node.kind) {
    case "literal":
      return isNegated && typeof node.value === "boolean" ? { ...node, value: !node.value } : negated(node, isNegated);
    case "list":
      return { ...node, elements: node.elements.map((element) => normal(element)) };
    case "select":
    case "has":
      return negated(lowered({ ...node, operand: normal(node.operand) }), isNegated);
    case "loop":
      return negated({ ...node, range: normal(node.range), body: normal(node.body) }, isNegated);
    case "logic":
      return logic(node, isNegated);
    case "call":
      return call(node, isNegated);
    default:
      return negated(node, isNegated);
  }
}

function negated(node: Node, isNegated: boolean): Node {
  return isNegated ? { ...node, kind: "call", name: "!_", target: undefined, args: [node] } : node;
}

/** Headers have no case. */
function lowered<Member extends Node & { kind: "select" | "has" }>(node: Member): Member {
  return print(node.operand) === "request.headers" ? { ...node, field: node.field.toLowerCase() } : node;
}

function logic(node: Node & { kind: "logic" }, isNegated: boolean): Node {
  const op = isNegated ? (node.op === "&&" ? "||" : "&&") : node.op;
  const operands = sorted(
    node.operands
      .map((operand) => normal(operand, isNegated))
      .flatMap((operand) => (operand.kind === "logic" && operand.op === op ? operand.operands : [operand])),
  );
  // `x && x` is no more than `x` where a bool is asked for, which only the outermost operands are known to be.
  return { ...node, op, operands: operands.length === 1 ? [operands[0]!, operands[0]!] : operands };
}

function call(node: Node & { kind: "call" }, isNegated: boolean): Node {
  const { name } = node;
  if (name === "!_") return normal(node.args[0]!, !isNegated);
  const args = node.args.map((argument) => normal(argument));
  const target = node.target === undefined ? undefined : normal(node.target);
  if (name === "size" && target !== undefined)
    return negated({ ...node, target: undefined, args: [target] }, isNegated);
  const [left, right] = args as [Node, Node];
  const otherwise = opposite.get(name);
  if (otherwise !== undefined) {
    // What is written out stands on the right, where people expect it.
    const inOrder = rank(left) + print(left) <= rank(right) + print(right) ? [left, right] : [right, left];
    return { ...node, name: isNegated ? otherwise : name, args: inOrder };
  }
  const reversed = mirrored.get(name);
  if (reversed !== undefined) return negated({ ...node, name: reversed, args: [right, left] }, isNegated);
  if (name === "@in" && right.kind === "list")
    return negated({ ...node, args: [left, { ...right, elements: sorted(right.elements) }] }, isNegated);
  if (name === "_[_]" && right.kind === "literal" && typeof right.value === "string")
    return negated(lowered({ ...node, kind: "select", operand: left, field: right.value }), isNegated);
  return negated({ ...node, target, args }, isNegated);
}

function rank({ kind }: Node): string {
  return kind === "literal" || kind === "list" ? "1" : "0";
}

/** In the order of their texts, each once. */
function sorted(nodes: readonly Node[]): Node[] {
  const byText = new Map(nodes.map((node) => [print(node), node]));
  return [...byText.keys()].sort().map((text) => byText.get(text)!);
}
