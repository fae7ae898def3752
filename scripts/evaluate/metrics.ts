/**
 * The metrics that the engine defines (assembly/audit/metrics.ts): their labels, and what they count. The table of
 * docs/observability.md is made from it, and tests/wasm/metrics.test.ts compares it with what the engine defines.
 */
import { rule_metrics_max } from "../../assembly/limits.ts";

/** What there is to say of a metric. */
interface MetricEntry {
  /** Its labels without those of the policy, and the values they have; where none are given, the policy or a list of names has them. */
  labels: Readonly<Record<string, readonly string[]>>;
  isGauge?: true;
  meaning: string;
}

export const metrics = {
  sallyport_policy_info: {
    labels: { image: [], version: [], mode: ["enforce", "shadow"], engine: [] },
    isGauge: true,
    meaning:
      "above 0 while the policy is in force, 0 once it is not. `sallyport_image` is the image's checksum, as `sallyport build` prints it; `sallyport_version` its version, if it is [signed](signing.md); `sallyport_engine` the engine's version. [More](observability.md#what-is-in-force)",
  },
  sallyport_requests: {
    labels: { decision: ["allow", "deny", "shadow_deny", "gone"] },
    meaning:
      "every request, once. `shadow_deny`: the policy is in shadow mode and would have denied it; `gone`: it ended, or somebody else answered it, while it waited for keys or for the service of a fleet",
  },
  sallyport_denials: {
    labels: { reason: [] },
    meaning: "denials by reason, also those that a policy in shadow mode would have made",
  },
  sallyport_rules: {
    labels: { rule: [], decision: ["allow", "deny", "shadow_allow", "shadow_deny"] },
    meaning: `decisions by the rule that made them or came closest; \`shadow_…\` of rules in shadow mode. Rules past the first ${rule_metrics_max.toLocaleString("en")} share \`_other\``,
  },
  sallyport_failures: {
    labels: { cause: [] },
    meaning:
      "what failed, a host call or a bound: what `internal` stood for. What fails only for a rule in shadow mode is not counted; the record has it",
  },
  sallyport_fleet_answers: {
    labels: { result: ["granted", "refused", "unknown", "failed", "skipped", "leased"] },
    meaning:
      "what came of asking the rate limit service of a [fleet](limits.md#fleets), of policies that have one. `unknown`: it has no rule for a limit or a quarantine, or does not heed the hits of a descriptor, which [quarantines](limits.md#quarantines-of-a-fleet) need; `failed`: no answer in time, or none of use; `skipped`: it was not asked, since it fails again and again, or too many requests wait; `leased`: it was not asked, since the worker had tokens of a block",
  },
  sallyport_cached_tokens: {
    labels: { result: ["hit", "miss", "eviction"] },
    meaning: "tokens that were in the cache, were not, and were evicted",
  },
  sallyport_limits: {
    labels: { decision: ["shadow_deny"] },
    meaning: "limits in shadow mode that would have denied a request; the record names each",
  },
  sallyport_quarantine: {
    labels: {
      quarantine: [],
      event: ["enter", "leave", "deny", "shadow_enter", "shadow_leave", "shadow_deny"],
    },
    meaning:
      "what a quarantine did: a caller was shut out, was let in again with its first request after that, was refused. `shadow_…`: it is in shadow mode, or the policy is",
  },
  sallyport_key_set_refreshes: { labels: { set: [] }, meaning: "fetches of a key set that succeeded" },
  sallyport_key_set_failures: { labels: { set: [] }, meaning: "fetches of a key set that did not succeed" },
  sallyport_key_set_age_seconds: {
    labels: { set: [] },
    isGauge: true,
    meaning: "how long ago the set was fetched, or the policy came into force where it never was",
  },
  sallyport_key_set_left_out: {
    labels: { reason: ["secret", "use", "kid", "type", "alg", "certificate", "weak", "malformed"], set: [] },
    meaning:
      "keys that a fetched set has and that do not count, once for each change of the set: private or shared; not for signatures; `kid` too long, or missing in a bundle; `kty` or `crv`, or `alg`, not supported; only a certificate; RSA of less than 2,048 bits; no key at all",
  },
  sallyport_key_set_keys: { labels: { set: [] }, isGauge: true, meaning: "how many keys of the set are of use" },
} as const satisfies Record<string, MetricEntry>;

/** The same for those who ask of any. */
export const metricEntries: readonly (readonly [name: string, entry: MetricEntry])[] = Object.entries(metrics);
