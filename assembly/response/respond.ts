/**
 * The answer to a denied request, over HTTP as problem details (RFC 9457), over gRPC as a status. Reason and rule go
 * into response_code_details, which access logs show and callers never see.
 */
import { openWriter, Writer, writeByte, writeBytes, writeDecimal, writeText, writeWord } from "../bytes/writer";
import { Failure, failureName } from "../failure";
import { sendResponse } from "../host/host";
import { response_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { head, limitAt, Policy, ruleAt, textSize, textStart } from "../policy/policy";
import { Reason, reasonName, reasonStatus } from "../reason";
import { request } from "../request/request";
import { grpcStatus, isChallenge, title } from "./status";

const details = changetype<Writer>(memory.data(32, 8));
const body = changetype<Writer>(memory.data(32, 8));
const headers = changetype<Writer>(memory.data(32, 8));
const details_bytes: u32 = 256;
const detailsBlock: usize = memory.data(256);
const body_bytes: u32 = 256;
const bodyBlock: usize = memory.data(256);
const headersBlock: usize = memory.data(response_bytes_max, 4);

/** At most four headers: one of content, and a challenge or three of a limit. */
const header_slots: u32 = 4;
let headerCount: u32 = 0;

/** Answers the request. False when the host refused, so that the stream must not go on. */
export function respond(policy: Policy, reason: Reason): bool {
  const status = <u32>reasonStatus(reason);
  writeDetails(policy, reason);
  writeBody(status);
  openHeaders();
  if (!request.isGrpc) {
    openHeader("content-type");
    writeText(headers, "application/problem+json");
    closeHeader();
  }
  if (isChallenge(reason)) writeChallenge(policy, reason);
  if (reason == Reason.LIMIT_EXCEEDED) writeLimit(policy);
  if (headers.full) openHeaders();
  closeHeaders();
  return sendResponse(
    status,
    detailsBlock,
    details.size,
    bodyBlock,
    body.size,
    headersBlock,
    headers.size,
    grpcStatus(status),
  );
}

/** Answers where there is no policy, or no other answer can be given: the plainest 503, with the failure that is to blame. */
export function respondPlainly(failure: Failure): void {
  openWriter(details, detailsBlock, details_bytes);
  writeText(details, "sallyport_denied{internal}");
  if (failure != Failure.NONE) {
    writeByte(details, 0x7b);
    writeText(details, failureName(failure));
    writeByte(details, 0x7d);
  }
  openHeaders();
  closeHeaders();
  sendResponse(503, detailsBlock, details.size, bodyBlock, 0, headersBlock, headers.size, grpcStatus(503));
}

function writeDetails(policy: Policy, reason: Reason): void {
  openWriter(details, detailsBlock, details_bytes);
  writeText(details, "sallyport_denied{");
  writeText(details, reasonName(reason));
  writeByte(details, 0x7d);
  if (request.rule == 0) return;
  writeByte(details, 0x7b);
  writeTextOf(details, policy, ruleAt(policy, request.rule - 1) + layout.rule_name_at);
  writeByte(details, 0x7d);
}

/** Envoy takes a gRPC answer's body for its grpc-message. */
function writeBody(status: u32): void {
  openWriter(body, bodyBlock, body_bytes);
  if (request.isGrpc) {
    writeText(body, title(status));
    return;
  }
  writeText(body, '{"type":"about:blank","title":"');
  writeText(body, title(status));
  writeText(body, '","status":');
  writeDecimal(body, status);
  writeText(body, "}\n");
}

/** RFC 6750 §3: a challenge has at least one parameter, and no `error` where no token was sent. */
function writeChallenge(policy: Policy, reason: Reason): void {
  openHeader("www-authenticate");
  if (reason == Reason.SCOPE_MISSING) {
    writeText(headers, 'Bearer error="insufficient_scope", scope="');
    writeTextOf(headers, policy, ruleAt(policy, request.rule - 1) + layout.rule_challenge_at);
  } else if (reason == Reason.TOKEN_MISSING) {
    writeText(headers, 'Bearer realm="');
    writeTextOf(headers, policy, head(policy) + layout.policy_name_at);
  } else {
    writeText(headers, 'Bearer error="invalid_token');
  }
  writeByte(headers, 0x22);
  closeHeader();
}

/** RFC 9110 §10.2.3, and draft-ietf-httpapi-ratelimit-headers: none remaining, some in so many seconds. */
function writeLimit(policy: Policy): void {
  const limit = limitAt(policy, request.fullLimit - 1);
  openHeader("retry-after");
  writeDecimal(headers, request.retryAfterSeconds);
  closeHeader();
  openHeader("ratelimit");
  writeByte(headers, 0x22);
  writeTextOf(headers, policy, limit + layout.limit_name_at);
  writeText(headers, '";r=0;t=');
  writeDecimal(headers, request.retryAfterSeconds);
  closeHeader();
  openHeader("ratelimit-policy");
  writeTextOf(headers, policy, limit + layout.limit_header_at);
  closeHeader();
}

/** Header pairs are serialized with their sizes in front (request/headers.ts); room for all of those is kept. */
function openHeaders(): void {
  openWriter(headers, headersBlock, response_bytes_max);
  headerCount = 0;
  for (let word: u32 = 0; word < 1 + 2 * header_slots; word++) writeWord(headers, 0);
}

let valueAt: usize = 0;

function openHeader(name: string): void {
  store<u32>(headersBlock + 4 + ((<usize>headerCount) << 3), name.length);
  writeText(headers, name);
  writeByte(headers, 0);
  valueAt = headers.cursor;
}

function closeHeader(): void {
  store<u32>(headersBlock + 8 + ((<usize>headerCount) << 3), <u32>(headers.cursor - valueAt));
  headerCount++;
  writeByte(headers, 0);
}

/** Closes the gap that unused sizes leave. */
function closeHeaders(): void {
  store<u32>(headersBlock, headerCount);
  const kept = headersBlock + 4 + ((<usize>headerCount) << 3);
  const text = headersBlock + 4 + ((<usize>header_slots) << 3);
  const textBytes = headers.cursor - text;
  memory.copy(kept, text, textBytes);
  headers.cursor = kept + textBytes;
}

function writeTextOf(writer: Writer, policy: Policy, text: usize): void {
  writeBytes(writer, textStart(policy, text), textSize(text));
}
