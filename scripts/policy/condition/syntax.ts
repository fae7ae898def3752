/** A condition's text as a tree: the library's, with places that say where each expression begins and ends. */
import { parse } from "@bufbuild/cel";
import type { Constant, Expr, SourceInfo } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";
import { type Token, tokenize } from "./lexer.ts";
import { checkKept, partners } from "./lossless.ts";
import { type MembersAsked, membersAsked } from "./memberasked.ts";
import type { OnFault } from "./problem.ts";
import { checkOrder } from "./wordorder.ts";

/** A value that is written out. */
export type Literal = null | boolean | bigint | number | string;

/** Where an expression stands, without parentheses around it. */
export interface Range {
  start: number;
  end: number;
}

/**
 * An expression. `at`: where its own name or operator stands. `ends`: where each operand ends, with the parentheses around
 * it. Operators are calls, by CEL's names for them.
 */
export type Node = Range & { at: number } & (
    | { kind: "literal"; value: Literal }
    | { kind: "list"; elements: Node[] }
    | { kind: "name"; name: string }
    | { kind: "select"; operand: Node; field: string }
    | { kind: "has"; operand: Node; field: string }
    | { kind: "call"; name: string; target: Node | undefined; args: Node[] }
    | { kind: "logic"; op: "&&" | "||"; operands: Node[]; ends: number[] }
    | { kind: "loop"; name: "exists" | "all"; range: Node; variable: string; body: Node }
    | { kind: "refused" }
  );

/** What a text says, and what the places in it are made of. */
export interface Syntax {
  root: Node;
  comments: Range[];
}

/** Parses a condition; undefined where it is none, which is reported. */
export function parseSyntax(text: string, onFault: OnFault): Syntax | undefined {
  const tokens = tokenize(text, onFault);
  if (tokens === undefined || !checkOrder(tokens.words, text.length, onFault)) return undefined;
  if (!checkKept(tokens.words, onFault)) return undefined;
  try {
    const asked = membersAsked(withoutComments(text, tokens.comments), tokens.words);
    const { expr, sourceInfo } = parse(asked.text);
    const root = new Converter(sourceInfo!, tokens.words, asked.members, onFault).convert(expr);
    return { root, comments: tokens.comments };
  } catch (error) {
    if (error instanceof RangeError) onFault("bound", 0, "the condition is nested too deeply");
    else onFault("condition_syntax", Math.min(offsetOf(error), text.length), parserMessage(error));
    return undefined;
  }
}

/** Blanks in place of comments: the library takes one comment where the grammar has any number of them. */
function withoutComments(text: string, comments: readonly Range[]): string {
  let bare = text;
  for (const { start, end } of comments) bare = bare.slice(0, start) + " ".repeat(end - start) + bare.slice(end);
  return bare;
}

/** The library's errors are no exported classes. */
function offsetOf(error: unknown): number {
  return (error as { location?: { start?: { offset?: number } } }).location?.start?.offset ?? 0;
}

function parserMessage(error: unknown): string {
  const message = (error as { rawMessage?: string }).rawMessage ?? String((error as Error).message);
  return message === "reserved keyword"
    ? 'this word is reserved in CEL; a claim of that name is written `claims["…"]`'
    : `this is no CEL expression: ${message}`;
}

const refused_macros: Record<string, string> = {
  map: "`map` is not supported; ask about each element with `exists` or `all`",
  filter: "`filter` is not supported; ask about each element with `exists` or `all`",
  exists_one: "`exists_one` is not supported; use `exists`",
  existsOne: "`existsOne` is not supported; use `exists`",
};

/** Turns the library's tree into ours, finding for each expression the words it is made of. */
class Converter {
  readonly #info: SourceInfo;
  readonly #words: readonly Token[];
  readonly #members: MembersAsked["members"];
  readonly #onFault: OnFault;
  readonly #indexByStart = new Map<number, number>();
  readonly #indexByEnd = new Map<number, number>();
  readonly #partner: Map<number, number>;

  constructor(info: SourceInfo, words: readonly Token[], members: MembersAsked["members"], onFault: OnFault) {
    this.#info = info;
    this.#words = words;
    this.#members = members;
    this.#onFault = onFault;
    this.#partner = partners(words);
    for (const [index, { start, end }] of words.entries()) {
      this.#indexByStart.set(start, index);
      this.#indexByEnd.set(end, index);
    }
  }

  convert(expr: Expr): Node {
    // For an operator the library has the place where the blanks before it begin.
    const at = this.#words[this.#index(this.#info.positions[expr.id.toString()] ?? 0)]?.start ?? 0;
    const { case: kind, value } = expr.exprKind;
    switch (kind) {
      case "constExpr":
        return this.#constant(value, at);
      case "identExpr":
        return { kind: "name", name: value.name, at, start: at, end: this.#after(at, (word) => word.kind === "name") };
      case "selectExpr": {
        const operand = this.convert(value.operand!);
        if (value.testOnly) {
          const field = this.#members.get(at) ?? value.field;
          return { kind: "has", operand, field, at, start: at, end: this.#closed(at) };
        }
        const start = this.#outer(operand).start;
        return {
          kind: "select",
          operand,
          field: value.field,
          at: this.#nextStart(at),
          start,
          end: this.#after(at, (word) => word.kind === "name"),
        };
      }
      case "listExpr":
        return {
          kind: "list",
          elements: value.elements.map((element) => this.convert(element)),
          at,
          start: at,
          end: this.#closed(at),
        };
      case "callExpr":
        return this.#call(value.function, value.target, value.args, at);
      case "comprehensionExpr":
        return this.#macro(expr, at);
      case "structExpr":
        return this.#refuse(
          at,
          value.messageName === "" ? "maps cannot be written out" : "messages cannot be written out",
        );
      default:
        return this.#refuse(at, "this expression is not supported");
    }
  }

  #constant({ constantKind: { case: kind, value } }: Constant, at: number): Node {
    const end = this.#after(at, (word) => word.kind !== "sign");
    const literal = (known: Literal): Node => ({ kind: "literal", value: known, at, start: at, end });
    switch (kind) {
      case "nullValue":
        return literal(null);
      case "boolValue":
      case "stringValue":
        return literal(value);
      case "int64Value":
        return this.#int(value, at, end);
      case "doubleValue":
        if (Number.isFinite(value)) return literal(value);
        this.#onFault("condition_value", at, "this number is too large for a double");
        return { kind: "refused", at, start: at, end };
      case "uint64Value":
        return this.#refuse(at, `uint is not supported; leave out the \`u\`: \`${value}\``);
      default:
        return this.#refuse(at, "bytes are not supported; write a text");
    }
  }

  #int(value: bigint, at: number, end: number): Node {
    if (BigInt.asIntN(64, value) === value) return { kind: "literal", value, at, start: at, end };
    this.#onFault("condition_value", at, `\`${value}\` does not fit into an int, which has 64 bits`);
    return { kind: "refused", at, start: at, end };
  }

  #call(name: string, target: Expr | undefined, args: Expr[], at: number): Node {
    const nodes = args.map((one) => this.convert(one));
    if (target !== undefined) {
      const on = this.convert(target);
      return {
        kind: "call",
        name,
        target: on,
        args: nodes,
        at: this.#nextStart(at),
        start: this.#outer(on).start,
        end: this.#closed(at),
      };
    }
    const first = nodes[0];
    const last = nodes.at(-1);
    if (/^[A-Za-z_]\w*$/u.test(name) || first === undefined || last === undefined)
      return { kind: "call", name, target: undefined, args: nodes, at, start: at, end: this.#closed(at) };
    if (name === "_&&_" || name === "_||_") {
      const op = name === "_&&_" ? "&&" : "||";
      // The library balances the tree; both operators are associative, errors included.
      const parts = nodes.flatMap((node) =>
        node.kind === "logic" && node.op === op
          ? node.operands.map((operand, index) => ({ operand, end: node.ends[index]! }))
          : [{ operand: node, end: this.#outer(node).end }],
      );
      const operands = parts.map(({ operand }) => operand);
      const ends = parts.map(({ end }) => end);
      return { kind: "logic", op, operands, ends, at, start: this.#outer(first).start, end: this.#outer(last).end };
    }
    const start = name === "!_" || name === "-_" ? at : this.#outer(first).start;
    const end = name === "_[_]" ? this.#closed(at) : this.#outer(last).end;
    // A minus that does not touch its number is an operator to the library.
    if (name === "-_" && first.kind === "literal" && isNumber(first.value)) {
      const value = -first.value as bigint | number;
      return typeof value === "bigint" ? this.#int(value, at, end) : { kind: "literal", value, at, start, end };
    }
    return { kind: "call", name, target: undefined, args: nodes, at, start, end };
  }

  /** `exists` and `all` as the library expands them: the test is the second operand of what each step does. */
  #macro(expr: Expr, at: number): Node {
    const loop = expr.exprKind.value as Extract<Expr["exprKind"], { case: "comprehensionExpr" }>["value"];
    const written = this.#info.macroCalls[expr.id.toString()]?.exprKind;
    const name = written?.case === "callExpr" ? written.value.function : "";
    const step = loop.loopStep?.exprKind;
    const body = step?.case === "callExpr" ? step.value.args[1] : undefined;
    if ((name !== "exists" && name !== "all") || body === undefined || loop.iterRange === undefined)
      return this.#refuse(this.#nextStart(at), refused_macros[name] ?? `\`${name}\` is not supported`);
    const range = this.convert(loop.iterRange);
    return {
      kind: "loop",
      name,
      range,
      variable: loop.iterVar,
      body: this.convert(body),
      at: this.#nextStart(at),
      start: this.#outer(range).start,
      end: this.#closed(at),
    };
  }

  #refuse(at: number, message: string): Node {
    this.#onFault("condition_unsupported", at, message);
    return { kind: "refused", at, start: at, end: this.#words[this.#index(at)]?.end ?? at };
  }

  /** The first word from `at` on. */
  #index(at: number): number {
    const index = this.#indexByStart.get(at) ?? this.#words.findIndex(({ start }) => start >= at);
    return index < 0 ? this.#words.length : index;
  }

  /** The end of the first word from `at` on that is the one looked for: a name may have a dot before it, a number a minus. */
  #after(at: number, isIt: (word: Token) => boolean): number {
    return this.#words.slice(this.#index(at), this.#index(at) + 2).find(isIt)?.end ?? at;
  }

  #nextStart(at: number): number {
    return this.#words[this.#index(at) + 1]?.start ?? at;
  }

  /** The end of the bracket that is opened at `at` or right after the name there. */
  #closed(at: number): number {
    const first = this.#index(at);
    for (let index = first; index < first + 4; index++) {
      const partner = this.#partner.get(index);
      if (partner !== undefined && partner > index) return this.#words[partner]!.end;
    }
    return at;
  }

  /** An expression with the parentheses around it. */
  #outer(range: Range): Range {
    let first = this.#index(range.start);
    let last = this.#indexByEnd.get(range.end) ?? first;
    while (this.#isGroup(first - 1) && this.#partner.get(first - 1) === last + 1) {
      first--;
      last++;
    }
    return { start: this.#words[first]?.start ?? range.start, end: this.#words[last]?.end ?? range.end };
  }

  /** A parenthesis after a name belongs to a call. */
  #isGroup(index: number): boolean {
    const before = this.#words[index - 1];
    return this.#words[index]?.text === "(" && (before?.kind !== "name" || before.text === "in");
  }
}

function isNumber(value: Literal): value is bigint | number {
  return typeof value === "bigint" || typeof value === "number";
}
