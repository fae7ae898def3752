/**
 * What a reason means for the answer (the table "Reasons and responses" of docs/policy-language.md): the gRPC status
 * (google.rpc.Code), and the title of the problem details, which is all the caller learns.
 */
import { Reason } from "../reason";

/** The gRPC status of a denial answered with an HTTP status. */
export function grpcStatus(status: u32): u32 {
  switch (status) {
    case 400:
    case 415:
      return 3;
    case 408:
      return 4;
    case 401:
      return 16;
    case 413:
    case 429:
    case 431:
      return 8;
    case 503:
      return 14;
    default:
      return 7;
  }
}

/** The status's own phrase (RFC 9110 §15, RFC 6585 §5), as RFC 9457 §4.2.1 asks of problems of type about:blank. */
export function title(status: u32): string {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Forbidden";
  }
}

/** Whether a challenge is due (RFC 9110 §15.5.2, RFC 6750 §3). */
export function isChallenge(reason: Reason): bool {
  if (reason == Reason.TOKEN_TOO_LARGE) return false;
  return (reason >= Reason.TOKEN_MISSING && reason <= Reason.TOKEN_BINDING) || reason == Reason.SCOPE_MISSING;
}
