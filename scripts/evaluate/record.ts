/** The filter's own account of a request, as it stands in filter state `wasm.sallyport`. */
import { record_path_bytes_max } from "../../assembly/limits.ts";
import type { DetailName } from "./details.ts";
import type { FailureName } from "./failures.ts";
import type { ReasonName } from "./reasons.ts";

/** A rule in shadow mode that was judged beside the decision. */
export interface ShadowVerdict {
  rule: string;
  decision: "allow" | "deny";
  reason: ReasonName;
}

/** One record, in the order of its members (assembly/audit/record.ts); those that have nothing to say are left out. */
export interface AuditRecord {
  admit: boolean;
  policy: string;
  mode?: "shadow";
  decision: "allow" | "deny" | "wait";
  reason: ReasonName;
  rule?: string;
  method?: string;
  host?: string;
  path?: string;
  path_bytes?: number;
  caller?: string;
  forwarder?: string;
  issuer?: string;
  sub?: string;
  limit?: string;
  detail?: DetailName;
  shadow?: ShadowVerdict[];
  cause?: FailureName;
}

/** When each member is there, and what it says: the table of docs/operations.md. */
export const record_members: Readonly<Record<keyof AuditRecord, string>> = {
  admit: "always, and first: whether the request goes on. In shadow mode it does, whatever the decision",
  policy: "always, and second: the policy's name",
  mode: "the policy is in shadow mode: `shadow`",
  decision:
    "always: `allow` or `deny`; `wait` where the request waited for keys and ended otherwise than by a decision: its client left, or a timeout of Envoy's answered it",
  reason: "always: the [reason code](policy-language.md#reasons-and-responses); `allowed` with `allow`",
  rule: "a rule decided, or came closest",
  method: "it was read, as received",
  host: "it was read: in lower case without its port; as received where it was refused for its form",
  path: `it was read: decoded, without its query, cut to ${record_path_bytes_max.toLocaleString("en")} bytes; as received where it was refused for its form`,
  path_bytes: "the path is cut: how long it was",
  caller: "the certificate has a URI name; cut to 256 bytes where it is no valid SPIFFE ID",
  forwarder: "a trusted proxy named the caller: the proxy's ID",
  issuer: "a token was verified: the name of its issuer in the policy",
  sub: "a token was verified; cut to 256 bytes",
  limit: "a limit had no room: its name",
  detail:
    "a token was refused: what exactly is wrong with it, in a word ([all of them](diagnostics.md#tokens-that-are-refused)). Envoy joins several `authorization` headers with a comma, so they show as `base64`",
  shadow: "rules in shadow mode matched: each with the decision and reason it would have had",
  cause: "`reason` is `internal`: what failed",
};
