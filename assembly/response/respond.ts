/**
 * The answer to a denied request, over HTTP as problem details (RFC 9457), over gRPC as a status. Reason and rule go
 * into response_code_details, which access logs show and callers never see.
 */
import { literal, textBytes } from "../bytes/literal";
import { openWriter, Writer, writeByte, writeBytes, writeDecimal, writeText, writeWord } from "../bytes/writer";
import { Failure, failureName } from "../failure";
import { replaceResponseHeader, sendResponse } from "../host/host";
import { key_failing_interval_seconds_min, response_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { head, issuerAt, limitAt, Policy, ruleAt, textSize, textStart, wordAt } from "../policy/policy";
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
  // What a request lacks, waiting does not bring.
  if (reason == Reason.LIMIT_EXCEEDED && request.retryAfterSeconds != 0) writeLimit(policy);
  if (reason == Reason.QUARANTINED) writeRetry(request.retryAfterSeconds);
  if (reason == Reason.KEYS_UNAVAILABLE) writeRetry(key_failing_interval_seconds_min);
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
  const own = challengeOf(policy);
  openHeader("www-authenticate");
  writeText(headers, "Bearer ");
  if (own != 0) writeTextOf(headers, policy, own);
  if (reason == Reason.TOKEN_MISSING) {
    if (own == 0) writeParameter(policy, 'realm="', head(policy) + layout.policy_name_at);
  } else {
    if (own != 0) writeText(headers, ", ");
    if (reason == Reason.SCOPE_MISSING) {
      const scopes = ruleAt(policy, request.rule - 1) + layout.rule_challenge_at;
      writeParameter(policy, 'error="insufficient_scope", scope="', scopes);
    } else {
      writeText(headers, 'error="invalid_token"');
    }
  }
  closeHeader();
}

function writeParameter(policy: Policy, beginning: string, text: usize): void {
  writeText(headers, beginning);
  writeTextOf(headers, policy, text);
  writeByte(headers, 0x22);
}

/** What the first issuer of the rule has to say that says anything: parameters of a challenge; 0 for none. */
function challengeOf(policy: Policy): usize {
  if (request.rule == 0) return 0;
  const issuers = ruleAt(policy, request.rule - 1) + layout.rule_issuers_at;
  for (let index: u32 = 0; index < load<u32>(issuers, 4); index++) {
    const text = issuerAt(policy, wordAt(policy, load<u32>(issuers) + index)) + layout.issuer_challenge_at;
    if (textSize(text) != 0) return text;
  }
  return 0;
}

/** RFC 9110 §10.2.3. */
function writeRetry(seconds: u64): void {
  openHeader("retry-after");
  writeDecimal(headers, seconds);
  closeHeader();
}

/** `Retry-After`, and draft-ietf-httpapi-ratelimit-headers: none remaining, some in so many seconds. */
function writeLimit(policy: Policy): void {
  const limit = limitAt(policy, request.fullLimit - 1);
  writeRetry(request.retryAfterSeconds);
  if (load<u32>(limit, layout.limit_kind_at) != layout.limit_rate) return;
  openHeader("ratelimit");
  writeQuota(policy, limit, 0, request.retryAfterSeconds);
  closeHeader();
  openHeader("ratelimit-policy");
  writeTextOf(headers, policy, limit + layout.limit_header_at);
  closeHeader();
}

/** The value of `RateLimit`: so many tokens are left, and more in so many seconds. */
function writeQuota(policy: Policy, limit: usize, left: u32, seconds: u64): void {
  writeByte(headers, 0x22);
  writeTextOf(headers, policy, limit + layout.limit_name_at);
  writeText(headers, '";r=');
  writeDecimal(headers, left);
  writeText(headers, ";t=");
  writeDecimal(headers, seconds);
}

const ratelimit = literal("ratelimit");
const ratelimit_policy = literal("ratelimit-policy");

/** Tells of a limit in the answer to an admitted request. Without the one header there is not the other. */
export function tellOfLimit(policy: Policy, number: u32, left: u32, seconds: u32): void {
  const limit = limitAt(policy, number);
  const text = limit + layout.limit_header_at;
  openWriter(headers, headersBlock, response_bytes_max);
  writeQuota(policy, limit, left, seconds);
  if (!replaceResponseHeader(ratelimit.start, ratelimit.size, headersBlock, headers.size)) return;
  replaceResponseHeader(ratelimit_policy.start, ratelimit_policy.size, textStart(policy, text), textSize(text));
}

/** Header pairs are serialized with their sizes in front (request/headers.ts); room for all of those is kept. */
function openHeaders(): void {
  openWriter(headers, headersBlock, response_bytes_max);
  headerCount = 0;
  for (let word: u32 = 0; word < 1 + 2 * header_slots; word++) writeWord(headers, 0);
}

let valueAt: usize = 0;

function openHeader(name: string): void {
  store<u32>(headersBlock + 4 + ((<usize>headerCount) << 3), textBytes(name));
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
