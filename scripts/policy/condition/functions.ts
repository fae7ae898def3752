/** Functions: what each takes and gives (cel-spec, langdef.md "List of Standard Definitions"). */
import { search_bytes_max, split_elements_max } from "../../../assembly/limits.ts";
import * as code from "../../../assembly/policy/instructions.ts";
import { parseDuration, parseTimestamp, splitNanoseconds } from "../language/time.ts";
import { nearest } from "../source/suggest.ts";
import { allFound, type Call, type Checker, longOperands } from "./checker.ts";
import { dashedName, inHours, insteadOfCall } from "./hints.ts";
import { parseNetwork } from "./network.ts";
import type { Node } from "./syntax.ts";
import type { Term } from "./term.ts";
import { aType, isCompatible, type Type, typeName } from "./types.ts";

/** A function, as people write it and as it is checked. */
interface ConditionFunction {
  /** The ways to write it. */
  forms: readonly string[];
  meaning: string;
  /** A condition with it. */
  example: string;
  /** Checks `name(…)`; where it is absent, the function follows a value. */
  call?: (checker: Checker, node: Call, args: Node[]) => Term | undefined;
  /** Checks `target.name(…)`. */
  follow?: (checker: Checker, node: Call, target: Node, args: Node[]) => Term | undefined;
}

/**
 * All functions. What is in this table is documented (docs/policy-language.md), its example is compiled, and the second
 * evaluator knows it, or tests/build/contracts.test.ts fails.
 */
export const functions = {
  size: {
    forms: ["size(x)", "x.size()"],
    meaning: "code points of a string, elements of a list, members of a map",
    example: "size(claims.groups) < 3",
    call: (checker, node, args) => (takesOne(checker, node, args) ? size(checker, node, args[0]!) : undefined),
    follow: (checker, node, target, args) =>
      args.length === 0 ? size(checker, node, target) : checker.mismatch(node.at, "`size` takes no argument here"),
  },
  startsWith: {
    forms: ["x.startsWith(y)"],
    meaning: "whether a string begins with another",
    example: 'request.path.startsWith("/orders")',
    follow: search(code.op_starts_with),
  },
  endsWith: {
    forms: ["x.endsWith(y)"],
    meaning: "whether a string ends with another",
    example: 'claims.email.endsWith("@example.org")',
    follow: search(code.op_ends_with),
  },
  contains: {
    forms: ["x.contains(y)"],
    meaning: `whether a string has another in it, of at most ${search_bytes_max} bytes`,
    example: 'request.path.contains("/internal/")',
    follow: search(code.op_contains),
  },
  lowerAscii: {
    forms: ["x.lowerAscii()"],
    meaning: "a string with its letters from `A` to `Z` in lower case; others stay as they are",
    example: 'claims.role.lowerAscii() == "admin"',
    follow: (checker, node, target, args) =>
      args.length === 0
        ? lowerAscii(checker, node, target)
        : checker.mismatch(node.at, "`lowerAscii` takes no argument"),
  },
  split: {
    forms: ["x.split(y)", "x.split(y, 2)"],
    meaning: `the parts of a string between separators, a list; with \`""\` its characters. A number written out is how many parts there are at the most, the last with all the rest. More than ${split_elements_max} parts are an error`,
    example: '"platform" in claims.teams.split(",")',
    follow: (checker, node, target, args) => split(checker, node, target, args),
  },
  words: {
    forms: ["words(x)"],
    meaning: `the words of a string, between blanks, as a list; a list stays as it is. More than ${split_elements_max} words are an error`,
    example: '"admin" in words(claims.roles)',
    call: (checker, node, args) => (takesOne(checker, node, args) ? words(checker, node, args[0]!) : undefined),
  },
  exists: {
    forms: ["list.exists(e, test)"],
    meaning: "whether the test holds for an element of a list, or a key of a map; not one inside another",
    example: 'claims.roles.exists(r, r.name == "admin")',
    follow: (checker, node) => needsTest(checker, node),
  },
  all: {
    forms: ["list.all(e, test)"],
    meaning: "whether the test holds for every element of a list, or every key of a map; not one inside another",
    example: 'claims.groups.all(g, g != "guest")',
    follow: (checker, node) => needsTest(checker, node),
  },
  cidr: {
    forms: ['cidr("10.0.0.0/8")'],
    meaning: "a network of IPv4 or IPv6, written out; only before `containsIP`",
    example: 'cidr("10.0.0.0/8").containsIP(source.ip)',
    call: (checker, { at }) => checker.refuse(at, 'a network is only good for `cidr("…").containsIP(x)`'),
  },
  containsIP: {
    forms: ['cidr("10.0.0.0/8").containsIP(x)', "lists.offices.containsIP(x)"],
    meaning: "whether an address, a string, is one of the network, or of one of those in a named list",
    example: 'cidr("2001:db8::/32").containsIP(source.ip)',
    follow: (checker, node, target, args) =>
      takesOne(checker, node, args) ? containsIp(checker, node, target, args[0]!) : undefined,
  },
  int: {
    forms: ["int(x)"],
    meaning:
      "a whole number from a string of decimal digits, before which a `-` may stand; a double without what follows its point, an int as it is. Any other text, and what 64 bits do not hold, is an error",
    example: 'has(request.query["limit"]) && int(request.query["limit"]) <= 100',
    call: (checker, node, args) => (takesOne(checker, node, args) ? int(checker, node, args[0]!) : undefined),
  },
  timestamp: {
    forms: ['timestamp("2026-11-01T00:00:00Z")', "timestamp(x)"],
    meaning: "a time: RFC 3339 written out, or an int of seconds since 1970",
    example: 'now < timestamp("2026-11-01T00:00:00Z")',
    call: (checker, node, args) => (takesOne(checker, node, args) ? timestamp(checker, node, args[0]!) : undefined),
  },
  duration: {
    forms: ['duration("1h30m")'],
    meaning: "a length of time, written out with the units `h m s ms us ns`",
    example: 'now - timestamp(claims.auth_time) < duration("15m")',
    call: (checker, node, args) => (takesOne(checker, node, args) ? duration(checker, node, args[0]!) : undefined),
  },
  has: {
    forms: ["has(claims.x)"],
    meaning: "whether there is a claim, a header, a parameter or a path variable",
    example: 'has(claims.device) && claims.device.posture == "healthy"',
    call: (checker, node, args) => refuseHas(checker, node, args),
  },
} as const satisfies Record<string, ConditionFunction>;

const entries: ReadonlyMap<string, ConditionFunction> = new Map(Object.entries(functions));
const called = [...entries].filter(([, { call }]) => call !== undefined).map(([name]) => name);
const following = [...entries].filter(([, { follow }]) => follow !== undefined).map(([name]) => name);

const no_conversion = "compare values as they are; ints and doubles compare by their value, and `int(x)` reads a text";
const no_parts = 'compare times as a whole, as in `now < timestamp("2026-11-01T00:00:00Z")`';
/** What there is instead of what CEL has elsewhere. */
const ways_out: ReadonlyMap<string, string> = new Map(
  Object.entries({
    matches: "regular expressions have no bound; use `startsWith`, `endsWith`, `contains`, or `in` with a list",
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
    upperAscii: "write `x.lowerAscii()`, and compare with lower case",
    toLowerCase: "write `x.lowerAscii()`",
    lower: "write `x.lowerAscii()`",
    join: 'join strings by `+`, as in `"user:" + path.id`',
    replace: "compare with the string as it is, or with its parts: `x.split(y)`",
    trim: "the words of a string are `words(x)`",
    substring: "use `startsWith`, `endsWith`, `contains` or `split`",
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
  const { name, target, args, at } = node;
  const known = entries.get(name);
  if (target !== undefined)
    return known?.follow === undefined ? unknown(checker, node, following) : known.follow(checker, node, target, args);
  if (known?.call !== undefined) return known.call(checker, node, args);
  if (known === undefined) return unknown(checker, node, called);
  if (name === "exists" || name === "all")
    return checker.refuse(at, `\`${name}\` follows a list: \`x.${name}(element, …)\``);
  return checker.refuse(at, `\`${name}\` follows what it is about: \`x.${name}(y)\``);
}

function takesOne(checker: Checker, { name, at }: Call, args: readonly Node[]): boolean {
  if (args.length === 1) return true;
  checker.mismatch(at, `\`${name}\` takes one argument, not ${args.length}`);
  return false;
}

/** `has` of a member is syntax; what comes here is of something else. */
function refuseHas(checker: Checker, { at }: Call, [of]: readonly Node[]): undefined {
  const dashed =
    of?.kind === "call" && of.name === "_-_"
      ? dashedName(of, (table) => checker.tableOf(table) !== undefined)
      : undefined;
  if (dashed !== undefined)
    return checker.refuse(of!.at, `\`-\` is no part of a name here; write \`${dashed.name} in ${dashed.of}\``);
  return checker.refuse(at, '`has` takes one member, as in `has(claims.x)`; for other names write `"x" in claims`');
}

/** Loops with an element and a test are syntax; what comes here has none. */
function needsTest(checker: Checker, { name, at }: Call): undefined {
  return checker.refuse(
    at,
    `\`${name}\` takes a name for the element and a test, as in \`claims.groups.${name}(g, g != "guest")\``,
  );
}

/** Checks a search in one string for another. */
function search(op: number): NonNullable<ConditionFunction["follow"]> {
  return (checker, node, target, args) => {
    const { name, at, start, end } = node;
    if (!takesOne(checker, node, args)) return undefined;
    const argument = args[0]!;
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
    const isLong = right.kind === "constant" && Buffer.byteLength(right.value as string) > search_bytes_max;
    if (op === code.op_contains && isLong)
      return checker.invalid(argument.start, `\`contains\` looks for at most ${search_bytes_max} bytes`);
    return { kind: "binary", op, left, right, type: "bool", start, end };
  };
}

function lowerAscii(checker: Checker, { at, start, end }: Call, target: Node): Term | undefined {
  const operand = checker.check(target);
  if (operand === undefined) return undefined;
  if (!isCompatible(operand.type, "string"))
    return checker.mismatch(at, `\`lowerAscii\` is for string, not for ${typeName(operand.type)}`);
  return { kind: "unary", op: code.op_lower, operands: {}, operand, type: "string", start, end };
}

/** CEL's strings extension: a separator, and how many parts there may be, negative for any number. */
function split(checker: Checker, node: Call, target: Node, args: Node[]): Term | undefined {
  const { at, start, end } = node;
  const [separator, limit] = args;
  if (separator === undefined || args.length > 2)
    return checker.mismatch(at, "`split` takes a separator, and after it how many parts there may be");
  const both = [checker.check(target), checker.check(separator)];
  if (!allFound(both)) return undefined;
  const [left, right] = both as [Term, Term];
  if (!isCompatible(left.type, "string"))
    return checker.mismatch(at, `\`split\` is for string, not for ${typeName(left.type)}`);
  if (!isCompatible(right.type, "string"))
    return checker.mismatch(separator.start, `a separator is a string, not ${aType(right.type)}`);
  if (right.kind === "constant" && Buffer.byteLength(right.value as string) > search_bytes_max)
    return checker.invalid(separator.start, `a separator has at most ${search_bytes_max} bytes`);
  if (limit !== undefined && (limit.kind !== "literal" || typeof limit.value !== "bigint"))
    return checker.mismatch(limit.start, "how many parts there may be is an int that is written out");
  const most = limit?.kind === "literal" ? (limit.value as bigint) : -1n;
  const a = most < 0n || most > 0x7fffffffn ? 0xffffffff : Number(most);
  const type = { element: "string" } as const;
  return { kind: "binary", op: code.op_split, operands: { a }, left, right, type, start, end };
}

/** A list of what is a text or a list: which of the two is known of no claim. */
function words(checker: Checker, { at, start, end }: Call, of: Node): Term | undefined {
  const operand = checker.check(of);
  if (operand === undefined) return undefined;
  const { type } = operand;
  if (typeof type !== "object" && type !== "string" && type !== "dyn")
    return checker.mismatch(at, `\`words\` is for strings and lists, not for ${aType(type)}`);
  const list: Type = typeof type === "object" ? type : { element: type };
  return { kind: "unary", op: code.op_words, operands: {}, operand, type: list, start, end };
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

function int(checker: Checker, { at, start, end }: Call, of: Node): Term | undefined {
  const operand = checker.check(of);
  if (operand === undefined) return undefined;
  const { type } = operand;
  if (!["int", "double", "string", "dyn"].includes(typeName(type)))
    return checker.mismatch(at, `\`int\` is for strings and numbers, not for ${aType(type)}`);
  return { kind: "unary", op: code.op_to_int, operands: {}, operand, type: "int", start, end };
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

const named = "`lists: { offices: [10.0.0.0/8, 172.16.0.0/12] }`, and `lists.offices.containsIP(source.ip)`";

function addressOf(checker: Checker, argument: Node): Term | undefined {
  const operand = checker.check(argument);
  if (operand === undefined || isCompatible(operand.type, "string")) return operand;
  return checker.mismatch(argument.start, `\`containsIP\` is for an address as string, not for ${aType(operand.type)}`);
}

function containsIp(checker: Checker, { at, start, end }: Call, target: Node, argument: Node): Term | undefined {
  const list = checker.listOf(target);
  if (list !== undefined) {
    const operand = addressOf(checker, argument);
    if (operand === undefined || !checker.names.list(list, "networks")) return undefined;
    return { kind: "unary", op: code.op_in_networks, operands: { list: list.name }, operand, type: "bool", start, end };
  }
  const isNetwork = target.kind === "call" && target.name === "cidr" && target.target === undefined;
  if (isNetwork && (target.args.length > 1 || target.args[0]?.kind === "list")) {
    const way = `cidr("10.0.0.0/8").containsIP(x) || cidr("192.168.0.0/16").containsIP(x)`;
    return checker.refuse(
      target.at,
      `\`cidr\` takes one network; join several by \`||\`, as in \`${way}\`, or name them: ${named}`,
    );
  }
  const text = isNetwork && target.args.length === 1 ? target.args[0]! : undefined;
  if (text?.kind !== "literal" || typeof text.value !== "string")
    return checker.refuse(
      text?.start ?? at,
      `\`containsIP\` follows a network that is written out, \`cidr("10.0.0.0/8").containsIP(source.ip)\`, or a named list: ${named}`,
    );
  const network = parseNetwork(text.value);
  if (typeof network === "string") checker.invalid(text.start, network);
  const operand = addressOf(checker, argument);
  if (operand === undefined || typeof network === "string") return undefined;
  const operands = { text: network.address, c: network.prefixBits };
  return { kind: "unary", op: code.op_contains_ip, operands, operand, type: "bool", start, end };
}
