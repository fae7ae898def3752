/**
 * Proves two things of the release module, by walking its text from every export the host or a tool calls: that no
 * request path reaches an allocator or grows memory, and that none holds an instruction that traps on input. What the
 * walk cannot see, loads and stores out of bounds, is left to tests and fuzzing.
 */
import { type Expression, listsOf, parseText } from "./wat.ts";

/** Exports that configure; they may grow memory, though not through AssemblyScript's allocator. */
const configuring = new Set(["proxy_on_configure"]);
/** Runs once, before any input: `literal` may stop a module whose own texts do not fit. */
const initializing = new Set(["_initialize", "proxy_abi_version_0_2_1"]);

/** Instructions that trap whatever their operands, or that the walk cannot follow. */
const trapping = /^(unreachable|call_indirect|call_ref|return_call.*|[if]\d\d\.trunc_f\d\d_[su]|throw.*)$/;
const dividing = /^i(32|64)\.(div|rem)_[su]$/;

/** The violations found, one sentence each; none for a sound module. */
export function findViolations(text: string): string[] {
  const module = parseText(text)[0];
  if (!Array.isArray(module)) throw new Error("no module in the text");
  const functions = new Map<string, Expression[]>();
  const exported: [name: string, target: string][] = [];
  for (const field of module) {
    if (!Array.isArray(field)) continue;
    if (field[0] === "func") functions.set(String(field[1]), field);
    if (field[0] === "export" && Array.isArray(field[2]) && field[2][0] === "func") {
      exported.push([unquoted(field[1]!), String(field[2][1])]);
    }
    if (field[0] === "start") return ["the module has a start section, which runs before the host has bound it"];
  }
  const violations: string[] = [];
  for (const [name, target] of exported) {
    if (initializing.has(name)) continue;
    for (const path of pathsFrom(target, functions)) {
      const reached = path[path.length - 1]!;
      const body = functions.get(reached);
      for (const problem of problemsIn(reached, body, configuring.has(name))) {
        violations.push(`${name}: ${problem}, by way of ${path.join(" > ")}`);
      }
    }
  }
  return violations;
}

/** One shortest path to every function reachable from `start`. */
function* pathsFrom(start: string, functions: Map<string, Expression[]>): Generator<string[]> {
  const seen = new Set([start]);
  const queue = [[start]];
  for (let path = queue.shift(); path; path = queue.shift()) {
    yield path;
    const body = functions.get(path[path.length - 1]!);
    if (!body) continue;
    for (const call of listsOf(body, "call")) {
      const target = String(call[1]);
      if (seen.has(target)) continue;
      seen.add(target);
      queue.push([...path, target]);
    }
  }
}

function* problemsIn(name: string, body: Expression[] | undefined, mayGrow: boolean): Generator<string> {
  if (name.includes("~lib/rt/") || name.includes("~lib/memory/heap")) yield `reaches the allocator ${name}`;
  if (!body) return;
  for (const list of listsOf(body)) {
    const instruction = list[0];
    if (typeof instruction !== "string") continue;
    if (instruction === "memory.grow" && !mayGrow) yield "grows memory";
    if (trapping.test(instruction)) yield `holds ${instruction}`;
    if (dividing.test(instruction) && !isNonZeroConstant(list[2])) yield `divides by something that may be zero`;
  }
}

function isNonZeroConstant(operand: Expression | undefined): boolean {
  return Array.isArray(operand) && /^i(32|64)\.const$/.test(String(operand[0])) && Number(operand[1]) !== 0;
}

function unquoted(text: Expression): string {
  return String(text).replaceAll('"', "");
}
