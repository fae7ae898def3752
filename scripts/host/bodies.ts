/** Bodies and trailers of requests and answers, on their way through the module: the callbacks, and what Envoy makes of what they answer. */
import { HostCrash } from "./abi.ts";
import { type Direction, type Flow, goesOn } from "./flow.ts";
import type { OpenStream } from "./outcome.ts";
import type { Pair } from "./pairs.ts";
import type { LocalResponse } from "./reply.ts";
import type { Vm } from "./vm.ts";

/** What Envoy answers, or says of a stream that it resets, where a filter holds more than it may. */
const tooLarge: Readonly<Record<Direction, { status: number; text: string; details: string }>> = {
  request: { status: 413, text: "Payload Too Large", details: "request_payload_too_large" },
  response: { status: 500, text: "Internal Server Error", details: "response_payload_too_large" },
};

/** Envoy's own answer. */
function envoysReply({ status, text, details }: (typeof tooLarge)[Direction]): LocalResponse {
  const headers: Pair[] = [
    ["content-length", String(text.length)],
    ["content-type", "text/plain"],
  ];
  return { status, requestedStatus: status, headers, body: text, details };
}

/** What the callbacks run in. */
export interface BodyHost {
  readonly vm: Vm;
  /** The most bytes that Envoy keeps for a filter, for each direction. */
  readonly limit_bytes: number;
  /** False once the stream has ended. */
  isOpen(id: number): boolean;
  /** What a callback came to is told to whom it concerns. */
  settle(stream: OpenStream): void;
  /** A callback has trapped. */
  trapped(stream: OpenStream, error: Error): void;
}

export class Bodies {
  readonly #host: BodyHost;

  constructor(host: BodyHost) {
    this.#host = host;
  }

  /** Bytes come, or the end. While the flow is stopped they wait. */
  data(stream: OpenStream, direction: Direction, bytes: Uint8Array, isEnd: boolean): void {
    const { context } = stream;
    const flow = context[direction];
    if (this.#isOver(stream, flow)) return;
    if (flow.headersAt === "stopped") {
      flow.wait(bytes, isEnd);
      return;
    }
    const isKept = flow.isKeeping;
    const size = flow.offer(bytes, isEnd);
    if (isKept && size > this.#host.limit_bytes) {
      this.#refuse(stream, direction);
      // A request's answer is made before the callback, and given after it, whatever that answers. An answer breaks off at once.
      if (direction === "response") {
        this.#host.settle(stream);
        return;
      }
    }
    const answer = this.#call(stream, direction, `proxy_on_${direction}_body`, [size, isEnd ? 1 : 0]);
    if (!this.#isOver(stream, flow)) {
      flow.settle(answer);
      if (flow.isKeeping && flow.body!.length > this.#host.limit_bytes) this.#refuse(stream, direction);
    }
    this.#host.settle(stream);
  }

  /** Trailers come, and end it. */
  trailers(stream: OpenStream, direction: Direction, trailers: readonly Pair[]): void {
    const flow = stream.context[direction];
    if (this.#isOver(stream, flow)) return;
    if (flow.headersAt === "stopped") {
      flow.wait(new Uint8Array(), true, trailers);
      return;
    }
    flow.offerTrailers(trailers);
    const answer = this.#call(stream, direction, `proxy_on_${direction}_trailers`, [trailers.length]);
    if (!this.#isOver(stream, flow) && answer === goesOn) flow.pass();
    this.#host.settle(stream);
  }

  /** The module has continued the stream: what is held goes on, and then comes what had to wait. */
  continue(stream: OpenStream, direction: Direction): void {
    const flow = stream.context[direction];
    if (this.#isOver(stream, flow) || flow.isGone) return;
    const { waiting } = flow;
    flow.waiting = undefined;
    flow.pass();
    if (waiting === undefined) return;
    const { body, isEnd, trailers } = waiting;
    if (body.length > 0 || trailers === undefined) this.data(stream, direction, body, isEnd && trailers === undefined);
    if (trailers !== undefined) this.trailers(stream, direction, trailers);
  }

  #call(stream: OpenStream, direction: Direction, name: string, args: readonly number[]): number {
    const { context } = stream;
    let answer = goesOn;
    const { vm } = this.#host;
    context.continued = undefined;
    const { error } = vm.enter(context, () => {
      answer = vm.exported(name)?.(context.id, ...args) ?? goesOn;
    });
    if (error) this.#host.trapped(stream, error);
    else if (direction === "response" && answer === goesOn && context.continued === direction)
      throw new HostCrash(`the answer of stream ${context.id} was continued twice`);
    return answer;
  }

  #isOver({ context }: OpenStream, flow: Flow): boolean {
    const isAnswered = context.localResponse !== undefined && !context.isReplying;
    return flow.isCut || isAnswered || !this.#host.isOpen(context.id);
  }

  #refuse({ context }: OpenStream, direction: Direction): void {
    if (context.localResponse !== undefined) return;
    context.localResponse = envoysReply(tooLarge[direction]);
    context.isEnvoysReply = true;
  }
}
