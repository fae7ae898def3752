/**
 * What a log tells of a request, made ready for the engine. What it does not tell stays unknown: the claims of a token, headers,
 * the query, the body, ports, the scheme, the certificate; the caller's address and the time where the log leaves them out.
 */
import { record_path_bytes_max, subject_bytes_max } from "../../assembly/limits.ts";
import { op_now } from "../../assembly/policy/instructions.ts";
import { isSourceAddress } from "../evaluate/engine.ts";
import { LeanRequest, type SentRequest } from "../host/lean.ts";
import type { Policy, Rule } from "../policy/language/model.ts";
import { isAnyForm, type PathOptions } from "../policy/language/pathoptions.ts";
import { carriersOf } from "../policy/language/protocols.ts";
import { readsBody } from "../policy/language/reads.ts";
import { isCallerUnknown, type RecordedRequest } from "../traffic/usage.ts";
import { StandInTokens } from "./tokens.ts";

/** What is known of requests that are asked of one engine. */
export interface Known {
  /** Whether the caller's address is. */
  source: boolean;
  /** The issuer, by its name in the old policy, of a token that is known to be good; "" where nothing is known of any. */
  issuer: string;
  /** Whether the scopes of that token are known. */
  scopes: boolean;
  /** `window`: no rule begins or ends to hold while these requests came; `moment`: to the second. */
  time: "unknown" | "window" | "moment";
}

/** A request as the engine is asked; `unknown` where something of it that every rule depends on is not known. */
export interface Prepared {
  request: LeanRequest;
  /** What it is made of. */
  sent: SentRequest;
  /** One object for all requests of which as much is known. */
  known: Known;
  /** The time that it is judged at, milliseconds since 1970. */
  at: number;
  /** What is not known of it, in words; undefined: all that every rule depends on is. */
  unknown: string | undefined;
}

/** Reasons of the stages before any rule is looked at; the same request is refused for them by any policy with the same front. */
const front_reasons = new Set(["request_malformed", "headers_too_large", "path_ambiguous"]);

/** Whether the request was refused before any rule was looked at, by something that may not be in the log. */
export function isRefusedInFront({ decision, reason, rule }: RecordedRequest): boolean {
  if (decision !== "deny" || rule !== "") return false;
  return front_reasons.has(reason);
}

/** Whether a request was decided before its path was decoded (`runStages` in assembly/filter.ts), or would have been, of one that waits. */
function isBeforePath({ reason, rule }: RecordedRequest): boolean {
  return reason === "quarantined" || (rule === "" && front_reasons.has(reason));
}

/** All seconds at which a rule of these policies begins or ends to hold, in order. */
function edgesOf(policies: readonly Policy[]): number[] {
  const edges = new Set<number>();
  for (const { rules } of policies) {
    for (const { startsSeconds, expiresSeconds } of rules) edges.add(startsSeconds).add(expiresSeconds);
  }
  edges.delete(0);
  return [...edges].sort((a, b) => a - b);
}

function readsClock({ condition }: Rule): boolean {
  return condition?.instructions.some(({ op }) => op === op_now) ?? false;
}

/** Methods and paths of requests of a policy that may have calls, where rules look into them. */
function callsOf({ protocols = [], rules }: Policy): string[] {
  if (!rules.some(readsBody)) return [];
  return protocols.flatMap(({ name, segments }) =>
    carriersOf(name).map((carrier) => `${carrier} /${segments.join("/")}`),
  );
}

/** So many addresses are kept. */
const sources_max = 10_000;

/** Makes requests of a log ready to be judged, by the policy that judged them first. */
export class Preparation {
  readonly #old: Policy;
  readonly #rules: ReadonlyMap<string, Rule>;
  readonly #issuers: ReadonlySet<string>;
  readonly #edges: readonly number[];
  /** Whether some path of the log may have been sent with `%2F` in it, which the record has as a slash. */
  readonly #hidesSlashes: boolean;
  readonly #hasForms: boolean;
  /** Whether any rule asks what time it is. */
  readonly #isTimed: boolean;
  /** Methods and paths of requests that may have calls which rules look into. */
  readonly #calls: ReadonlySet<string>;
  readonly #started = Date.now();
  /** By the name of an issuer what is known of its tokens' scopes, the address and the time. */
  readonly #known = new Map<string, (Known | undefined)[]>();
  readonly #tokens = new StandInTokens();
  /** Addresses as the host has them, by those of the log. */
  readonly #sources = new Map<string, string>();

  /** @param policies all that requests are to be judged by */
  constructor(old: Policy, policies: readonly Policy[]) {
    this.#old = old;
    this.#rules = new Map(old.rules.map((rule) => [rule.name, rule]));
    this.#issuers = new Set(old.issuers.map(({ name }) => name));
    this.#edges = edgesOf(policies);
    this.#calls = new Set(policies.flatMap(callsOf));
    this.#isTimed = this.#edges.length > 0 || policies.some(({ rules }) => rules.some(readsClock));
    const options = [old.paths, ...old.rules.map(({ paths }) => paths)];
    this.#hidesSlashes = options.some(({ encodedSlash }) => encodedSlash !== "refuse");
    this.#hasForms = options.some(isAnyForm);
  }

  prepare(recorded: RecordedRequest): Prepared {
    const { host, method, path, decision } = recorded;
    // Without a record the log has the path as it was sent.
    const sent = decision === "" ? path : encodePath(path);
    const source = this.#sourceOf(recorded.source);
    const issuer = decision !== "" && this.#issuers.has(recorded.issuer) ? recorded.issuer : "";
    const hasScopes = issuer !== "" && !isHidden(recorded.scopes) && this.#tokens.has(recorded.scopes);
    const { time, at } = this.#timeOf(recorded);
    const token = issuer === "" ? null : this.#tokens.of(hasScopes ? recorded.scopes : "");
    const request = { caller: callerOf(recorded), source, host, method, path: sent, token };
    return {
      request: new LeanRequest(request),
      sent: request,
      known: this.#knownOf(source !== "", issuer, hasScopes, time),
      at,
      unknown: this.#unknownOf(recorded),
    };
  }

  /** The same request of somebody whose identity does not count. */
  asNobody(prepared: Prepared): Prepared {
    const sent = { ...prepared.sent, caller: null };
    return { ...prepared, sent, request: new LeanRequest(sent) };
  }

  /** The same request with nothing known of a token. */
  withoutToken(prepared: Prepared): Prepared {
    const { source, time } = prepared.known;
    const sent = { ...prepared.sent, token: null };
    return { ...prepared, sent, request: new LeanRequest(sent), known: this.#knownOf(source, "", false, time) };
  }

  #knownOf(source: boolean, issuer: string, scopes: boolean, time: Known["time"]): Known {
    let all = this.#known.get(issuer);
    if (all === undefined) {
      all = [];
      this.#known.set(issuer, all);
    }
    const index = (source ? 6 : 0) + (scopes ? 3 : 0) + (time === "unknown" ? 0 : time === "window" ? 1 : 2);
    const known = all[index] ?? { source, issuer, scopes, time };
    all[index] = known;
    return known;
  }

  #sourceOf(text: string): string {
    let source = this.#sources.get(text);
    if (source === undefined) {
      source = sourceOf(text, this.#old.sourceAddress);
      if (this.#sources.size >= sources_max) this.#sources.clear();
      this.#sources.set(text, source);
    }
    return source;
  }

  /**
   * Whether the caller that the log names is known to have counted as such: a rule that is not for anonymous callers was for it, or none was.
   * What a certificate names does not count where it has ended, or where an x-forwarded-client-cert cannot be read, and then the record has
   * the name all the same. Without a record it is taken to count.
   */
  isCallerProven({ decision, caller, reason, rule }: RecordedRequest): boolean {
    if (decision === "" || caller === "" || reason === "no_rule") return true;
    if (reason === "identity_expired" || reason === "identity_malformed") return true;
    return this.#rules.get(rule)?.callers.every(({ kind }) => kind !== "anonymous") ?? false;
  }

  #unknownOf(recorded: RecordedRequest): string | undefined {
    const { decision, caller, reason, rule, host, method } = recorded;
    // What failed may have come before the caller, the host or the path was read (`runStages` in assembly/filter.ts).
    if (reason === "internal" && rule === "") return "the request as it was sent";
    if (isCallerUnknown({ decision, caller })) return "the caller";
    if (isCut(caller, reason)) return "the caller's whole ID";
    if (isHidden(host)) return "the host";
    if (isHidden(method)) return "the method";
    if (this.#mayBeCalls(recorded)) return "the calls in its body";
    return this.#unknownOfPath(recorded);
  }

  /** No log has what is in a body. */
  #mayBeCalls({ method, path }: RecordedRequest): boolean {
    if (this.#calls.size === 0) return false;
    // Without a record the path is as it was sent.
    let decoded = path;
    try {
      decoded = decodeURIComponent(path);
    } catch {}
    return this.#calls.has(`${method} ${path}`) || this.#calls.has(`${method} ${decoded}`);
  }

  /** The log has the path decoded, or as received where it was refused for its form; and no more than the beginning of a long one. */
  #unknownOfPath(recorded: RecordedRequest): string | undefined {
    const { path, decision, rule } = recorded;
    if (path.length * 3 > record_path_bytes_max - 4 && Buffer.byteLength(path) > record_path_bytes_max - 4)
      return "the whole path";
    // What is no UTF-8 cannot be told from U+FFFD.
    if (path.includes("\ufffd")) return "the path as sent";
    // Then the record has the path as it was sent, in which these bytes mean something else than in a decoded one.
    if (isBeforePath(recorded) && !plain_path.test(path)) return "the path as sent";
    // A path that can be read in one way only was sent so, or in a way that any policy reads alike.
    if (!this.#hasForms || decision === "") return undefined;
    const own: PathOptions | undefined = decision === "allow" ? this.#rules.get(rule)?.paths : undefined;
    const takes = own === undefined ? this.#hidesSlashes : own.encodedSlash !== "refuse";
    return takes || path.includes(";") || path.includes("\\") ? "the path as sent" : undefined;
  }

  #timeOf({ firstSeen, lastSeen }: RecordedRequest): { time: Known["time"]; at: number } {
    if (!this.#isTimed) return { time: "window", at: this.#started };
    if (firstSeen === 0 || lastSeen < firstSeen) return { time: "unknown", at: this.#started };
    const [first, last] = [Math.floor(firstSeen / 1000), Math.floor(lastSeen / 1000)];
    if (this.#edges.some((edge) => edge > first && edge <= last)) return { time: "unknown", at: firstSeen };
    return { time: firstSeen === lastSeen ? "moment" : "window", at: firstSeen };
  }
}

/** Where a caller's identity was no more than a text, or its certificate had ended, or its JWT-SVID was bad, it was judged as nobody. */
function callerOf({ caller, reason, rule }: RecordedRequest): string | null {
  if (caller === "" || reason === "identity_expired" || (rule === "" && reason.startsWith("token_"))) return null;
  return reason === "identity_malformed" ? "malformed" : caller;
}

/** Whether a text was left out of the groups, by what reads logs (scripts/traffic/usage.ts). */
function isHidden(text: string): boolean {
  return text === "{other}";
}

/** A caller that is no valid ID is cut in the record, and what is left may be one. */
function isCut(caller: string, reason: string): boolean {
  if (reason === "identity_malformed" || caller.length * 3 < subject_bytes_max) return false;
  return Buffer.byteLength(caller) === subject_bytes_max;
}

/**
 * The address as the host has it. Its port says whether it is the connection's or what a header says, which is port 0; without one
 * that is known only where the policy takes both.
 */
function sourceOf(source: string, takes: Policy["sourceAddress"]): string {
  if (!isSourceAddress(source)) return "";
  const match = /^(.*):(\d+)$/u.exec(source);
  const hasPort = match !== null && (source.startsWith("[") || source.indexOf(":") === source.lastIndexOf(":"));
  if (hasPort) return Number(match[2]) === 0 ? `${match[1]}:0` : `${match[1]}:40000`;
  if (takes === "connection") return "";
  return source.includes(":") ? `[${source.replace(/^\[|\]$/gu, "")}]:40000` : `${source}:40000`;
}

/** Bytes that are read alike as they are, and a few that no policy takes in any form. */
const plain_path = /^[!"$&->@-~]*$/u;

/** A decoded path as it may have been sent: what would be read in another way is encoded, and nothing else. */
function encodePath(path: string): string {
  if (plain_path.test(path)) return path;
  let encoded = "";
  for (const byte of Buffer.from(path)) {
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x25 && byte !== 0x3f && byte !== 0x23;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
