/** The tools that operators hold manifests against, as they are: kubeconform and Helm, built with Go, and the schemas of Kubernetes itself. */
import { constants } from "node:fs";
import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { allThere, buildInto, cacheFolder } from "../bench/building.ts";
import { must } from "../fleet/systems.ts";

/** Programs by name, with the versions that they are built at. */
const programs = {
  helm: { source: "helm.sh/helm/v3/cmd/helm", version: "v3.22.0", takes: "three to eight minutes" },
  kubeconform: { source: "github.com/yannh/kubeconform/cmd/kubeconform", version: "v0.8.0", takes: "half a minute" },
} as const;

/** The PyPI package that has the schemas of Kubernetes, and the folder in it that is used. */
const schemas_package = "kubernetes-validate";
const schemas_version = "1.37.0";
const schemas_folder = "kubernetes_validate/kubernetes-json-schema/v1.36.0-local-strict";

/** The path of a program; it is built where it is not in the cache. Throws where that fails. */
export async function findTool(name: keyof typeof programs): Promise<string> {
  const { source, version, takes } = programs[name];
  const folder = join(cacheFolder(), `${name}-${version}`);
  const path = join(folder, name);
  if (await allThere([path], constants.X_OK)) return path;
  console.log(`building ${name} ${version} into ${folder}, once: ${takes}`);
  await buildInto(folder, [path], async (into) => {
    await must("go", ["install", `${source}@${version}`], into, { GOBIN: into });
  });
  return path;
}

/** JSON Schemas of kinds that Kubernetes itself has, by names such as `configmap-v1`: each whole, with what it refers to. */
export async function kubernetesSchemas(names: readonly string[]): Promise<Map<string, object>> {
  const folder = join(cacheFolder(), `${schemas_package}-${schemas_version}`);
  const known = join(folder, "schemas");
  const definitions = join(known, "_definitions.json");
  if (!(await allThere([definitions]))) {
    await buildInto(folder, [definitions], async (into) => {
      const args = ["install", "--quiet", "--no-deps", "--target", join(into, "package")];
      await must("pip", [...args, `${schemas_package}==${schemas_version}`], into);
      await rename(join(into, "package", schemas_folder), join(into, "schemas"));
      await rm(join(into, "package"), { recursive: true });
    });
  }
  const read = async (path: string): Promise<object> =>
    JSON.parse((await readFile(path, "utf8")).replaceAll("/api/_definitions.json#", "#"));
  const shared = await read(definitions);
  const whole = async (name: string): Promise<[string, object]> => [
    name,
    { ...shared, ...(await read(join(known, `${name}.json`))) },
  ];
  return new Map(await Promise.all(names.map(whole)));
}
