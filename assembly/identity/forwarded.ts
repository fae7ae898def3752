/**
 * Callers told of by a gateway: `x-forwarded-client-cert` (Envoy, "HTTP header manipulation"), believed only from peers that
 * the policy names in `trust.forwarders`.
 *
 *   header  = element *( "," element )         one a proxy, the last one from the nearest
 *   element = pair *( ";" pair )
 *   pair    = key "=" ( token / DQUOTE *( %x5C any / any ) DQUOTE )       keys without regard to case
 *
 * Envoy writes the names of a certificate as they are, `,` and `;` included, so that a name may look like pairs and elements of its
 * own. What shows that is refused: Envoy writes `By` first, with the ID of the proxy itself, then `Hash`, and `DNS` last, and
 * quotes none of these names. What does not show is up to the authority (docs/threat-model.md).
 *
 * A connection manager that appends (APPEND_FORWARD) or sets (SANITIZE_SET) has written the last element itself, about the
 * peer of this very connection: it has the digest of the peer's certificate in `Hash`, and one `URI` for each URI name in it.
 * The element before it is then what the gateway said; without such an element it is the last one.
 */
import { Literal, literal } from "../bytes/literal";
import { failed, lower, Span, sameBytes, spanSize, spanStart } from "../bytes/span";
import { readProperty } from "../host/host";
import * as layout from "../policy/layout";
import { head, Policy, textAt, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { isCallerId } from "../request/alias";
import { request } from "../request/request";
import { takeCaller } from "./identity";
import { isForwardedKnown, rememberForwarded } from "./known";

const peer_digest = literal("connection\0sha256_peer_certificate_digest");
const by_key = literal("by");
const hash_key = literal("hash");
const uri_key = literal("uri");
const dns_key = literal("dns");

/** Whom an element names as the proxy that wrote it. */
const enum Writer {
  NOBODY = 0,
  PEER,
  ANOTHER,
}

/** One element: its URI names, the first of them, its digest, and who wrote it. */
@unmanaged
class Element {
  uriCount: u32;
  uriStart: usize;
  uriSize: u32;
  hashStart: usize;
  hashSize: u32;
  writer: Writer;
  hasDns: bool;
}

/** The element being read, and the one before it. */
const last = changetype<Element>(memory.data(32, 8));
const before = changetype<Element>(memory.data(32, 8));
let elements: u32 = 0;
/** Whether all elements in front of these two name another proxy than the peer. */
let areOthersBefore: bool = true;
/** Whether any element has several URI names; one of them with the digest of the peer's certificate: 1, 0, or -1 where the host fails. */
let hasSeveral: bool = false;
let ownSeveral: i32 = 0;
let cursor: usize = 0;
let end: usize = 0;

/** The digest of the peer's certificate, once it has been asked for. */
let isDigestRead: bool = false;
let digest: Span = 0;

/**
 * Puts the caller that a gateway told us of into the request's slot, in place of the gateway. What cannot be read in one way
 * is an identity that is malformed. INTERNAL, or ALLOWED.
 */
export function readForwarded(policy: Policy): Reason {
  if (request.forwardedCount == 0 || request.callerReason == Reason.IDENTITY_MISSING) return Reason.ALLOWED;
  // A gateway speaks for others only while it is itself.
  if (request.callerReason == Reason.IDENTITY_EXPIRED) return Reason.ALLOWED;
  const place = request.callerPlace;
  if (place != 0 && request.forwardedCount == 1 && isForwardedKnown(place)) return Reason.ALLOWED;
  const isGateway = isForwarder(policy);
  if (request.forwardedCount > 1 || !readElements(policy, request.forwardedStart, request.forwardedSize)) {
    // Whoever sends it: behind what cannot be read, what our own connection manager says of the peer would be lost.
    refuse();
    return Reason.ALLOWED;
  }
  if (ownSeveral < 0) return Reason.INTERNAL;
  if (ownSeveral == 1) {
    // The peer's own certificate has several names, of which SPIFFE allows one (X509-SVID §2).
    refuse();
    return Reason.ALLOWED;
  }
  if (!isGateway) {
    if (place != 0 && !hasSeveral) rememberForwarded(place);
    return Reason.ALLOWED;
  }
  const own = isOwn(last);
  if (own < 0) return Reason.INTERNAL;
  if (own == 1 && elements == 1) return Reason.ALLOWED;
  if (!areOthersBefore || (own == 0 && elements > 1 && before.writer != Writer.ANOTHER)) {
    // What follows an element that may be the gateway's own stood in a name of the caller's certificate.
    refuse();
    return Reason.ALLOWED;
  }
  takeElement(policy, own == 1 ? before : last);
  return Reason.ALLOWED;
}

function takeElement(policy: Policy, element: Element): void {
  request.forwarderStart = request.callerStart;
  request.forwarderSize = request.callerSize;
  request.forwardedHashStart = element.hashStart;
  request.forwardedHashSize = element.hashSize;
  if (element.uriCount == 1) {
    takeCaller(policy, element.uriStart, element.uriSize);
    return;
  }
  request.callerPlace = 0;
  request.callerSize = 0;
  request.presentedSize = 0;
  request.callerReason = element.uriCount == 0 ? Reason.IDENTITY_MISSING : Reason.IDENTITY_MALFORMED;
}

function refuse(): void {
  request.callerPlace = 0;
  if (request.callerReason == Reason.ALLOWED) request.callerReason = Reason.IDENTITY_MALFORMED;
}

function isForwarder(policy: Policy): bool {
  return request.callerReason == Reason.ALLOWED && isForwarderId(policy);
}

/** Whether the ID in the request's slot is a gateway's, whether or not it counts. */
export function isForwarderId(policy: Policy): bool {
  const record = head(policy);
  const first = load<u32>(record, layout.policy_forwarders_at);
  const count = load<u32>(record, layout.policy_forwarders_at + 4);
  for (let index: u32 = 0; index < count; index++) {
    const text = textAt(policy, first + index);
    const size = textSize(text);
    if (size == request.callerSize && sameBytes(textStart(policy, text), request.callerStart, size)) return true;
  }
  return false;
}

/** Whether an element bears the digest of the peer's certificate, as those of our own connection manager do: 1, 0, or -1 where the host fails. */
function isOwn(element: Element): i32 {
  if (element.hashSize == 0) return 0;
  if (!isDigestRead) {
    digest = readProperty(peer_digest);
    if (digest == failed) return -1;
    isDigestRead = true;
  }
  const size = spanSize(digest);
  return element.hashSize == size && isSameDigest(element.hashStart, spanStart(digest), size) ? 1 : 0;
}

/** Hexadecimal digits in either case. */
function isSameDigest(left: usize, right: usize, size: u32): bool {
  for (let index: u32 = 0; index < size; index++) {
    if (lower(load<u8>(left + index)) != lower(load<u8>(right + index))) return false;
  }
  return true;
}

/** Leaves the last two elements. False where the header is not of the form above. */
function readElements(policy: Policy, start: usize, size: u32): bool {
  cursor = start;
  end = start + size;
  elements = 0;
  areOthersBefore = true;
  hasSeveral = false;
  ownSeveral = 0;
  isDigestRead = false;
  clear(last);
  do {
    if (elements > 1 && before.writer != Writer.ANOTHER) areOthersBefore = false;
    memory.copy(changetype<usize>(before), changetype<usize>(last), offsetof<Element>());
    clear(last);
    elements++;
    do {
      if (!readPair(policy)) return false;
    } while (take(0x3b));
    if (last.uriCount > 1) {
      hasSeveral = true;
      if (ownSeveral == 0) ownSeveral = isOwn(last);
    }
  } while (take(0x2c));
  return cursor == end;
}

function clear(element: Element): void {
  memory.fill(changetype<usize>(element), 0, offsetof<Element>());
}

function take(byte: u8): bool {
  if (cursor >= end || load<u8>(cursor) != byte) return false;
  cursor++;
  return true;
}

function readPair(policy: Policy): bool {
  while (cursor < end && load<u8>(cursor) == 0x20) cursor++;
  const key = cursor;
  while (cursor < end && isKeyByte(load<u8>(cursor))) cursor++;
  const keySize = <u32>(cursor - key);
  if (keySize == 0 || !take(0x3d)) return false;
  const quoted = take(0x22);
  const value = cursor;
  if (quoted ? !skipQuoted() : !skipPlain()) return false;
  const size = <u32>(cursor - value);
  if (quoted) cursor++;
  if (isKey(key, keySize, uri_key)) {
    if (quoted || last.hasDns) return false;
    if (last.uriCount == 0) {
      last.uriStart = value;
      last.uriSize = size;
    }
    last.uriCount++;
  } else if (isKey(key, keySize, hash_key)) {
    // Two digests would leave it open whose element this is.
    if (quoted || last.hashSize != 0) return false;
    last.hashStart = value;
    last.hashSize = size;
  } else if (isKey(key, keySize, by_key)) {
    if (quoted) return false;
    const isPeer = isCallerId(policy, value, size);
    if (last.writer != Writer.PEER) last.writer = isPeer ? Writer.PEER : Writer.ANOTHER;
  } else if (isKey(key, keySize, dns_key)) {
    last.hasDns = true;
  }
  return true;
}

function isKeyByte(byte: u32): bool {
  return (byte | 0x20) - 0x61 < 26;
}

function isKey(start: usize, size: u32, key: Literal): bool {
  if (size != key.size) return false;
  for (let index: u32 = 0; index < size; index++) {
    if ((load<u8>(start + index) | 0x20) != load<u8>(key.start + index)) return false;
  }
  return true;
}

/** To the closing quote, which `cursor` is left at. */
function skipQuoted(): bool {
  let isEscaped = false;
  while (cursor < end) {
    const byte = load<u8>(cursor);
    if (byte < 0x20 || byte == 0x7f) return false;
    if (byte == 0x22 && !isEscaped) return true;
    isEscaped = byte == 0x5c && !isEscaped;
    cursor++;
  }
  return false;
}

function skipPlain(): bool {
  while (cursor < end) {
    const byte = load<u8>(cursor);
    if (byte == 0x2c || byte == 0x3b) return true;
    if (byte == 0x22 || byte <= 0x20 || byte == 0x7f) return false;
    cursor++;
  }
  return true;
}
