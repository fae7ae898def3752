/**
 * What a client receives for `proxy_send_local_response`: Context::sendLocalResponse of Envoy's
 * source/extensions/common/wasm/context.cc, then Utility::prepareLocalReply of source/common/http/utility.cc.
 */
import type { Pair } from "./pairs.ts";

/** A local reply as the client sees it. */
export interface LocalResponse {
  /** The HTTP status on the wire: 200 for a gRPC request, which carries the outcome in `grpcStatus`. */
  status: number;
  /** The status the module asked for. */
  requestedStatus: number;
  /** Response headers with lower-case names, the pseudo-header left out, in order. */
  headers: Pair[];
  body: string;
  /** Set for gRPC requests only. */
  grpcStatus?: number;
  /** `response_code_details`; white space in it has become `_`. */
  details: string;
}

/** What the module passed to the call. */
export interface ReplyArguments {
  status: number;
  details: string;
  body: string;
  headers: readonly Pair[];
  /** -1 stands for unset. */
  grpcStatus: number;
}

const grpcMaximumKnown = 16;

/** Grpc::Common::isGrpcRequestHeaders: `application/grpc` or `application/grpc+…`, and a path. */
export function isGrpcRequest(headers: readonly Pair[]): boolean {
  const headerValue = (wanted: string) => headers.find(([name]) => name.toLowerCase() === wanted)?.[1];
  const type = headerValue("content-type") ?? "";
  return headerValue(":path") !== undefined && /^application\/grpc(\+|$)/.test(type);
}

/** Grpc::Utility::httpToGrpcStatus, for replies that leave the gRPC status open. */
export function httpToGrpcStatus(status: number): number {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

/** Http::Utility::PercentEncoding::encode: what is not printable ASCII, `%` and `~`. */
function percentEncode(text: string): string {
  return text.replace(
    /[^ -}]|%/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

/** Details as an access log has them. */
export const detailsText = (details: string): string => details.replace(/[ \t\n\v\f\r]/g, "_");

/** Turns the call's arguments into the answer to a request with these headers. */
export function localResponse(request: readonly Pair[], reply: ReplyArguments): LocalResponse {
  const headers: Pair[] = reply.headers.map(([name, value]) => [name.toLowerCase(), value]);
  const details = detailsText(reply.details);
  const base = { requestedStatus: reply.status, details };
  const isHead = request.some(([name, value]) => name === ":method" && value === "HEAD");
  if (isGrpcRequest(request)) {
    const known = reply.grpcStatus >= 0 && reply.grpcStatus <= grpcMaximumKnown;
    const grpcStatus = known ? reply.grpcStatus : httpToGrpcStatus(reply.status);
    set(headers, "content-type", "application/grpc");
    if (!headers.some(([name]) => name === "grpc-status")) headers.push(["grpc-status", String(grpcStatus)]);
    if (reply.body !== "" && !isHead) set(headers, "grpc-message", percentEncode(reply.body));
    remove(headers, "content-length");
    return { ...base, status: 200, headers, body: "", grpcStatus };
  }
  if (reply.body === "") {
    remove(headers, "content-length");
    remove(headers, "content-type");
  } else {
    set(headers, "content-length", String(Buffer.byteLength(reply.body, "latin1")));
    if (!headers.some(([name]) => name === "content-type")) headers.push(["content-type", "text/plain"]);
  }
  return { ...base, status: reply.status, headers, body: isHead ? "" : reply.body };
}

function remove(headers: Pair[], unwanted: string): void {
  for (let index = headers.length - 1; index >= 0; index--)
    if (headers[index]![0] === unwanted) headers.splice(index, 1);
}

function set(headers: Pair[], name: string, value: string): void {
  remove(headers, name);
  headers.push([name, value]);
}
