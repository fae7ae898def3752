/**
 * What kind of token a token is: its `typ`, a media type (RFC 7515 §4.1.9), so without case, and with or without `application/`.
 * An access token is no logout token and no proof of possession, though one issuer may sign all of them (RFC 8725 §3.11).
 */
import { Literal, literal } from "../bytes/literal";
import { indexOfByte, isAlike } from "../bytes/span";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import { Detail } from "../detail";
import { Finding, finding, good } from "../finding";
import * as layout from "../policy/layout";
import { head, Policy, textAt, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { Token } from "./slot";

const application = literal("application/");
const jwt_type = literal("jwt");
const access_token_type = literal("at+jwt");

/** Reads `typ`, a record of the header or `absent`, as far as it means the same to all policies. */
export function readType(token: Token, typ: usize): void {
  token.type = typ == json.absent ? layout.type_none : layout.type_other;
  token.typeSize = 0;
  if (typ == json.absent || json.kindOf(typ) != Kind.STRING) return;
  let start = json.startOf(typ);
  let size = json.sizeOf(typ);
  if (size > application.size && isAlike(start, application.start, application.size)) {
    const rest = size - application.size;
    // What has another slash is no media type, and stays as it is.
    if (indexOfByte(start + application.size, rest, 0x2f) == rest) {
      start += application.size;
      size = rest;
    }
  }
  token.typeStart = start;
  token.typeSize = size;
  if (isTypeNamed(start, size, jwt_type)) token.type = layout.type_jwt;
  else if (isTypeNamed(start, size, access_token_type)) token.type = layout.type_access_token;
}

/** Gives a `typ` that was read the number it has in a policy. */
export function nameType(policy: Policy, token: Token): void {
  if (token.type != layout.type_other || token.typeSize == 0) return;
  const types = head(policy) + layout.policy_types_at;
  const count = load<u32>(types, 4);
  for (let index: u32 = 0; index < count; index++) {
    const text = textAt(policy, load<u32>(types) + index);
    if (token.typeSize != textSize(text) || !isAlike(token.typeStart, textStart(policy, text), token.typeSize))
      continue;
    token.type = layout.type_own + index;
    return;
  }
}

/** Whether an issuer accepts tokens of this type: else TOKEN_CLAIMS_MALFORMED, since it is asked once the signature is known to be good. */
export function checkType(issuer: usize, token: Token): Finding {
  const isAccepted = ((load<u32>(issuer, layout.issuer_types_at) >> token.type) & 1) != 0;
  return isAccepted ? good : finding(Reason.TOKEN_CLAIMS_MALFORMED, Detail.TYP);
}

function isTypeNamed(start: usize, size: u32, name: Literal): bool {
  return size == name.size && isAlike(start, name.start, size);
}
