/**
 * Proves two things of the release module, by walking its text from every export the host or a tool calls: that no
 * request path reaches an allocator or grows memory, and that none holds an instruction that traps on input. What the
 * walk cannot see, loads and stores out of bounds, is left to tests and fuzzing.
 *
 * asc prints functions as lists that hold their instructions in order, operands first, with no nesting that matters here:
 *
 *   (func $name (param $0 i32) (result i32)
 *    local.get $0
 *    i32.const 10
 *    i32.div_u
 *   )
 */

/**
 * Exports that configure, or take in key sets; they may grow memory, though not through AssemblyScript's allocator. What they
 * share with a request's path, such as deciding one that waited for keys, is held to more from `proxy_on_request_headers`.
 */
const configuring = new Set(["proxy_on_configure", "proxy_on_tick", "proxy_on_http_call_response"]);
/**
 * Where a request may lead to configuring: it has no policy, for want of memory, and tries again to put it in force, at most once a
 * second. A tick leads there too, by which what it may do is proved.
 */
const recovering = "assembly/configure/recover";
/** Runs once, before any input: a module whose own texts do not fit may stop there. */
const initializing = new Set(["_initialize", "proxy_abi_version_0_2_1"]);

/** Instructions that trap whatever their operands, or that the walk cannot follow. */
const trapping = /^(unreachable|call_indirect|call_ref|return_call.*|[if]\d\d\.trunc_f\d\d_[su]|throw.*)$/;
const dividing = /^(i32|i64)\.(div|rem)_[su]$/;

/** The violations found, one sentence each; none for a sound module. Throws where the text is no module at all. */
export function findViolations(text: string): string[] {
  const functions = functionsOf(text);
  const exported = [...text.matchAll(/\(export "([^"]+)" \(func (\S+)\)\)/g)].map(([, name, target]) => [
    name!,
    target!,
  ]);
  if (functions.size === 0 || exported.length === 0)
    throw new Error("the text holds no module with exported functions");
  const violations: string[] = [];
  if (/^ ?\(start /m.test(text))
    violations.push("the module has a start section, which runs before the host has bound it");
  for (const [name, target] of exported) {
    if (initializing.has(name!)) continue;
    const isConfiguring = configuring.has(name!);
    for (const path of pathsFrom(target!, functions, isConfiguring ? undefined : `$${recovering}`)) {
      const reached = path[path.length - 1]!;
      for (const problem of problemsIn(reached, functions.get(reached) ?? [], isConfiguring)) {
        violations.push(`${name}: ${problem}, by way of ${path.join(" > ")}`);
      }
    }
  }
  return violations;
}

/** The words of each function's body, by the function's name. */
function functionsOf(text: string): Map<string, string[]> {
  const functions = new Map<string, string[]>();
  for (const [, name, body] of text.matchAll(/^ \(func (\S+)([\s\S]*?)^ \)$/gm)) {
    functions.set(name!, body!.split(/[\s()]+/));
  }
  return functions;
}

/** One shortest path to every function reachable from `start`, without one that is left out and what only it leads to. */
function* pathsFrom(start: string, functions: Map<string, string[]>, leftOut?: string): Generator<string[]> {
  const seen = new Set([start]);
  const queue = [[start]];
  for (let path = queue.shift(); path; path = queue.shift()) {
    yield path;
    const words = functions.get(path[path.length - 1]!) ?? [];
    for (const [index, word] of words.entries()) {
      const target = words[index + 1]!;
      if (word !== "call" || target === leftOut || seen.has(target)) continue;
      seen.add(target);
      queue.push([...path, target]);
    }
  }
}

function* problemsIn(name: string, words: string[], mayGrow: boolean): Generator<string> {
  if (name.includes("~lib/rt/")) yield `reaches the allocator ${name}`;
  const constants = constantLocals(words);
  for (const [index, word] of words.entries()) {
    if (word === "memory.grow" && !mayGrow) yield "grows memory";
    if (trapping.test(word)) yield `holds ${word}`;
    if (dividing.test(word) && !isDivisor(words[index - 2], words[index - 1], constants))
      yield "divides by what may be zero";
  }
}

const constant = /^i(32|64)\.const$/;

/** What locals hold that a function sets once, as the first thing it does, and to a constant: the optimizer puts long ones there. */
function constantLocals(words: string[]): Map<string, string> {
  const locals = new Map<string, string>();
  for (let at = words.findIndex((word) => word.includes(".")); constant.test(words[at] ?? ""); at += 4) {
    const [, value, instruction, local] = words.slice(at, at + 4) as [string, string, string, string];
    if (instruction !== "local.set") break;
    const sets = words.filter((word, index) => /^local\.(set|tee)$/.test(word) && words[index + 1] === local);
    if (sets.length === 1) locals.set(local, value);
  }
  return locals;
}

/** The divisor is pushed last: a constant stands right before the division, or a local that is one, and is not zero. */
function isDivisor(
  instruction: string | undefined,
  operand: string | undefined,
  constants: Map<string, string>,
): boolean {
  const value = instruction === "local.get" ? constants.get(operand ?? "") : operand;
  return (
    (constant.test(instruction ?? "") || instruction === "local.get") && value !== undefined && Number(value) !== 0
  );
}
