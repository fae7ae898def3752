/**
 * What the rate limit service of a fleet is asked: `envoy.service.ratelimit.v3.RateLimitService` counts for all Envoys together.
 *
 *   RateLimitRequest { domain, descriptors: [{ entries: [{ "limit", name and rate }, { "key", digest }], hits_addend }, …], hits_addend }
 *
 * A service that fails so often in a row (`fleet_failures_max`) rests: nothing asks it but one request each `fleet_rest_milliseconds`,
 * until one is answered. Each worker finds that out by itself.
 */
import { countFleet, FleetAnswer } from "../audit/metrics";
import { literal } from "../bytes/literal";
import { openWriter, Writer, writeByte, writeBytes, writeHex, writeLiteral } from "../bytes/writer";
import { startGrpcCall } from "../host/host";
import { age } from "../keys/machine";
import {
  cluster_name_bytes_max,
  fleet_failures_max,
  fleet_question_bytes_max,
  fleet_rest_milliseconds,
} from "../limits";
import * as layout from "../policy/layout";
import { fleetDeadline, head, Policy, textSize, textStart } from "../policy/policy";
import { request } from "../request/request";

const service = literal("envoy.service.ratelimit.v3.RateLimitService");
const method = literal("ShouldRateLimit");
/** The two entries' keys, each as its field with tag and size, and the tag of what follows; the second with its size. */
const limit_key = literal("\n\x05limit\x12");
const digest_key = literal("\n\x03key\x12\x20");
const digest_entry_bytes: u32 = 39;
const digest_words: u32 = 4;
/** The hits of a descriptor that has none of its own: those of the request. */
export const hits_of_request: u32 = 0xffffffff;
/** A descriptor's own hits: a `UInt64Value`, of one byte. */
export const own_hits_max: u32 = 127;

const question: usize = memory.data(fleet_question_bytes_max);
const target: usize = memory.data(cluster_name_bytes_max + 8);
const writer = changetype<Writer>(memory.data(32, 8));

/** Whether the service has failed so often that it rests; one may ask it once it has. */
export function mayAsk(policy: Policy): bool {
  if (policy.fleetFailures < fleet_failures_max) return true;
  const elapsed = age(policy.fleetAskedAt, request.nowNanoseconds);
  return elapsed >= <u64>fleet_rest_milliseconds * 1000000;
}

/** Begins a question. */
export function openQuestion(policy: Policy): void {
  openWriter(writer, question, fleet_question_bytes_max);
  writeField(0x0a, head(policy) + layout.policy_fleet_domain_at, policy);
}

/** Whether what was to be asked has no room in the question. */
export function isTooLong(): bool {
  return writer.full;
}

/**
 * Adds what is counted under a name, a text of the policy, for the key whose digest this is.
 * @param hits how many are added to it, `own_hits_max` at the most, or `hits_of_request`
 */
export function addDescriptor(policy: Policy, text: usize, digest: usize, hits: u32): void {
  const entry_bytes = limit_key.size + 1 + textSize(text);
  const isOwn = hits != hits_of_request;
  writeByte(writer, 0x12);
  writeVarint(2 + entry_bytes + 2 + digest_entry_bytes + (isOwn ? 4 : 0));
  writeByte(writer, 0x0a);
  writeByte(writer, entry_bytes);
  writeLiteral(writer, limit_key);
  writeByte(writer, textSize(text));
  writeBytes(writer, textStart(policy, text), textSize(text));
  writeByte(writer, 0x0a);
  writeByte(writer, digest_entry_bytes);
  writeLiteral(writer, digest_key);
  for (let word: u32 = 0; word < digest_words; word++)
    writeHex(writer, bswap(load<u32>(digest + ((<usize>word) << 2))));
  if (!isOwn) return;
  // The number is the wrapper's first field: https://protobuf.dev/reference/protobuf/google.protobuf/#uint64-value
  writeByte(writer, 0x1a);
  writeByte(writer, 2);
  writeByte(writer, 0x08);
  writeByte(writer, hits);
}

/**
 * The question goes to `GrpcService { envoy_grpc { cluster_name } }`, and can then be asked once more. The call's number, or -1.
 * @param hits of each descriptor that has none of its own
 */
export function send(policy: Policy, hits: u32): i64 {
  const end = writer.cursor;
  writeByte(writer, 0x18);
  writeVarint(hits);
  const size = writer.size;
  const cluster = head(policy) + layout.policy_fleet_cluster_at;
  openWriter(writer, target, cluster_name_bytes_max + 8);
  writeByte(writer, 0x0a);
  writeVarint(textSize(cluster) + (textSize(cluster) < 128 ? 2 : 3));
  writeField(0x0a, cluster, policy);
  policy.fleetAskedAt = request.nowNanoseconds;
  const call = startGrpcCall(target, writer.size, service, method, question, size, fleetDeadline(policy));
  openWriter(writer, question, fleet_question_bytes_max);
  writer.cursor = end;
  if (call < 0) noteFailure(policy);
  return call;
}

/** The service has not answered, or not with what can be used. */
export function noteFailure(policy: Policy): void {
  countFleet(policy, FleetAnswer.FAILED);
  policy.fleetFailures = min(policy.fleetFailures + 1, fleet_failures_max);
}

function writeVarint(value: u32): void {
  for (; value > 127; value >>= 7) writeByte(writer, (value & 127) | 128);
  writeByte(writer, value);
}

/** A text of the policy as a field. */
function writeField(tag: u32, text: usize, policy: Policy): void {
  writeByte(writer, tag);
  writeVarint(textSize(text));
  writeBytes(writer, textStart(policy, text), textSize(text));
}
