/** What a module does with a request: lets it go on, or answers it; and in whose place it calls. */
import { HostCrash, streamRequest, streamResponse, streamUpstream, WasmResult } from "../abi.ts";
import type { Context } from "../context.ts";
import { unmarshalPairs } from "../pairs.ts";
import { detailsText, localResponse } from "../reply.ts";
import { type Call, failed, outOfMemory, text } from "./scope.ts";

/** Envoy queues an action on the stream's callbacks without asking whether there is still a stream behind them. */
function requireAlive(context: Context, call: string): void {
  if (context.kind === "stream" && context.ended)
    throw new HostCrash(`${call} on stream ${context.id}, which has ended`);
}

export const sendLocalResponse: Call = ({ memory, context, release }, args) => {
  requireAlive(context, "proxy_send_local_response");
  const [status, detailsPointer, detailsSize, bodyPointer, bodySize, headersPointer, headersSize, grpc] = args;
  const details = memory.read(detailsPointer!, detailsSize!);
  const body = memory.read(bodyPointer!, bodySize!);
  const pairs = memory.read(headersPointer!, headersSize!);
  if (details === undefined || body === undefined || pairs === undefined) return outOfMemory(status!);
  const headers = unmarshalPairs(pairs);
  const grpcStatus = grpc! | 0;
  if (context.kind === "stream") {
    const reply = { status: status!, details: text(details), body: text(body), headers, grpcStatus };
    // An answer that Envoy has ready goes out all the same, with these details.
    if (context.isEnvoysReply)
      context.localResponse = { ...context.localResponse!, details: detailsText(reply.details) };
    context.localResponse ??= localResponse(context.headers, reply);
    release(context, "answer");
  }
  const shown = headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  return { args: [status!, text(details), text(body), shown, grpcStatus], result: WasmResult.Ok };
};

/** Where there is no request to let go on, as in a root context, nothing happens, and that is Ok. */
export const continueStream: Call = ({ context, release }, [type]) => {
  if (type! > streamUpstream) return failed(WasmResult.BadArgument, type!);
  if (type === streamUpstream) return failed(WasmResult.Unimplemented, type!);
  requireAlive(context, "proxy_continue_stream");
  if (context.kind === "stream" && (type === streamRequest || type === streamResponse)) {
    // Whichever is continued, it is the request's headers that cannot be read any more (Context::continueStream).
    context.headersOpen = false;
    context.continued = type === streamRequest ? "request" : "response";
    release(context, context.continued);
  }
  return { args: [type!], result: WasmResult.Ok };
};

export const setEffectiveContext: Call = (scope, [id]) => {
  const known = scope.setEffectiveContext(id!);
  return { args: [id!], result: known ? WasmResult.Ok : WasmResult.BadArgument };
};
