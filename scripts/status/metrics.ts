/** What Envoy's statistics tell of the filter. They have no worker: Envoy adds up what its workers count. */
import { holding_member } from "../envoy/holding.ts";
import { type Finding, finding } from "./codes.ts";
import type { Dump, HttpFilter } from "./dump.ts";
import type { PolicyFacts } from "./facts.ts";
import { Node } from "./node.ts";

/** Counters and gauges by their full names. A text that Envoy counts among them is no number. */
export type Stats = ReadonlyMap<string, number>;

/** The version of each filter's configuration that Envoy has accepted last, by the statistic that has it. */
export type Versions = ReadonlyMap<string, string>;

/** Reads the texts out of the answer to `/stats?format=json`. */
export function readVersions(value: unknown): Versions {
  return new Map(
    entriesOf(value).flatMap(([name, entry]) => {
      const text = name.endsWith(".version_text") ? entry.text : undefined;
      return text === undefined ? [] : [[name, text]];
    }),
  );
}

/**
 * Whether what the dump has of a filter that comes by ECDS was refused: Envoy 1.40 puts the last configuration that came into its dump, without a
 * word on whether it took it. Its statistics have version and time of the last that it took.
 */
export function isRefused({ name, since, isExtension }: HttpFilter, stats: Stats, versions: Versions): boolean {
  if (!isExtension) return false;
  const discovery = `extension_config_discovery.http_filter.${name}`;
  const accepted = versions.get(`${discovery}.version_text`);
  if (accepted !== undefined && accepted !== "" && since.version !== undefined && accepted !== since.version)
    return true;
  const takenAt = stats.get(`${discovery}.update_time`);
  return takenAt !== undefined && since.updated !== undefined && Date.parse(since.updated) > takenAt;
}

/** Reads the answer to `/stats?format=json`. Histograms are left out. */
export function readStats(value: unknown): Stats {
  return new Map(
    entriesOf(value).flatMap(([name, { value: count }]) =>
      ["number", "string"].includes(typeof count) ? [[name, Number(count)]] : [],
    ),
  );
}

function entriesOf(value: unknown): [name: string, value: Node][] {
  return new Node(value)
    .at("stats")
    .list()
    .flatMap((entry): [string, Node][] => {
      const { text } = entry.at("name");
      return text === undefined ? [] : [[text, entry.at("value")]];
    });
}

/** The gauges that tell of each image of a policy whether it decides: its checksum, and the gauge. */
function gaugesOf(stats: Stats, policy: string): [image: string, value: number][] {
  const start = `${prefix}policy_info.policy.${policy};.image.`;
  return [...stats]
    .filter(([name]) => name.startsWith(start))
    .map(([name, value]) => [name.slice(start.length).split(".")[0]!, value]);
}

/** The images of a policy that decide in some worker, by their checksums; none where the gauges that tell are not there. */
export function imagesInForce(stats: Stats, policy: string): string[] {
  const images = gaugesOf(stats, policy).filter(([, value]) => value > 0);
  return [...new Set(images.map(([image]) => image))];
}

/** The images that decide in place of the one that the configuration has; none where that one does, or nothing tells. */
export function otherImages(policy: PolicyFacts | undefined, stats: Stats): string[] {
  const images = policy === undefined ? [] : imagesInForce(stats, policy.name);
  return images.includes(policy?.checksum ?? "") ? [] : images;
}

const prefix = "wasmcustom.sallyport_";
/** A key set is fetched a tenth early, and again after at most 64 seconds where that failed: three periods are no accident. */
const refreshes_missed = 3;

/** A policy that Envoy's configuration names. */
export interface NamedPolicy {
  name: string;
  facts: PolicyFacts | undefined;
  /** The host lets the filter set gauges: where it does not, they stay 0 and say nothing. */
  hasGauges: boolean;
}

/**
 * What is wrong with the policies in force.
 * @param policies those that the configuration has
 * @param workers how many worker threads Envoy has; undefined where that is unknown, or not all of them serve yet
 */
export function checkStats(
  stats: Stats,
  dump: Dump,
  policies: readonly NamedPolicy[],
  workers: number | undefined,
): Finding[] {
  const names = [...stats.keys()].filter((name) => name.startsWith(prefix));
  const found: Finding[] = [];
  if (names.length === 0 && policies.length > 0) {
    found.push(
      dump.hasStatsMatcher
        ? finding(
            "metrics_dropped",
            {},
            "Envoy's `stats_config.stats_matcher` drops the filter's metrics: nothing can be alerted on. Let `wasmcustom.sallyport_` through; under Istio by `proxyStatsMatcher`.",
          )
        : finding(
            "not_in_force",
            {},
            "The filter is configured, and none of its counters exist: no policy has come into force. Look for `configuration refused` in Envoy's log.",
          ),
    );
  }
  for (const { name, facts, hasGauges } of policies) {
    if (names.length > 0 && !names.some((stat) => stat.startsWith(`${prefix}requests.policy.${name};.`)))
      found.push(
        finding(
          "not_in_force",
          {},
          `Envoy has counters of the filter, and none of policy "${name}", which its configuration names: the policy has not come into force. Look for \`configuration refused\` in Envoy's log.`,
        ),
      );
    if (hasGauges && gaugesOf(stats, name).length > 0 && imagesInForce(stats, name).length === 0)
      found.push(
        finding(
          "not_in_force",
          {},
          `No image of policy "${name}" is in force any more: all its gauges \`sallyport_policy_info\` are 0, so that every request is denied (503), or refused by the enforcement check. Look for \`configuration refused\` in Envoy's log; where it has \`which was in force in this Envoy\`, roll out a signed image of a newer version.`,
        ),
      );
    found.push(...checkBodies(stats, name));
    for (const set of facts?.fetched ?? []) found.push(...checkKeySet(stats, name, set));
    const failed = [...stats].filter(
      ([stat, count]) => stat.startsWith(`${prefix}failures.policy.${name};.cause.`) && count > 0,
    );
    for (const [stat, count] of failed) {
      const cause = stat.slice(stat.lastIndexOf(".") + 1);
      found.push(
        finding(
          "failures_counted",
          {},
          `Policy "${name}" has counted ${count} failures "${cause}" since Envoy's start; the table of causes in docs/observability.md says what to do.`,
        ),
      );
    }
  }
  found.push(...checkVms(stats, policies.length, workers));
  return found;
}

function checkKeySet(
  stats: Stats,
  policy: string,
  { name, refreshSeconds, hasKeys }: PolicyFacts["fetched"][number],
): Finding[] {
  const of = (metric: string): number | undefined =>
    stats.get(`${prefix}key_set_${metric}.policy.${policy};.set.${name}`);
  const age = of("age_seconds") ?? 0;
  const failures = of("failures") ?? 0;
  const told = `its last ${failures === 0 ? "fetches left no failure" : `fetches failed (${failures} since Envoy's start)`}`;
  const advice = "Envoy's log says why (`key set … not fetched`); docs/operations.md has what to do.";
  if ((of("refreshes") ?? 0) === 0 && (failures > 0 || age > refreshSeconds)) {
    const consequence = hasKeys ? "the keys in the policy serve" : "tokens of its issuer are answered with 503";
    return [
      finding(
        "keys_missing",
        {},
        `Key set "${name}" of policy "${policy}" has never been fetched, and ${told}: ${consequence}. ${advice}`,
      ),
    ];
  }
  if (age <= refreshes_missed * refreshSeconds) return [];
  return [
    finding(
      "keys_stale",
      {},
      `Key set "${name}" of policy "${policy}" was fetched ${age} s ago and is due every ${refreshSeconds} s; ${told}: keys that its issuer has withdrawn still count. ${advice}`,
    ),
  ];
}

/** The VM that all others are cloned from, and that of the main thread. */
const vms_besides_workers = 2;

/** Whether each worker may have a VM of ours. Other filters' VMs, and old ones that drain, are counted with them. */
function checkVms(stats: Stats, plugins: number, workers: number | undefined): Finding[] {
  const active = stats.get("wasm.envoy.wasm.runtime.v8.active");
  if (plugins === 0 || active === undefined || workers === undefined || active >= workers + vms_besides_workers)
    return [];
  return [
    finding(
      "worker_without_filter",
      {},
      `Envoy has ${workers} workers, and ${active} Wasm VMs in all: a worker is without the filter, and its requests are refused by the enforcement check, or pass undecided without one. Look for the filter's failure in Envoy's log, and restart Envoy.`,
    ),
  ];
}

/** What the counters tell of bodies that Envoy did not hand over. */
function checkBodies(stats: Stats, policy: string): Finding[] {
  const start = `${prefix}denials.policy.${policy};.reason.body_unavailable`;
  const count = [...stats].reduce((sum, [name, value]) => (name.startsWith(start) ? sum + value : sum), 0);
  if (count === 0) return [];
  return [
    finding(
      "bodies_unavailable",
      {},
      `Policy "${policy}" has denied ${count} requests since Envoy's start because their bodies did not come to the filter (\`body_unavailable\`): look for \`the host hands over no bodies\` in Envoy's log; \`${holding_member}\` in the plugin's configuration is what it names. Requests with \`expect\` that Envoy passes on (\`proxy_100_continue\`) are denied so too.`,
    ),
  ];
}
