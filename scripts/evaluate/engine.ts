/**
 * Asking the engine: a policy image in the engine's own .wasm in the Node host, one request at a time. Everything the
 * command line says about a decision comes from here, so there is one evaluator, and it is the one that ships.
 */

import { isIP, isIPv4, isIPv6 } from "node:net";
import { body_bytes_max, token_bytes_max } from "../../assembly/limits.ts";
import { Reason } from "../../assembly/reason.ts";
import type { Outcome, StartOutcome } from "../host/plugin.ts";
import { PluginHost } from "../host/plugin.ts";
import { SharedData } from "../host/shared.ts";
import { readsBodies } from "../policy/module/embed.ts";
import { type ReasonName, statusOf } from "./reasons.ts";
import type { AuditRecord, ShadowVerdict } from "./record.ts";
import type { Left } from "./told.ts";

/** A request in the terms of policy tests. */
export interface FilterRequest {
  /** The SPIFFE ID in the caller's certificate; null: no certificate. */
  caller: string | null;
  /** The caller's address, with or without a port. */
  source: string;
  /** The port that the request came to; left out: the connection has none. */
  destination?: number | undefined;
  method: string;
  path: string;
  host: string;
  /** Names in lower case; values with one character a byte. */
  headers: readonly (readonly [name: string, value: string])[];
  /** Sent as `authorization: Bearer …`. */
  token: string | null;
  /** A token that `headers` or `path` carry, where it is not sent like that: for what is said of it apart. */
  placedToken?: string;
  /** SHA-256 of the caller's certificate in lower-case hexadecimal digits. */
  certificateDigest?: string;
  /** Envoy's filter state by its keys, as a listener in front has written it. */
  filterState?: Readonly<Record<string, string>>;
  /** What comes behind the headers, a text in UTF-8; left out: nothing does. */
  body?: string | Uint8Array;
}

/** What the filter decided. */
export interface Verdict {
  decision: "allow" | "deny";
  /** The HTTP status of the verdict; 200 for a request that is let through. A gRPC client sees it as a gRPC status. */
  status: number;
  /** A reason code; `allowed` for a request that is let through. */
  reason: ReasonName;
  /** The rule that decided or came closest, if any did. */
  rule: string | null;
  /** The policy is in shadow mode: the request goes on whatever the verdict. Left out otherwise. */
  mode?: "shadow";
  /** Rules in shadow mode that were judged; left out where there are none. */
  shadow?: ShadowVerdict[];
}

/** The engine refused a configuration or broke; the message has its own log line. */
export class EngineError extends Error {
  override name = "EngineError";
}

const defaultPort = 40000;
/** What Envoy keeps of a body: more than any policy reads, so that the filter and not Envoy says that one is too large. */
const buffer_limit_bytes = 2 * body_bytes_max;

/** An engine's module without a policy, or what finds the one that a policy's image needs. */
export type EngineSource = Uint8Array | ((image: Uint8Array) => Uint8Array);

/** The engine's modules, each compiled once for many evaluators. */
export class Engine {
  readonly #source: EngineSource;
  /** By whether they read bodies. */
  readonly #modules = new Map<boolean, WebAssembly.Module>();
  readonly #evaluators = new WeakMap<Uint8Array, Evaluator>();

  constructor(source: EngineSource) {
    this.#source = source;
  }

  #moduleFor(image: Uint8Array): WebAssembly.Module {
    const key = readsBodies(image);
    const known = this.#modules.get(key);
    if (known !== undefined) return known;
    const bytes = typeof this.#source === "function" ? this.#source(image) : this.#source;
    const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    this.#modules.set(key, module);
    return module;
  }

  /**
   * A VM of its own with this policy. Throws EngineError where the engine refuses the image.
   * @param nowMilliseconds the clock, which stands still; undefined for the machine's
   */
  start(image: Uint8Array, nowMilliseconds?: number): Evaluator {
    const host = PluginHost.load(this.#moduleFor(image), {
      ...(nowMilliseconds !== undefined && { clock: clockAt(nowMilliseconds) }),
      allowOnHeadersStopIteration: true,
      bufferLimitBytes: buffer_limit_bytes,
    });
    const started = host.startPlugin(pluginConfiguration(image));
    if (!started.ok) throw new EngineError(refusal(started));
    tickFirst(host, started.rootContext);
    return new Evaluator(host, started.rootContext);
  }

  /**
   * As `start`, but the VM that has this very image already serves again, with empty shared data: a large policy is
   * loaded once for many tests.
   */
  startAgain(image: Uint8Array, nowMilliseconds: number): Evaluator {
    const known = this.#evaluators.get(image);
    if (known === undefined || known.host.failed) {
      const started = this.start(image, nowMilliseconds);
      this.#evaluators.set(image, started);
      return started;
    }
    known.host.sharedData = new SharedData();
    known.host.callTool("sallyport_forget_reservations", []);
    known.host.clock = clockAt(nowMilliseconds);
    return known;
  }
}

/** Has a policy tick that asks for it, as Envoy does a moment after the policy is in force: what is in flight is counted only where it does. */
export function tickFirst(host: PluginHost, rootContext: number): void {
  if (host.tickPeriodMs(rootContext) > 0) host.tick(rootContext);
}

/** A clock that stands still at so many milliseconds since 1970. */
function clockAt(milliseconds: number): () => bigint {
  const nanoseconds = BigInt(Math.round(milliseconds)) * 1_000_000n;
  return () => nanoseconds;
}

/** The plugin configuration that carries an image. */
export function pluginConfiguration(image: Uint8Array): string {
  return JSON.stringify({ policy: Buffer.from(image).toString("base64") });
}

function refusal({ error, logs }: StartOutcome): string {
  return error?.message ?? logs.map(({ message }) => message).join("; ");
}

/** A policy ready to be asked. */
export class Evaluator {
  readonly host: PluginHost;
  readonly rootContext: number;

  constructor(host: PluginHost, rootContext: number) {
    this.host = host;
    this.rootContext = rootContext;
  }

  /** The verdict on one request. Limits lose tokens by it. */
  ask(request: FilterRequest): Verdict {
    return verdictOf(sendRequest(this.host, this.rootContext, request));
  }

  /** As `ask`, with what the engine left of the request, which takes reading. */
  judge(request: FilterRequest): { verdict: Verdict } & Left {
    const outcome = sendRequest(this.host, this.rootContext, request);
    return { verdict: verdictOf(outcome), ...leftOf(outcome) };
  }

  /**
   * The verdict on one request, the lines the engine says about how it came to it, and what it left. Of a request that was held for its body
   * they are those of the second time, when it was decided.
   */
  inspect(request: FilterRequest): { verdict: Verdict; lines: string[] } & Left {
    let beforeBody = 0;
    const { result: outcome, lines } = this.#inspecting(() =>
      sendRequest(this.host, this.rootContext, request, () => {
        beforeBody = this.host.logs.length;
      }),
    );
    const later = this.host.logs.slice(beforeBody).filter(({ level }) => level === 0);
    const decided = later.length > 0 ? later.map(({ message }) => message) : lines;
    return { verdict: verdictOf(outcome), ...leftOf(outcome), lines: decided };
  }

  /**
   * Judges a token against one issuer, as the filter would.
   * @param issuer its index in the image
   */
  inspectToken(issuer: number, token: Uint8Array): { reason: number; lines: string[] } {
    // The engine says the same, but has no room for a token that is far too large.
    if (token.length > token_bytes_max)
      return {
        reason: Reason.TOKEN_TOO_LARGE,
        lines: ["inspect signature malformed", "inspect detail token_too_large"],
      };
    const { result, lines } = this.#inspecting(() =>
      this.host.callTool("sallyport_inspect_token", [this.rootContext, issuer], token),
    );
    return { reason: result.result, lines };
  }

  #inspecting<Result>(run: () => Result): { result: Result; lines: string[] } {
    const first = this.host.logs.length;
    this.host.callTool("sallyport_inspect", [1]);
    const result = run();
    this.host.callTool("sallyport_inspect", [0]);
    const lines = this.host.logs.slice(first).filter(({ level }) => level === 0);
    return { result, lines: lines.map(({ message }) => message) };
  }
}

/** Whether a text is an IP address, with or without a port, as `FilterRequest.source` has it. */
export function isSourceAddress(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const match = /^(?:\[(.*)\]|([^:]*)):([0-9]{1,5})$/u.exec(text);
  if (match === null || Number(match[3]) > 65535) return false;
  return match[1] === undefined ? isIPv4(match[2]!) : isIPv6(match[1]);
}

/**
 * Sends a request, with its body in one piece and then its end, as Envoy does for HTTP/1.1.
 * @param onBody called before the body comes, where one does
 */
export function sendRequest(host: PluginHost, root: number, request: FilterRequest, onBody?: () => void): Outcome {
  if (request.body === undefined) return host.request(root, hostRequest(request));
  const outcome = host.request(root, { ...hostRequest(request), keepOpen: true });
  const bytes = typeof request.body === "string" ? Buffer.from(request.body) : request.body;
  onBody?.();
  if (bytes.length > 0) host.body(outcome.context, bytes);
  host.body(outcome.context, new Uint8Array(), true);
  host.deleteContext(outcome.context);
  return outcome;
}

/** The request as Envoy's filter chain would hand it to the module; of its body, whether one follows. */
export function hostRequest(request: FilterRequest): Parameters<PluginHost["request"]>[1] {
  const hasPort = /^(\[.*\]|[^:]*):\d+$/.test(request.source);
  const address =
    request.source.includes(":") && !request.source.startsWith("[") ? `[${request.source}]` : request.source;
  return {
    ...(request.body !== undefined && { hasBody: true }),
    headers: [
      [":authority", request.host],
      [":path", request.path],
      [":method", request.method],
      [":scheme", "https"],
      ...request.headers,
      ...(request.token === null ? [] : [["authorization", `Bearer ${request.token}`] as const]),
    ],
    properties: {
      "source.address": hasPort ? request.source : `${address}:${defaultPort}`,
      ...(request.destination !== undefined && { "destination.port": BigInt(request.destination) }),
      "connection.mtls": request.caller !== null,
      ...(request.caller !== null && { "connection.uri_san_peer_certificate": request.caller }),
      ...(request.certificateDigest && { "connection.sha256_peer_certificate_digest": request.certificateDigest }),
      ...Object.fromEntries(
        Object.entries(request.filterState ?? {}).map(([key, value]) => [`filter_state.${key}`, value]),
      ),
    },
  };
}

/** Reads the verdict from the audit record the engine left; without one the request was refused by a broken engine. */
export function verdictOf(outcome: Outcome): Verdict {
  const record = recordOf(outcome);
  if (record === undefined) return { decision: "deny", status: 503, reason: "internal", rule: null };
  const { mode, decision, reason, rule, shadow } = record;
  // In shadow mode the request goes on; the verdict is the one it would have met.
  const status = outcome.localResponse?.requestedStatus ?? statusOf(reason);
  return {
    decision: decision === "allow" ? "allow" : "deny",
    status,
    reason,
    rule: rule || null,
    ...(mode === "shadow" && { mode }),
    ...(shadow && { shadow }),
  };
}

function leftOf(outcome: Outcome): Left {
  return { record: recordOf(outcome), answer: outcome.localResponse?.headers ?? [] };
}

function recordOf(outcome: Outcome): AuditRecord | undefined {
  const text = outcome.filterState.get("sallyport");
  return text === undefined ? undefined : (JSON.parse(text) as AuditRecord);
}
