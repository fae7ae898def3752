/**
 * Verifying with the host's `verify_signature` (Envoy source/extensions/common/wasm/foreign.cc): BoringSSL, at the host's
 * speed. Its argument is a protobuf message
 *
 *   { 1: hash name, 2: key as SubjectPublicKeyInfo, 3: signature, 4: signed text }
 *
 * and so is its answer, { 1: valid, 2: error }. The call's own status is OK for a bad signature too: only the two bytes
 * 08 01, "field 1 is true", mean valid.
 */
import { Literal, literal } from "../bytes/literal";
import { openWriter, Writer, writeByte, writeBytes, writeLiteral } from "../bytes/writer";
import { Failure } from "../failure";
import { arenaMark, rewindArena, takeBytes } from "../host/arena";
import { callForeignFunction, fail, hasForeignFunction, Read, valueSize, valueStart } from "../host/host";
import * as layout from "../policy/layout";
import { Policy, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { algorithm_count, algorithmHash, ecdsaNumberBytes } from "./algorithms";
import { der_bytes, encodeSignature } from "./der";
import { jws } from "./jws";

const function_name = literal("verify_signature");
const hash_names: usize = memory.data(algorithm_count * 4, 4);
for (let algorithm: u32 = 0; algorithm < algorithm_count; algorithm++) {
  store<u32>(hash_names + ((<usize>algorithm) << 2), <u32>changetype<usize>(literal(algorithmHash(algorithm))));
}

const writer = changetype<Writer>(memory.data(32, 8));
/** Field tags and sizes around the four fields: at most six bytes each. */
const overhead_bytes: u32 = 32;

/** Whether the host can verify at all; asked once, when a policy with issuers is configured. */
export function hostCanVerify(): bool {
  return hasForeignFunction(function_name);
}

/**
 * Verifies the token in `jws` with the key at `key`. TOKEN_SIGNATURE, INTERNAL, or ALLOWED. Issuers may share one `iss` and
 * their keys: a key is tried once, and the room its trial takes is free again afterwards.
 */
export function verifySignature(policy: Policy, key: usize): Reason {
  const spki = textStart(policy, key + layout.key_spki);
  if (jws.triedKey == spki) return jws.triedReason;
  const mark = arenaMark();
  const reason = verify(policy, key);
  rewindArena(mark);
  jws.triedKey = spki;
  jws.triedReason = reason;
  return reason;
}

function verify(policy: Policy, key: usize): Reason {
  let signature = jws.signatureStart;
  let signatureSize = jws.signatureSize;
  if (signatureSize == 0) return Reason.TOKEN_SIGNATURE;
  if (ecdsaNumberBytes(jws.algorithm) != 0) {
    const der = takeBytes(der_bytes);
    if (der == 0) return arenaFull();
    signatureSize = encodeSignature(jws.algorithm, signature, signatureSize, der);
    if (signatureSize == 0) return Reason.TOKEN_SIGNATURE;
    signature = der;
  }
  const spki = key + layout.key_spki;
  const size = overhead_bytes + textSize(spki) + signatureSize + jws.inputSize + 8;
  const argument = takeBytes(size);
  if (argument == 0) return arenaFull();
  openWriter(writer, argument, size);
  const hash = changetype<Literal>(<usize>load<u32>(hash_names + ((<usize>jws.algorithm) << 2)));
  writeByte(writer, 0x0a);
  writeByte(writer, hash.size);
  writeLiteral(writer, hash);
  writeField(0x12, textStart(policy, spki), textSize(spki));
  writeField(0x1a, signature, signatureSize);
  writeField(0x22, jws.inputStart, jws.inputSize);
  if (callForeignFunction(function_name, argument, writer.size) != Read.PRESENT) return Reason.INTERNAL;
  const valid = valueSize == 2 && load<u16>(valueStart) == 0x0108;
  return valid ? Reason.ALLOWED : Reason.TOKEN_SIGNATURE;
}

/** A length-delimited field: its tag, its size as a varint, its bytes. */
function writeField(tag: u32, start: usize, size: u32): void {
  writeByte(writer, tag);
  let rest = size;
  while (rest >= 0x80) {
    writeByte(writer, (rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  writeByte(writer, rest);
  writeBytes(writer, start, size);
}

function arenaFull(): Reason {
  fail(Failure.ARENA_FULL);
  return Reason.INTERNAL;
}
