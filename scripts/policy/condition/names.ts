/** The names a condition may use, and what each becomes. */
import {
  condition_text_bytes_max,
  header_name_bytes_max,
  host_bytes_max,
  json_nodes_max,
  method_bytes_max,
  path_bytes_max,
  path_segments_max,
  spiffe_id_bytes_max,
  trust_domain_bytes_max,
  usual_token_bytes_max,
} from "../../../assembly/limits.ts";
import * as code from "../../../assembly/policy/instructions.ts";
import { type ListUse, variableOfCapture } from "../language/condition.ts";
import { type ProtocolName, protocol_names } from "../language/protocols.ts";
import { didYouMean } from "../source/suggest.ts";
import { CallNames, type CallScope, call_parts, isCallSpace, session_header } from "./calls.ts";
import type { DeclaredClaims } from "./claimtypes.ts";
import { nameFor } from "./hints.ts";
import type { NeverScope } from "./never.ts";
import type { OnFault, OnWarning } from "./problem.ts";
import type { Node } from "./syntax.ts";
import type { Term } from "./term.ts";
import type { Type } from "./types.ts";

/** What the entries of a named list look like; addresses can be either. */
export type ListContent = "texts" | "networks" | "addresses";

/** What a condition may speak of. */
export interface ConditionScope extends NeverScope, CallScope {
  /** What it says: whether a rule holds, or what it costs. `when` if it is left out. */
  key?: "when" | "cost";
  /** Variables of the rule that have their numbers already. */
  variables?: readonly string[];
  /** The rule names its issuers, so there are claims. */
  hasToken: boolean;
  /** What the rule's issuers all declare their claims to be; left out: nothing. */
  claims?: DeclaredClaims;
  /** For each of the rule's callers the names of its ID's segments; none for `any` and `anonymous`. */
  captures?: readonly ReadonlyMap<string, number>[];
  /** The policy's named lists; undefined where something is wrong with one, which is reported there. */
  lists?: ReadonlyMap<string, ListContent | undefined>;
  /** How many bytes a token may have; without it as many as it may in a policy that does not say. */
  tokenBytes?: number;
}

/** How many values the claims of a token may have. */
function claimsNodes({ tokenBytes = usual_token_bytes_max }: ConditionScope): number {
  return json_nodes_max * Math.ceil(tokenBytes / usual_token_bytes_max);
}

/** A part of the request that is always under the same name. */
interface Member {
  op: number;
  a: number;
  type: Type;
  bytes: number;
  /** What finding it costs. */
  units?: number;
  /** It is there in every request, so reading it is never an error. */
  safe: boolean;
}

/** What looking for a header, and for a parameter of the query, may cost: all of them are looked at. */
const header_units = 128 + condition_text_bytes_max / 8;
const query_units = condition_text_bytes_max / 2;

const text = (op: number, a: number, bytes: number, safe = false): Member => ({ op, a, type: "string", bytes, safe });
const members: ReadonlyMap<string, ReadonlyMap<string, Member>> = new Map(
  Object.entries({
    caller: {
      id: text(code.op_caller, code.caller_id, spiffe_id_bytes_max),
      trust_domain: text(code.op_caller, code.caller_trust_domain, trust_domain_bytes_max),
      path: text(code.op_caller, code.caller_path, spiffe_id_bytes_max),
    },
    request: {
      method: text(code.op_request, code.request_method, method_bytes_max, true),
      path: text(code.op_request, code.request_path, path_bytes_max, true),
      host: text(code.op_request, code.request_host, host_bytes_max, true),
      scheme: { ...text(code.op_request, code.request_scheme, condition_text_bytes_max), units: header_units },
    },
    destination: {
      port: { op: code.op_destination_port, a: 0, type: "int", bytes: 0, safe: false },
    },
    source: {
      // The longest address there is: IPv6 that ends in IPv4 (RFC 4291 §2.2).
      ip: text(code.op_source_ip, 0, 45),
      port: { op: code.op_source_port, a: 0, type: "int", bytes: 0, safe: false },
    },
  }).map(([space, all]) => [space, new Map<string, Member>(Object.entries(all))]),
);
const names = [
  "caller",
  "claims",
  "body",
  "destination",
  "lists",
  "now",
  "path",
  "request",
  "source",
  ...protocol_names,
];

const nothing_declared: DeclaredClaims = new Map();

/** What it is that a name is looked up in by a constant: `request.headers` and `request.query`. */
export type Table = "headers" | "query";

/** Resolves names, and remembers which were used. */
export class Names {
  readonly variables: string[];
  readonly lists = new Map<string, ListUse>();
  usesClaims = false;
  readonly calls: CallNames;
  readonly #scope: ConditionScope;
  readonly #onFault: OnFault;
  readonly #onWarning: OnWarning;
  readonly #guarded = new Set<string>();
  /** Path variables that some endpoint lacks, by where each is read first; the same for names that some caller lacks. */
  readonly #partial = new Map<string, number>();
  readonly #partialCaptures = new Map<string, number>();

  constructor(scope: ConditionScope, onFault: OnFault, onWarning: OnWarning) {
    this.variables = [...(scope.variables ?? [])];
    this.#scope = scope;
    this.#onFault = onFault;
    this.#onWarning = onWarning;
    this.calls = new CallNames(scope, onFault, onWarning);
  }

  /** A name alone. */
  whole(node: Node & { kind: "name" }): Term | undefined {
    const { name, at, start, end } = node;
    if (name === "now")
      return {
        kind: "load",
        op: code.op_now,
        operands: {},
        type: "timestamp",
        bytes: 0,
        units: 0,
        safe: true,
        start,
        end,
      };
    if (name === "claims") return this.#claims(node);
    if (name === "body") return this.calls.body(node);
    if (!names.includes(name)) {
      const here = nameFor(name);
      const way = here === undefined ? meant(name) : `; write \`${here}\``;
      this.#onFault("unknown_name", at, `there is no \`${name}\`${way}`);
    } else {
      this.#onFault(
        "condition_unsupported",
        at,
        `\`${name}\` has no value of its own; name a part of it${this.#parts(name)}`,
      );
    }
    return undefined;
  }

  /** A member of a namespace: undefined where there is none, which is reported. */
  member(space: string, node: Node & { kind: "select" }): Term | undefined {
    const { field, at, start, end } = node;
    if (isCallSpace(space)) return this.#call(space, node);
    if (space === "path") return this.#variable(node, field, code.op_variable);
    if (space === "lists") {
      const message = `a list is only for \`x in lists.${field}\` and \`lists.${field}.containsIP(x)\``;
      this.#onFault("condition_unsupported", at, message);
      return undefined;
    }
    const known = members.get(space)!.get(field);
    if (known === undefined && space === "caller") return this.#capture(node, code.op_variable);
    if (known !== undefined) {
      const { op, a, type, bytes, units = 0, safe } = known;
      return { kind: "load", op, operands: { a }, type, bytes, units, safe, start, end };
    }
    if (space === "request" && (field === "headers" || field === "query")) {
      this.#onFault(
        "condition_unsupported",
        at,
        `\`request.${field}\` has no value of its own; name one: \`request.${field}["…"]\``,
      );
    } else {
      const all = [...members.get(space)!.keys(), ...(space === "request" ? ["headers", "query"] : [])];
      const here = nameFor(`${space}.${field}`);
      const way = here === undefined ? didYouMean(field, all) : `; write \`${here}\``;
      this.#onFault("unknown_name", at, `\`${space}\` has no member \`${field}\`${way}`);
    }
    return undefined;
  }

  /** Whether a named list may be used so; reported if not. @param at where its name stands */
  list({ name, at }: { name: string; at: number }, as: ListUse): boolean {
    const all = this.#scope.lists ?? new Map();
    const content = all.get(name);
    if (!all.has(name)) {
      const none = `; write \`lists: { ${/^[A-Za-z_]\w*$/u.test(name) ? name : "revoked"}: { file: revoked.txt } }\` in the policy`;
      const way = all.size === 0 ? none : didYouMean(name, all.keys());
      this.#onFault("unknown_list", at, `there is no list \`${name}\`${way}`);
      return false;
    }
    if (content === "networks" && as === "texts") {
      this.#onFault(
        "condition_type",
        at,
        `\`lists.${name}\` is a list of networks; write \`lists.${name}.containsIP(x)\``,
      );
      return false;
    }
    if (content === "texts" && as === "networks") {
      this.#onFault(
        "condition_type",
        at,
        `\`lists.${name}\` is a list of texts, not all of which are networks; write \`x in lists.${name}\``,
      );
      return false;
    }
    if (this.lists.has(name) && this.lists.get(name) !== as) {
      this.#onFault(
        "condition_type",
        at,
        `\`lists.${name}\` is asked for a text and for an address; make it two lists`,
      );
      return false;
    }
    this.lists.set(name, as);
    return true;
  }

  /** `has(path.NAME)`. */
  hasVariable(node: Node & { kind: "has" }): Term | undefined {
    this.#guarded.add(node.field);
    return this.#variable(node, node.field, code.op_has_variable);
  }

  /** Whether a namespace has the member in every request. */
  isMember(space: string, field: string): boolean {
    return members.get(space)?.has(field) ?? false;
  }

  /** `has(caller.NAME)`. */
  hasCapture(node: Node & { kind: "has" }): Term | undefined {
    this.#guarded.add(variableOfCapture(node.field));
    return this.#capture(node, code.op_has_variable);
  }

  /** A header or a parameter of the query, or whether there is one. @param at where the name stands */
  entry(
    table: Table,
    asks: "value" | "presence",
    name: string,
    at: number,
    { start, end }: { start: number; end: number },
  ): Term | undefined {
    const fault =
      table === "headers" ? headerFault(name) : name === "" ? "a parameter of the query has a name" : undefined;
    if (fault !== undefined) {
      this.#onFault("condition_unsupported", at, fault);
      return undefined;
    }
    const isHeader = table === "headers";
    const [value, presence] = isHeader ? [code.op_header, code.op_has_header] : [code.op_query, code.op_has_query];
    return {
      kind: "load",
      op: asks === "value" ? value : presence,
      operands: { text: isHeader ? name.toLowerCase() : name },
      type: asks === "value" ? "string" : "bool",
      bytes: asks === "value" ? condition_text_bytes_max : 0,
      units: isHeader ? header_units : query_units,
      safe: isHeader && asks === "presence",
      start,
      end,
    };
  }

  /** How many values what the condition reads may have. */
  get nodes(): number {
    return Math.max(claimsNodes(this.#scope), this.calls.nodes);
  }

  /** The same for one of several calls that share a body. */
  nodesOfEach(calls: number): number {
    if (this.calls.readsWhole) return this.nodes;
    const own = Math.ceil(this.calls.nodes / calls);
    return this.usesClaims ? Math.max(claimsNodes(this.#scope), own) : own;
  }

  /** Tells of variables that some endpoint or caller lacks and that nothing guards, and of parts of calls likewise. */
  finish(): void {
    this.calls.finish();
    for (const [name, at] of this.#partialCaptures) {
      if (this.#guarded.has(variableOfCapture(name))) continue;
      const message = `not every caller of the rule has \`{${name}}\`; say \`has(caller.${name}) && …\`, or make it two rules`;
      this.#onFault("capture_partial", at, message);
    }
    for (const [name, at] of this.#partial) {
      if (this.#guarded.has(name)) continue;
      const message = `not every endpoint of the rule has \`{${name}}\`; where it is missing the condition is an error: say \`has(path.${name}) && …\`, or make it two rules`;
      this.#onWarning("path_variable_partial", at, message);
    }
  }

  #claims({ at, start, end }: Node): Term {
    if (!this.#scope.hasToken && !this.usesClaims)
      this.#onFault("claims_without_token", at, "claims are read from a token; add `token: ISSUER` to the rule");
    this.usesClaims = true;
    return {
      kind: "load",
      op: code.op_claims,
      operands: {},
      type: "map",
      declared: this.#scope.claims ?? nothing_declared,
      nodes: claimsNodes(this.#scope),
      // Of a token base64url takes a quarter.
      bytes: Math.ceil(((this.#scope.tokenBytes ?? usual_token_bytes_max) * 3) / 4),
      units: 0,
      safe: false,
      start,
      end,
    };
  }

  /** A part of the call that is decided, or the session that it belongs to, which is a header. */
  #call(space: ProtocolName, node: Node & { kind: "select" }): Term | undefined {
    if (!this.calls.isSession(space, node)) return this.calls.part(space, node);
    return this.calls.isSpoken(space, node) ? this.entry("headers", "value", session_header, node.at, node) : undefined;
  }

  /** `has(mcp.session)`; of parts of calls it is not asked so. */
  hasOfCall(space: ProtocolName, node: Node & { kind: "has" }): Term | undefined {
    if (!this.calls.isSession(space, node)) return this.calls.refuseHas(space, node);
    return this.calls.isSpoken(space, node)
      ? this.entry("headers", "presence", session_header, node.at, node)
      : undefined;
  }

  #variable({ at, start, end, kind }: Node, name: string, op: number): Term | undefined {
    const have = this.#scope.endpoints.filter(({ variables }) => variables.has(name)).length;
    if (have === 0 && this.#scope.lacksEndpoints !== true) {
      const all = new Set(this.#scope.endpoints.flatMap(({ variables }) => [...variables.keys()]));
      const way =
        all.size === 0 ? `; none has any: write \`{${name}}\` for a segment of its path` : didYouMean(name, all);
      this.#onFault("unknown_path_variable", at, `no endpoint of the rule has a variable \`${name}\`${way}`);
      return undefined;
    }
    if (have < this.#scope.endpoints.length && kind === "select" && !this.#partial.has(name))
      this.#partial.set(name, at);
    return this.#load({ at, start, end }, name, op, path_bytes_max);
  }

  #capture({ field, at, start, end, kind }: Node & { kind: "select" | "has" }, op: number): Term | undefined {
    const { captures = [] } = this.#scope;
    const have = captures.filter((names) => names.has(field)).length;
    if (have === 0) {
      const all = [...members.get("caller")!.keys(), ...new Set(captures.flatMap((names) => [...names.keys()]))];
      const here = nameFor(`caller.${field}`);
      const way =
        here === undefined
          ? `${didYouMean(field, all)}; a name of your own is \`{${field}}\` for a segment in \`callers\``
          : `; write \`${here}\``;
      this.#onFault("unknown_name", at, `\`caller\` has no member \`${field}\`${way}`);
      return undefined;
    }
    if (have < captures.length && kind === "select" && !this.#partialCaptures.has(field))
      this.#partialCaptures.set(field, at);
    return this.#load({ at, start, end }, variableOfCapture(field), op, spiffe_id_bytes_max);
  }

  #load({ at, start, end }: Pick<Node, "at" | "start" | "end">, variable: string, op: number, longest: number): Term {
    if (!this.variables.includes(variable)) this.variables.push(variable);
    if (this.variables.length === path_segments_max + 1)
      this.#onFault("bound", at, `a condition reads at most ${path_segments_max} path variables and names of segments`);
    const isValue = op === code.op_variable;
    return {
      kind: "load",
      op,
      operands: { a: this.variables.indexOf(variable) },
      type: isValue ? "string" : "bool",
      bytes: isValue ? longest : 0,
      units: 0,
      safe: !isValue,
      start,
      end,
    };
  }

  #parts(space: string): string {
    const first =
      (members.get(space) ?? call_parts.get(space))?.keys().next().value ??
      this.#scope.endpoints.flatMap(({ variables }) => [...variables.keys()])[0];
    return first === undefined ? "" : `, as in \`${space}.${first}\``;
  }
}

/** The nearest name, and all there are. */
function meant(name: string): string {
  const hint = didYouMean(name, names);
  return hint.includes("known:") ? hint : `${hint} There are ${names.map((one) => `\`${one}\``).join(", ")}`;
}

/** Whether the name stands for parts of the request, of which each is read on its own. */
export function isSpace(name: string): boolean {
  return name === "path" || name === "lists" || members.has(name) || isCallSpace(name);
}

const pseudo_headers: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ":method": "request.method",
    ":path": "request.path",
    ":authority": "request.host",
    ":scheme": "request.scheme",
    host: "request.host",
  }),
);

function headerFault(name: string): string | undefined {
  const lower = name.toLowerCase();
  const instead = pseudo_headers.get(lower);
  if (instead !== undefined) return `\`${name}\` is not read as a header; use \`${instead}\``;
  if (lower.startsWith(":")) return `\`${name}\` is no header that a condition may read`;
  if (!/^[-!#$%&'*+.^_`|~0-9a-z]+$/u.test(lower)) return `\`${name}\` cannot be the name of a header (RFC 9110 §5.6.2)`;
  return lower.length > header_name_bytes_max
    ? `the name of a header has at most ${header_name_bytes_max} bytes`
    : undefined;
}
