/**
 * What `sallyport status` can find: a code, whether something is wrong (the program ends with 1) or is only to be known, and what
 * it means. The table of docs/operations.md is made from this one. A code never changes.
 */

interface CodeEntry {
  /** A note does not make the program end with 1. */
  isNote?: boolean;
  meaning: string;
}

export const status_codes = {
  not_live: { meaning: "Envoy does not serve: it starts, drains or waits for configuration" },
  not_loaded: { meaning: "no listener has the filter" },
  chain_without_filter: { meaning: "another filter chain of a listener that has the filter goes without it" },
  way_around: {
    meaning:
      "a listener leads to a cluster that the filter stands in front of, or to whatever one a request names, without the filter",
  },
  filter_missing: {
    meaning:
      "the filter's configuration is to come by itself (ECDS), and has not, or Istio's agent could not fetch its module",
  },
  route_without_filter: { meaning: "routes switch the filter on, as under Envoy Gateway, and one of them does not" },
  filter_disabled: { meaning: "the filter is disabled, or a matcher decides whether a request meets it" },
  nothing_routed: {
    meaning:
      "routes decide where the filter runs, and none leads to a cluster: Envoy answers every request itself, as under Envoy Gateway where it cannot take a policy of the Gateway",
  },
  update_refused: { meaning: "Envoy has refused a newer configuration and goes on with the older one" },
  not_in_force: { meaning: "the filter is configured, and by its counters and gauges no policy is in force" },
  metrics_dropped: { meaning: "Envoy is told which metrics to keep, and has none of the filter's" },
  worker_without_filter: { meaning: "there are fewer Wasm VMs than workers" },
  policy_old: { meaning: "the policy in force is not the one that was given" },
  engine_differs: { meaning: "the policy is the one that was given, in another engine than this package's" },
  configuration_unread: { meaning: "the filter's configuration has a form that the filter does not take" },
  policy_unverified: { meaning: "a policy was given, and nothing tells whether the filter has it" },
  policy_unread: { isNote: true, meaning: "nothing tells which policy the filter has" },
  module_changed: { meaning: "the module's file is newer than what Envoy has loaded" },
  signature_unchecked: { meaning: "the policy is signed, and the module has no trust keys to check that" },
  image_superseded: {
    meaning: "the configuration has an older signed policy, and a newer one is in force",
  },
  image_expired: {
    meaning: "the signed policy in force has ended: it goes on, and no Envoy that starts anew takes it",
  },
  shadow_mode: { meaning: "the policy is in shadow mode: every request passes" },
  fail_open: { meaning: "requests pass where the filter fails" },
  no_reload: { meaning: "a VM that crashed is not built again" },
  reload_unavailable: {
    isNote: true,
    meaning: "the same, under Envoy Gateway, whose API has nothing against it",
  },
  capability_missing: { meaning: "the capability list lacks what the policy needs" },
  holding_unset: {
    meaning:
      "the policy reads bodies, and the plugin's configuration lacks `allow_on_headers_stop_iteration`: what it holds for its body is answered 503",
  },
  bodies_unavailable: {
    meaning: "by its counters the filter has denied requests because Envoy handed over no bodies (`body_unavailable`)",
  },
  check_missing: { meaning: "no enforcement check stands behind the filter" },
  check_not_next: {
    meaning:
      "a filter that can answer requests with more than a refusal stands between the filter and its enforcement check",
  },
  check_later: {
    isNote: true,
    meaning:
      "filters that answer nothing, or refuse, stand between the filter and its enforcement check, as under Istio",
  },
  check_other_policy: { meaning: "the enforcement check wants another policy's record, or one of another name" },
  record_written: {
    meaning: "another filter writes the record, by which the enforcement check knows admitted requests",
  },
  check_disabled: { meaning: "the enforcement check is disabled" },
  filter_answers_first: { meaning: "a filter in front of ours can answer requests" },
  token_taken: { meaning: "`jwt_authn` in front of ours takes the token out of the request" },
  route_disables_filter: { meaning: "a route, virtual host or cluster of a route switches the filter off" },
  route_changes_check: {
    meaning:
      "a route, virtual host or cluster of a route switches the enforcement check off, or gives it another configuration",
  },
  upgrade_without_filter: {
    meaning: "an upgrade has a filter chain of its own, without the filter, or without the check behind it",
  },
  plain_text: { meaning: "callers connect without TLS, so that nobody has a certificate" },
  client_certificate_optional: { meaning: "callers may connect without a certificate, and no rule is for those" },
  client_certificate_unchecked: { meaning: "no authority is named that callers' certificates must come from" },
  client_certificate_demanded: {
    meaning: "the policy admits callers without a certificate, and Envoy's SPIFFE validator lets none connect",
  },
  certificate_end_ignored: { meaning: "certificates that have ended are taken" },
  secret_awaited: { meaning: "a certificate or bundle that is to come over SDS has not come" },
  session_resumption: { meaning: "TLS sessions are resumed, without a look at the certificate's end" },
  connection_unbounded: { meaning: "open connections may outlive the certificate" },
  xfcc_passed_on: { meaning: "what a caller writes into `x-forwarded-client-cert` goes on" },
  remote_address_unset: {
    meaning:
      "a rule or limit reads the caller's address, and Envoy takes it from `x-forwarded-for`, which the caller writes",
  },
  path_not_normalized: { meaning: "`normalize_path` is off" },
  slashes_not_merged: { meaning: "`merge_slashes` is off, and no rule takes empty segments" },
  escaped_slashes_kept: { meaning: "encoded slashes are not refused, and no rule takes them" },
  record_not_logged: { meaning: "no access log has the record" },
  keys_stale: { meaning: "a key set was fetched too long ago" },
  keys_missing: { meaning: "a key set has never been fetched" },
  failures_counted: { isNote: true, meaning: "`sallyport_failures` is above zero, since Envoy's start" },
} as const satisfies Record<string, CodeEntry>;

export type StatusCode = keyof typeof status_codes;

/** Where something was found; as much of it as there is. */
export interface Place {
  listener?: string;
  chain?: string;
  filter?: string;
  /** In the dump, as `jq` takes it after a dot. */
  path?: string;
}

export interface Finding extends Place {
  code: StatusCode;
  severity: "wrong" | "note";
  /** What is so, what follows from it, and what to do. */
  message: string;
}

/** A finding. */
export function finding(code: StatusCode, place: Place, message: string): Finding {
  const entry: CodeEntry = status_codes[code];
  return { code, severity: entry.isNote === true ? "note" : "wrong", ...place, message };
}
