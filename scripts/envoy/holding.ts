/**
 * What Envoy is set to for a filter that holds a request until its body has come. Without the first of these every request with a body that
 * such a filter holds would wait until the filter answers it with 503 (docs/bodies-in-envoy.md).
 */
import { answer_bytes_max } from "../../assembly/limits.ts";
import { readBodyBytesOf, readsAnswers } from "../policy/image/name.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; the few touched here are checked when used.
type Json = any;

/** What a policy that reads bodies needs of its place. */
export interface Holding {
  /** The most bytes of a body that the policy reads (`maxBodyBytes`). */
  bodyBytes: number;
  /** The most bytes of an answer that it reads; 0: it reads none. */
  answerBytes: number;
}

/** What the policy in an image needs of its place; undefined where it reads no bodies. */
export function holdingOf(image: Uint8Array): Holding | undefined {
  const bodyBytes = readBodyBytesOf(image);
  return bodyBytes === undefined ? undefined : { bodyBytes, answerBytes: readsAnswers(image) ? answer_bytes_max : 0 };
}

/** The larger of what two policies need. */
export function bothHold(one: Holding | undefined, other: Holding | undefined): Holding | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return {
    bodyBytes: Math.max(one.bodyBytes, other.bodyBytes),
    answerBytes: Math.max(one.answerBytes, other.answerBytes),
  };
}

/** The member of `PluginConfig` by which a filter may hold headers while body callbacks come; Envoy 1.35 and later. */
export const holding_member = "allow_on_headers_stop_iteration";

/** Beyond what the policy reads, so that the filter answers what is too large, and not Envoy. Envoy reads 16 KiB at a time, or a few of that. */
const spare_bytes = 64 * 1024;

/** How many bytes of a body, or of an answer, Envoy must be ready to keep. */
export const keptBytes = ({ bodyBytes, answerBytes }: Holding): number =>
  Math.max(bodyBytes, answerBytes) + spare_bytes;

/** Has a plugin hold headers. */
export function allowHolding(pluginConfig: Json): void {
  pluginConfig[holding_member] = true;
}

/**
 * Has a virtual host keep as many bytes of a body as that takes, over HTTP/1.1 and HTTP/2 alike: Envoy 1.36 and later. Otherwise the
 * listener's buffer and the stream's window are the bounds, and both are small in our configurations.
 */
export function keepBodies(virtualHost: Json, holding: Holding): void {
  virtualHost.request_body_buffer_limit = holding.bodyBytes + spare_bytes;
}

/**
 * Has a listener keep as many bytes of an answer as the policy reads: over HTTP/1.1 by the listener's own bound, over HTTP/2 by the stream's
 * window. No route can raise these.
 */
export function keepAnswers(listener: Json, manager: Json, { answerBytes }: Holding): void {
  if (answerBytes === 0) return;
  const bytes = answerBytes + spare_bytes;
  const raise = (holder: Json, member: string): void => {
    holder[member] = Math.max(holder[member] ?? 0, bytes);
  };
  if (listener !== undefined) raise(listener, "per_connection_buffer_limit_bytes");
  manager.http2_protocol_options ??= {};
  raise(manager.http2_protocol_options, "initial_stream_window_size");
  raise(manager.http2_protocol_options, "initial_connection_window_size");
}
