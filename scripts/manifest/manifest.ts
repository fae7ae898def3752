/** A policy and what an operator says of its place → the files that the system is given. */
import { createHash } from "node:crypto";
import program from "../../package.json" with { type: "json" };
import { holdingOf } from "../envoy/holding.ts";
import { type CompiledPolicy, loadEngineFor } from "../policy/build.ts";
import { imageChecksum } from "../policy/image/image.ts";
import { openFormsOf } from "../policy/image/name.ts";
import { embedImage } from "../policy/module/embed.ts";
import { asChart, placeholder, refusePlaceholders } from "./chart.ts";
import { envoyManifest } from "./envoy.ts";
import { gatewayManifest } from "./envoygateway.ts";
import { type Manifest, ManifestError, type System } from "./files.ts";
import { istioManifest } from "./istio.ts";
import {
  type GivenOptions,
  kubernetesName,
  type ModuleSource,
  moduleSource,
  parseSelector,
  rateLimitAddress,
  refuseOthers,
  resourceName,
  trustedHops,
} from "./options.ts";
import { serversOf } from "./servers.ts";
import type { ShadowFilter } from "./shadow.ts";

const for_all = ["ratelimit", "trustedHops"] as const;
const for_meshes = ["image", "url", "sha256", "pullSecret", "namespace", "helm", "trustKey"] as const;
const for_gateways = ["gatewayListener"] as const;
const usual_file = "sallyport.wasm";
const usual_listener = "https";
const usual_upstream = "http://127.0.0.1:8080";

/** What is tried beside the policy: by a module of its own, which in a mesh is fetched like the policy's. */
export interface Tried extends Omit<ShadowFilter<string>, "module" | "holds"> {
  /** The policy that will be in force: its servers have to be there. */
  next: CompiledPolicy;
  /** Where its module is: with `envoy`, its file. */
  source: GivenOptions;
  file: string;
}

/**
 * The manifest of a policy.
 * @param file with `envoy`, the module's file beside the others
 * @param configuration with `envoy`, the filter's own: JSON with another image of the policy than the module has
 * @param tried a policy to try beside it
 * @throws ManifestError where an option is missing or makes no sense, or what is asked for would not be safe
 */
export async function makeManifest(
  system: System,
  compiled: CompiledPolicy,
  given: GivenOptions,
  {
    file = usual_file,
    configuration,
    tried: trial,
  }: { file?: string; configuration?: string | undefined; tried?: Tried | undefined } = {},
): Promise<Manifest> {
  const { policy, image } = compiled;
  const tried = trial && { ...trial, holds: holdingOf(trial.next.image) };
  const holds = holdingOf(image);
  const everywhere = {
    servers: serversOf(
      [policy, ...(tried === undefined ? [] : [tried.next.policy])],
      rateLimitAddress(given.ratelimit),
    ),
    forms: openFormsOf(image),
    hops: trustedHops(given.trustedHops, policy.sourceAddress),
    holds,
  };
  if (system === "envoy") {
    refuseOthers(system, given, [...for_all, "upstream", "upstreamId"]);
    const { upstream = usual_upstream, upstreamId } = given;
    const shadow = tried && { ...tried, module: tried.file };
    return envoyManifest(policy, { ...everywhere, upstream, upstreamId, module: file, configuration, shadow });
  }
  if (policy.filterState !== undefined) {
    const whose = system === "istio" ? "Istio's sidecars end" : "Envoy Gateway's listeners end";
    throw new ManifestError(
      `${whose} the caller's mTLS themselves, and write no filter state \`${policy.filterState}\`, so that every request would be denied: write \`trust.identity: mtls\``,
    );
  }
  const target = system === "istio" ? "selector" : "gateway";
  refuseOthers(system, given, [...for_all, ...for_meshes, target, ...(system === "istio" ? [] : for_gateways)]);
  const module = sourceOf(given, compiled);
  const shadow = tried && { ...tried, module: sourceOf(tried.source, tried.next) };
  const namespace = kubernetesName("--namespace", given.namespace ?? "default");
  const chosen = system === "istio" ? parseSelector(given.selector) : gatewayOf(given);
  const listener = kubernetesName("--gateway-listener", given.gatewayListener ?? usual_listener);
  const isHolding = holds !== undefined || tried?.holds !== undefined;
  if (system === "envoy-gateway" && !isHolding && given.gatewayListener !== undefined)
    throw new ManifestError("--gateway-listener is for policies that read bodies: leave it out");
  const make = async (at: { module: ModuleSource; namespace: string; chosen: unknown }): Promise<Manifest> => {
    const { chosen: labels, ...place } = { ...everywhere, shadow, ...at };
    return system === "istio"
      ? istioManifest(policy, { ...place, labels })
      : gatewayManifest(policy, { ...place, gateway: labels, listener });
  };
  const plain = await make({ module, namespace, chosen });
  if (given.helm !== true) return plain;
  if (system === "envoy-gateway" && isHolding) {
    throw new ManifestError(
      "the patch of a policy that reads bodies names the Gateway's listener by its namespace and name, which a chart cannot leave open: leave out --helm",
    );
  }
  refusePlaceholders(plain);
  const open = { ...module, location: placeholder("module"), sha256: placeholder("sha256") };
  const manifest = await make({ module: open, namespace: placeholder("namespace"), chosen: placeholder(target) });
  const names = { name: resourceName(policy.name), version: program.version, appVersion: imageChecksum(image) };
  return asChart(system, manifest, names, { [target]: chosen, module: module.location, sha256: module.sha256 });
}

function sourceOf(given: GivenOptions, { image }: CompiledPolicy): ModuleSource {
  return moduleSource(given, () => sha256Of(embedImage(loadEngineFor(image), image, given.trustKey)));
}

function gatewayOf({ gateway }: GivenOptions): string {
  if (gateway === undefined)
    throw new ManifestError("say which Gateway the policy guards: --gateway NAME, in the namespace of --namespace");
  return kubernetesName("--gateway", gateway);
}

const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
