/** The filter's own account of a request, as it stands in filter state `wasm.sallyport`. */
import { record_path_bytes_max } from "../../assembly/limits.ts";
import type { FailureName } from "./failures.ts";
import type { ReasonName } from "./reasons.ts";

/** A rule in shadow mode that was judged beside the decision, or a limit in shadow mode that would have denied what its rule admits. */
export interface ShadowVerdict {
  rule: string;
  limit?: string;
  decision: "allow" | "deny";
  reason: ReasonName;
}

type Event = "enter" | "leave" | "deny";
/** What a quarantine did, or in shadow mode would have done. */
export type QuarantineEvent = Event | `shadow_${Event}`;

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
  operation?: string;
  caller?: string;
  presented?: string;
  forwarder?: string;
  issuer?: string;
  sub?: string;
  limit?: string;
  quarantine?: string;
  quarantine_event?: QuarantineEvent;
  /** A word; for `token_claims` the names of the claim. */
  detail?: string;
  shadow?: ShadowVerdict[];
  cause?: FailureName;
}

/** When each member is there, and what it says: the table of docs/observability.md. */
export const record_members: Readonly<Record<keyof AuditRecord, string>> = {
  admit: "always, and first: whether the request goes on. In shadow mode it does, whatever the decision",
  policy: "always, and second: the policy's name",
  mode: "the policy is in shadow mode: `shadow`",
  decision:
    "always: `allow` or `deny`; `wait` where the request waited, for keys or for the service of a fleet, and ended otherwise than by a decision: its client left, or a timeout of Envoy's answered it",
  reason: "always: the [reason code](policy-language.md#reasons-and-responses); `allowed` with `allow`",
  rule: "a rule decided, or came closest",
  method: "it was read, as received",
  host: "it was read: in lower case without its port; as received where it was refused for its form",
  path: `it was read: decoded, without its query, cut to ${record_path_bytes_max.toLocaleString("en")} bytes; as received where it was refused for its form`,
  path_bytes: "the path is cut: how long it was",
  operation:
    "the request is a call of MCP, A2A, JSON-RPC or GraphQL, and the policy has rules for those: the only call, or the one that it was denied for, such as `mcp tools/call get_weather`",
  caller: "the certificate has a URI name; cut to 256 bytes where it is no valid SPIFFE ID",
  presented:
    "the caller's ID is of a trust domain in [`trust.aliases`](policy-language.md#callers): that ID, whose other name is `caller`",
  forwarder: "a trusted proxy named the caller: the proxy's ID",
  issuer: "a token was verified: the name of its issuer in the policy",
  sub: "a token was verified; cut to 256 bytes",
  limit: "a limit had no room, or the request lacked what it counts by: its name",
  quarantine: "a [quarantine](policy-language.md#quarantine) did something: its name",
  quarantine_event:
    "with `quarantine`: `deny` where it refused the request; `enter` where the caller is shut out from now on, after this denial; `leave` where it is let in again, with this request. In shadow mode `shadow_deny` and so on: what it would have done",
  detail:
    "the reason has one: what exactly was wrong, in a word ([all of them](diagnostics.md#details-of-denials)); with `token_claims` the claim, such as `org.id`. Envoy joins several `authorization` headers with a comma, so they show as `base64`",
  shadow:
    "rules in shadow mode matched: each with the decision and reason it would have had; and limits in shadow mode had no room: each as `limit` beside its rule",
  cause: "`reason` is `internal`: what failed",
};
