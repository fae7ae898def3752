/**
 * Compact JWS (RFC 7515 §3.1), strictly: three parts, strict base64url, a header that is a JSON object without `crit` or
 * `b64`. What the token says of its own keys (`jwk`, `jku`, `x5u`, `x5c`) is not read: the issuer's keys decide.
 */
import { decodeBase64url } from "../bytes/base64";
import * as json from "../bytes/json";
import { Kind } from "../bytes/json";
import { Literal, literal } from "../bytes/literal";
import { indexOfByte, isLiteral } from "../bytes/span";
import { Failure } from "../failure";
import { takeBytes } from "../host/arena";
import { fail } from "../host/host";
import { signature_bytes } from "../limits";
import { Reason } from "../reason";
import { algorithm_count, algorithmName } from "./algorithms";

/** The token in hand, decoded. */
@unmanaged
export class Jws {
  /** `header.payload` as received: what was signed (RFC 7515 §5.2). */
  inputStart: usize;
  inputSize: u32;
  /** The decoded payload. */
  payloadStart: usize;
  payloadSize: u32;
  signatureStart: usize;
  signatureSize: u32;
  kidStart: usize;
  kidSize: u32;
  algorithm: u32;
  /** The key the signature was tried with last, and how that went; 0 for none. */
  triedKey: usize;
  triedReason: Reason;
}

export const jws: Jws = changetype<Jws>(memory.data(64, 8));

const alg_name = literal("alg");
const kid_name = literal("kid");
const crit_name = literal("crit");
const b64_name = literal("b64");

const algorithm_names: usize = memory.data(algorithm_count * 4, 4);
for (let algorithm: u32 = 0; algorithm < algorithm_count; algorithm++) {
  store<u32>(algorithm_names + ((<usize>algorithm) << 2), <u32>changetype<usize>(literal(algorithmName(algorithm))));
}

/** Takes a token apart into `jws`. TOKEN_MALFORMED, TOKEN_ALGORITHM, INTERNAL, or ALLOWED. */
export function parseJws(start: usize, size: u32): Reason {
  const headerSize = indexOfByte(start, size, 0x2e);
  if (headerSize == 0 || headerSize == size) return Reason.TOKEN_MALFORMED;
  const payload = start + headerSize + 1;
  const afterHeader = size - headerSize - 1;
  const payloadSize = indexOfByte(payload, afterHeader, 0x2e);
  if (payloadSize == 0 || payloadSize == afterHeader) return Reason.TOKEN_MALFORMED;
  jws.triedKey = 0;
  jws.inputStart = start;
  jws.inputSize = headerSize + 1 + payloadSize;
  // A fourth dot (JWE, RFC 7516) is a byte outside the alphabet to the decoder below.
  const signature = payload + payloadSize + 1;
  const signatureSize = afterHeader - payloadSize - 1;

  const decoded = takeBytes(size);
  if (decoded == 0) {
    fail(Failure.ARENA_FULL);
    return Reason.INTERNAL;
  }
  const headerBytes = decodeBase64url(start, headerSize, decoded);
  if (headerBytes <= 0) return Reason.TOKEN_MALFORMED;
  jws.payloadStart = decoded + headerBytes;
  const payloadBytes = decodeBase64url(payload, payloadSize, jws.payloadStart);
  if (payloadBytes <= 0) return Reason.TOKEN_MALFORMED;
  jws.payloadSize = payloadBytes;
  jws.signatureStart = jws.payloadStart + payloadBytes;
  const signatureBytes = decodeBase64url(signature, signatureSize, jws.signatureStart);
  if (signatureBytes < 0 || <u32>signatureBytes > signature_bytes) return Reason.TOKEN_MALFORMED;
  jws.signatureSize = signatureBytes;
  return readHeader(decoded, headerBytes);
}

function readHeader(start: usize, size: u32): Reason {
  if (!json.scanJson(start, size) || json.kindOf(0) != Kind.OBJECT) return Reason.TOKEN_MALFORMED;
  if (json.member(0, crit_name.start, crit_name.size) != json.absent) return Reason.TOKEN_MALFORMED;
  if (json.member(0, b64_name.start, b64_name.size) != json.absent) return Reason.TOKEN_MALFORMED;
  jws.kidSize = 0;
  const kid = json.member(0, kid_name.start, kid_name.size);
  if (kid != json.absent) {
    if (json.kindOf(kid) != Kind.STRING || json.sizeOf(kid) == 0) return Reason.TOKEN_MALFORMED;
    jws.kidStart = json.startOf(kid);
    jws.kidSize = json.sizeOf(kid);
  }
  const alg = json.member(0, alg_name.start, alg_name.size);
  if (alg == json.absent || json.kindOf(alg) != Kind.STRING) return Reason.TOKEN_MALFORMED;
  jws.algorithm = algorithmNamed(json.startOf(alg), json.sizeOf(alg));
  return jws.algorithm == algorithm_count ? Reason.TOKEN_ALGORITHM : Reason.ALLOWED;
}

/** The number of the algorithm with this exact name, or `algorithm_count`. */
function algorithmNamed(start: usize, size: u32): u32 {
  for (let algorithm: u32 = 0; algorithm < algorithm_count; algorithm++) {
    const name = changetype<Literal>(<usize>load<u32>(algorithm_names + ((<usize>algorithm) << 2)));
    if (isLiteral(start, size, name)) return algorithm;
  }
  return algorithm_count;
}
