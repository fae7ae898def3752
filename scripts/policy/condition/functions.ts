/** Functions: what each takes and gives (cel-spec, langdef.md "List of Standard Definitions"). */
import { search_bytes_max } from "../../../assembly/limits.ts";
import * as code from "../../../assembly/policy/instructions.ts";
import { parseDuration, parseTimestamp, splitNanoseconds } from "../language/time.ts";
import { nearest } from "../source/suggest.ts";
import { allFound, type Call, type Checker, longOperands } from "./checker.ts";
import { dashedName, inHours, insteadOfCall } from "./hints.ts";
import { parseNetwork } from "./network.ts";
import type { Node } from "./syntax.ts";
import type { Term } from "./term.ts";
import { aType, isCompatible, typeName } from "./types.ts";

const searches: ReadonlyMap<string, number> = new Map(
  Object.entries({
    startsWith: code.op_starts_with,
    endsWith: code.op_ends_with,
    contains: code.op_contains,
  }),
);
const functions = ["size", "timestamp", "duration", "cidr", "has"];
const methods = ["size", "startsWith", "endsWith", "contains", "containsIP", "exists", "all"];

const no_conversion = "compare values as they are; ints and doubles compare by their value";
const no_parts = 'compare times as a whole, as in `now < timestamp("2026-11-01T00:00:00Z")`';
/** What there is instead of what CEL has elsewhere. */
const ways_out: ReadonlyMap<string, string> = new Map(
  Object.entries({
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
  }),
);

/** Checks a function; undefined where something is wrong, which is reported. */
export function checkFunction(checker: Checker, node: Call): Term | undefined {
  return node.target === undefined
    ? callFunction(checker, node, node.args)
    : callMethod(checker, node, node.target, node.args);
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
    case "has": {
      const [of] = args;
      const dashed =
        of?.kind === "call" && of.name === "_-_"
          ? dashedName(of, (table) => checker.tableOf(table) !== undefined)
          : undefined;
      if (dashed !== undefined)
        return checker.refuse(of!.at, `\`-\` is no part of a name here; write \`${dashed.name} in ${dashed.of}\``);
      return checker.refuse(at, '`has` takes one member, as in `has(claims.x)`; for other names write `"x" in claims`');
    }
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
  const op = searches.get(name);
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
  if (
    op === code.op_contains &&
    right.kind === "constant" &&
    Buffer.byteLength(right.value as string) > search_bytes_max
  )
    return checker.invalid(argument.start, `\`contains\` looks for at most ${search_bytes_max} bytes`);
  return { kind: "binary", op, left, right, type: "bool", start, end };
}

function unknown(checker: Checker, node: Call, known: readonly string[]): undefined {
  const { name, at } = node;
  const instead = insteadOfCall(node);
  if (instead !== undefined) return checker.refuse(at, `there is no function \`${name}\` here; write \`${instead}\``);
  const way = ways_out.get(name);
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
  const hours = inHours(of.value);
  if (hours !== undefined)
    return checker.invalid(of.start, `a duration has no days and weeks; write \`duration("${hours}")\``);
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
  if (isNetwork && (target.args.length > 1 || target.args[0]?.kind === "list")) {
    const way = `cidr("10.0.0.0/8").containsIP(x) || cidr("192.168.0.0/16").containsIP(x)`;
    return checker.refuse(target.at, `\`cidr\` takes one network; join several by \`||\`, as in \`${way}\``);
  }
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
