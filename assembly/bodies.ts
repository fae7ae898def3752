/** What the engine exports beside assembly/index.ts where it reads bodies. */
import { onListingBody, onListingTrailers } from "./answers";
import { onRequestTrailers } from "./filter";

/** The trailers of a request: the end of its body. */
export function proxy_on_request_trailers(context: u32, _trailers: u32): u32 {
  return onRequestTrailers(context);
}

/** Some of the body of an answer comes. */
export function proxy_on_response_body(context: u32, body_bytes: u32, endOfStream: bool): u32 {
  return onListingBody(context, body_bytes, endOfStream);
}

/** The trailers of an answer: the end of its body. */
export function proxy_on_response_trailers(context: u32, _trailers: u32): u32 {
  return onListingTrailers(context);
}
