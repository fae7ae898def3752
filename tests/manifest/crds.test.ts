/** Manifests for Istio and Envoy Gateway, held against the schemas and rules of their own CRDs. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { loadSchemas, problemsOf } from "./crds.ts";
import { digest, manifestOf, policies, type Resource, resourceOf, resourcesOf } from "./policies.ts";

/** What Kubernetes itself defines. */
const of_kubernetes = ["ConfigMap", "ClusterRole"];

let schemas: Awaited<ReturnType<typeof loadSchemas>>;
before(async () => {
  schemas = await loadSchemas();
});

for (const system of ["istio", "envoy-gateway"] as const) {
  describe(system, () => {
    for (const [needed, parts] of Object.entries(policies)) {
      test(`takes the manifest of a policy that needs ${needed}`, async () => {
        const resources = resourcesOf(await manifestOf(system, parts)).filter(
          ({ kind }) => !of_kubernetes.includes(kind),
        );
        assert.ok(resources.length >= 4);
        for (const resource of resources) assert.deepEqual(problemsOf(schemas, resource), [], resource.kind);
      });
    }

    test("takes a module from a URL", async () => {
      const kind = system === "istio" ? "WasmPlugin" : "EnvoyExtensionPolicy";
      const url = "https://example.org/sallyport.wasm";
      const resource = resourceOf(
        await manifestOf(system, {}, { image: undefined as never, url, sha256: digest }),
        kind,
      );
      assert.deepEqual(problemsOf(schemas, resource), []);
    });

    test("takes an image whose registry wants a credential", async () => {
      const manifest = await manifestOf(system, {}, { pullSecret: "registry.pull" });
      const resource = resourceOf(manifest, system === "istio" ? "WasmPlugin" : "EnvoyExtensionPolicy");
      assert.deepEqual(problemsOf(schemas, resource), []);
      const secret =
        system === "istio" ? resource.spec.imagePullSecret : resource.spec.wasm[0].code.image.pullSecretRef.name;
      assert.equal(secret, "registry.pull");
    });
  });
}

test("what an API server refuses is refused: unknown fields, unknown words, missing fields, rules in CEL", async () => {
  const istio = await manifestOf("istio");
  const gateway = await manifestOf("envoy-gateway");
  const problem = (resource: Resource, change: (spec: Resource) => void): string => {
    const copy = structuredClone(resource);
    change(copy.spec);
    return problemsOf(schemas, copy).join("\n");
  };
  const plugin = resourceOf(istio, "WasmPlugin");
  assert.match(
    problem(plugin, (spec) => Object.assign(spec, { sha: digest })),
    /additional properties.*sha/u,
  );
  assert.match(
    problem(plugin, (spec) => Object.assign(spec, { failStrategy: "FAIL" })),
    /failStrategy/u,
  );
  assert.match(
    problem(plugin, (spec) => delete spec.url),
    /required property 'url'/u,
  );
  assert.match(
    problem(plugin, (spec) => Object.assign(spec, { url: "ftp://a/b" })),
    /\/url: /u,
  );
  const extension = resourceOf(gateway, "EnvoyExtensionPolicy");
  assert.match(
    problem(extension, (spec) => Object.assign(spec, { mergeType: "JSONMerge" })),
    /mergeType can only/u,
  );
  const traffic = resourceOf(gateway, "ClientTrafficPolicy");
  assert.match(
    problem(traffic, (spec) => Object.assign(spec.tls, { ciphers: ["a"] })),
    /ciphers has no effect/u,
  );
});
