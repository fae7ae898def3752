/** Manifests of policies that read bodies: the filter may hold requests, Envoy keeps as much as the policy reads, and what a system cannot do is refused. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { parse } from "yaml";
import { type Manifest, ManifestError, type System, systems } from "../../scripts/manifest/files.ts";
import { makeManifest } from "../../scripts/manifest/manifest.ts";
import type { GivenOptions } from "../../scripts/manifest/options.ts";
import type { CompiledPolicy } from "../../scripts/policy/build.ts";
import { planRollout, type Side } from "../../scripts/rollout/steps.ts";
import { loadSchemas, problemsOf } from "./crds.ts";
import { compile, digest, enough, manifestOf, type Resource, resourceOf, resourcesOf } from "./policies.ts";

const body_bytes = 100_000;
const kept_bytes = body_bytes + 65_536;
const reading = { rule: `when: body.a == 1\n    maxBodyBytes: ${body_bytes}` };
const holding_policy = compile(reading);
const holding = (system: System, given: GivenOptions = {}): Promise<Manifest> =>
  makeManifest(system, holding_policy, { ...enough[system], ...given });

test("no other policy has anything of it", async () => {
  for (const system of systems) {
    const { applied, others } = await manifestOf(system);
    for (const { name, text } of [...applied, ...others])
      assert.doesNotMatch(text, /stop_iteration|body_buffer|request_trailers/u, name);
  }
});

describe("Envoy", () => {
  test("lets the filter hold requests, and calls it for all that ends them", async () => {
    const { applied } = await holding("envoy");
    const of = (name: string): Resource => parse(applied.find((file) => file.name === name)!.text).resources[0];
    const { config } = of("ecds.yaml").typed_config;
    assert.equal(config.allow_on_headers_stop_iteration, true);
    const allowed = Object.keys(config.capability_restriction_config.allowed_capabilities);
    // A callback that is left out lets what is held go on.
    for (const name of ["proxy_on_request_body", "proxy_on_request_trailers"]) assert.ok(allowed.includes(name), name);
    const manager = of("lds.yaml").filter_chains[0].filters.at(-1).typed_config;
    for (const host of manager.route_config.virtual_hosts) assert.equal(host.request_body_buffer_limit, kept_bytes);
  });
});

describe("beside another policy that is tried", () => {
  const plain = compile({});
  const sideOf = (compiled: CompiledPolicy, system: System): Side => ({
    path: "policy.yaml",
    compiled,
    given: enough[system],
  });
  /** The first step's file of this name, in Envoy's words. */
  const shadowOf = async (system: System, before: CompiledPolicy, after: CompiledPolicy, name: string) => {
    const { shadow } = await planRollout(system, sideOf(before, system), sideOf(after, system));
    return parse(shadow.files.find((file) => file.name.endsWith(`/${name}`))?.text ?? "null");
  };

  test("Envoy lets each hold that reads bodies, and keeps them for both", async () => {
    const trial = await shadowOf("envoy", plain, holding_policy, "ecds-next.yaml");
    assert.equal(trial.resources[0].typed_config.config.allow_on_headers_stop_iteration, true);
    const listener = await shadowOf("envoy", plain, holding_policy, "lds.yaml");
    const [host] = listener.resources[0].filter_chains[0].filters.at(-1).typed_config.route_config.virtual_hosts;
    assert.equal(host.request_body_buffer_limit, kept_bytes);
    const other = await shadowOf("envoy", holding_policy, plain, "ecds-next.yaml");
    assert.equal(other.resources[0].typed_config.config.allow_on_headers_stop_iteration, undefined);
  });

  test("Envoy Gateway gets a patch for each", async () => {
    const pathsOf = async (before: CompiledPolicy, after: CompiledPolicy): Promise<string[]> => {
      const { spec } = await shadowOf("envoy-gateway", before, after, "45-holding.yaml");
      return spec.jsonPatches.map(({ operation }: Resource) => /wasm\/\d/u.exec(operation.jsonPath)![0]);
    };
    assert.deepEqual(await pathsOf(plain, holding_policy), ["wasm/0"]);
    assert.deepEqual(await pathsOf(holding_policy, plain), ["wasm/1"]);
    assert.deepEqual(await pathsOf(holding_policy, compile({ rule: "when: body.a == 2" })), ["wasm/0", "wasm/1"]);
  });

  test("Istio cannot", async () => {
    for (const [before, after] of [
      [plain, holding_policy],
      [holding_policy, plain],
    ] as const)
      await assert.rejects(planRollout("istio", sideOf(before, "istio"), sideOf(after, "istio")), ManifestError);
  });
});

describe("the meshes", () => {
  let schemas: Awaited<ReturnType<typeof loadSchemas>>;
  before(async () => {
    schemas = await loadSchemas();
  });

  test("their CRDs take it, and have no word of their own for it", async () => {
    for (const system of ["istio", "envoy-gateway"] as const) {
      for (const resource of resourcesOf(await holding(system))) {
        if (["ConfigMap", "ClusterRole"].includes(resource.kind)) continue;
        assert.deepEqual(problemsOf(schemas, resource), [], resource.kind);
      }
    }
    const plugin = resourceOf(await manifestOf("istio"), "WasmPlugin");
    const policy = resourceOf(await manifestOf("envoy-gateway"), "EnvoyExtensionPolicy");
    for (const where of [plugin.spec, policy.spec.wasm[0]]) where.allowOnHeadersStopIteration = true;
    for (const resource of [plugin, policy])
      assert.match(problemsOf(schemas, resource).join(), /additional properties.*allowOnHeadersStopIteration/u);
  });

  test("Istio gets what it would make of a plugin, and that word", async () => {
    const manifest = await holding("istio");
    assert.equal(manifest.applied.at(-1)!.name, "70-filter.yaml");
    assert.ok(!resourcesOf(manifest).some(({ kind }) => kind === "WasmPlugin"), "there is a WasmPlugin too");
    const { spec } = resourceOf(manifest, "EnvoyFilter", "sallyport-shop-filter");
    const [extension, filter] = spec.configPatches.map(({ patch }: Resource) => patch.value);
    const { config } = extension.typed_config;
    assert.equal(config.allow_on_headers_stop_iteration, true);
    assert.equal(config.failure_policy, "FAIL_RELOAD");
    assert.equal(config.vm_config.code.remote.sha256, digest);
    assert.equal(config.vm_config.code.remote.http_uri.uri, "oci://registry.example.org/sallyport/shop:1");
    assert.equal(filter.name, extension.name);
    const connection = resourceOf(manifest, "EnvoyFilter", "sallyport-shop-connection").spec.configPatches;
    const host = connection.find(({ applyTo }: Resource) => applyTo === "VIRTUAL_HOST");
    assert.deepEqual(host.patch.value, { request_body_buffer_limit: kept_bytes });
    await assert.rejects(holding("istio", { pullSecret: "registry.pull" }), ManifestError);
  });

  test("Envoy Gateway gets a patch of its listener", async () => {
    const manifest = await holding("envoy-gateway", { gatewayListener: "mtls" });
    const { spec } = resourceOf(manifest, "EnvoyPatchPolicy");
    const [{ name, operation }] = spec.jsonPatches;
    assert.equal(name, "default/edge/mtls");
    assert.deepEqual([operation.path, operation.value], ["allow_on_headers_stop_iteration", true]);
    assert.ok(operation.jsonPath.includes("envoyextensionpolicy/default/sallyport-shop/wasm/0"), operation.jsonPath);
    const traffic = resourceOf(manifest, "ClientTrafficPolicy").spec;
    assert.equal(traffic.connection.bufferLimit, kept_bytes);
    assert.equal(traffic.http2.initialStreamWindowSize, kept_bytes);
    await assert.rejects(holding("envoy-gateway", { helm: true }), ManifestError);
    await assert.rejects(manifestOf("envoy-gateway", {}, { gatewayListener: "https" }), ManifestError);
  });
});
