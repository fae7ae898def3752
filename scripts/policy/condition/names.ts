/** The names a condition may use, and what each becomes. */
import {
  condition_text_bytes_max,
  header_name_bytes_max,
  host_bytes_max,
  method_bytes_max,
  path_bytes_max,
  path_segments_max,
  spiffe_id_bytes_max,
  token_bytes_max,
  trust_domain_bytes_max,
} from "../../../assembly/limits.ts";
import * as code from "../../../assembly/policy/instructions.ts";
import type { Endpoint } from "../language/endpoint.ts";
import { didYouMean } from "../source/suggest.ts";
import { nameFor } from "./hints.ts";
import type { OnFault, OnWarning } from "./problem.ts";
import type { Node } from "./syntax.ts";
import type { Term } from "./term.ts";
import type { Type } from "./types.ts";

/** What a condition may speak of. */
export interface ConditionScope {
  /** The rule names its issuers, so there are claims. */
  hasToken: boolean;
  /** The rule's own, whose path variables there are. */
  endpoints: readonly Endpoint[];
  /** Some endpoint is wrong, which is reported there: which variables it has is not known. */
  lacksEndpoints?: boolean;
}

/** A part of the request that is always under the same name. */
interface Member {
  op: number;
  a: number;
  type: Type;
  bytes: number;
  /** It is there in every request, so reading it is never an error. */
  safe: boolean;
}

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
    },
    source: {
      // The longest address there is: IPv6 that ends in IPv4 (RFC 4291 §2.2).
      ip: text(code.op_source_ip, 0, 45),
      port: { op: code.op_source_port, a: 0, type: "int", bytes: 0, safe: false },
    },
  }).map(([space, all]) => [space, new Map<string, Member>(Object.entries(all))]),
);
const names = ["caller", "claims", "now", "path", "request", "source"];

/** What looking for a header, and for a parameter of the query, may cost: all of them are looked at. */
const header_units = 128 + condition_text_bytes_max / 8;
const query_units = condition_text_bytes_max / 2;

/** What it is that a name is looked up in by a constant: `request.headers` and `request.query`. */
export type Table = "headers" | "query";

/** Resolves names, and remembers which were used. */
export class Names {
  readonly variables: string[] = [];
  usesClaims = false;
  readonly #scope: ConditionScope;
  readonly #onFault: OnFault;
  readonly #onWarning: OnWarning;
  readonly #guarded = new Set<string>();
  /** Path variables that some endpoint lacks, by where each is read first. */
  readonly #partial = new Map<string, number>();

  constructor(scope: ConditionScope, onFault: OnFault, onWarning: OnWarning) {
    this.#scope = scope;
    this.#onFault = onFault;
    this.#onWarning = onWarning;
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
    if (space === "path") return this.#variable(node, field, code.op_variable);
    const known = members.get(space)!.get(field);
    if (known !== undefined) {
      const { op, a, type, bytes, safe } = known;
      return { kind: "load", op, operands: { a }, type, bytes, units: 0, safe, start, end };
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

  /** `has(path.NAME)`. */
  hasVariable(node: Node & { kind: "has" }): Term | undefined {
    this.#guarded.add(node.field);
    return this.#variable(node, node.field, code.op_has_variable);
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

  /** Warns of path variables that some endpoint lacks and that nothing guards. */
  finish(): void {
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
      bytes: token_bytes_max,
      units: 0,
      safe: false,
      start,
      end,
    };
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
    if (!this.variables.includes(name)) this.variables.push(name);
    if (this.variables.length === path_segments_max + 1)
      this.#onFault("bound", at, `a condition reads at most ${path_segments_max} path variables`);
    const isValue = op === code.op_variable;
    return {
      kind: "load",
      op,
      operands: { a: this.variables.indexOf(name) },
      type: isValue ? "string" : "bool",
      bytes: isValue ? path_bytes_max : 0,
      units: 0,
      safe: !isValue,
      start,
      end,
    };
  }

  #parts(space: string): string {
    const first =
      members.get(space)?.keys().next().value ??
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
  return name === "path" || members.has(name);
}

const pseudo_headers: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ":method": "request.method",
    ":path": "request.path",
    ":authority": "request.host",
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
