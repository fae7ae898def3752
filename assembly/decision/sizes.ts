/** The bounds that an allow rule sets on the size of requests. They are looked at first, since nothing of a rule costs less. */

import { countedBytes, isBodyCounted } from "../body/body";
import { literal } from "../bytes/literal";
import { absent, ambiguous, indexOfByte, spanSize, spanStart } from "../bytes/span";
import { Detail } from "../detail";
import { Finding, finding, good } from "../finding";
import { pairsTextBytes } from "../host/pairs";
import * as layout from "../policy/layout";
import { Policy, wordAt } from "../policy/policy";
import { Reason } from "../reason";
import { findHeader } from "../request/headers";
import { request } from "../request/request";

const length_name = literal("content-length");

/** Which bound the request passes, if it passes one: HEADERS_TOO_LARGE, BODY_TOO_LARGE; or that nobody can tell: REQUEST_MALFORMED. */
export function checkSizes(policy: Policy, rule: usize): Finding {
  const first = load<u32>(rule, layout.rule_sizes_at);
  if (first == 0) return good;
  if (pairsTextBytes(request.pairsStart, request.pairsSize) > sizeAt(policy, first, layout.sizes_headers))
    return finding(Reason.HEADERS_TOO_LARGE, Detail.HEADER_BYTES);
  if (queryBytes() > sizeAt(policy, first, layout.sizes_query))
    return finding(Reason.HEADERS_TOO_LARGE, Detail.QUERY_BYTES);
  const body = sizeAt(policy, first, layout.sizes_body);
  return body == layout.size_any ? good : finding(checkLength(body), Detail.NONE);
}

/** How many bytes the body of a request may have that a rule admits; `size_any` for any number. */
export function bodyBytesMax(policy: Policy, rule: usize): u32 {
  const first = load<u32>(rule, layout.rule_sizes_at);
  return first == 0 ? layout.size_any : sizeAt(policy, first, layout.sizes_body);
}

/** What the request says of its body's size, if it says anything: digits and nothing else, once (RFC 9110 §8.6). */
function checkLength(most_bytes: u32): Reason {
  if (isDefined(BODIES) && isBodyCounted()) {
    return countedBytes() > most_bytes ? Reason.BODY_TOO_LARGE : Reason.ALLOWED;
  }
  const length = findHeader(length_name.start, length_name.size);
  if (length == absent) return Reason.ALLOWED;
  if (length == ambiguous || spanSize(length) == 0) return Reason.REQUEST_MALFORMED;
  const end = spanStart(length) + spanSize(length);
  let bytes: u64 = 0;
  for (let cursor = spanStart(length); cursor < end; cursor++) {
    const digit = <u32>load<u8>(cursor) - 0x30;
    if (digit >= 10) return Reason.REQUEST_MALFORMED;
    // Whatever has more digits is larger than any bound.
    bytes = min(bytes * 10 + digit, <u64>layout.size_any);
  }
  return bytes > most_bytes ? Reason.BODY_TOO_LARGE : Reason.ALLOWED;
}

/** A bound of a rule whose words begin at `first` - 1. */
function sizeAt(policy: Policy, first: u32, size: u32): u32 {
  return wordAt(policy, first - 1 + size);
}

/** What stands behind the `?`. */
function queryBytes(): u32 {
  const mark = indexOfByte(request.pathStart, request.pathSize, 0x3f);
  return mark == request.pathSize ? 0 : request.pathSize - mark - 1;
}
