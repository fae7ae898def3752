/** One Envoy: which policy is in force where, and what is wrong. */
import { capabilityList, checkCapabilities } from "./capabilities.ts";
import { checkAwaited, checkOrder, checkWriters } from "./chain.ts";
import { type Finding, finding } from "./codes.ts";
import { type Dump, readDump } from "./dump.ts";
import type { PolicyFacts } from "./facts.ts";
import { checkHolding } from "./holding.ts";
import { checkManager } from "./manager.ts";
import {
  checkStats,
  imagesInForce,
  isRefused,
  type NamedPolicy,
  otherImages,
  readStats,
  readVersions,
  type Stats,
} from "./metrics.ts";
import { Node } from "./node.ts";
import { findPlugins, isTrial, type ModuleSource, type Plugin, placeOf, policyNameOfPlugin } from "./plugin.ts";
import { answersItself, checkAround, checkOverrides, not_taken } from "./routes.ts";
import { checkSigned, checkSuperseded, endOf } from "./signed.ts";
import { checkTls } from "./tls.ts";

/** What an Envoy answered. */
export interface Answers {
  /** To `/config_dump`. */
  dump: unknown;
  /** To `/server_info` and `/stats?format=json`; undefined where only a dump was given. */
  server?: unknown;
  stats?: unknown;
}

/** The policy that ought to be in force. */
export interface Wanted {
  facts: PolicyFacts;
  /** Of the module that this package makes of it. */
  moduleSha256: string;
}

/** A policy in force. */
export interface InForce {
  listener: string;
  chain: string;
  filter: string;
  /** null where nothing tells. */
  policy: string | null;
  checksum: string | null;
  mode: "enforce" | "shadow" | null;
  /** What the checksum was read from; null where nothing could be read. */
  from: "configuration" | "module" | null;
  /** The version, key and end (RFC 3339; null: none) of a configured policy that is signed; null for others. */
  signed: { version: number; keyId: string; expires: string | null } | null;
  /** The IDs of the keys that the module trusts; null where the module could not be read. */
  trustKeys: string[] | null;
  module: { origin: string; sha256: string | null };
  /** When Envoy took the configuration, and as which version of its control plane. */
  since: string | null;
  version: string | null;
  /** Envoy has refused all this, and an older configuration, which it shows nowhere, is in force. */
  isRefused: boolean;
  /** The images that decide by the filter's gauges, where `checksum` is none of them: Envoy's configuration says what is not in force. */
  inForceInstead: string[];
}

export interface EnvoyStatus {
  node: string | null;
  envoyVersion: string | null;
  state: string | null;
  workers: number | null;
  policies: InForce[];
  findings: Finding[];
}

/**
 * Judges one Envoy.
 * @param source where modules are looked for
 * @throws Error where the dump is none
 */
export function judge({ dump: value, server, stats }: Answers, source: ModuleSource, wanted?: Wanted): EnvoyStatus {
  const dump = readDump(value);
  const info = new Node(server);
  const managers = dump.listeners.flatMap((listener) => listener.managers);
  const perManager = managers.map((manager) => findPlugins(manager, source));
  const plugins = perManager.flat();
  const state = info.at("state").text;
  // LIVE is the first of the states, which JSON of some versions leaves out.
  const workers = info.at("command_line_options", "concurrency").number;
  const read = readStats(stats);
  const versions = readVersions(stats);
  const findings: Finding[] = [];
  if (server !== undefined && state !== undefined && state !== "LIVE")
    findings.push(finding("not_live", {}, `Envoy's state is ${state}: it does not serve. Look at its log.`));
  findings.push(...checkLoaded(dump, plugins));
  for (const { name, path } of dump.awaitedSecrets)
    findings.push(
      finding(
        "secret_awaited",
        { path },
        `The secret "${name}" has not come over SDS: no connection that needs it can be made. Envoy's log says why (\`StreamSecrets\`); where it comes from SPIRE, Envoy's process needs an entry that has it, as docs/spire.md says.`,
      ),
    );
  for (const { what, details, since, path } of dump.refusals)
    findings.push(
      finding(
        "update_refused",
        { path },
        `Envoy has refused a newer configuration of ${what}${since === undefined ? "" : ` (${since})`}, and goes on with the older one: ${details.trim()}`,
      ),
    );
  for (const [at, manager] of managers.entries()) {
    const ours = perManager[at]!;
    findings.push(...checkAwaited(manager));
    for (const plugin of ours) findings.push(...checkPlugin(plugin, ours, wanted, read), ...checkOrder(plugin, ours));
    const first = ours.find((plugin) => !isTrial(plugin, ours));
    if (first === undefined || answersItself(first.manager)) continue;
    const policy = first.policy ?? wanted?.facts;
    findings.push(...checkManager(first, policy), ...checkTls(manager, policy), ...checkOverrides(manager, ours));
    findings.push(...checkWriters(manager));
  }
  findings.push(...checkAround(dump, plugins));
  for (const plugin of plugins) {
    const others = otherImages(plugin.policy, read);
    findings.push(
      ...(isRefused(plugin.filter, read, versions) ? [refusal(plugin, others)] : checkSuperseded(plugin, others)),
    );
  }
  const isServing = state === undefined || state === "LIVE";
  if (stats !== undefined)
    findings.push(...checkStats(read, dump, namedPolicies(plugins, wanted), isServing ? workers : undefined));
  return {
    node: dump.nodeId ?? null,
    envoyVersion: info.at("version").text?.split("/")[1] ?? null,
    state: state ?? null,
    workers: workers ?? null,
    policies: plugins.map((plugin) =>
      inForce(plugin, isRefused(plugin.filter, read, versions), otherImages(plugin.policy, read)),
    ),
    findings,
  };
}

function checkLoaded({ listeners }: Dump, plugins: readonly Plugin[]): Finding[] {
  if (plugins.length > 0) return [];
  const names = listeners.map(({ name }) => `"${name}"`).join(", ");
  const managers = listeners.flatMap((listener) => listener.managers);
  // Envoys of Envoy Gateway have a listener of their own, for probes, whose routes are answers, too.
  const isAnswered = managers.length > 0 && managers.every(answersItself);
  const isAwaited = managers.some((manager) => checkAwaited(manager).length > 0);
  const consequence = isAwaited
    ? "it has not come (`filter_missing`)."
    : isAnswered
      ? `no route leads to a cluster, so that Envoy answers every request itself. ${not_taken}`
      : "requests pass undecided. Put the filter and its check into the listener that callers use, as envoy/inbound.yaml has them.";
  return [
    finding(
      "not_loaded",
      {},
      `No connection manager has the filter${names === "" ? "" : ` (listeners: ${names})`}: ${consequence}`,
    ),
  ];
}

function refusal({ manager, filter }: Plugin, others: readonly string[]): Finding {
  const { version, updated } = filter.since;
  const which =
    others.length === 0 ? "of which only its log tells" : `by the filter's gauges image ${others.join(", ")}`;
  return finding(
    "update_refused",
    placeOf(manager, filter),
    `Envoy has refused this configuration of the filter (version ${version ?? "unknown"}, ${updated ?? "at an unknown time"}), although its dump has it: an older one is in force, ${which}. Look for \`configuration refused\` in its log, and roll out a sound one.`,
  );
}

/** The filter by itself: its policy, and how Envoy runs it. */
function checkPlugin(plugin: Plugin, ours: readonly Plugin[], wanted: Wanted | undefined, stats: Stats): Finding[] {
  const { config, policy, filter } = plugin;
  const place = placeOf(plugin.manager, filter);
  // What is tried is another policy than the one that decides, and lets nobody by.
  const tries = isTrial(plugin, ours);
  const found = tries ? [] : checkPolicy(plugin, wanted, stats);
  const isShadow = (plugin.mode ?? (policy?.isShadow === true ? "shadow" : undefined)) === "shadow";
  if (!tries && isShadow && wanted?.facts.isShadow !== true)
    found.push(
      finding(
        "shadow_mode",
        place,
        `The policy is in shadow mode${plugin.mode === "shadow" ? " by the filter's configuration" : ""}: every request passes, whatever it decides. Take \`mode: shadow\` out once \`shadow_deny\` in \`sallyport_requests\` has nothing that should pass.`,
      ),
    );
  const failure = config.at("failure_policy").text;
  if (failure === "FAIL_OPEN" || config.at("fail_open").isTrue)
    found.push(
      finding(
        "fail_open",
        { ...place, path: config.path },
        "`failure_policy` is FAIL_OPEN: where the filter fails, requests go by it, and only the enforcement check is left. Set it to FAIL_RELOAD.",
      ),
    );
  else if (failure !== "FAIL_RELOAD") found.push(withoutReload(plugin));
  return [
    ...found,
    ...checkSigned(plugin),
    ...checkCapabilities(plugin, wanted?.facts),
    ...checkHolding(plugin, wanted?.facts),
  ];
}

/** What follows from a `failure_policy` that has no VM built again. */
function withoutReload({ manager, filter, config }: Plugin): Finding {
  const place = { ...placeOf(manager, filter), path: config.path };
  const consequence = "after a crash, every request on that worker is answered 503 until Envoy restarts.";
  // Envoy Gateway calls a filter so, and a VM by the rest of it.
  const isOfEnvoyGateway = filter.name === `envoy.filters.http.wasm/${config.at("vm_config", "vm_id").text}`;
  return isOfEnvoyGateway
    ? finding("reload_unavailable", place, `Envoy Gateway has no \`failure_policy\`: ${consequence}`)
    : finding("no_reload", place, `\`failure_policy\` is not FAIL_RELOAD: ${consequence} Set it to FAIL_RELOAD.`);
}

function checkPolicy(plugin: Plugin, wanted: Wanted | undefined, stats: Stats): Finding[] {
  const { policy, policyFrom, moduleSha256, moduleOrigin, filter } = plugin;
  const place = placeOf(plugin.manager, filter);
  const since = filter.since.updated;
  if (
    policyFrom === "module" &&
    plugin.fileTime !== undefined &&
    since !== undefined &&
    plugin.fileTime > Date.parse(since)
  )
    return [
      finding(
        "module_changed",
        place,
        `${moduleOrigin} was written after Envoy took its configuration (${since}), so that nobody knows which policy is in force. Have Envoy load it: change the listener or the filter's configuration, or restart.`,
      ),
    ];
  if (!plugin.isConfigurationRead)
    return [
      finding(
        "configuration_unread",
        { ...place, path: plugin.config.at("configuration").path },
        "The filter's configuration is neither JSON in a string nor a structure: the filter refuses it, and nobody knows what Envoy has in force. Write it as docs/operations.md has it.",
      ),
    ];
  if (policy === undefined) {
    if (wanted !== undefined && !plugin.isConfigured && moduleSha256 !== undefined) {
      if (moduleSha256 === wanted.moduleSha256) return [];
      return [
        finding(
          "policy_old",
          place,
          `Envoy has the module of SHA-256 ${moduleSha256}, and the policy given makes ${wanted.moduleSha256}: roll out the module of this policy, or give the policy that is meant.`,
        ),
      ];
    }
    const why = plugin.isConfigured
      ? "the image in the filter's configuration is none that this sallyport can read. Use the sallyport that made it."
      : `the module (${moduleOrigin}) could not be read, and the filter's configuration has none. Give the module with --module.`;
    if (wanted === undefined)
      return [finding("policy_unread", place, `Nothing here tells which policy is in force: ${why}`)];
    return checkByGauges(plugin, wanted, stats, why);
  }
  if (wanted === undefined) return [];
  const { name, checksum } = wanted.facts;
  const others = otherImages(policy, stats);
  // The configuration is not in force, which another finding says: what decides counts here.
  if (others.includes(checksum)) return [];
  const [decides, when] =
    others.length === 0
      ? [policy.checksum, `since ${since ?? "an unknown time"}`]
      : [others.join(", "), "by the filter's gauges"];
  if (decides !== checksum)
    return [
      finding(
        "policy_old",
        place,
        `Policy "${policy.name}" with the image ${decides} is in force ${when}, and the policy given, "${name}", has the image ${checksum}: roll it out, or give the policy that is meant.`,
      ),
    ];
  if (policyFrom === "module" && moduleSha256 !== wanted.moduleSha256)
    return [
      finding(
        "engine_differs",
        place,
        `The module has the policy given in another engine than this package's, or with other trust keys than were given: its SHA-256 is ${moduleSha256}, and \`sallyport build\` makes ${wanted.moduleSha256}. Build and roll out again, or use the sallyport that built it.`,
      ),
    ];
  return [];
}

/** Whether the policy given is in force where only the filter's gauges tell, if anything does. */
function checkByGauges({ manager, filter }: Plugin, { facts }: Wanted, stats: Stats, why: string): Finding[] {
  const place = placeOf(manager, filter);
  const images = imagesInForce(stats, facts.name);
  if (images.includes(facts.checksum)) return [];
  return images.length > 0
    ? [
        finding(
          "policy_old",
          place,
          `By its metrics the filter has image ${images.join(", ")} of policy "${facts.name}" in force, and the policy given has the image ${facts.checksum}: roll it out, or give the policy that is meant.`,
        ),
      ]
    : [
        finding(
          "policy_unverified",
          place,
          `Nothing here tells whether the policy given, "${facts.name}" with the image ${facts.checksum}, is in force: ${why}`,
        ),
      ];
}

function namedPolicies(plugins: readonly Plugin[], wanted: Wanted | undefined): NamedPolicy[] {
  const byName = new Map<string, NamedPolicy>();
  for (const plugin of plugins) {
    const name = policyNameOfPlugin(plugin);
    if (name === undefined) continue;
    const facts = plugin.policy ?? (wanted?.facts.name === name ? wanted.facts : undefined);
    const allowed = capabilityList(plugin.config)?.entries();
    const hasGauges = allowed === undefined || allowed.some(([capability]) => capability === "proxy_record_metric");
    byName.set(name, { name, facts, hasGauges: hasGauges && byName.get(name)?.hasGauges !== false });
  }
  return [...byName.values()];
}

function inForce(plugin: Plugin, refused: boolean, others: string[]): InForce {
  const { manager, filter, policy, policyFrom, signed, moduleOrigin, moduleSha256 } = plugin;
  return {
    listener: manager.listener.name,
    chain: manager.chain,
    filter: filter.name,
    policy: policyNameOfPlugin(plugin) ?? null,
    checksum: policy?.checksum ?? null,
    mode: plugin.mode ?? (policy === undefined ? null : policy.isShadow ? "shadow" : "enforce"),
    from: policyFrom ?? null,
    signed: signed === undefined ? null : { version: signed.version, keyId: signed.keyId, expires: endOf(signed) },
    trustKeys: plugin.trustKeys ?? null,
    module: { origin: moduleOrigin, sha256: moduleSha256 ?? null },
    since: filter.since.updated ?? null,
    version: filter.since.version ?? null,
    isRefused: refused,
    inForceInstead: others,
  };
}
