/** Where the token is: the one Authorization header, after `Bearer ` (RFC 6750 §2.1). */
import { literal } from "../bytes/literal";
import { startsWithLiteral } from "../bytes/span";
import { token_bytes } from "../limits";
import { Reason } from "../reason";
import { request } from "../request/request";

const prefix = literal("Bearer ");

export let bearerStart: usize = 0;
export let bearerSize: u32 = 0;

/**
 * Finds the token's bytes. TOKEN_MISSING where there is none, TOKEN_MALFORMED where there are several headers (no reader
 * may pick one), TOKEN_TOO_LARGE, or ALLOWED. A comma-joined header is no base64url and is refused with the token.
 */
export function findBearer(): Reason {
  if (request.authorizationCount == 0) return Reason.TOKEN_MISSING;
  if (request.authorizationCount > 1) return Reason.TOKEN_MALFORMED;
  if (!startsWithLiteral(request.authorizationStart, request.authorizationSize, prefix)) return Reason.TOKEN_MISSING;
  bearerStart = request.authorizationStart + prefix.size;
  bearerSize = request.authorizationSize - prefix.size;
  return bearerSize > token_bytes ? Reason.TOKEN_TOO_LARGE : Reason.ALLOWED;
}
