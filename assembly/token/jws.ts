/**
 * Compact JWS (RFC 7515 §3.1), strictly: three parts, strict base64url, a header that is a JSON object without `crit` or
 * `b64`. What the token says of its own keys (`jwk`, `jku`, `x5u`, `x5c`) is not read: the issuer's keys decide.
 */
import { decodeBase64url } from "../bytes/base64";
import { Fault, faultOf, scanJson, scanned } from "../bytes/json";
import { Literal, literal } from "../bytes/literal";
import { indexOfByte } from "../bytes/span";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import { algorithm_count } from "../crypto/algorithms";
import { algorithmNamed } from "../crypto/names";
import { Detail } from "../detail";
import { Failure } from "../failure";
import { Finding, finding, good, internal, isGood } from "../finding";
import { arenaTail, roomBytes, takeBytes } from "../host/arena";
import { fail } from "../host/host";
import { json_nodes_max, kid_bytes_max, signature_bytes_max } from "../limits";
import { Reason } from "../reason";
import { findClaims } from "./claims";
import { Token } from "./slot";
import { readType } from "./type";

const alg_name = literal("alg");
const kid_name = literal("kid");
const typ_name = literal("typ");
const crit_name = literal("crit");
const b64_name = literal("b64");
const jwt_type = literal("JWT");
const jose_type = literal("JOSE");
const none_name = literal("none");

/**
 * Takes the token in a slot apart, its claims too. TOKEN_MALFORMED, TOKEN_ALGORITHM, INTERNAL, or ALLOWED.
 * @param nodes how many values the claims may have
 */
export function parseJws(token: Token, nodes: u32 = json_nodes_max): Finding {
  const found = decodeParts(token);
  if (!isGood(found)) return found;
  const claims = scanClaims(token, nodes);
  // Where there is no room for the claims, those out of a cache stay, which do not stand in the payload that was decoded just now.
  token.isDecoded = isGood(claims);
  return claims;
}

/** Takes the token in a slot apart, and leaves its claims alone. */
export function decodeParts(token: Token): Finding {
  const start = token.start;
  const headerSize = indexOfByte(start, token.size, 0x2e);
  if (headerSize == 0 || headerSize == token.size) return wrongParts(token);
  const payload = start + headerSize + 1;
  const afterHeader = token.size - headerSize - 1;
  const payloadSize = indexOfByte(payload, afterHeader, 0x2e);
  if (payloadSize == 0 || payloadSize == afterHeader) return wrongParts(token);
  const signature = payload + payloadSize + 1;
  const signatureSize = afterHeader - payloadSize - 1;
  if (indexOfByte(signature, signatureSize, 0x2e) != signatureSize) return wrongParts(token);
  token.inputSize = headerSize + 1 + payloadSize;

  // Three quarters would do; what is left over pays for the alignment of what comes after.
  const decoded = takeBytes(token.size);
  if (decoded == 0) {
    fail(Failure.ARENA_FULL);
    return internal;
  }
  const headerBytes = decodeBase64url(start, headerSize, decoded);
  if (headerBytes <= 0) return finding(Reason.TOKEN_MALFORMED, Detail.BASE64);
  const payloadAt = decoded + headerBytes;
  const payloadBytes = decodeBase64url(payload, payloadSize, payloadAt);
  if (payloadBytes <= 0) return finding(Reason.TOKEN_MALFORMED, Detail.BASE64);
  token.signatureStart = payloadAt + payloadBytes;
  const signatureBytes = decodeBase64url(signature, signatureSize, token.signatureStart);
  if (signatureBytes < 0) return finding(Reason.TOKEN_MALFORMED, Detail.BASE64);
  if (<u32>signatureBytes > signature_bytes_max) return finding(Reason.TOKEN_MALFORMED, Detail.SIGNATURE_SIZE);
  token.signatureSize = signatureBytes;
  token.payloadStart = payloadAt;
  token.payloadSize = payloadBytes;
  return readHeader(token, decoded, headerBytes);
}

/**
 * Five parts are a JWE (RFC 7516 §3.1), which somebody else would have to decrypt; its second may be empty. A comma is where
 * several headers were joined. Without a dot it is no token of this kind at all, but most likely a reference that its issuer alone
 * could look up (RFC 6749 §1.4).
 */
function wrongParts(token: Token): Finding {
  const start = token.start;
  const size = token.size;
  if (indexOfByte(start, size, 0x2c) != size) return finding(Reason.TOKEN_MALFORMED, Detail.BASE64);
  let dots: u32 = 0;
  for (let index: u32 = 0; index < size; index++) {
    if (load<u8>(start + index) == 0x2e) dots++;
  }
  if (dots == 0 && size != 0) return finding(Reason.TOKEN_MALFORMED, Detail.OPAQUE);
  const isEncrypted = dots == 4 && load<u8>(start) != 0x2e;
  return finding(Reason.TOKEN_MALFORMED, isEncrypted ? Detail.ENCRYPTED : Detail.PARTS);
}

/** Scans the claims, which must be a JSON object (RFC 7519 §7.2), onto a tape of the token's own. */
export function scanClaims(token: Token, nodes: u32): Finding {
  const room = roomBytes() / json.tape_record_bytes;
  const tape = arenaTail();
  const scan = scanJson(token.payloadStart, token.payloadSize, tape, min(nodes, room));
  if (scan != scanned) {
    const fault = faultOf(scan);
    if (fault != Fault.COUNT || room >= nodes) {
      return finding(Reason.TOKEN_MALFORMED, detailOf(fault, Detail.CLAIMS_JSON));
    }
    fail(Failure.ARENA_FULL);
    return internal;
  }
  if (json.kindOf(tape) != Kind.OBJECT) return finding(Reason.TOKEN_MALFORMED, Detail.CLAIMS_JSON);
  token.entry = 0;
  token.claims = tape;
  token.claimsBytes = json.tapeBytes(tape);
  takeBytes(token.claimsBytes);
  findClaims(token);
  return good;
}

function readHeader(token: Token, start: usize, size: u32): Finding {
  const scan = scanJson(start, size, json.scratch_tape, json_nodes_max);
  if (scan != scanned) return finding(Reason.TOKEN_MALFORMED, detailOf(faultOf(scan), Detail.HEADER_JSON));
  if (json.kindOf(json.scratch_tape) != Kind.OBJECT) return finding(Reason.TOKEN_MALFORMED, Detail.HEADER_JSON);
  if (member(crit_name) != json.absent) return finding(Reason.TOKEN_MALFORMED, Detail.CRIT);
  if (member(b64_name) != json.absent) return finding(Reason.TOKEN_MALFORMED, Detail.B64);
  token.kidSize = 0;
  const kid = member(kid_name);
  if (kid != json.absent) {
    const kidSize = json.sizeOf(kid);
    if (json.kindOf(kid) != Kind.STRING || kidSize == 0 || kidSize > kid_bytes_max)
      return finding(Reason.TOKEN_MALFORMED, Detail.KID);
    token.kidStart = json.startOf(kid);
    token.kidSize = kidSize;
  }
  const typ = member(typ_name);
  token.isSvidType =
    typ == json.absent ||
    json.isString(typ, jwt_type.start, jwt_type.size) ||
    json.isString(typ, jose_type.start, jose_type.size);
  readType(token, typ);
  const alg = member(alg_name);
  if (alg == json.absent || json.kindOf(alg) != Kind.STRING) return finding(Reason.TOKEN_MALFORMED, Detail.ALG);
  token.algorithm = algorithmNamed(json.startOf(alg), json.sizeOf(alg));
  if (token.algorithm != algorithm_count) return good;
  return finding(Reason.TOKEN_ALGORITHM, unknownAlgorithm(json.startOf(alg), json.sizeOf(alg)));
}

/** A member of the header that was scanned just now. */
function member(name: Literal): usize {
  return json.member(json.scratch_tape, name.start, name.size);
}

/** Those that are refused for good reasons, in any case: no signature at all, and a secret that is shared (HS256 and the like). */
function unknownAlgorithm(start: usize, size: u32): Detail {
  if (size == 4 && (load<u32>(start) | 0x20202020) == load<u32>(none_name.start)) return Detail.ALG_NONE;
  const isSecret = size >= 2 && (load<u8>(start) | 0x20) == 0x68 && (load<u8>(start, 1) | 0x20) == 0x73;
  return isSecret ? Detail.ALG_SECRET : Detail.ALG_UNKNOWN;
}

/** What the scanner has against a text, in the terms of tokens. */
function detailOf(met: Fault, otherwise: Detail): Detail {
  switch (met) {
    case Fault.DUPLICATE:
      return Detail.DUPLICATE_MEMBER;
    case Fault.DEPTH:
      return Detail.NESTING;
    case Fault.COUNT:
      return Detail.COUNT;
    case Fault.TEXT:
      return Detail.TEXT;
    case Fault.NUMBER:
      return Detail.NUMBER;
    default:
      return otherwise;
  }
}
