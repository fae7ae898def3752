/** Policies of which each needs something else of its Envoy, and manifests of them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { Manifest, System } from "../../scripts/manifest/files.ts";
import { makeManifest } from "../../scripts/manifest/manifest.ts";
import type { GivenOptions } from "../../scripts/manifest/options.ts";
import { type CompiledPolicy, compilePolicyFile } from "../../scripts/policy/build.ts";

export const web = "spiffe://example.org/web";

/** What differs from a policy with one rule. */
export interface Parts {
  head?: string;
  trust?: string;
  rule?: string;
}

/** A policy named `shop`. */
export function policyText({ head = "", trust = "domains: [example.org]", rule = "" }: Parts = {}): string {
  return `version: 1
name: shop
trust: { ${trust} }
${head}
rules:
  - name: reads
    callers: [${web}]
    allow: ["GET /**"]
    ${rule}
`;
}

const fetched = (cluster: string, url = "https://idp.example.org/jwks.json"): string =>
  `issuers: { idp: { issuer: "https://idp.example.org", audiences: [a], algorithms: [ES256], keys: { url: "${url}", cluster: "${cluster}" } } }`;
const shared = (cluster: string): string =>
  `fleet: { replicas: 2, cluster: "${cluster}" }\nlimits: { all: { rate: 1/s, scope: fleet } }`;

/** By what they need. */
export const policies: Readonly<Record<string, Parts>> = {
  nothing: {},
  "upstream headers": { head: "forward: { x-caller: caller.id }" },
  "fetched keys": { head: fetched("idp"), rule: "token: idp" },
  "fetched keys by a service of Istio": { head: fetched("outbound|443||idp.example.org"), rule: "token: idp" },
  "a fleet": { head: shared("ratelimit"), rule: "limit: all" },
  "a quarantine of a fleet": {
    head: "fleet: { replicas: 2 }\nquarantine: [{ name: q, per: [caller], when: [no_rule], denials: 5, within: 1m, for: 5m, scope: fleet }]",
  },
  "requests in flight": { head: "limits: { all: { concurrency: 5 } }", rule: "limit: all" },
  hops: { head: "limits: { all: { hops: x-hops, most: 5 } }", rule: "limit: all" },
  bodies: { rule: "when: body.a == 1" },
  "lists of tools": {
    head: "mcp: { paths: [/mcp] }",
    rule: `maxBodyBytes: 1000
  - name: tools
    callers: [${web}]
    allow: [mcp tools/list]`,
  },
  "bounds of bodies": { rule: "maxBodyBytes: 1000" },
  "headers of limits": { head: "limits: { all: { rate: 10/s, headers: always } }", rule: "limit: all" },
  "trusted proxies": { trust: "domains: [example.org], forwarders: [spiffe://example.org/gateway]" },
  "forwarded addresses": { trust: "domains: [example.org], sourceAddress: forwarded" },
  "open paths": { rule: "paths: { encodedSlash: segment, emptySegments: keep }" },
  "everything at once": {
    head: `${fetched("idp")}\n${shared("ratelimit")}\nforward: { x-caller: caller.id }`,
    trust: "domains: [example.org], forwarders: [spiffe://example.org/gateway], sourceAddress: forwarded",
    rule: "token: idp\n    limit: all\n    maxBodyBytes: 1000\n    paths: { encodedSlash: segment }",
  },
};

/** Compiles a policy's text. */
export function compile(parts: Parts): CompiledPolicy {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-manifest-"));
  try {
    const path = join(folder, "policy.yaml");
    writeFileSync(path, policyText(parts));
    return compilePolicyFile(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const digest = "0123456789abcdef".repeat(4);

/** Options that are enough for each system. */
export const enough: Readonly<Record<System, GivenOptions>> = {
  envoy: {},
  istio: { selector: "app=orders", image: "registry.example.org/sallyport/shop:1", sha256: digest },
  "envoy-gateway": { gateway: "edge", image: "registry.example.org/sallyport/shop:1", sha256: digest },
};

/** The manifest of a policy, with the address of a rate limit service where it has a fleet. */
export function manifestOf(system: System, parts: Parts = {}, given: GivenOptions = {}): Promise<Manifest> {
  const compiled = compile(parts);
  const fleet = compiled.policy.fleet === undefined ? {} : { ratelimit: "ratelimit.example.org:8081" };
  return makeManifest(system, compiled, { ...enough[system], ...fleet, ...given });
}

// biome-ignore lint/suspicious/noExplicitAny: resources are as their systems have them.
export type Resource = any;

/** The resources of a manifest that are applied, in order. */
export function resourcesOf({ applied }: Manifest): Resource[] {
  return applied.flatMap(({ text }) => parseAllDocuments(text).map((document) => document.toJSON()));
}

/** The one resource of a kind and name. Throws where there is none. */
export function resourceOf(manifest: Manifest, kind: string, name?: string): Resource {
  const found = resourcesOf(manifest).find(
    (one) => one.kind === kind && (name ?? one.metadata.name) === one.metadata.name,
  );
  if (found === undefined) throw new Error(`the manifest has no ${kind} ${name ?? ""}`);
  return found;
}
