/** Which Wasm filters are Sallyport, and which policy each has. */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { readPluginConfiguration } from "../envoy/pluginconfig.ts";
import { name_pattern } from "../policy/image/name.ts";
import { type BuiltIn, readBuilt } from "../policy/module/embed.ts";
import { type Envelope, readEnvelope } from "../policy/signed/envelope.ts";
import { keyIdOf } from "../policy/signed/keys.ts";
import type { Place } from "./codes.ts";
import type { HttpFilter, Manager } from "./dump.ts";
import { type PolicyFacts, readFacts } from "./facts.ts";
import { isCheck, isCheckOf } from "./mark.ts";
import type { Node } from "./node.ts";
import { markOfRoutes } from "./overrides.ts";

/** Where modules are looked for. */
export interface ModuleSource {
  /** Files that the dump names are on this machine. */
  readsFiles: boolean;
  /** The module that Envoy loads, if it was given. */
  bytes?: Uint8Array;
}

/** A filter of ours. */
export interface Plugin {
  manager: Manager;
  /** Its place among the manager's filters. */
  index: number;
  filter: HttpFilter;
  /** `envoy.extensions.wasm.v3.PluginConfig`. */
  config: Node;
  policy: PolicyFacts | undefined;
  /** Whether the filter's configuration has a policy, so that the module's own does not count. */
  isConfigured: boolean;
  /** Whether that configuration has a form that the filter takes. */
  isConfigurationRead: boolean;
  /** What has the policy; undefined where nothing could be read. */
  policyFrom: "configuration" | "module" | undefined;
  /** What the signature of a configured policy says; undefined where it has none. */
  signed: Omit<Envelope, "image"> | undefined;
  /** The IDs of the keys that the module trusts; undefined where the module could not be read. */
  trustKeys: string[] | undefined;
  /** The module's bytes are known, or Envoy was told their checksum. */
  moduleSha256: string | undefined;
  /** Where Envoy takes the module from: a file's path, a URL, or `inline`. */
  moduleOrigin: string;
  /** When the module's file was last written, in milliseconds; undefined where it was not read. */
  fileTime: number | undefined;
  /** Whether the filter's own configuration overrides the policy's mode. */
  mode: "enforce" | "shadow" | undefined;
  /** The record's own name. */
  record: string | undefined;
  /** `certificateEnd` is `checked`. */
  checksCertificateEnd: boolean;
}

/** The configuration of a Wasm filter's plugin, also where a matcher wraps the filter; undefined for other filters. */
export function wasmConfig({ config }: HttpFilter): Node | undefined {
  if (config === undefined) return undefined;
  const wrapped = config.node.at("extension_config", "typed_config");
  const { type, node } = config.type === "ExtensionWithMatcher" && wrapped.exists ? wrapped.message() : config;
  return type === "Wasm" ? node.at("config") : undefined;
}

/** The filters of a connection manager that are ours, in order. */
export function findPlugins(manager: Manager, source: ModuleSource): Plugin[] {
  return manager.filters.flatMap((filter, index) => {
    const config = wasmConfig(filter);
    if (config === undefined) return [];
    const module = readModule(config.at("vm_config", "code"), source);
    const next = manager.filters[index + 1];
    const isOurs =
      module.isEngine ||
      ["name", "root_id"].some((key) => /sallyport/iu.test(config.at(key).text ?? "")) ||
      /sallyport/iu.test(module.origin) ||
      (next !== undefined && isCheck(next));
    return isOurs ? [describe(manager, index, filter, config, module)] : [];
  });
}

/** Whether a filter that has no configuration yet stands where ours would. */
export function isAwaited(manager: Manager, index: number): boolean {
  const filter = manager.filters[index]!;
  const next = manager.filters[index + 1];
  if (filter.config !== undefined || !filter.entry.at("config_discovery").exists) return false;
  return /sallyport|wasm/iu.test(filter.name) || (next !== undefined && isCheck(next));
}

/** Where a filter stands. */
export function placeOf({ listener, chain }: Manager, filter: HttpFilter): Place {
  return { listener: listener.name, chain, filter: filter.name, path: filter.entry.path };
}

interface Module {
  origin: string;
  isEngine: boolean;
  sha256: string | undefined;
  built: BuiltIn | undefined;
  fileTime: number | undefined;
}

function readModule(code: Node, source: ModuleSource): Module {
  const local = code.at("local");
  const remote = code.at("remote");
  const file = local.at("filename").text;
  const origin = file ?? remote.at("http_uri", "uri").text ?? "inline";
  const told = remote.at("sha256").text || undefined;
  const { bytes, fileTime } = bytesOf(local, file, source);
  if (bytes === undefined) return { origin, isEngine: false, sha256: told, built: undefined, fileTime };
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  // The module that was given is another one than Envoy was told to take.
  if (told !== undefined && told !== sha256)
    return { origin, isEngine: false, sha256: told, built: undefined, fileTime };
  try {
    return { origin, isEngine: true, sha256, built: readBuilt(bytes), fileTime };
  } catch {
    // Another filter's module, or a damaged one.
    return { origin, isEngine: false, sha256, built: undefined, fileTime };
  }
}

function bytesOf(
  local: Node,
  file: string | undefined,
  source: ModuleSource,
): { bytes: Uint8Array | undefined; fileTime: number | undefined } {
  const inline = local.at("inline_bytes").text;
  if (inline !== undefined) return { bytes: Buffer.from(inline, "base64"), fileTime: undefined };
  if (source.bytes !== undefined) return { bytes: source.bytes, fileTime: undefined };
  if (file === undefined || !source.readsFiles) return { bytes: undefined, fileTime: undefined };
  try {
    return { bytes: readFileSync(file), fileTime: statSync(file).mtimeMs };
  } catch {
    // Envoy runs in another container, say.
    return { bytes: undefined, fileTime: undefined };
  }
}

function describe(manager: Manager, index: number, filter: HttpFilter, config: Node, module: Module): Plugin {
  const read = readPluginConfiguration(config.at("configuration").value);
  const { policy: own, mode, record, certificateEnd } = read ?? {};
  const configured = typeof own === "string" ? Buffer.from(own, "base64") : undefined;
  const envelope = configured === undefined ? undefined : readEnvelope(configured);
  // The module's own counts only where nothing else is configured.
  const ownImage = read === undefined || own !== undefined ? undefined : module.built?.image;
  const image = envelope?.image ?? configured ?? ownImage;
  const policy = image === undefined ? undefined : readFacts(image);
  return {
    manager,
    index,
    filter,
    config,
    policy,
    isConfigured: own !== undefined,
    isConfigurationRead: read !== undefined,
    policyFrom: policy === undefined ? undefined : configured === undefined ? "module" : "configuration",
    signed: envelope,
    trustKeys: module.isEngine ? (module.built?.trustKeys ?? []).map(keyIdOf) : undefined,
    moduleSha256: module.sha256,
    moduleOrigin: module.origin,
    fileTime: module.fileTime,
    mode: mode === "enforce" || mode === "shadow" ? mode : undefined,
    record: typeof record === "string" && name_pattern.test(record) ? record : undefined,
    checksCertificateEnd: certificateEnd === "checked",
  };
}

/**
 * Whether a filter only tries a policy, as `rollout` has it: in shadow mode, with a record of its own, in front of another of ours, which decides.
 * @param others the filters of ours in its connection manager
 */
export function isTrial({ mode, policy, record, index }: Plugin, others: readonly Plugin[]): boolean {
  const isShadow = (mode ?? (policy?.isShadow === true ? "shadow" : undefined)) === "shadow";
  return isShadow && record !== undefined && others.some((other) => other.index > index);
}

/** The policy's name: by its image, else by what the enforcement check wants. */
export function policyNameOfPlugin({ policy, manager, index }: Plugin): string | undefined {
  const check = manager.filters
    .slice(index + 1)
    .map(isCheckOf)
    .find((mark) => mark !== undefined);
  return policy?.name ?? (check ?? markOfRoutes(manager, index))?.policy;
}
