/**
 * What a token is bound to, so that whoever steals it cannot use it: the caller's certificate (RFC 8705 §3.1, the claim
 * `cnf.x5t#S256`), or the caller by its SPIFFE ID.
 */
import { decodeBase64url } from "../bytes/base64";
import { literal } from "../bytes/literal";
import { failed, hexDigit, spanSize, spanStart } from "../bytes/span";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import { Detail } from "../detail";
import { Finding, finding, good, internal } from "../finding";
import { readProperty } from "../host/host";
import * as layout from "../policy/layout";
import { Policy } from "../policy/policy";
import { Reason } from "../reason";
import { isCallerId } from "../request/alias";
import { request } from "../request/request";
import { confirmationClaim, subjectClaim } from "./claims";
import { Token } from "./slot";

const key_name = literal("jkt");
const thumbprint_name = literal("x5t#S256");
const peer_digest = literal("connection\0sha256_peer_certificate_digest");

const digest_bytes: u32 = 32;
/** 32 bytes in base64url without padding. */
const encoded_bytes: u32 = 43;
const thumbprint: usize = memory.data(32);

/** Holds the claims of a token against what the issuer binds its tokens to. TOKEN_BINDING, INTERNAL, or good. */
export function checkBinding(policy: Policy, issuer: usize, token: Token): Finding {
  const bind = load<u32>(issuer, layout.issuer_bind_at);
  const cnf = confirmationClaim(token);
  // A token bound to a key of the caller's (RFC 9449 §6.1) is no bearer token, and nobody here asks for the proof.
  if (json.member(cnf, key_name.start, key_name.size) != json.absent)
    return finding(Reason.TOKEN_BINDING, Detail.CNF_KEY);
  if (bind == layout.bind_none) return good;
  return bind == layout.bind_caller ? checkCaller(policy, token) : checkCertificate(cnf);
}

function checkCaller(policy: Policy, token: Token): Finding {
  const subject = subjectClaim(token);
  const isCaller =
    request.callerReason == Reason.ALLOWED &&
    subject != json.absent &&
    json.kindOf(subject) == Kind.STRING &&
    isCallerId(policy, json.startOf(subject), json.sizeOf(subject));
  return isCaller ? good : finding(Reason.TOKEN_BINDING, Detail.SUB_OTHER);
}

function checkCertificate(cnf: usize): Finding {
  const claim = json.member(cnf, thumbprint_name.start, thumbprint_name.size);
  if (claim == json.absent || json.kindOf(claim) != Kind.STRING || json.sizeOf(claim) != encoded_bytes) {
    return finding(Reason.TOKEN_BINDING, Detail.CNF_MISSING);
  }
  if (decodeBase64url(json.startOf(claim), encoded_bytes, thumbprint) != digest_bytes) {
    return finding(Reason.TOKEN_BINDING, Detail.CNF_MISSING);
  }
  // The caller whom a gateway told of has shown its certificate there.
  if (request.forwarderSize != 0) return compare(request.forwardedHashStart, request.forwardedHashSize);
  const digest = readProperty(peer_digest);
  return digest == failed ? internal : compare(spanStart(digest), spanSize(digest));
}

/** The digest is in hexadecimal, in either case (Envoy writes lower). */
function compare(start: usize, size: u32): Finding {
  if (size != 2 * digest_bytes) return finding(Reason.TOKEN_BINDING, Detail.CERTIFICATE_MISSING);
  for (let index: u32 = 0; index < digest_bytes; index++) {
    const high = hexDigit(load<u8>(start + 2 * index));
    const low = hexDigit(load<u8>(start + 2 * index, 1));
    if (((high << 4) | low) != <i32>load<u8>(thumbprint + index))
      return finding(Reason.TOKEN_BINDING, Detail.CNF_OTHER);
  }
  return good;
}
