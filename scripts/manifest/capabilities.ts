/** The capability list of a policy: what its module calls and exports, and nothing that it has no use for. */
import {
  needs_answers,
  needs_body,
  needs_hold,
  needs_hops,
  needs_response,
  needs_ticks,
} from "../../assembly/policy/layout.ts";
import { needsOf } from "../policy/image/image.ts";
import type { Issuer, Policy } from "../policy/language/model.ts";

/** What every policy needs: to be asked, to answer, to count and to log, and to give memory back. */
const always = [
  "proxy_define_metric",
  "proxy_get_buffer_bytes",
  "proxy_get_current_time_nanoseconds",
  "proxy_get_header_map_pairs",
  "proxy_get_metric",
  "proxy_get_property",
  "proxy_get_shared_data",
  "proxy_increment_metric",
  "proxy_log",
  "proxy_on_configure",
  "proxy_on_context_create",
  "proxy_on_delete",
  "proxy_on_request_headers",
  "proxy_on_tick",
  "proxy_record_metric",
  "proxy_send_local_response",
  "proxy_set_effective_context",
  "proxy_set_property",
  "proxy_set_shared_data",
  "proxy_set_tick_period_milliseconds",
  "random_get",
];

/**
 * Names of exports and imports, sorted. Without one that the policy needs the filter refuses its configuration, or denies (docs/operations.md).
 * Where it holds requests until their bodies have come, Envoy would let them go on undecided without the body's and the trailers' callbacks.
 */
export function capabilitiesOf(policy: Policy): string[] {
  const needs = needsOf(policy);
  const issuers = [...policy.issuers, ...policy.svids];
  const fetches = issuers.some(({ keySet }) => keySet.source !== undefined);
  const asksFleet = policy.fleet !== undefined;
  const isHolding = fetches || asksFleet || (needs & needs_ticks) !== 0;
  const changesHeaders = policy.forwards.length > 0 || (needs & needs_hops) !== 0 || issuers.some(stripsToken);
  const tells = (needs & needs_response) !== 0;
  const readsAnswers = (needs & needs_answers) !== 0;
  return [
    ...always,
    ...when(issuers.length > 0, "proxy_call_foreign_function"),
    ...when(fetches, "proxy_http_call", "proxy_on_http_call_response"),
    ...when(asksFleet, "proxy_grpc_call", "proxy_on_grpc_close", "proxy_on_grpc_receive"),
    ...when(isHolding, "proxy_continue_stream"),
    ...when(changesHeaders || readsAnswers, "proxy_remove_header_map_value"),
    ...when(changesHeaders || tells, "proxy_replace_header_map_value"),
    ...when(tells, "proxy_on_response_headers"),
    ...when((needs & needs_body) !== 0, "proxy_on_request_body"),
    ...when((needs & needs_hold) !== 0, "proxy_on_request_trailers"),
    ...when(readsAnswers, "proxy_on_response_body", "proxy_on_response_trailers", "proxy_set_buffer_bytes"),
  ].sort();
}

const stripsToken = ({ forwardToken }: Issuer): boolean => !forwardToken;
const when = (isNeeded: boolean, ...names: string[]): string[] => (isNeeded ? names : []);
