/** Requests and their answers on their way through the module, as Envoy's filter manager takes them through one filter. */
import { continuingActions, holdingAction } from "./abi.ts";
import { Bodies } from "./bodies.ts";
import type { StreamContext } from "./context.ts";
import type { Contexts } from "./contexts.ts";
import type { Direction, HeadersAt } from "./flow.ts";
import type { OpenStream } from "./outcome.ts";
import type { Pair } from "./pairs.ts";
import type { LocalResponse } from "./reply.ts";
import type { Vm } from "./vm.ts";

/** What an Envoy and its plugin are set to. */
export interface StreamOptions {
  /** `allow_on_headers_stop_iteration` of the plugin. */
  allowOnHeadersStopIteration: boolean;
  /** The most bytes that Envoy keeps of a body for a filter. */
  bufferLimitBytes: number;
}

/** Details of the reply Envoy sends when a VM is failed and the plugin fails closed. */
const failedStreamDetails = "wasm_fail_stream";

export class Streams {
  readonly #vm: Vm;
  readonly #contexts: Contexts;
  readonly #options: StreamOptions;
  readonly #end: (id: number) => void;
  readonly #bodies: Bodies;
  /** What goes on, or is answered, once the callback under way has returned. */
  #released: [StreamContext, Direction | "answer"][] = [];

  /** @param end ends a stream that is over */
  constructor(vm: Vm, contexts: Contexts, options: StreamOptions, end: (id: number) => void) {
    this.#vm = vm;
    this.#contexts = contexts;
    this.#options = options;
    this.#end = end;
    this.#bodies = new Bodies({
      vm,
      limit_bytes: options.bufferLimitBytes,
      isOpen: (id) => contexts.stream(id) !== undefined,
      settle: (stream) => this.#settle(stream),
      trapped: (stream, error) => this.#fail(stream, error),
    });
  }

  /** A request's headers come. */
  begin(stream: OpenStream, root: number, hasBody: boolean): void {
    const { context } = stream;
    const { request, headers } = context;
    let returned = 1;
    const { error } = this.#vm.enter(context, () => {
      this.#vm.exported("proxy_on_context_create")?.(context.id, root);
      returned = this.#vm.exported("proxy_on_request_headers")?.(context.id, headers.length, hasBody ? 0 : 1) ?? 0;
    });
    request.isEnded = !hasBody;
    request.headersAt = this.#headersAt(returned);
    if (error) this.#fail(stream, error);
    else if (context.localResponse === undefined) {
      context.headersOpen = request.headersAt !== "on";
      if (!context.headersOpen) request.pass();
    }
    this.#settle(stream);
  }

  /** Bytes of a body, or its end. */
  data(id: number, direction: Direction, bytes: Uint8Array, isEnd: boolean): number {
    const stream = this.#contexts.stream(id);
    if (stream === undefined) return 0;
    const flow = stream.context[direction];
    if (flow.headersAt === "none") throw new Error(`nobody has answered stream ${id}`);
    const before = flow.goneBytes;
    this.#bodies.data(stream, direction, bytes, isEnd);
    return flow.goneBytes - before;
  }

  /** Trailers, which end it. */
  trailers(id: number, direction: Direction, pairs: readonly Pair[]): void {
    const stream = this.#contexts.stream(id);
    if (stream !== undefined) this.#bodies.trailers(stream, direction, pairs);
  }

  /** The answer's headers come, from the upstream or from whoever answers in its place; they are given as the module leaves them. */
  respond(id: number, headers: readonly Pair[], isEnd: boolean): readonly Pair[] {
    const stream = this.#contexts.stream(id);
    if (stream === undefined) throw new Error(`there is no stream ${id}`);
    const { context, outcome } = stream;
    const { response } = context;
    context.responseHeaders = headers;
    // From here on there is an answer: one of the module's own would take its place without coming by here.
    response.headersAt = "held";
    response.isEnded = isEnd;
    let returned = 0;
    const { error } = this.#vm.enter(context, () => {
      returned = this.#vm.exported("proxy_on_response_headers")?.(id, headers.length, isEnd ? 1 : 0) ?? 0;
    });
    if (error) Object.assign(outcome, { trapped: true, error });
    const left = context.responseHeaders ?? [];
    if (response.isCut || response.headersAt !== "held") return left;
    response.headersAt = this.#headersAt(returned);
    if (response.headersAt !== "on") return left;
    response.pass();
    context.responseHeaders = undefined;
    if (!context.isReplying) outcome.response.headers = left;
    return left;
  }

  /** Lets a request or its answer go on, or the request be answered, once the callback under way has returned. */
  release(stream: StreamContext, what: Direction | "answer"): void {
    this.#released.push([stream, what]);
  }

  /** What a callback set in motion happens when it has returned (DeferAfterCallActions). */
  afterCall(): void {
    const released = this.#released;
    this.#released = [];
    for (const [context, what] of released) {
      const stream = this.#contexts.stream(context.id);
      // What was called from within the callback of a request's headers is for their answer to say.
      if (stream === undefined || context.request.headersAt === "none") continue;
      if (what !== "answer") this.#bodies.continue(stream, what);
      this.#settle(stream);
    }
  }

  /** Where headers are after their callback has returned this. */
  #headersAt(returned: number): HeadersAt {
    if (continuingActions.includes(returned)) return "on";
    return returned === holdingAction && this.#options.allowOnHeadersStopIteration ? "held" : "stopped";
  }

  /** CHECK_FAIL_HTTP of src/context.cc: a plugin that fails closed answers 503 and stops. */
  #fail({ context, outcome }: OpenStream, error: Error): void {
    context.localResponse ??= {
      status: 503,
      requestedStatus: 503,
      headers: [],
      body: "",
      details: failedStreamDetails,
    };
    Object.assign(outcome, { trapped: true, error });
  }

  /** Brings a request's outcome up to date, and ends the stream where it is decided. */
  #settle(stream: OpenStream): void {
    const { context, outcome, keepOpen } = stream;
    if (this.#contexts.stream(context.id) === undefined) return;
    const { request, response, localResponse } = context;
    context.paused = request.headersAt !== "on" && localResponse === undefined;
    if (outcome.action === "pause") outcome.headers = context.headers;
    outcome.action = request.headersAt !== "on" || localResponse !== undefined ? "pause" : "continue";
    outcome.paused = context.paused;
    if (localResponse !== undefined && !request.isCut) this.#answer(stream, localResponse);
    if (context.isReplying && response.isGone && outcome.localResponse === undefined) this.#replied(stream);
    else if (response.headersAt === "on" && !context.isReplying) outcome.response.headers ??= context.responseHeaders;
    const isOver = !context.paused && (!context.isReplying || outcome.localResponse !== undefined);
    if (isOver && !keepOpen) this.#end(context.id);
  }

  /** Somebody answers in place of the upstream: such an answer comes by the module, unless there was one before. */
  #answer(stream: OpenStream, reply: LocalResponse): void {
    const { context, outcome } = stream;
    const { request, response } = context;
    request.isCut = true;
    if (response.headersAt === "on") {
      response.isCut = true;
      outcome.reset = reply.details;
    } else if (response.headersAt !== "none" || this.#vm.failed) {
      response.isCut = true;
      outcome.localResponse = reply;
    } else {
      context.isReplying = true;
      stream.replyHeaders = this.respond(context.id, reply.headers, reply.body === "");
      if (reply.body !== "") this.#bodies.data(stream, "response", Buffer.from(reply.body, "latin1"), true);
    }
  }

  /** An answer of somebody's own has come by the module as a whole. */
  #replied({ context, outcome, replyHeaders }: OpenStream): void {
    const body = Buffer.from(context.response.goneBody).toString("latin1");
    const headers = [...(context.responseHeaders ?? replyHeaders ?? [])];
    outcome.localResponse = { ...context.localResponse!, headers, body };
  }
}
