/**
 * Certificates that expire while their connection is open. Envoy looks at their dates in the handshake alone and has no attribute
 * for them; a filter of its own can put the end into filter state, once a connection (docs/operations.md).
 */
import { literal } from "../bytes/literal";
import { failed, isRun, spanSize, spanStart } from "../bytes/span";
import { Failure } from "../failure";
import { fail, readClock, readProperty } from "../host/host";
import { Policy } from "../policy/policy";
import { Reason } from "../reason";
import { request } from "../request/request";

/** The end in seconds since 1970, in decimal digits. */
const certificate_end = literal("filter_state\0sallyport.certificate_end");
/** RFC 5280 §4.1.2.5: no certificate ends after the year 9999, which is twelve digits. */
const digits_max: u32 = 12;

/**
 * Takes the identity away from a caller whose certificate has ended, where the configuration asks for that. An end that is not
 * known is none that lies ahead. INTERNAL, or ALLOWED.
 */
export function checkExpiry(policy: Policy): Reason {
  if (!policy.checksCertificateEnd || request.callerReason != Reason.ALLOWED) return Reason.ALLOWED;
  const text = readProperty(certificate_end);
  if (text == failed) return Reason.INTERNAL;
  const end = isRun(text) ? secondsOf(spanStart(text), spanSize(text)) : -1;
  if (end < 0) {
    fail(Failure.CERTIFICATE_END);
    return Reason.INTERNAL;
  }
  const now = readClock();
  if (now == 0) return Reason.INTERNAL;
  // The last second counts (RFC 5280 §4.1.2.5).
  if (now / 1000000000 > <u64>end) {
    request.callerReason = Reason.IDENTITY_EXPIRED;
    // What is known of the caller is of one whose certificate holds.
    request.callerPlace = 0;
  }
  return Reason.ALLOWED;
}

/** A number in decimal digits, or -1 where it is none. */
function secondsOf(start: usize, size: u32): i64 {
  if (size == 0 || size > digits_max) return -1;
  let seconds: i64 = 0;
  for (let index: u32 = 0; index < size; index++) {
    const digit = <u32>load<u8>(start + index) - 0x30;
    if (digit > 9) return -1;
    seconds = seconds * 10 + <i64>digit;
  }
  return seconds;
}
