/** Checks a condition as CEL's checker does: every name known, every operation with types it has. */
import { condition_elements_max, json_depth_max, policy_text_bytes_max } from "../../../assembly/limits.ts";
import * as code from "../../../assembly/policy/instructions.ts";
import { isCallSpace } from "./calls.ts";
import { allFound, type Call, type Checker, longOperands } from "./checker.ts";
import { isSpace, type Names, type Table } from "./names.ts";
import { checkCall } from "./operators.ts";
import type { OnFault } from "./problem.ts";
import type { Literal, Node } from "./syntax.ts";
import type { Term } from "./term.ts";
import { aType, isCompatible, join, type Type, typeName } from "./types.ts";

/** Checks a tree; undefined where something in it is wrong, which is reported. */
export class TypeChecker implements Checker {
  readonly names: Names;
  readonly #onFault: OnFault;
  /** The loop whose body is being checked: its variable, and what it runs over. */
  #loop: { variable: string; element: Type; range: Term } | undefined;
  #elements = 0;
  #listDepth = 0;

  constructor(names: Names, onFault: OnFault) {
    this.names = names;
    this.#onFault = onFault;
  }

  /** A whole condition: a bool, or what may be one. */
  condition(node: Node): Term | undefined {
    const term = this.check(node);
    return term !== undefined && this.#isBool(term, node, "a condition") ? term : undefined;
  }

  /** What a rule costs: an int, or what may be one. */
  cost(node: Node): Term | undefined {
    const term = this.check(node);
    return term !== undefined && this.#isCost(term) ? term : undefined;
  }

  check(node: Node): Term | undefined {
    const { start, end } = node;
    switch (node.kind) {
      case "literal":
        return this.#literal(node.value, node);
      case "list":
        return this.#list(node);
      case "name":
        if (this.#loop?.variable === node.name)
          return { kind: "element", loop: this.#loop.range, type: this.#loop.element, start, end };
        return this.names.whole(node);
      case "select":
        return this.#select(node);
      case "has":
        return this.#has(node);
      case "logic": {
        const operands = node.operands.map((operand) => {
          const term = this.check(operand);
          return term !== undefined && this.#isBool(term, operand, `\`${node.op}\``) ? term : undefined;
        });
        return allFound(operands)
          ? { kind: "logic", op: node.op, operands, ends: node.ends, type: "bool", start, end }
          : undefined;
      }
      case "loop":
        return this.#macro(node);
      case "call":
        return this.#call(node);
      default:
        return undefined;
    }
  }

  tableOf(node: Node): Table | undefined {
    if (node.kind !== "select" || (node.field !== "headers" && node.field !== "query")) return undefined;
    return this.#spaceOf(node.operand) === "request" ? node.field : undefined;
  }

  listOf(node: Node): { name: string; at: number } | undefined {
    if (node.kind === "select")
      return this.#spaceOf(node.operand) === "lists" ? { name: node.field, at: node.at } : undefined;
    if (node.kind !== "call" || node.name !== "_[_]") return undefined;
    const [container, key] = node.args as [Node, Node];
    const isNamed = key.kind === "literal" && typeof key.value === "string";
    return isNamed && this.#spaceOf(container) === "lists" ? { name: key.value as string, at: key.start } : undefined;
  }

  mismatch(at: number, message: string): undefined {
    this.#onFault("condition_type", at, message);
    return undefined;
  }

  refuse(at: number, message: string): undefined {
    this.#onFault("condition_unsupported", at, message);
    return undefined;
  }

  invalid(at: number, message: string): undefined {
    this.#onFault("condition_value", at, message);
    return undefined;
  }

  #literal(value: Literal, { start, end }: Node): Term | undefined {
    const constant = (
      type: Type,
      op: number,
      operands: Term & { kind: "constant" } extends { operands: infer O } ? O : never,
    ): Term => ({
      kind: "constant",
      op,
      operands,
      value,
      type,
      start,
      end,
    });
    if (value === null) return constant("null_type", code.op_null, {});
    if (typeof value === "boolean") return constant("bool", code.op_bool, { a: value ? 1 : 0 });
    if (typeof value === "bigint") return constant("int", code.op_int, longOperands(value));
    if (typeof value === "number") {
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, value, true);
      return constant("double", code.op_double, { a: view.getUint32(0, true), b: view.getUint32(4, true) });
    }
    if (Buffer.byteLength(value) <= policy_text_bytes_max) return constant("string", code.op_text, { text: value });
    this.#onFault("bound", start, `a text has at most ${policy_text_bytes_max} bytes`);
    return undefined;
  }

  #list(node: Node & { kind: "list" }): Term | undefined {
    const { start, end } = node;
    this.#elements += node.elements.length;
    // Reported once, where the bound is passed.
    if (this.#elements > condition_elements_max && this.#elements - node.elements.length <= condition_elements_max)
      this.#onFault(
        "bound",
        start,
        `the lists of a condition have at most ${condition_elements_max} elements together; name a longer one, \`lists: { known: { file: known.txt } }\`, and write \`x in lists.known\``,
      );
    this.#listDepth++;
    if (this.#listDepth === json_depth_max + 1)
      this.#onFault("bound", start, `lists nest at most ${json_depth_max} deep`);
    const elements = node.elements.map((element) => this.check(element));
    this.#listDepth--;
    if (!allFound(elements)) return undefined;
    const types = elements.map(({ type }) => type);
    return { kind: "list", elements, type: { element: types.length === 0 ? "dyn" : types.reduce(join) }, start, end };
  }

  #select(node: Node & { kind: "select" }): Term | undefined {
    const { operand, field, at, start, end } = node;
    const space = this.#spaceOf(operand);
    if (space !== undefined) return this.names.member(space, node);
    const table = this.tableOf(operand);
    if (table !== undefined) return this.names.entry(table, "value", field, at, node);
    const map = this.check(operand);
    if (map === undefined) return undefined;
    if (!isCompatible(map.type, "map"))
      return this.mismatch(at, `${aType(map.type)} has no members, such as \`${field}\``);
    const { type, members } = map.declared?.get(field) ?? undeclared;
    return {
      kind: "unary",
      op: code.op_select,
      operands: { text: field },
      operand: map,
      type,
      declared: members,
      start,
      end,
    };
  }

  #has(node: Node & { kind: "has" }): Term | undefined {
    const { operand, field, at, start, end } = node;
    const space = this.#spaceOf(operand);
    if (space === "path") return this.names.hasVariable(node);
    if (space !== undefined && isCallSpace(space)) return this.names.hasOfCall(space, node);
    if (space === "caller" && !this.names.isMember(space, field)) return this.names.hasCapture(node);
    if (space !== undefined)
      return this.refuse(
        at,
        `\`has\` is for claims, the body, path variables, headers and the query, not for \`${space}.${field}\``,
      );
    const table = this.tableOf(operand);
    if (table !== undefined) return this.names.entry(table, "presence", field, at, node);
    const map = this.check(operand);
    if (map === undefined) return undefined;
    if (!isCompatible(map.type, "map"))
      return this.mismatch(at, `${aType(map.type)} has no members, such as \`${field}\``);
    return { kind: "unary", op: code.op_has, operands: { text: field }, operand: map, type: "bool", start, end };
  }

  #macro(node: Node & { kind: "loop" }): Term | undefined {
    const { name, variable, at, start, end } = node;
    if (isSpace(variable) || ["body", "claims", "now"].includes(variable))
      return this.refuse(at, `\`${variable}\` has a meaning of its own; call what \`${name}\` is at by another name`);
    const range = this.check(node.range);
    if (this.#loop !== undefined)
      return this.refuse(
        at,
        `\`${name}\` inside another \`exists\` or \`all\` is not supported: its cost would have no bound`,
      );
    const element = range === undefined ? "dyn" : elementOf(range.type);
    if (element === undefined) return this.mismatch(at, `\`${name}\` is for lists, not for ${aType(range!.type)}`);
    // The body is checked even where the range is wrong, so that one run shows all errors.
    this.#loop = {
      variable,
      element,
      range: range ?? { kind: "list", elements: [], type: { element: "dyn" }, start, end },
    };
    const body = this.check(node.body);
    this.#loop = undefined;
    if (body === undefined || !this.#isBool(body, node.body, `\`${name}\``) || range === undefined) return undefined;
    return { kind: "loop", name, range, body, type: "bool", start, end };
  }

  #call(node: Call): Term | undefined {
    return checkCall(this, node);
  }

  /** `caller`, `path`, `request` or `source`, unless the loop's variable has that name. */
  #spaceOf(node: Node): string | undefined {
    return node.kind === "name" && node.name !== this.#loop?.variable && isSpace(node.name) ? node.name : undefined;
  }

  /** Each way out of `?:` is looked at: an int and a text together could be anything. */
  #isCost(term: Term): boolean {
    if (term.kind === "choose") return [term.yes, term.no].map((part) => this.#isCost(part)).every(Boolean);
    if (isCompatible(term.type, "int")) return true;
    const way =
      term.type === "string" || term.type === "double"
        ? "write `int(…)` around it"
        : "say what it is with `?`, as in `claims.bulk == true ? 10 : 1`";
    this.mismatch(term.start, `a cost is an int, not ${aType(term.type)}; ${way}`);
    return false;
  }

  #isBool(term: Term, { start }: Node, what: string): boolean {
    if (isCompatible(term.type, "bool")) return true;
    this.mismatch(
      start,
      `${what} is for bool, not for ${typeName(term.type)}${term.type === "string" ? "; compare the string with `==`" : ""}`,
    );
    return false;
  }
}

/** A claim, or a member of something else, of which nothing is declared. */
const undeclared = { type: "dyn", members: undefined } as const;

/** What a loop over a value of the type meets: elements of a list, keys of a map; undefined where there are none. */
function elementOf(type: Type): Type | undefined {
  if (typeof type === "object") return type.element;
  if (type === "map") return "string";
  return type === "dyn" ? "dyn" : undefined;
}
