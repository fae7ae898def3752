/**
 * Local configurations out of the example bootstraps in `envoy/`. The examples are the one source: what runs on a
 * developer's machine and in the tests is the operator's file with its addresses and file names exchanged.
 */
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { findPackaged } from "../common/files.ts";
import { trustDomainOf } from "./callers.ts";
import { keyCluster } from "./cluster.ts";
import { hasEnforcementChecks, nameEnforcementChecks } from "./enforcement.ts";
import { envoyVersion, isAtLeast } from "./find.ts";
import { keepForms } from "./forms.ts";
import { allowHolding, type Holding, keepAnswers, keepBodies } from "./holding.ts";
import { addPlainGrpc, everyObject, speakOnly } from "./plain.ts";

/** The example bootstraps, by file name without `.yaml`. */
export const exampleNames = ["inbound", "gateway"] as const;
export type ExampleName = (typeof exampleNames)[number];

/** Where a cluster's requests go. */
export interface UpstreamAddress {
  /** An IP address or a DNS name. */
  host: string;
  port: number;
  /** How the upstream is checked; `false` for plain text, which only a local stand-in should speak. */
  tls: UpstreamTls | false;
}

/** Checks on the upstream's certificate, and the name asked for. */
export interface UpstreamTls {
  /** Server name indication; none if absent, as TLS has it for IP addresses. */
  serverName?: string;
  /** The SAN the certificate must carry. */
  expect: { type: "URI" | "DNS" | "IP_ADDRESS"; value: string };
  /** The authorities to believe, PEM. Default: the bundle of the trust domain that `expect` names. */
  authorityPem?: string;
  /** Whether Envoy shows its own certificate. Default true. */
  presentCertificate?: boolean;
}

/** What Envoy shows, and whom it believes. */
export interface Certificates {
  /** Paths of PEM files. */
  certificate: string;
  privateKey: string;
  /** Trust bundles by trust domain, each the PEM text of its authorities. At least one. */
  bundles: Readonly<Record<string, string>>;
}

/** What takes the place of the example's own values. */
export interface BootstrapOptions {
  /** The module: the path of a `.wasm` file, or its bytes, which are then written into the configuration. */
  wasm: string | Uint8Array;
  certificates: Certificates;
  /** One address for all clusters, or one for each cluster by name. */
  upstream: UpstreamAddress | Record<string, UpstreamAddress>;
  /** Clusters beside those of the example, by name: where the policy's keys are fetched from. */
  keyClusters?: Readonly<Record<string, UpstreamAddress>>;
  /** Port of every listener on 127.0.0.1; 0, the default, lets the system choose. */
  listenerPort?: number;
  /** Port of the admin interface on 127.0.0.1; 0, the default, lets the system choose. */
  adminPort?: number;
  /** A file for all access logs; standard output, as in the example, if absent. */
  accessLogPath?: string;
  /** The filter's configuration: a string goes as StringValue, an object as Struct. None if absent. */
  pluginConfiguration?: string | Record<string, unknown>;
  /**
   * False lets callers without a certificate connect; a certificate that is shown is checked all the same, but then by one bundle of
   * all authorities, since Envoy's SPIFFE validator cannot do without a certificate. Default true.
   */
  requireClientCertificate?: boolean;
  /** Where the policy reads bodies: the filter may hold requests, and Envoy keeps as much of them. */
  holds?: Holding;
  /**
   * The last word on the result, for what tests need beyond this. It cannot take the enforcement check away, and what it says of a plain
   * upstream's routes holds for gRPC too.
   */
  adjust?: (bootstrap: Bootstrap) => void;
}

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; the few touched here are checked when used.
type Json = any;

/** An Envoy bootstrap as a plain object. */
export type Bootstrap = Record<string, Json>;

const wasmFilter = "envoy.filters.http.wasm";
const spiffeValidator = "envoy.tls.cert_validator.spiffe";
const examplePaths = {
  wasm: "/etc/sallyport/sallyport.wasm",
  certificate: "/etc/sallyport/certificates/svid.pem",
  privateKey: "/etc/sallyport/certificates/svid-key.pem",
} as const;

/**
 * The text of an example bootstrap, from the package's `envoy/` folder.
 * @throws Error where the package lacks it
 */
export async function readExample(name: ExampleName): Promise<string> {
  const path = findPackaged(`envoy/${name}.yaml`);
  if (path === undefined) throw new Error(`the package is not complete: it lacks envoy/${name}.yaml; install it again`);
  return readFile(path, "utf8");
}

/** Lines of the examples that older Envoys refuse, and the release that knows them. The examples say to leave them out. */
const laterLines = { pattern: /^ *stream_reset_(?:burst|rate):.*\n/gm, since: { major: 1, minor: 39 } };

/** An example's text without what an Envoy of this version does not know. */
export function exampleFor(exampleYaml: string, version: string): string {
  return isAtLeast(version, laterLines.since) ? exampleYaml : exampleYaml.replaceAll(laterLines.pattern, "");
}

/** An example's text, as far as this Envoy knows it. */
export async function readExampleFor(name: ExampleName, envoyPath: string): Promise<string> {
  const version = await envoyVersion(envoyPath);
  // An Envoy that does not tell its version says by itself what it does not know.
  return version === undefined ? readExample(name) : exampleFor(await readExample(name), version);
}

/**
 * Turns an example bootstrap into a local configuration: loopback addresses, ports the system chooses, files that exist, and the
 * enforcement check for the policy that the module or the filter's configuration has.
 * @param exampleYaml the text of `envoy/inbound.yaml`, `envoy/gateway.yaml` or a file of the same make.
 * @throws Error if the example names a file this function does not know, a cluster without an upstream, an upstream without a
 *   bundle or one that `keyClusters` names too, or lacks the enforcement check right after the Wasm filter.
 */
export function bootstrapFrom(exampleYaml: string, options: BootstrapOptions): Bootstrap {
  const bootstrap = parse(exampleYaml) as Bootstrap;
  bootstrap.admin.address = loopback(options.adminPort ?? 0);
  const { listeners } = bootstrap.static_resources;
  for (const listener of listeners) listener.address = loopback(0);
  if (options.listenerPort !== undefined) {
    listeners[0].address = loopback(options.listenerPort);
    // A port asked for is this Envoy's alone: else a second one could share it, and requests would meet either policy.
    listeners[0].enable_reuse_port = false;
  }
  const { clusters } = bootstrap.static_resources;
  setBundles(bootstrap, options);
  for (const cluster of clusters) setUpstream(cluster, options);
  const plain = clusters.filter(({ transport_socket }: Json) => transport_socket === undefined);
  setFiles(bootstrap, options);
  for (const [name, address] of Object.entries(options.keyClusters ?? {})) {
    if (clusters.some((cluster: Json) => cluster.name === name)) {
      throw new Error(`the cluster "${name}" leads to an upstream; keys need one of another name`);
    }
    clusters.push(clusterOfKeys(name, address));
  }
  for (const node of everyObject(bootstrap)) {
    if (node.require_client_certificate !== undefined) {
      node.require_client_certificate = options.requireClientCertificate ?? true;
    }
    if (node.name === "envoy.access_loggers.stdout" && options.accessLogPath !== undefined) {
      node.name = "envoy.access_loggers.file";
      node.typed_config["@type"] = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
      node.typed_config.path = options.accessLogPath;
    }
    if (node.name === wasmFilter) setFilter(node.typed_config.config, options);
  }
  for (const manager of managersOf(bootstrap)) keepForms(manager);
  for (const { virtual_hosts: hosts } of everyObject(options.holds === undefined ? undefined : bootstrap))
    for (const host of (hosts as Json[] | undefined) ?? []) keepBodies(host, options.holds!);
  if (options.holds !== undefined)
    for (const listener of listeners)
      for (const manager of everyObject(listener))
        if (Array.isArray(manager.http_filters)) keepAnswers(listener, manager, options.holds);
  // Once for what `adjust` reads or moves elsewhere, once for what it put there.
  for (const { http_filters: filters } of managersOf(bootstrap)) nameEnforcementChecks(filters);
  options.adjust?.(bootstrap);
  for (const cluster of plain) addPlainGrpc(bootstrap, cluster);
  for (const { http_filters: filters } of managersOf(bootstrap)) {
    nameEnforcementChecks(filters);
    if (!hasEnforcementChecks(filters))
      throw new Error("the enforcement check does not stand right after the Wasm filter");
  }
  return bootstrap;
}

function loopback(port: number): Json {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}

/** Whose certificates callers may show. */
function setBundles(bootstrap: Bootstrap, { certificates, requireClientCertificate }: BootstrapOptions): void {
  const { bundles } = certificates;
  for (const node of everyObject(bootstrap.static_resources.listeners)) {
    if (node.custom_validator_config?.name !== spiffeValidator) continue;
    if (requireClientCertificate === false) believeAll(node, Object.values(bundles).join(""));
    else node.custom_validator_config.typed_config.trust_domains = Object.entries(bundles).map(trustDomain);
  }
}

function trustDomain([name, pem]: [name: string, pem: string]): Json {
  return { name, trust_bundle: { inline_string: pem } };
}

/** Any of these authorities will do, whatever the certificate says. */
function believeAll(validation: Json, authorityPem: string): void {
  delete validation.custom_validator_config;
  validation.trusted_ca = { inline_string: authorityPem };
}

function setFiles(bootstrap: Bootstrap, options: BootstrapOptions): void {
  const { certificate, privateKey } = options.certificates;
  const replacements = new Map<string, string>([
    [examplePaths.certificate, certificate],
    [examplePaths.privateKey, privateKey],
  ]);
  for (const node of everyObject(bootstrap)) {
    if (typeof node.filename !== "string" || node.filename === examplePaths.wasm) continue;
    const replacement = replacements.get(node.filename);
    if (replacement === undefined) throw new Error(`the example names ${node.filename}, which has no local stand-in`);
    node.filename = replacement;
  }
}

function setFilter(config: Json, options: BootstrapOptions): void {
  const { wasm, pluginConfiguration } = options;
  config.vm_config.code.local =
    typeof wasm === "string" ? { filename: wasm } : { inline_bytes: Buffer.from(wasm).toString("base64") };
  if (options.holds !== undefined) allowHolding(config);
  if (pluginConfiguration === undefined) return;
  const type = typeof pluginConfiguration === "string" ? "StringValue" : "Struct";
  config.configuration = { "@type": `type.googleapis.com/google.protobuf.${type}`, value: pluginConfiguration };
}

function setUpstream(cluster: Json, options: BootstrapOptions): void {
  const { upstream } = options;
  const address = isAddress(upstream) ? upstream : upstream[cluster.name];
  if (address === undefined) throw new Error(`no upstream is given for the example's cluster "${cluster.name}"`);
  cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address = {
    socket_address: { address: address.host, port_value: address.port },
  };
  if (address.tls === false) {
    delete cluster.transport_socket;
    speakOnly(cluster, "http_protocol_options");
    return;
  }
  const tls = cluster.transport_socket.typed_config;
  const { serverName, expect, authorityPem, presentCertificate } = address.tls;
  if (serverName === undefined) delete tls.sni;
  else tls.sni = serverName;
  const common = tls.common_tls_context;
  const validation = common.validation_context;
  validation.match_typed_subject_alt_names = [{ san_type: expect.type, matcher: { exact: expect.value } }];
  if (authorityPem !== undefined) believeAll(validation, authorityPem);
  else validation.custom_validator_config.typed_config.trust_domains = [ownBundle(expect.value, options)];
  if (presentCertificate === false) {
    delete common.tls_certificates;
    // A server out in the world may not speak TLS 1.3 yet.
    common.tls_params.tls_minimum_protocol_version = "TLSv1_2";
  }
}

/** The bundle that vouches for this SPIFFE ID. */
function ownBundle(spiffeId: string, { certificates }: BootstrapOptions): Json {
  const domain = trustDomainOf(spiffeId);
  const pem = certificates.bundles[domain];
  if (pem === undefined) throw new Error(`no trust bundle is given for the upstream ${spiffeId}`);
  return trustDomain([domain, pem]);
}

/** A cluster to fetch keys through. */
function clusterOfKeys(name: string, { tls, ...address }: UpstreamAddress): Json {
  if (tls === false) return keyCluster(name, address, false);
  const { serverName, expect, authorityPem } = tls;
  if (authorityPem === undefined) throw new Error(`no authorities are given for the cluster "${name}"`);
  const authorities = { inline_string: authorityPem };
  return keyCluster(name, address, { ...(serverName !== undefined && { serverName }), expect, authorities });
}

function isAddress(upstream: BootstrapOptions["upstream"]): upstream is UpstreamAddress {
  return typeof (upstream as UpstreamAddress).port === "number";
}

/** Every connection manager. */
function* managersOf(bootstrap: Bootstrap): Generator<Json> {
  for (const node of everyObject(bootstrap)) if (Array.isArray(node.http_filters)) yield node;
}
