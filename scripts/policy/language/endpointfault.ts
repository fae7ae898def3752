/** What is wrong with an endpoint. */
import type { ErrorCode } from "../source/codes.ts";

/** Why a text is no endpoint: the diagnostic's code, its message, and how far into the text the place is. */
export interface EndpointFault {
  code: ErrorCode;
  message: string;
  offset: number;
}
