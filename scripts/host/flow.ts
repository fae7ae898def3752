/**
 * One direction of a stream as Envoy's filter manager keeps it for one filter: what has come, what the filter holds back, and what has gone
 * on. As in source/common/http/filter_manager.cc and decodeData of source/extensions/common/wasm/context.cc, and as tried on Envoy 1.40
 * (docs/bodies-in-envoy.md).
 */
import type { Pair } from "./pairs.ts";

/** The two ways through the filter. */
export type Direction = "request" | "response";

/** What a stream keeps of its way through the callbacks, beside its flows. */
export interface InFlight {
  /** What the module has continued from within the callback under way. */
  continued: Direction | undefined;
  /** The stream's local response is Envoy's own. */
  isEnvoysReply: boolean;
  /** The local response is on its way through the module. */
  isReplying: boolean;
}

/** What a body or trailers callback answers. Of bodies, 2 keeps what came where the module cannot read it again, and 3 drops it. */
export const goesOn = 0;
export const keeps = 1;
const keepsUnseen = 2;

const nothing = new Uint8Array();

/**
 * Where the headers are: `none` before their callback; `held` while body callbacks come all the same; `stopped` while nothing comes until
 * the module continues the stream; `on` when they have gone on.
 */
export type HeadersAt = "none" | "held" | "stopped" | "on";

export class Flow {
  headersAt: HeadersAt = "none";
  /** What the module reads as the body; undefined where there is none to read. */
  body: Uint8Array | undefined;
  /** While the module may read them. */
  trailers: readonly Pair[] | undefined;
  /** All of it has come: the last bytes, or trailers. */
  isEnded = false;
  /** A stream that is reset, or answered in another way, takes nothing more. */
  isCut = false;
  /** The last body callback answered that it wants the bytes kept. */
  isKeeping = false;
  /** What came while the flow was stopped: nothing of it has been in a callback. */
  waiting: { body: Uint8Array; isEnd: boolean; trailers?: readonly Pair[] } | undefined;
  #unseen: Uint8Array = nothing;
  #gone: Uint8Array[] = [];
  #goneEnded = false;
  #goneTrailers: readonly Pair[] | undefined;

  /** How many bytes have gone on. */
  goneBytes = 0;

  /** The bytes that have gone on, in one. */
  get goneBody(): Uint8Array {
    if (this.#gone.length > 1) this.#gone = [joined(...this.#gone)];
    return this.#gone[0] ?? nothing;
  }

  /** Whether all of it has gone on. */
  get isGone(): boolean {
    return this.#goneEnded;
  }

  /** The trailers that have gone on. */
  get goneTrailers(): readonly Pair[] | undefined {
    return this.#goneTrailers;
  }

  /** Keeps for later what comes while the flow is stopped. */
  wait(body: Uint8Array, isEnd: boolean, trailers?: readonly Pair[]): void {
    const before = this.waiting?.body ?? nothing;
    this.waiting = { body: joined(before, body), isEnd, ...(trailers && { trailers }) };
  }

  /** New bytes for the next callback: with those that the module had kept before, if it had. Gives how many the callback is told of. */
  offer(bytes: Uint8Array, isEnd: boolean): number {
    this.body = this.isKeeping && this.body !== undefined ? joined(this.body, bytes) : bytes;
    this.isKeeping = false;
    this.isEnded = isEnd;
    return this.body.length;
  }

  /** The trailers, of which the next callback tells. The body stays what it was. */
  offerTrailers(trailers: readonly Pair[]): void {
    this.trailers = trailers;
    this.isEnded = true;
  }

  /** Does with the bytes of the last callback what that answered. */
  settle(answer: number): void {
    if (answer === goesOn) {
      this.pass();
      return;
    }
    this.isKeeping = answer === keeps && this.body !== undefined;
    if (answer === keepsUnseen) this.#unseen = joined(this.#unseen, this.body ?? nothing);
    if (answer !== keeps) this.body = undefined;
  }

  /** Everything that is held goes on: headers, bytes, and trailers if they have come. */
  pass(): void {
    this.headersAt = "on";
    for (const bytes of [this.#unseen, this.body ?? nothing]) {
      if (bytes.length > 0) this.#gone.push(bytes);
      this.goneBytes += bytes.length;
    }
    this.#unseen = nothing;
    this.body = undefined;
    this.isKeeping = false;
    if (!this.isEnded) return;
    this.#goneEnded = true;
    this.#goneTrailers ??= this.trailers;
  }
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const [first, second] = parts;
  if (parts.length === 2 && first!.length === 0) return second!;
  if (parts.length === 2 && second!.length === 0) return first!;
  return Uint8Array.from(Buffer.concat(parts));
}
