/** The filter's own account of a request, as it stands in filter state `wasm.sallyport` (docs/policy-language.md). */

import type { FlawName } from "./details.ts";

/** A rule in shadow mode that was judged beside the decision. */
export interface ShadowVerdict {
  rule: string;
  decision: "allow" | "deny";
  reason: string;
}

/** One record; members that have nothing to say are left out. */
export interface AuditRecord {
  /** Whether the request goes on; with the policy's name, what the enforcement check looks at. */
  admit?: boolean;
  policy?: string;
  /** `shadow`: the request went on whatever was decided. */
  mode?: string;
  decision: "allow" | "deny";
  /** The reason code; `allowed` where the request was admitted. */
  reason: string;
  /** The rule that decided or came closest, if any did. */
  rule?: string;
  /** What failed, for `internal`. */
  cause?: string;
  /** What was judged, as far as it was read: the path without its query, cut where it is long, and then the bytes it had. */
  method?: string;
  host?: string;
  path?: string;
  path_bytes?: number;
  /** As it was shown; one that is no valid SPIFFE ID is cut. */
  caller?: string;
  /** Who spoke for the caller, where a gateway did. */
  forwarder?: string;
  /** The issuer of a token that was verified, and its `sub`. */
  issuer?: string;
  sub?: string;
  /** What is wrong with a token, by the names of assembly/detail.ts, where the reason does not say all there is. */
  detail?: FlawName;
  /** The limit without room, for `limit_exceeded`. */
  limit?: string;
  shadow?: ShadowVerdict[];
}
