/**
 * The module's exports, and nothing else: the proxy-wasm callbacks the host calls (ABI 0.2.1), and three entries for
 * tools, which hosts ignore. No other callback is exported: the host would call it for every stream. One that only some policies
 * need is left out of modules whose policy does not (scripts/policy/module/embed.ts).
 */

import { onListingHeaders } from "./answers";
import { configure } from "./configure";
import { endConfiguration } from "./ending";
import {
  onCallResponse,
  onFleetAnswer,
  onRequestBody,
  onRequestHeaders,
  onResponseHeaders,
  onStreamEnd,
  onTick,
} from "./filter";
import { claimOf, detailOf, isGood, reasonOf } from "./finding";
import { resetArena, takeBytes } from "./host/arena";
import { readClock } from "./host/host";
import { inspecting, reportClaim, reportDetail, setInspecting } from "./inspect";
import { forgetReservations } from "./limit/reservation";
import { claim_name_at, section_claims, section_issuers } from "./policy/layout";
import { recordAt, sectionCount, textSize, textStart } from "./policy/policy";
import { noteEnd, policyOfRoot, rememberStream } from "./policy/root";
import { Reason } from "./reason";
import { clearRequest, request } from "./request/request";
import { clearTokens } from "./token/slot";
import { inspectToken } from "./token/token";
import { noteConfiguration } from "./unserved";

export function proxy_abi_version_0_2_1(): void {}

/** Memory for what the host returns; 0 when there is none. */
export function malloc(size_bytes: usize): usize {
  return takeBytes(size_bytes);
}

export function proxy_on_context_create(context: u32, parent: u32): void {
  rememberStream(context, parent);
}

export function proxy_on_configure(rootContext: u32, configuration_bytes: u32): bool {
  resetArena();
  noteConfiguration();
  return configure(rootContext, configuration_bytes);
}

export function proxy_on_request_headers(context: u32, _headers: u32, endOfStream: bool): u32 {
  return onRequestHeaders(context, !endOfStream);
}

/** Some of a body comes. `sallyport build` leaves this out where the policy needs it not (`policy_needs_at`). */
export function proxy_on_request_body(context: u32, body_bytes: u32, endOfStream: bool): u32 {
  return onRequestBody(context, body_bytes, endOfStream);
}

/** An answer begins. `sallyport build` leaves this out as well where the policy needs it not. */
export function proxy_on_response_headers(context: u32, _headers: u32, endOfStream: bool): u32 {
  onResponseHeaders(context);
  return isDefined(BODIES) ? onListingHeaders(context, endOfStream) : 0;
}

/** A stream or a root context ends. */
export function proxy_on_delete(context: u32): void {
  noteEnd();
  onStreamEnd(context);
  endConfiguration(context);
}

/** Counts are handed over; key sets are looked after, and requests that wait for them. */
export function proxy_on_tick(rootContext: u32): void {
  onTick(rootContext);
}

/** The answer to a callout of ours: a key set. */
export function proxy_on_http_call_response(
  rootContext: u32,
  call: u32,
  _headers: u32,
  body_bytes: u32,
  _trailers: u32,
): void {
  onCallResponse(rootContext, call, body_bytes);
}

/** The rate limit service of the fleet has answered a call of ours. */
export function proxy_on_grpc_receive(rootContext: u32, call: u32, size_bytes: u32): void {
  onFleetAnswer(rootContext, call, <i32>size_bytes);
}

/** A call of ours has ended without an answer. */
export function proxy_on_grpc_close(rootContext: u32, call: u32, _status: u32): void {
  onFleetAnswer(rootContext, call, -1);
}

/** For tools: turns the inspection log on or off (inspect.ts). */
export function sallyport_inspect(on: bool): void {
  setInspecting(on);
}

/** For tools: the VM goes on with shared data that is empty, so tokens taken from buckets there are gone (limit/reservation.ts). */
export function sallyport_forget_reservations(): void {
  forgetReservations();
}

/**
 * For tools: holds a token, `size_bytes` of it at `start` in memory from `malloc`, against one issuer of a root context's
 * policy. The reason's number, 0 for a good token, -1 where there is no such policy or issuer, or nothing is inspected.
 */
export function sallyport_inspect_token(rootContext: u32, issuer: u32, start: usize, size_bytes: u32): i32 {
  const policy = policyOfRoot(rootContext);
  if (policy == null || !inspecting || issuer >= sectionCount(policy, section_issuers)) return -1;
  clearRequest();
  clearTokens(1);
  request.nowNanoseconds = readClock();
  if (request.nowNanoseconds == 0) return Reason.INTERNAL;
  const found = inspectToken(policy, issuer, start, size_bytes);
  if (reasonOf(found) == Reason.TOKEN_CLAIMS) {
    const name = recordAt(policy, section_claims, claimOf(found)) + claim_name_at;
    reportClaim(textStart(policy, name), textSize(name));
  } else if (!isGood(found)) reportDetail(detailOf(found));
  resetArena();
  return reasonOf(found);
}
