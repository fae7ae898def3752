/** The contexts of one VM by their numbers, as Envoy keeps them: root contexts, streams, and streams that were just torn down. */
import { type Context, type RootContext, type StreamContext, serializeProperty } from "./context.ts";
import { Flow } from "./flow.ts";
import type { HostRequest, OpenStream } from "./outcome.ts";

/** Streams that were torn down and are still kept, for hosts on which nobody ends a round. */
const ended_kept = 256;

export class Contexts {
  readonly #roots = new Map<number, RootContext>();
  readonly #streams = new Map<number, OpenStream>();
  readonly #ended = new Map<number, StreamContext>();
  #next = 1;

  /** A root context with the next number. */
  createRoot(rootId: string): RootContext {
    const root: RootContext = { kind: "root", id: this.#next++, rootId };
    this.#roots.set(root.id, root);
    return root;
  }

  /** A stream with the next number. */
  createStream(root: RootContext, request: HostRequest): OpenStream {
    const properties = Object.entries(request.properties ?? {});
    const context: StreamContext = {
      kind: "stream",
      id: this.#next++,
      root,
      headers: request.headers,
      properties: new Map(properties.map(([path, value]) => [path, serializeProperty(value)])),
      filterState: new Map(),
      request: new Flow(),
      response: new Flow(),
      continued: undefined,
      isEnvoysReply: false,
      isReplying: false,
      headersOpen: true,
      paused: false,
      ended: false,
    };
    const outcome: OpenStream["outcome"] = {
      context: context.id,
      action: "pause",
      paused: false,
      headers: context.headers,
      upstream: context.request,
      response: { headers: undefined, flow: context.response },
      filterState: context.filterState,
      calls: [],
      trapped: false,
    };
    const stream: OpenStream = { context, outcome, keepOpen: request.keepOpen === true };
    this.#streams.set(context.id, stream);
    return stream;
  }

  root(id: number): RootContext | undefined {
    return this.#roots.get(id);
  }

  /** A stream that was not torn down. */
  stream(id: number): OpenStream | undefined {
    return this.#streams.get(id);
  }

  /** Whatever can be addressed by that number. */
  find(id: number): Context | undefined {
    return this.#streams.get(id)?.context ?? this.#ended.get(id) ?? this.#roots.get(id);
  }

  /** Tears a stream down: nothing may act on it any more, and its number is good until the round ends. */
  tearDown({ context, outcome }: OpenStream): void {
    outcome.paused = false;
    context.ended = true;
    // Envoy knows it from the end on (source/common/http/conn_manager_impl.cc, `doDeferredStreamDestroy`).
    context.properties.set("request.duration", serializeProperty(0n));
    this.#ended.set(context.id, context);
    if (this.#ended.size > ended_kept) this.#ended.delete(this.#ended.keys().next().value!);
  }

  /** Forgets a context that is no more. */
  delete(id: number): void {
    this.#streams.delete(id);
    this.#roots.delete(id);
  }

  /** Contexts of streams that were torn down cannot be addressed any more. */
  endRound(): void {
    this.#ended.clear();
  }
}
