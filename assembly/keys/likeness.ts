/** What a body looks like that is not what was asked for, so that the log can say it by name. Nothing here runs on a request's path. */
import { Literal, literal } from "../bytes/literal";
import { isLiteral } from "../bytes/span";

/** So much of a body is looked at. */
const looked_bytes: u32 = 8192;

const jwks_uri_member = literal('"jwks_uri"');
const certificate = literal("-----BEGIN CERTIFICATE");
const spiffe_member = literal('"spiffe://');
const keys_member = literal('"keys"');
const kty_member = literal('"kty"');
const token_start = literal("eyJ");

/** What a body is that is no JSON; "" where that cannot be told. */
export function likeness(start: usize, size: u32): string {
  let index: u32 = 0;
  while (index < size && load<u8>(start + index) <= 0x20) index++;
  const byte = index == size ? 0 : <u32>load<u8>(start + index);
  if (byte == 0x3c) return "HTML or XML, no JSON";
  if (byte == 0x2d) return "PEM, no JSON";
  if (size - index >= token_start.size && isLiteral(start + index, token_start.size, token_start))
    return "a token or base64, no JSON";
  return size > 1 && load<u16>(start) == 0x8b1f ? "gzip, which nobody asked for" : "";
}

/** What a body is that is no key set. */
export function likenessOfKeys(start: usize, size: u32): string {
  const like = likeness(start, size);
  if (like.length != 0) return like;
  if (has(start, size, jwks_uri_member))
    return "it is a discovery document: `keys: { discovery: true }`, or the URL of its `jwks_uri`";
  if (has(start, size, certificate)) return "it is a map of certificates, no JWKS";
  if (has(start, size, spiffe_member)) return "it is a map of trust domains, no bundle";
  const isKey = has(start, size, kty_member) && !has(start, size, keys_member);
  return isKey ? "it is a single key, no JWKS" : "it is no JSON Web Key Set";
}

function has(start: usize, size: u32, text: Literal): bool {
  const end = min(size, looked_bytes);
  for (let at: u32 = 0; at + text.size <= end; at++) {
    if (isLiteral(start + at, text.size, text)) return true;
  }
  return false;
}
