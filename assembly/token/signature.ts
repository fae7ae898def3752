/**
 * Verifying, with the host's `verify_signature` (Envoy source/extensions/common/wasm/foreign.cc) where it is there and knows
 * the algorithm, at BoringSSL's speed; else with the module's own arithmetic (crypto/verify.ts). The function's argument is a
 * protobuf message
 *
 *   { 1: hash name, 2: key as SubjectPublicKeyInfo, 3: signature, 4: signed text }
 *
 * and so is its answer, { 1: valid, 2: error }. The call's own status is OK for a bad signature too: only the two bytes
 * 08 01, "field 1 is true", mean valid.
 */
import { Literal, literal } from "../bytes/literal";
import { isRun, spanSize, spanStart } from "../bytes/span";
import { openWriter, Writer, writeByte, writeBytes, writeLiteral } from "../bytes/writer";
import {
  algorithm_count,
  algorithm_eddsa,
  algorithmHash,
  ecdsaNumberBytes,
  host_algorithms,
} from "../crypto/algorithms";
import { verifyInModule } from "../crypto/verify";
import { Detail } from "../detail";
import { Failure } from "../failure";
import { Finding, finding, good, internal, isGood, reasonOf } from "../finding";
import { arenaTail, rewindArena, takeBytes } from "../host/arena";
import { callForeignFunction, fail, hasForeignFunction } from "../host/host";
import { candidateKey, Find, findKeys, hasKeyNamed } from "../keys/find";
import { KeySet } from "../keys/keyset";
import { key_candidates_max } from "../limits";
import * as layout from "../policy/layout";
import { Policy } from "../policy/policy";
import { Reason } from "../reason";
import { der_bytes, encodeSignature, isSignatureInRange as isInRange } from "./der";
import { Token } from "./slot";

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
 * Verifies a token with the keys of a set that may be its. TOKEN_KEY_UNKNOWN, TOKEN_ALGORITHM, TOKEN_SIGNATURE, INTERNAL, or ALLOWED.
 * Issuers may share one `iss` and their keys: a set is tried once, and the room its trial takes is free again afterwards.
 */
export function verifySignature(policy: Policy, set: KeySet, setIndex: u32, token: Token): Finding {
  if (token.triedSet == setIndex + 1) return token.tried;
  const count = findKeys(set, token.kidStart, token.kidSize, token.algorithm);
  const hasKeys = count != 0 && count <= key_candidates_max;
  let found = hasKeys ? checkForm(token) : withoutKey(<Find>count, set, token);
  if (isGood(found)) {
    const isHosts = policy.hostVerifies && ((host_algorithms >> token.algorithm) & 1) != 0;
    for (let index: u32 = 0; index < count; index++) {
      const tail = arenaTail();
      const key = candidateKey(index);
      found = isHosts ? verifyByHost(set, key, token) : verifyHere(set, key, token);
      rewindArena(tail);
      if (reasonOf(found) != Reason.TOKEN_SIGNATURE) break;
    }
  }
  token.triedSet = setIndex + 1;
  token.tried = found;
  return found;
}

/** What is wrong with a token for which there is no key to try, or too many. */
function withoutKey(why: Find, set: KeySet, token: Token): Finding {
  switch (why) {
    case Find.UNFIT:
      return finding(Reason.TOKEN_ALGORITHM, Detail.KEY_TYPE);
    case Find.SEVERAL:
      return finding(
        Reason.TOKEN_KEY_UNKNOWN,
        hasKeyNamed(set, token.kidStart, token.kidSize) ? Detail.KID_SHARED : Detail.KID_MISSING,
      );
    default:
      return finding(Reason.TOKEN_KEY_UNKNOWN, Detail.KEY_ABSENT);
  }
}

/** What no key could make good, whoever verifies: a size none has, and numbers out of range. */
function checkForm(token: Token): Finding {
  const size = token.signatureSize;
  const numberBytes = <u32>ecdsaNumberBytes(token.algorithm);
  const wanted = token.algorithm == algorithm_eddsa ? 64 : 2 * numberBytes;
  if (size == 0 || (wanted != 0 && size != wanted)) return finding(Reason.TOKEN_SIGNATURE, Detail.SIGNATURE_SIZE);
  if (numberBytes != 0 && !isInRange(token.algorithm, token.signatureStart, size)) {
    return finding(Reason.TOKEN_SIGNATURE, Detail.SIGNATURE_RANGE);
  }
  return good;
}

function verifyHere(set: KeySet, key: usize, token: Token): Finding {
  const valid = verifyInModule(
    token.algorithm,
    set.base + load<u32>(key, layout.key_public_at),
    load<u32>(key, layout.key_public_at + 4),
    load<u32>(key, layout.key_exponent_at),
    token.signatureStart,
    token.signatureSize,
    token.start,
    token.inputSize,
  );
  return valid ? good : finding(Reason.TOKEN_SIGNATURE, Detail.SIGNATURE_WRONG);
}

function verifyByHost(set: KeySet, key: usize, token: Token): Finding {
  let signature = token.signatureStart;
  let signatureSize = token.signatureSize;
  if (<u32>ecdsaNumberBytes(token.algorithm) != 0) {
    const der = takeBytes(der_bytes);
    if (der == 0) return arenaFull();
    signatureSize = encodeSignature(token.algorithm, signature, signatureSize, der);
    if (signatureSize == 0) return finding(Reason.TOKEN_SIGNATURE, Detail.SIGNATURE_RANGE);
    signature = der;
  }
  const spkiStart = set.base + load<u32>(key, layout.key_spki_at);
  const spkiSize = load<u32>(key, layout.key_spki_at + 4);
  const size = overhead_bytes + spkiSize + signatureSize + token.inputSize + 8;
  const argument = takeBytes(size);
  if (argument == 0) return arenaFull();
  openWriter(writer, argument, size);
  const hash = changetype<Literal>(<usize>load<u32>(hash_names + ((<usize>token.algorithm) << 2)));
  writeByte(writer, 0x0a);
  writeByte(writer, hash.size);
  writeLiteral(writer, hash);
  writeField(0x12, spkiStart, spkiSize);
  writeField(0x1a, signature, signatureSize);
  writeField(0x22, token.start, token.inputSize);
  const answer = callForeignFunction(function_name, argument, writer.size);
  if (!isRun(answer)) return internal;
  const valid = spanSize(answer) == 2 && load<u16>(spanStart(answer)) == 0x0108;
  return valid ? good : finding(Reason.TOKEN_SIGNATURE, Detail.SIGNATURE_WRONG);
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

function arenaFull(): Finding {
  fail(Failure.ARENA_FULL);
  return internal;
}
