/**
 * What the Grafana dashboard asks, panel by panel. The queries use raw metrics, so that it shows something without the recording rules of
 * observability/rules.yaml. `npm run test:observability` asks a real Prometheus each of them.
 */

/** How a panel shows its values. */
export type PanelKind = "lines" | "number" | "table";

/** What is asked, and how each series is named: a label in braces, as `{{instance}}`. */
export interface Query {
  expr: string;
  legend: string;
}

export interface PanelEntry {
  title: string;
  /** What it says, for somebody who has not read the documents. */
  description: string;
  kind: PanelKind;
  /** Grafana's name of the unit. */
  unit: "reqps" | "short" | "percentunit" | "s" | "cps";
  queries: readonly Query[];
}

export interface PanelRow {
  title: string;
  panels: readonly PanelEntry[];
}

/** Of an Envoy. */
const envoy = 'job=~"$job", instance=~"$instance"';
/** Of a policy in it. */
const policy = `${envoy}, sallyport_policy=~"$policy"`;

const rate = (metric: string, labels = ""): string => `rate(${metric}{${policy}${labels}}[$__rate_interval])`;
const increase = (metric: string, labels: string): string => `increase(${metric}{${labels}}[$__rate_interval])`;
const by = (labels: string, what: string): string => `sum by (${labels}) (${what})`;

/** What a counter of Envoy grew by, in whose name stands what the filter is called there. */
const grown = (names: string): string =>
  `increase(sum by (job, instance) ({__name__=~"${names}", ${envoy}})[$__rate_interval:])`;

export const panel_rows: readonly PanelRow[] = [
  {
    title: "What is in force",
    panels: [
      {
        title: "Policies",
        description:
          "Each Envoy with its policy: the image's checksum as `sallyport build` prints it, and the engine's version.",
        kind: "table",
        unit: "short",
        queries: [{ expr: `sallyport_policy_info{${policy}} > 0`, legend: "" }],
      },
      {
        title: "Envoys by image",
        description: "While a roll-out is under way there are two images; afterwards one.",
        kind: "lines",
        unit: "short",
        queries: [
          {
            expr: `count by (sallyport_policy, sallyport_image, sallyport_mode) (sallyport_policy_info{${policy}} > 0)`,
            legend: "{{sallyport_policy}} {{sallyport_image}} {{sallyport_mode}}",
          },
        ],
      },
      {
        title: "Envoys without a policy",
        description: "Live, and no policy in force: look at their logs.",
        kind: "number",
        unit: "short",
        queries: [
          {
            expr: `count(envoy_server_live{${envoy}} == 1 unless on (job, instance) (sallyport_policy_info > 0)) or vector(0)`,
            legend: "",
          },
        ],
      },
    ],
  },
  {
    title: "Decisions",
    panels: [
      {
        title: "Requests by decision",
        description: "Every request, once. `shadow_deny`: let through by a policy in shadow mode.",
        kind: "lines",
        unit: "reqps",
        queries: [{ expr: by("sallyport_decision", rate("sallyport_requests")), legend: "{{sallyport_decision}}" }],
      },
      {
        title: "Share that is denied",
        description: "Of all requests; those that a policy in shadow mode would have denied among them.",
        kind: "lines",
        unit: "percentunit",
        queries: [
          {
            expr: `${by("sallyport_policy", rate("sallyport_requests", ', sallyport_decision=~"deny|shadow_deny"'))} / (${by("sallyport_policy", rate("sallyport_requests"))} > 0)`,
            legend: "{{sallyport_policy}}",
          },
        ],
      },
      {
        title: "Denials by reason",
        description: "What each reason means is in docs/policy-language.md.",
        kind: "lines",
        unit: "reqps",
        queries: [{ expr: `${by("sallyport_reason", rate("sallyport_denials"))} > 0`, legend: "{{sallyport_reason}}" }],
      },
      {
        title: "Rules that decide most",
        description: "The rule that made the decision, or came closest. `shadow_…`: of rules in shadow mode.",
        kind: "lines",
        unit: "reqps",
        queries: [
          {
            expr: `topk(15, ${by("sallyport_policy, sallyport_rule, sallyport_decision", rate("sallyport_rules"))} > 0)`,
            legend: "{{sallyport_policy}} {{sallyport_rule}} {{sallyport_decision}}",
          },
        ],
      },
    ],
  },
  {
    title: "In shadow mode",
    panels: [
      {
        title: "Requests that policies would deny",
        description: "Explain these before you enforce the policy.",
        kind: "lines",
        unit: "reqps",
        queries: [
          {
            expr: by("sallyport_policy", rate("sallyport_requests", ', sallyport_decision="shadow_deny"')),
            legend: "{{sallyport_policy}}",
          },
        ],
      },
      {
        title: "Requests that rules, limits and quarantines would deny",
        description: "Those in shadow mode alone.",
        kind: "lines",
        unit: "reqps",
        queries: [
          {
            expr: by("sallyport_policy, sallyport_rule", rate("sallyport_rules", ', sallyport_decision="shadow_deny"')),
            legend: "rule {{sallyport_rule}}",
          },
          {
            expr: by("sallyport_policy", rate("sallyport_limits", ', sallyport_decision="shadow_deny"')),
            legend: "limits of {{sallyport_policy}}",
          },
          {
            expr: by(
              "sallyport_policy, sallyport_quarantine",
              rate("sallyport_quarantine", ', sallyport_event="shadow_deny"'),
            ),
            legend: "quarantine {{sallyport_quarantine}}",
          },
        ],
      },
    ],
  },
  {
    title: "Limits and quarantines",
    panels: [
      {
        title: "Requests without room in a limit",
        description: "Answered with 429. The records name the limit and the caller.",
        kind: "lines",
        unit: "reqps",
        queries: [
          {
            expr: by("sallyport_policy", rate("sallyport_denials", ', sallyport_reason="limit_exceeded"')),
            legend: "{{sallyport_policy}}",
          },
        ],
      },
      {
        title: "Answers of the rate limit service",
        description: "Of limits of a fleet. `failed`, `unknown` and `skipped`: onError of the limit holds.",
        kind: "lines",
        unit: "reqps",
        queries: [
          {
            expr: by("sallyport_policy, sallyport_result", rate("sallyport_fleet_answers")),
            legend: "{{sallyport_policy}} {{sallyport_result}}",
          },
        ],
      },
      {
        title: "Quarantines",
        description: "Callers that were shut out or let in again, and requests that were refused meanwhile.",
        kind: "lines",
        unit: "reqps",
        queries: [
          {
            expr: by("sallyport_policy, sallyport_quarantine, sallyport_event", rate("sallyport_quarantine")),
            legend: "{{sallyport_quarantine}} {{sallyport_event}}",
          },
        ],
      },
    ],
  },
  {
    title: "Keys and tokens",
    panels: [
      {
        title: "Age of key sets",
        description: "Since the last fetch. A set that grows old serves its last good keys.",
        kind: "lines",
        unit: "s",
        queries: [
          {
            expr: `max by (instance, sallyport_policy, sallyport_set) (sallyport_key_set_age_seconds{${policy}})`,
            legend: "{{sallyport_set}} on {{instance}}",
          },
        ],
      },
      {
        title: "Keys of use, and keys left out",
        description: "How many keys each set has, and how many came that do not count, with the reason.",
        kind: "lines",
        unit: "short",
        queries: [
          {
            expr: `min by (sallyport_policy, sallyport_set) (sallyport_key_set_keys{${policy}})`,
            legend: "{{sallyport_set}}",
          },
          {
            expr: by("sallyport_set, sallyport_reason", increase("sallyport_key_set_left_out", policy)),
            legend: "{{sallyport_set}} left out: {{sallyport_reason}}",
          },
        ],
      },
      {
        title: "Fetches of key sets",
        description: "Those that succeeded, and those that did not.",
        kind: "lines",
        unit: "cps",
        queries: [
          { expr: by("sallyport_set", rate("sallyport_key_set_refreshes")), legend: "{{sallyport_set}} fetched" },
          { expr: by("sallyport_set", rate("sallyport_key_set_failures")), legend: "{{sallyport_set}} failed" },
        ],
      },
      {
        title: "Tokens that were known already",
        description: "Of all that were looked up in the cache. A token that is not there costs a signature.",
        kind: "lines",
        unit: "percentunit",
        queries: [
          {
            expr: `${by("sallyport_policy", rate("sallyport_cached_tokens", ', sallyport_result="hit"'))} / (${by("sallyport_policy", rate("sallyport_cached_tokens", ', sallyport_result=~"hit|miss"'))} > 0)`,
            legend: "{{sallyport_policy}}",
          },
        ],
      },
    ],
  },
  {
    title: "The filter in Envoy",
    panels: [
      {
        title: "Failures",
        description: "What failed in the filter, by cause. Zero is as it should be.",
        kind: "lines",
        unit: "short",
        queries: [
          {
            expr: by("instance, sallyport_cause", increase("sallyport_failures", policy)),
            legend: "{{sallyport_cause}} on {{instance}}",
          },
        ],
      },
      {
        title: "Wasm VMs less than there should be",
        description:
          "A VM for each worker, one for the main thread, and one that they are copied from. Above zero: a worker is without the filter.",
        kind: "lines",
        unit: "short",
        queries: [
          {
            expr: `clamp_min(envoy_server_concurrency{${envoy}} + 2 - on (job, instance) envoy_wasm_envoy_wasm_runtime_v8_active, 0)`,
            legend: "{{instance}}",
          },
        ],
      },
      {
        title: "VMs that crashed",
        description: "Envoy has built them again, or tried to.",
        kind: "lines",
        unit: "short",
        queries: [
          {
            expr: grown("envoy_wasm_(.+_)?sallyport(_.+)?_vm_reload"),
            legend: "{{instance}}",
          },
        ],
      },
      {
        title: "Requests that the enforcement check refused",
        description:
          "The filter did not admit them. Other RBAC filters of the same connection manager are counted, too.",
        kind: "lines",
        unit: "reqps",
        queries: [
          {
            // Istio makes a label of the name's end.
            expr: `${by("instance", `rate(envoy_http_rbac_denied{${envoy}}[$__rate_interval])`)} or ${by("instance", `rate(envoy_http_rbac{${envoy},authz_enforce_result="denied"}[$__rate_interval])`)}`,
            legend: "{{instance}}",
          },
        ],
      },
      {
        title: "Configurations that Envoy refused",
        description: "It goes on with the older one. A refused policy is one of the reasons; its log says why.",
        kind: "lines",
        unit: "short",
        queries: [
          { expr: grown("envoy_listener_manager_lds_update_rejected"), legend: "LDS, {{instance}}" },
          {
            expr: grown("envoy_extension_config_discovery_http_filter_.+_update_rejected"),
            legend: "ECDS, {{instance}}",
          },
        ],
      },
    ],
  },
];
