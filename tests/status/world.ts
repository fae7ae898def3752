/** A dump of `envoy/inbound.yaml` with all that belongs to it, to break, and what `status` finds in it. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { compilePolicyFile, loadEngine, loadEngineFor } from "../../scripts/policy/build.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import type { Finding, StatusCode } from "../../scripts/status/codes.ts";
import { readFacts } from "../../scripts/status/facts.ts";
import { type Answers, judge, type Wanted } from "../../scripts/status/judge.ts";
import { signedConfiguration, signingKey } from "../support/signed.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
export type Json = any;

export const folder = mkdtempSync(join(tmpdir(), "sallyport-status-"));
after(() => rmSync(folder, { recursive: true, force: true }));

export const engine = loadEngine();

/** The module of a policy named `shop`, and what it ought to be. */
function built(rule: string, head = ""): { module: Uint8Array; image: Uint8Array; wanted: Wanted } {
  const path = join(folder, "policy.yaml");
  writeFileSync(
    path,
    `version: 1\nname: shop\ntrust: { domains: [example.org] }\n${head}rules: [{ name: reads, allow: ["GET /**"], ${rule} }]\n`,
  );
  const { image } = compilePolicyFile(path);
  const module = embedImage(loadEngineFor(image), image);
  const moduleSha256 = createHash("sha256").update(module).digest("hex");
  return { module, image, wanted: { facts: readFacts(image)!, moduleSha256 } };
}

export const plain = built("callers: [spiffe://example.org/web]");
export const other = built("callers: [spiffe://example.org/other]");
export const byAddress = built('callers: [any], when: source.ip == "10.0.0.1"');
export const anonymous = built("callers: [anonymous]");
export const reading = built("callers: [any], when: body.a == 1");
export const fetching = built(
  "callers: [any], token: idp",
  'issuers: { idp: { issuer: "https://idp.example.org", audiences: [a], algorithms: [ES256], keys: { url: "https://idp.example.org/jwks.json", cluster: idp, refresh: 300s } } }\n',
);

/** Envoy's own answer to /config_dump?include_eds, started on `envoy/inbound.yaml`; what has nothing to do with the filter is left out. */
const inbound = readFileSync(new URL("inbound.json", import.meta.url), "utf8");

/** The parts of a dump that faults are in. */
export class Parts {
  readonly dump: Json = JSON.parse(inbound);
  readonly listeners = this.dump.configs[1];
  readonly listener = this.listeners.static_listeners[0].listener;
  readonly chain = this.listener.filter_chains[0];
  readonly manager = this.chain.filters[0].typed_config;
  readonly filters = this.manager.http_filters;
  readonly wasm = this.filters[0].typed_config.config;
  readonly check = this.filters[1];
  readonly tls = this.chain.transport_socket.typed_config;
  readonly host = this.manager.route_config.virtual_hosts[0];
  readonly stats: Record<string, number> = {
    "wasm.envoy.wasm.runtime.v8.active": 4,
    "wasmcustom.sallyport_requests.policy.shop;.decision.allow": 3,
  };
  readonly server: Json = {
    state: "LIVE",
    version: "9e55/1.40.0/Clean/RELEASE/BoringSSL",
    command_line_options: { concurrency: 2 },
  };

  answers(): Required<Answers> {
    const stats = { stats: Object.entries(this.stats).map(([name, value]) => ({ name, value })) };
    return { dump: this.dump, server: this.server, stats };
  }
}

export const key = signingKey();
export const trusting = embedImage(engine, plain.image, [key.publicBytes]);

/** The plain policy, signed, in the filter's configuration. */
export function signed(expiresSeconds: number): (parts: Parts) => void {
  return ({ wasm }) => {
    wasm.configuration = { value: signedConfiguration(plain.image, key, 9, expiresSeconds) };
  };
}

export interface Fault {
  break: (parts: Parts) => void;
  /** The module that Envoy has; none: it cannot be read. Default: that of the plain policy. */
  module?: Uint8Array | null;
  wanted?: Wanted;
  /** Other codes that it means, too. */
  also?: StatusCode[];
  /** What the message or the place has. */
  says: RegExp;
}

export const type = (name: string): { "@type": string } => ({
  "@type": `type.googleapis.com/envoy.extensions.${name}`,
});
export const disabled = { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", disabled: true };
export const nothing = (): void => {};

/** Puts the filter's configuration where ECDS brings it. */
export function byEcds({ dump, filters, wasm }: Parts, arrives: boolean): void {
  filters[0] = {
    name: "sallyport",
    config_discovery: { config_source: { ads: {} }, type_urls: [type("filters.http.wasm.v3.Wasm")["@type"]] },
  };
  const typed_config = { ...type("filters.http.wasm.v3.Wasm"), config: wasm };
  const entry = {
    version_info: "7",
    last_updated: "2026-11-29T23:00:00.000Z",
    ecds_filter: { name: "sallyport", typed_config },
  };
  dump.configs.push({
    "@type": "type.googleapis.com/envoy.admin.v3.EcdsConfigDump",
    ecds_filters: arrives ? [entry] : [],
  });
}

/** What is found with a module, by default that of the plain policy. */
export function found({ break: change, module = plain.module, wanted }: Omit<Fault, "says">): Finding[] {
  const parts = new Parts();
  change(parts);
  const source = { readsFiles: module === null, ...(module !== null && { bytes: module }) };
  return judge(parts.answers(), source, wanted).findings;
}

/** The codes, sorted. */
export const codesOf = (findings: readonly Finding[]): string[] => findings.map(({ code }) => code).sort();
