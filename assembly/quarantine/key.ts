/**
 * Whom a quarantine is for: the caller that a request has proved to be from, or else the address that it comes from.
 *
 * What a request claims and does not prove has no part in its key, so nobody can be shut out by another's requests: a token that is not
 * good counts against the address. A gateway's address is that of all behind it, and so is its ID where it names nobody: such requests have
 * no key, and are neither counted nor shut out.
 */
import { address, cutAddress } from "../condition/address";
import { isSourceForwarded, parseSource } from "../condition/sources";
import { finishDigest, hashPart, startDigest } from "../fleet/digest";
import { keyedHash } from "../host/secret";
import { isForwarderId } from "../identity/forwarded";
import * as layout from "../policy/layout";
import { Policy, recordAt, textAt, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { isQuarantineShadow } from "../request/quarantine";
import { request } from "../request/request";
import { trust_domain_offset } from "../request/spiffe";

/** What kind of value goes into a key's hash. */
const kind_quarantine: u64 = 0x300;
const kind_part: u64 = 0x301;

/** The hash of a request without a key. */
export const nobody: u64 = 0;
/** Whether the host failed when it was asked for the caller's address. */
export let isSourceLost: bool = false;
/** What is hashed with the parts of a key. */
const mixed: usize = memory.data(8, 8);
/** A zero, and an address. */
const plain: usize = memory.data(24, 8);

/** The hash of what the quarantine keeps its counts per; `nobody` where the request has no key. */
export function hashOfKey(policy: Policy, index: u32, record: usize): u64 {
  isSourceLost = false;
  const per = record + layout.quarantine_per_at;
  // What was counted in shadow mode shuts nobody out.
  let hash: u64 = isQuarantineShadow(policy, index) ? 1 : 0;
  for (let part: u32 = 0; part < load<u32>(per, 4); part++) {
    const value = hashOfPart(policy, recordAt(policy, layout.section_selectors, load<u32>(per) + part));
    if (value == nobody) return nobody;
    store<u64>(mixed, value);
    hash = keyedHash(hash, kind_quarantine, mixed, 8);
  }
  return hash | 1;
}

/** Writes the 32 bytes by which all Envoys of the fleet know the key of a request that has one. */
export function digestKey(policy: Policy, index: u32, record: usize, target: usize): void {
  startDigest();
  hashOfKey(policy, index, record);
  finishDigest(target);
}

/** The hash of one part of a key: of the caller where it is known, else of its address, which is told from a text by a zero before it. */
function hashOfPart(policy: Policy, selector: usize): u64 {
  const kind = load<u32>(selector, layout.selector_kind_at);
  const isGateway = isForwarderId(policy);
  if (kind != layout.selector_source && request.callerReason == Reason.ALLOWED) {
    const start = request.callerStart;
    if (isGateway) return nobody;
    return kind == layout.selector_caller
      ? hashOfText(start, request.callerSize)
      : hashOfText(start + trust_domain_offset, request.callerDomainSize);
  }
  const size = parseSource(policy);
  if (size < 0) isSourceLost = true;
  // Behind a gateway, the connection is the gateway's; who has but its JWT-SVID stands behind none.
  const isBehind = (isGateway && !request.isBySvid) || request.forwarderSize != 0;
  if (size <= 0 || (isBehind && !isSourceForwarded())) return nobody;
  const bits =
    size == 4 ? load<u32>(selector, layout.selector_four_bits_at) : load<u32>(selector, layout.selector_six_bits_at);
  cutAddress(size, bits);
  memory.copy(plain + 1, address, size);
  return hashOfText(plain, size + 1);
}

function hashOfText(start: usize, size: u32): u64 {
  return hashPart(0, kind_part, start, size);
}

/** Whether the policy lets out what a part of the key is. Its addresses are as those of requests are hashed. */
export function isReleased(policy: Policy, record: usize): bool {
  const per = record + layout.quarantine_per_at;
  const releases = record + layout.quarantine_releases_at;
  const count = load<u32>(releases, 4);
  for (let part: u32 = 0; count != 0 && part < load<u32>(per, 4); part++) {
    const hash = hashOfPart(policy, recordAt(policy, layout.section_selectors, load<u32>(per) + part));
    for (let index: u32 = 0; index < count; index++) {
      const text = textAt(policy, load<u32>(releases) + index);
      if (hash == hashOfText(textStart(policy, text), textSize(text))) return true;
    }
  }
  return false;
}
