/**
 * `envoy/sds-spire.yaml` without SPIRE: valid for Envoy, and `envoy/inbound.yaml` but for where certificates come from. What it does with
 * SPIRE is in `npm run test:spire`.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { exampleFor } from "../../scripts/envoy/bootstrap.ts";
import { envoyVersion, findEnvoy } from "../../scripts/envoy/find.ts";
import { moduleFor } from "../support/envoy.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
type Json = any;

const example = readFileSync("envoy/sds-spire.yaml", "utf8");
const inbound = readFileSync("envoy/inbound.yaml", "utf8");
const clusterStart = example.indexOf("    # - name: spire-bundle\n");
const withBundleCluster = example.slice(0, clusterStart) + example.slice(clusterStart).replaceAll(/^ {4}# /gmu, "    ");
const metadataLine = "  # metadata: { disable_spiffe_cert_validation: true }\n";

/** What Envoy says of a configuration, with the module in place. */
async function validated(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-sds-"));
  try {
    const rule = "{ name: web, callers: [spiffe://example.org/web], allow: [GET /orders] }";
    const policyYaml = `version: 1\nname: shop\ntrust: { domains: [example.org] }\nrules: [${rule}]\n`;
    await writeFile(join(folder, "sallyport.wasm"), await moduleFor({ policyYaml }));
    const envoy = await findEnvoy();
    const known = exampleFor(text, (await envoyVersion(envoy)) ?? "1.40.0");
    await writeFile(join(folder, "envoy.yaml"), known.replaceAll("/etc/sallyport", folder));
    return (await promisify(execFile)(envoy, ["--mode", "validate", "-c", join(folder, "envoy.yaml")])).stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const variants: Record<string, string> = {
  "as it stands": example,
  "with the bundle endpoint's cluster that it has in comments": withBundleCluster,
  "with the validation context of federation": example.replace("name: ROOTCA", "name: ALL"),
  "for callers without a certificate": example
    .replace(metadataLine, metadataLine.replace("# ", ""))
    .replace("require_client_certificate: true", "require_client_certificate: false"),
};
for (const [what, text] of Object.entries(variants)) {
  test(`is valid ${what}`, async () => {
    assert.equal(text === example, what === "as it stands", "nothing was changed");
    assert.match(await validated(text), /OK/u);
  });
}

test("is inbound.yaml, but for where certificates and bundles come from", () => {
  const withoutSources = (text: string): Json => {
    const bootstrap = parse(text);
    const { listeners, clusters } = bootstrap.static_resources;
    const orders = clusters.find(({ name }: Json) => name === "orders");
    for (const holder of [listeners[0].filter_chains[0], orders]) {
      const tls = holder.transport_socket.typed_config.common_tls_context;
      for (const name of Object.keys(tls)) if (/certificate|validation/u.test(name)) delete tls[name];
    }
    bootstrap.static_resources.clusters = [orders];
    return bootstrap;
  };
  assert.deepEqual(withoutSources(example), withoutSources(inbound));
});

test("all that it takes of SPIRE is asked of the agent over its socket, and the upstream is one SPIFFE ID", () => {
  const { listeners, clusters } = parse(withBundleCluster).static_resources;
  const tlsOf = (holder: Json): Json => holder.transport_socket.typed_config.common_tls_context;
  const own = { resource_api_version: "V3", api_config_source: { api_type: "GRPC", transport_api_version: "V3" } };
  const source = (name: string): Json => ({
    name,
    sds_config: {
      ...own,
      api_config_source: { ...own.api_config_source, grpc_services: [{ envoy_grpc: { cluster_name: "spire_agent" } }] },
    },
  });
  const [orders, agent, bundle] = clusters;
  const inboundTls = tlsOf(listeners[0].filter_chains[0]);
  assert.deepEqual(inboundTls.tls_certificate_sds_secret_configs, [source("default")]);
  assert.deepEqual(inboundTls.validation_context_sds_secret_config, source("ROOTCA"));
  const expecting = (id: string) => ({
    match_typed_subject_alt_names: [{ san_type: "URI", matcher: { exact: `spiffe://example.org/${id}` } }],
  });
  assert.deepEqual(tlsOf(orders).tls_certificate_sds_secret_configs, [source("default")]);
  assert.deepEqual(tlsOf(orders).combined_validation_context, {
    validation_context_sds_secret_config: source("ROOTCA"),
    default_validation_context: expecting("orders"),
  });
  assert.deepEqual(tlsOf(bundle).combined_validation_context, {
    validation_context_sds_secret_config: source("spiffe://example.org"),
    default_validation_context: expecting("spire/server"),
  });
  const [{ endpoint }] = agent.load_assignment.endpoints[0].lb_endpoints;
  assert.deepEqual(endpoint.address, { pipe: { path: "/tmp/spire-agent/public/api.sock" } });
});

test("the suite with SPIRE takes every step of docs/spire.md that has a name", () => {
  const names = [...readFileSync("docs/spire.md", "utf8").matchAll(/^```\w+\n# ([^\n]+)$/gmu)].map(([, name]) => name!);
  const sources = readdirSync("tests/spire").filter((name) => name.endsWith(".ts"));
  const text = sources.map((name) => readFileSync(join("tests/spire", name), "utf8")).join("");
  assert.equal(names.length, 16);
  assert.deepEqual(
    names.filter((name) => !text.includes(`"${name}"`)),
    [],
  );
});
