/**
 * How `proxy_http_call` ends, seen on Envoy 1.40: an answer of Envoy's own where there is no connection and where time runs
 * out, and nothing at all where the answer breaks off or is larger than 32 MiB.
 */
import type { CalloutResponse } from "./context.ts";
import type { Pair } from "./pairs.ts";

/** What a test answers a callout with: the server's words, or why there are none. */
export type CalloutAnswer =
  | {
      /** Default 200. */
      status?: number;
      /** Names in lower case, without `:status`. */
      headers?: readonly Pair[];
      body?: string | Uint8Array;
    }
  | "refused"
  | "timeout"
  | "reset";

const refused = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
const late = "upstream request timeout";

/** What the module is told; undefined for a reset, which has no headers. */
export function calloutResponse(answer: CalloutAnswer): CalloutResponse | undefined {
  if (answer === "reset") return undefined;
  if (answer === "refused") return ownAnswer("503", refused);
  if (answer === "timeout") return ownAnswer("504", late);
  const { status = 200, headers = [], body = "" } = answer;
  return {
    headers: [[":status", String(status)], ...headers],
    body: typeof body === "string" ? Buffer.from(body) : body,
  };
}

function ownAnswer(status: string, text: string): CalloutResponse {
  return {
    headers: [
      [":status", status],
      ["content-length", String(text.length)],
      ["content-type", "text/plain"],
    ],
    body: Buffer.from(text),
  };
}

/** How far apart the tokens of callouts are; the first one is this, too. */
const tokenIncrement = 4;

/** What is known of a call, of whatever kind. */
interface Called {
  readonly token: number;
  readonly root: number;
  readonly cluster: string;
}

/** The calls of one VM, all of one kind, that wait for an answer. */
export class Callouts<Call extends Called> {
  readonly #clusters: ReadonlySet<string>;
  readonly #waiting = new Map<number, Call>();
  #lastToken = 0;

  /** @param clusters those a call may name */
  constructor(clusters: readonly string[] = []) {
    this.#clusters = new Set(clusters);
  }

  /** A new call's token; undefined where there is no such cluster. */
  make(make: (token: number) => Call): number | undefined {
    const callout = make(this.#lastToken + tokenIncrement);
    if (!this.#clusters.has(callout.cluster)) return undefined;
    this.#lastToken = callout.token;
    this.#waiting.set(callout.token, callout);
    return callout.token;
  }

  /** All that wait, oldest first. */
  waiting(): readonly Call[] {
    return [...this.#waiting.values()];
  }

  /** The call of that token, which waits no more. Throws an Error where none does. */
  take(token: number): Call {
    const callout = this.#waiting.get(token);
    if (callout === undefined) throw new Error(`no callout ${token} waits for an answer`);
    this.#waiting.delete(token);
    return callout;
  }

  /** Takes back the calls of a root context that ends, as Envoy does. */
  cancel(root: number): void {
    for (const callout of this.waiting()) if (callout.root === root) this.#waiting.delete(callout.token);
  }
}
