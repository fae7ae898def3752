/**
 * The answer to a denied request, over HTTP as problem details (RFC 9457), over gRPC as a status. Reason and rule go
 * into response_code_details, which access logs show and callers never see.
 */
import { answersAsCall, currentCall, isBatch } from "../body/calls";
import { literal } from "../bytes/literal";
import { copyBytes, indexOfByte, sameBytes } from "../bytes/span";
import * as json from "../bytes/tape";
import {
  openWriter,
  Writer,
  writeByte,
  writeBytes,
  writeDecimal,
  writeJsonString,
  writeNth,
  writeText,
} from "../bytes/writer";
import { Failure, failure_names } from "../failure";
import { replaceResponseHeader, sendResponse } from "../host/host";
import { call_id_bytes_max, key_failing_interval_seconds_min, response_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { head, issuerAt, limitAt, Policy, ruleAt, textSize, textStart, wordAt } from "../policy/policy";
import { Reason, reason_names, reasonStatus } from "../reason";
import { request } from "../request/request";
import { result_bytes } from "../request/result";
import { grpcStatus, isChallenge, title } from "./status";

const details = changetype<Writer>(memory.data(32, 8));
const body = changetype<Writer>(memory.data(32, 8));
const headers = changetype<Writer>(memory.data(32, 8));
const details_bytes: u32 = 256;
const detailsBlock: usize = memory.data(256);
const body_bytes: u32 = isDefined(BODIES) ? 1024 : 256;
const bodyBlock: usize = memory.data(isDefined(BODIES) ? 1024 : 256);
const headersBlock: usize = memory.data(response_bytes_max, 4);

/** At most four headers: one of content, and a challenge or three of a limit. */
const header_slots: u32 = 4;
let headerCount: u32 = 0;
/** Where the names and values of headers begin: room for their number and sizes is in front. */
const headersText: usize = headersBlock + 4 + 8 * header_slots;
/** Where the headers begin, as the host takes them. */
let headersStart: usize = 0;

/**
 * Whose answer lies in the blocks, and the result that it was composed of. What a flood of requests is denied for is mostly the same, and
 * so is its answer.
 */
let answeredPolicy: usize = 0;
const answeredResult: usize = memory.data(result_bytes, 16);

/** Answers the request. False when the host refused, so that the stream must not go on. */
export function respond(policy: Policy, reason: Reason): bool {
  const status = reasonStatus(reason);
  const kind = ((<u32>reason) << 1) | <u32>request.isGrpc;
  const result = changetype<usize>(request);
  const isCall = isDefined(BODIES) && answersAsCall;
  const isSame = !isCall && answeredPolicy == changetype<usize>(policy) && policy.answered == kind;
  if (!isSame || !sameBytes(answeredResult, result, result_bytes)) {
    compose(policy, reason, status);
    answeredPolicy = isCall ? 0 : changetype<usize>(policy);
    policy.answered = kind;
    copyBytes(answeredResult, result, result_bytes);
  }
  return send(status);
}

function send(status: u32): bool {
  return sendResponse(
    status,
    detailsBlock,
    details.size,
    bodyBlock,
    body.size,
    headersStart,
    <u32>(headers.cursor - headersStart),
    grpcStatus(status),
  );
}

/** Writes an answer into the blocks. It depends on the policy, the reason, the kind of request and its result, and on nothing else. */
function compose(policy: Policy, reason: Reason, status: u32): void {
  writeDetails(policy, reason);
  const isCall = isDefined(BODIES) && answersAsCall && !request.isGrpc;
  if (isCall) writeCallError(reason, status);
  else writeBody(status);
  openHeaders();
  if (!request.isGrpc) {
    openHeader("content-type");
    writeText(headers, isCall ? "application/json" : "application/problem+json");
    closeHeader();
  }
  if (isChallenge(reason)) writeChallenge(policy, reason);
  // What a request lacks, waiting does not bring.
  if (reason == Reason.LIMIT_EXCEEDED && request.retryAfterSeconds != 0) writeLimit(policy);
  if (reason == Reason.QUARANTINED) writeRetry(request.retryAfterSeconds);
  if (reason == Reason.KEYS_UNAVAILABLE) writeRetry(key_failing_interval_seconds_min);
  if (headers.full) openHeaders();
  closeHeaders();
}

/** Answers where there is no policy, or no other answer can be given: the plainest 503, with the failure that is to blame. */
export function respondPlainly(failure: Failure): void {
  openDetails(Reason.INTERNAL);
  if (failure != Failure.NONE) writeBraced(failure_names, failure);
  openWriter(body, bodyBlock, 0);
  openHeaders();
  closeHeaders();
  send(reasonStatus(Reason.INTERNAL));
}

function writeDetails(policy: Policy, reason: Reason): void {
  openDetails(reason);
  if (request.rule == 0) return;
  writeByte(details, 0x7b);
  writeTextOf(details, policy, ruleAt(policy, request.rule - 1) + layout.rule_name_at);
  writeByte(details, 0x7d);
}

function openDetails(reason: Reason): void {
  openWriter(details, detailsBlock, details_bytes);
  writeText(details, "sallyport_denied");
  writeBraced(reason_names, reason);
}

/** Writes one of the words of a list. */
function writeBraced(list: string, index: u32): void {
  writeByte(details, 0x7b);
  writeNth(details, list, index);
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

/**
 * An error of JSON-RPC 2.0 (§5.1) with the `id` of the call; null for a list, a notification, and what could not be read. Its code is that
 * of the specification for what is none, and one that it leaves to servers for what is denied.
 */
function writeCallError(reason: Reason, status: u32): void {
  openWriter(body, bodyBlock, body_bytes);
  writeText(body, '{"jsonrpc":"2.0","id":');
  const call = currentCall();
  if (call == null || isBatch || !writeId(call.id)) writeText(body, "null");
  writeText(body, ',"error":{"code":');
  writeText(body, reason == Reason.BODY_MALFORMED ? "-32600" : "-32001");
  writeText(body, ',"message":"');
  writeText(body, title(status));
  writeText(body, '"}}\n');
}

/** False where there is no `id` that fits. */
function writeId(id: usize): bool {
  if (id == json.absent || json.sizeOf(id) > call_id_bytes_max) return false;
  if (json.kindOf(id) == json.Kind.STRING) writeJsonString(body, json.startOf(id), json.sizeOf(id), call_id_bytes_max);
  else writeBytes(body, json.startOf(id), json.sizeOf(id));
  return true;
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
  openHeaders();
  writeQuota(policy, limit, left, seconds);
  const size = <u32>(headers.cursor - headersText);
  if (!replaceResponseHeader(ratelimit.start, ratelimit.size, headersText, size)) return;
  replaceResponseHeader(ratelimit_policy.start, ratelimit_policy.size, textStart(policy, text), textSize(text));
}

/** Begins headers anew: those of an answer that was composed before are gone. */
function openHeaders(): void {
  answeredPolicy = 0;
  openWriter(headers, headersText, <u32>(headersBlock + response_bytes_max - headersText));
  headerCount = 0;
}

function openHeader(name: string): void {
  writeText(headers, name);
  writeByte(headers, 0);
}

function closeHeader(): void {
  headerCount++;
  writeByte(headers, 0);
}

/** Header pairs are serialized with their number and their sizes in front (host/pairs.ts). All of them end with a NUL, and have none. */
function closeHeaders(): void {
  headersStart = headersText - 4 - ((<usize>headerCount) << 3);
  store<u32>(headersStart, headerCount);
  let text = headersText;
  for (let sizes = headersStart + 4; sizes < headersText; sizes += 4) {
    const size = indexOfByte(text, <u32>(headers.cursor - text), 0);
    store<u32>(sizes, size);
    text += size + 1;
  }
}

function writeTextOf(writer: Writer, policy: Policy, text: usize): void {
  writeBytes(writer, textStart(policy, text), textSize(text));
}
