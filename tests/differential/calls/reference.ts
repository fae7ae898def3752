/**
 * The second opinion on requests that are looked into, written plainly from docs/policy-language.md: which calls a body has, which rules are
 * for them, and what becomes of the request. It shares no code with the engine; documents of GraphQL it has from `graphql` (npm).
 */
import { createHash } from "node:crypto";
import { type DocumentNode, parse } from "graphql";
import { judge } from "../../graphql/reference.ts";
import { type Json, parseJson } from "../reference/json.ts";

export type Protocol = "mcp" | "a2a" | "jsonrpc" | "graphql";

/** What an endpoint says of a call; a text may end in a star. */
export interface CallPattern {
  protocol: Protocol;
  method: string;
  /** Undefined: whatever is called. */
  name?: string;
}

export interface Rule {
  name: string;
  action: "allow" | "deny";
  /** `any`, or SPIFFE IDs. */
  callers: string[];
  /** `METHOD PATH`. */
  plain: string[];
  calls: CallPattern[];
  maxBodyBytes?: number;
  /** Whether it has the policy's limit. */
  isLimited: boolean;
}

export interface Policy {
  /** In the order of their names. */
  rules: Rule[];
  paths: Record<Protocol, string>;
  /** Calls in a request. */
  batch: number;
  depth: number;
  aliases: number;
  introspection: boolean;
  /** Tokens of the limit, for each caller; the clock stands still. */
  burst: number;
}

export interface Request {
  caller: string;
  method: string;
  /** Without its query. */
  path: string;
  /** Parameters of the query. */
  query: Record<string, string>;
  headers: [string, string][];
  body?: string;
}

export interface Answer {
  reason: string;
  rule: string | null;
}

interface Call {
  method: string;
  name?: string;
  times: number;
  /** It answers a call of the server's. */
  isResponse?: boolean;
}

/** Why calls cannot be read. */
type Fault = "body_unsupported" | "body_malformed" | "body_too_large" | "call_refused";

/** From the first to the last check: of two reasons the later one came further. */
const order = ["no_rule", "body_too_large", "body_unsupported", "body_malformed", "call_refused", "limit_exceeded"];
const usual_bytes = 65_536;

const readsCalls = ({ calls }: Rule): boolean => calls.length > 0;
const bytesOf = (rule: Rule): number =>
  rule.maxBodyBytes ?? (readsCalls(rule) ? usual_bytes : Number.POSITIVE_INFINITY);

function fits(pattern: string, text: string): boolean {
  return pattern.endsWith("*") ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}

export class Reference {
  readonly #policy: Policy;
  readonly #left = new Map<string, number>();

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  ask(request: Request): Answer {
    const { rules, paths } = this.#policy;
    const isPlain = (rule: Rule): boolean => isFor(rule, request);
    const declared = declaredBytes(request);
    const bytes = request.body === undefined ? 0 : Buffer.byteLength(request.body);
    // What goes on with its headers alone is counted on its way.
    const counted = (answer: Answer): Answer => {
      const rule = rules.find(({ name }) => name === answer.rule);
      const isOver = answer.reason === "allowed" && bytes > bytesOf(rule!);
      return isOver ? { reason: "body_too_large", rule: answer.rule } : answer;
    };
    const spoken = Object.entries(paths).find(([, path]) => path === request.path)?.[0] as Protocol | undefined;
    if (!rules.some(readsCalls)) return counted(this.#evaluate(request, isPlain, { bytes: declared }));
    if (spoken === undefined && Object.values(paths).some((path) => path === request.path.toLowerCase()))
      return { reason: "path_ambiguous", rule: null };
    if (spoken === undefined) return counted(this.#evaluate(request, isPlain, { bytes: declared }));
    const isOffered = (rule: Rule): boolean =>
      isPlain(rule) || (isOfCaller(rule, request) && rule.calls.some(({ protocol }) => protocol === spoken));
    if (request.body === undefined) {
      if (spoken !== "graphql" || !["query", "extensions", "documentId"].some((one) => one in request.query))
        return this.#evaluate(request, isPlain, {});
      const calls = this.#queryCalls(request.query);
      return this.#decide(request, spoken, calls, isPlain, isOffered, undefined);
    }
    const content = contentFault(request);
    if (content !== undefined) return counted(this.#evaluate(request, isOffered, { bytes: declared, unread: content }));
    const most = this.#awaited(request, isOffered, declared);
    // A rule that the body alone could tell has no part in what is decided before.
    const isTold = (rule: Rule): boolean => isOffered(rule) && (!readsCalls(rule) || (declared ?? 0) > bytesOf(rule));
    if (most === undefined) return counted(this.#evaluate(request, isTold, { bytes: declared }));
    const calls = bytes > most ? "body_too_large" : this.#bodyCalls(spoken, request);
    return this.#decide(request, spoken, calls, isPlain, isOffered, bytes);
  }

  /** The largest body that the request waits for; undefined where its headers decide. */
  #awaited(request: Request, isOffered: (rule: Rule) => boolean, declared: number | undefined): number | undefined {
    const offered = this.#policy.rules.filter(isOffered);
    const isTooLarge = (rule: Rule): boolean => (declared ?? 0) > bytesOf(rule);
    let most: number | undefined;
    const await_ = (rule: Rule): void => {
      most = Math.max(most ?? 0, bytesOf(rule));
    };
    for (const rule of offered.filter(({ action }) => action === "deny")) {
      if (isTooLarge(rule) || !readsCalls(rule)) return undefined;
      await_(rule);
    }
    for (const rule of offered.filter(({ action }) => action === "allow")) {
      if (isTooLarge(rule)) continue;
      if (readsCalls(rule)) await_(rule);
      // One that a full limit stops is passed over, unless the request waits anyway.
      else if (most !== undefined || this.#hasRoom(rule, request.caller, 1)) return most;
    }
    return most;
  }

  #decide(
    request: Request,
    spoken: Protocol,
    calls: Call[] | Fault,
    isPlain: (rule: Rule) => boolean,
    isOffered: (rule: Rule) => boolean,
    bytes: number | undefined,
  ): Answer {
    if (typeof calls === "string") {
      const answer = this.#evaluate(request, isOffered, { bytes, unread: calls });
      const hangsOnCalls = this.#policy.rules.some((rule) => rule.name === answer.rule && readsCalls(rule));
      // What a deny rule cannot read is denied, and why is told by what is wrong with it.
      return answer.reason === "rule_denied" && hangsOnCalls ? { ...answer, reason: calls } : answer;
    }
    // What answers a call of the server's goes to whom some call is open, if no rule denies all of them.
    const isForCall = (call: Call) => (rule: Rule) =>
      isPlain(rule) ||
      (isOfCaller(rule, request) &&
        rule.calls.some(
          ({ protocol, method, name }) =>
            protocol === spoken &&
            ((call.isResponse && (rule.action === "allow" || method === "*")) ||
              (!call.isResponse &&
                fits(method, call.method) &&
                (name === undefined || (call.name !== undefined && fits(name, call.name))))),
        ));
    const [only] = calls;
    if (calls.length === 1 && only!.times === 1) return this.#evaluate(request, isForCall(only!), { bytes });
    const bills = new Map<string, number>();
    for (const call of calls) {
      const answer = this.#evaluate(request, isForCall(call), { bytes, isFree: true });
      if (answer.reason !== "allowed") return answer;
      bills.set(answer.rule!, (bills.get(answer.rule!) ?? 0) + call.times);
    }
    let last = "";
    for (const [name, cost] of bills) {
      last = name;
      const rule = this.#policy.rules.find((one) => one.name === name)!;
      if (!this.#take(rule, request.caller, cost)) return { reason: "limit_exceeded", rule: name };
    }
    return { reason: "allowed", rule: last };
  }

  /** One call, or a request as a whole, by the rules that are for it. */
  #evaluate(
    { caller }: Request,
    isCandidate: (rule: Rule) => boolean,
    { bytes = 0, unread, isFree = false }: { bytes?: number | undefined; unread?: Fault; isFree?: boolean },
  ): Answer {
    const candidates = this.#policy.rules.filter(isCandidate);
    const denying = candidates.find(({ action }) => action === "deny");
    if (denying !== undefined) return { reason: "rule_denied", rule: denying.name };
    let closest: Answer = { reason: "no_rule", rule: null };
    for (const rule of candidates) {
      const reason = this.#check(rule, caller, bytes, unread, isFree);
      if (reason === "allowed") return { reason, rule: rule.name };
      if (order.indexOf(reason) > order.indexOf(closest.reason)) closest = { reason, rule: rule.name };
    }
    return closest;
  }

  #check(rule: Rule, caller: string, bytes: number, unread: Fault | undefined, isFree: boolean): string {
    if (bytes > bytesOf(rule)) return "body_too_large";
    if (unread !== undefined && readsCalls(rule)) return unread;
    return isFree || this.#take(rule, caller, 1) ? "allowed" : "limit_exceeded";
  }

  #hasRoom({ isLimited }: Rule, caller: string, cost: number): boolean {
    return !isLimited || (this.#left.get(caller) ?? this.#policy.burst) >= cost;
  }

  #take(rule: Rule, caller: string, cost: number): boolean {
    if (!this.#hasRoom(rule, caller, cost)) return false;
    if (rule.isLimited) this.#left.set(caller, (this.#left.get(caller) ?? this.#policy.burst) - cost);
    return true;
  }

  #queryCalls(query: Record<string, string>): Call[] | Fault {
    const { query: document, operationName } = query;
    if (document === undefined) return "body_malformed";
    const calls = this.#documentCalls(document, operationName === "" ? undefined : operationName);
    return typeof calls !== "string" && calls[0]!.method !== "query" ? "body_malformed" : calls;
  }

  #bodyCalls(protocol: Protocol, { body, query }: Request): Call[] | Fault {
    const value = parseJson(Buffer.from(body!));
    if (value === undefined) return "body_malformed";
    if (protocol === "graphql" && "query" in query) return "body_malformed";
    const read = (one: Json): Call[] | Fault =>
      protocol === "graphql" ? this.#operation(one) : message(one, protocol);
    if (!Array.isArray(value)) return read(value);
    const calls: Call[] = [];
    for (const [index, one] of value.entries()) {
      if (index === this.#policy.batch) return "call_refused";
      const more = read(one);
      if (typeof more === "string") return more;
      calls.push(...more);
    }
    return calls.length === 0 ? "body_malformed" : calls;
  }

  #operation(value: Json): Call[] | Fault {
    if (!(value instanceof Map)) return "body_malformed";
    if (hasOtherCase(value, ["query", "operationName", "variables", "extensions", "documentId", "id"]))
      return "body_malformed";
    const variables = value.get("variables") ?? null;
    const name = value.get("operationName") ?? null;
    const query = value.get("query") ?? null;
    if (variables !== null && !(variables instanceof Map)) return "body_malformed";
    if (name !== null && typeof name !== "string") return "body_malformed";
    if (query !== null && typeof query !== "string") return "body_malformed";
    const extensions = value.get("extensions");
    const persisted = extensions instanceof Map ? extensions.get("persistedQuery") : undefined;
    const hash = persisted instanceof Map ? persisted.get("sha256Hash") : undefined;
    const ids = [hash, value.get("documentId"), value.get("id")].filter((one) => one !== undefined);
    if (ids.length > 1 || ids.some((one) => typeof one !== "string")) return "body_malformed";
    if (query === null) return ids.length === 0 ? "body_malformed" : "call_refused";
    const own = createHash("sha256").update(query).digest("hex");
    if (ids.length > 0 && (hash === undefined || String(hash).toLowerCase() !== own)) return "body_malformed";
    return this.#documentCalls(query, name === null || name === "" ? undefined : name);
  }

  #documentCalls(text: string, operationName: string | undefined): Call[] | Fault {
    const { depth, aliases, introspection } = this.#policy;
    let document: DocumentNode;
    try {
      document = parse(text);
    } catch {
      return "body_malformed";
    }
    const asked = { operationName, depth_max: depth, aliases_max: aliases, rootFields_max: 128 };
    const { fault, selected } = judge(document, asked);
    if (selected === undefined)
      return ["DEPTH", "ALIASES", "FIELDS", "COUNT"].includes(fault) ? "call_refused" : "body_malformed";
    if (selected.isIntrospecting && !introspection) return "call_refused";
    const method = selected.type;
    if (selected.fields.length === 0) return [{ method, name: "__typename", times: 1 }];
    return selected.fields.map(([name, times]) => ({ method, name, times }));
  }
}

function isOfCaller({ callers }: Rule, { caller }: Request): boolean {
  return callers.includes("any") || callers.includes(caller);
}

function isFor(rule: Rule, request: Request): boolean {
  return isOfCaller(rule, request) && rule.plain.includes(`${request.method} ${request.path}`);
}

function valuesOf({ headers }: Request, header: string): string[] {
  return headers.filter(([name]) => name === header).map(([, value]) => value);
}

function declaredBytes(request: Request): number | undefined {
  const [length] = valuesOf(request, "content-length");
  return length === undefined ? undefined : Number(length);
}

const json_type = /^application\/([a-z0-9.+_-]*\+)?json *(; *charset=("?)utf-8\3)?$/iu;

function contentFault(request: Request): Fault | undefined {
  if (valuesOf(request, "content-encoding").some((coding) => coding.toLowerCase() !== "identity"))
    return "body_unsupported";
  const types = valuesOf(request, "content-type");
  return types.length === 1 && json_type.test(types[0]!) ? undefined : "body_unsupported";
}

/** As readers see a name that fold case (Unicode, CaseFolding.txt: U+017F and U+212A are letters of ASCII to them). */
const folded = (name: string): string =>
  name.replace(/[A-Z\u017f\u212a]/gu, (letter) => (letter === "\u017f" ? "s" : letter.toLowerCase()));

function hasOtherCase(members: ReadonlyMap<string, Json>, names: readonly string[]): boolean {
  return [...members.keys()].some((key) => names.some((name) => key !== name && folded(key) === folded(name)));
}

const members = ["jsonrpc", "method", "params", "id", "arguments", "name", "uri", "result", "error"];
const named: Readonly<Record<string, string>> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "resources/subscribe": "uri",
  "resources/unsubscribe": "uri",
};

/** A message of JSON-RPC 2.0. */
function message(value: Json, protocol: Protocol): Call[] | Fault {
  if (!(value instanceof Map) || hasOtherCase(value, members) || value.get("jsonrpc") !== "2.0")
    return "body_malformed";
  const id = value.get("id");
  if (value.has("id") && !["string", "bigint", "number"].includes(typeof id)) return "body_malformed";
  const isAnswer = value.has("result") || value.has("error");
  if (!value.has("method"))
    return isAnswer && value.has("id") ? [{ method: "", times: 1, isResponse: true }] : "body_malformed";
  const method = value.get("method");
  const params = value.get("params");
  if (isAnswer || typeof method !== "string" || method === "") return "body_malformed";
  if (value.has("params") && !(params instanceof Map) && !Array.isArray(params)) return "body_malformed";
  const key = protocol === "mcp" ? named[method] : undefined;
  if (key === undefined) return [{ method, times: 1 }];
  if (!(params instanceof Map) || hasOtherCase(params, members)) return "body_malformed";
  const name = params.get(key);
  return typeof name === "string" && name !== "" ? [{ method, name, times: 1 }] : "body_malformed";
}
