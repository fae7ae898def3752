/**
 * `npm run test:manifests`: manifests as operators check them before they apply them. kubeconform with the schemas of the CRDs and of
 * Kubernetes, and charts as Helm lints and renders them. Apart from `npm test`, since both programs are built with Go.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseAllDocuments } from "yaml";
import type { Manifest } from "../../scripts/manifest/files.ts";
import { run } from "../bench/building.ts";
import { must } from "../fleet/systems.ts";
import { loadSchemas } from "./crds.ts";
import { manifestOf, policies, type Resource, resourcesOf } from "./policies.ts";
import { findTool, kubernetesSchemas } from "./tools.ts";

const kubeconform = await findTool("kubeconform");
const helm = await findTool("helm");
const of_kubernetes = await kubernetesSchemas(["clusterrole-rbac-v1", "configmap-v1"]);

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "sallyport-manifests-"));
  for (const [key, { schema }] of await loadSchemas()) {
    const [group, version, kind] = key.split("/") as [string, string, string];
    const path = join(root, "schemas", group, `${kind.toLowerCase()}_${version}.json`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, JSON.stringify(schema));
  }
  for (const [name, schema] of of_kubernetes) {
    await writeFile(join(root, "schemas", `${name}.json`), JSON.stringify(schema));
  }
});
after(() => rm(root, { recursive: true }));

/** Writes a manifest into a folder of its own. */
async function written(name: string, { applied, others }: Manifest): Promise<string> {
  const folder = join(root, name.replaceAll(" ", "-"));
  for (const file of [...applied, ...others]) {
    await mkdir(dirname(join(folder, file.name)), { recursive: true });
    await writeFile(join(folder, file.name), file.text);
  }
  return folder;
}

/** What kubeconform says of files. */
async function conform(files: string[]): Promise<{ code: number; output: string }> {
  const crds = join(root, "schemas", "{{ .Group }}", "{{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json");
  const own = join(root, "schemas", "{{ .ResourceKind }}{{ .KindSuffix }}.json");
  const args = ["-strict", "-summary", "-schema-location", crds, "-schema-location", own];
  return run(kubeconform, [...args, ...files], root);
}

for (const system of ["istio", "envoy-gateway"] as const) {
  describe(system, () => {
    for (const [needed, parts] of Object.entries(policies)) {
      test(`kubeconform takes the manifest of a policy that needs ${needed}`, async () => {
        const manifest = await manifestOf(system, parts);
        const folder = await written(`${system} ${needed}`, manifest);
        const { code, output } = await conform(manifest.applied.map(({ name }) => join(folder, name)));
        assert.equal(code, 0, output);
        const count = resourcesOf(manifest).length;
        assert.match(output, new RegExp(`Valid: ${count}, Invalid: 0, Errors: 0, Skipped: 0`, "u"));
      });

      test(`Helm finds nothing wrong with its chart for ${needed}, and renders the same resources`, async () => {
        const folder = await written(`${system} chart ${needed}`, await manifestOf(system, parts, { helm: true }));
        await must(helm, ["lint", "--strict", folder], root);
        const text = await must(helm, ["template", "release", folder, "--namespace", "shop"], root);
        const rendered = parseAllDocuments(text).map((document): Resource => document.toJSON());
        const plain = resourcesOf(await manifestOf(system, parts, { namespace: "shop" }));
        const inOrder = (resources: Resource[]): Resource[] =>
          resources.toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
        assert.deepEqual(inOrder(rendered), inOrder(plain));
      });
    }

    test("kubeconform refuses a resource with a field that its CRD has not", async () => {
      const manifest = await manifestOf(system);
      const [first] = manifest.applied as [Manifest["applied"][0]];
      const bad = { ...first, text: first.text.replace(/^spec:$/mu, "spec:\n  sallyport: true") };
      const folder = await written(`${system} bad`, { applied: [bad], others: [] });
      const { code, output } = await conform([join(folder, bad.name)]);
      assert.equal(code, 1);
      assert.match(output, /sallyport/u);
    });
  });
}

const nameOf = ({ kind, metadata }: Resource): string => `${kind} ${metadata.name}`;
