/** What Kustomize reads: the resources of a folder in the order in which they are applied. */
import { type ManifestFile, type System, yamlFile } from "./files.ts";

export const kustomization_name = "kustomization.yaml";

/** `kustomization.yaml` for these files. */
export function kustomization(system: System, applied: readonly ManifestFile[]): ManifestFile {
  return yamlFile(
    system,
    kustomization_name,
    "for `kubectl apply -k` and Kustomize",
    "The files may also be applied one by one, in this order.",
    {
      content: {
        apiVersion: "kustomize.config.k8s.io/v1beta1",
        kind: "Kustomization",
        sortOptions: { order: "fifo" },
        resources: applied.map(({ name }) => name),
      },
      reasons: [[["sortOptions"], "The enforcement check comes first: no request may pass before it is there."]],
    },
  );
}
