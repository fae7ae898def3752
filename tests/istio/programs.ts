/**
 * The programs of `npm run test:istio`, as they are: etcd, Kubernetes' API server and kubectl, Istio's istiod and agent. Each is built with Go
 * from a module beside this file and kept in a cache folder by its version; a registry and the tools for namespaces come from the
 * distribution. What cannot be had is an error.
 */
import { constants } from "node:fs";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { allThere, buildInto, cacheFolder } from "../bench/building.ts";
import { findOnPath, must } from "../fleet/systems.ts";

/** Paths of the programs of Kubernetes. */
export interface KubernetesPrograms {
  etcd: string;
  "kube-apiserver": string;
  kubectl: string;
}

/** Paths of all programs, and of two files that come with Istio. */
export interface Programs extends KubernetesPrograms {
  envoy: string;
  "pilot-discovery": string;
  "pilot-agent": string;
  /** The kinds of resources that Istio has, for Kubernetes. */
  "crds.yaml": string;
  /** What agents make Envoy's bootstrap of. */
  "envoy_bootstrap.json": string;
}

interface GoModule {
  /** The folder of its go.mod. */
  folder: string;
  /** Whose version it is that the folder in the cache is called by. */
  path: string;
  /** Packages by the names that their programs have. */
  packages: Readonly<Record<string, string>>;
  /** Files by their names, each from a folder of a Go module. */
  files: Readonly<Record<string, readonly [module: string, path: string]>>;
  takes: string;
}

const of_kubernetes: readonly GoModule[] = [
  {
    folder: "etcd",
    path: "go.etcd.io/etcd/server/v3",
    packages: { etcd: "go.etcd.io/etcd/server/v3" },
    files: {},
    takes: "half a minute",
  },
  {
    folder: "kube",
    path: "k8s.io/kubernetes",
    packages: {
      "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
      kubectl: "k8s.io/kubernetes/cmd/kubectl",
    },
    files: {},
    takes: "six minutes",
  },
];

const of_istio: readonly GoModule[] = [
  {
    folder: "istio",
    path: "istio.io/istio",
    packages: {
      "pilot-discovery": "istio.io/istio/pilot/cmd/pilot-discovery",
      "pilot-agent": "istio.io/istio/pilot/cmd/pilot-agent",
    },
    files: {
      "crds.yaml": ["istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml"],
      "envoy_bootstrap.json": ["istio.io/istio", "tools/packaging/common/envoy_bootstrap.json"],
    },
    takes: "eight minutes",
  },
];

/** Finds the programs, and installs or builds those that are not there. Throws where that fails. */
export async function findPrograms(): Promise<Programs> {
  await findOnPath("docker-registry", ["docker-registry"]);
  await findOnPath("unshare", ["util-linux"]);
  await findOnPath("ip", ["iproute2"]);
  const envoy = await findEnvoy();
  return {
    envoy,
    ...(await findKubernetes()),
    ...(await allOf<Omit<Programs, "envoy" | keyof KubernetesPrograms>>(of_istio)),
  };
}

/** Finds those of Kubernetes alone. */
export async function findKubernetes(): Promise<KubernetesPrograms> {
  return allOf<KubernetesPrograms>(of_kubernetes);
}

async function allOf<Paths>(modules: readonly GoModule[]): Promise<Paths> {
  const found: Record<string, string> = {};
  // One after the other: each takes all of the machine.
  for (const one of modules) Object.assign(found, await built(one));
  return found as Paths;
}

/** Paths of what a module has, which is built where it is not there. */
async function built({ folder, path, packages, files, takes }: GoModule): Promise<Record<string, string>> {
  const source = fileURLToPath(new URL(`./go/${folder}`, import.meta.url));
  const into = join(cacheFolder(), `${folder}-${await versionOf(path, source)}`);
  const names = [...Object.keys(packages), ...Object.keys(files)];
  const paths = Object.fromEntries(names.map((name) => [name, join(into, name)]));
  const programs = Object.keys(packages).map((name) => paths[name]!);
  if (!(await allThere(programs, constants.X_OK)) || !(await allThere(Object.values(paths)))) {
    console.log(`building ${Object.keys(packages).join(" and ")} into ${into}, once: ${takes}`);
    await buildInto(into, Object.values(paths), async (to) => {
      for (const [name, of] of Object.entries(packages))
        await must("go", ["build", "-ldflags", "-s -w", "-o", join(to, name), of], source);
      for (const [name, [module, file]] of Object.entries(files)) {
        const dir = await must("go", ["list", "-m", "-f", "{{.Dir}}", module], source);
        await copyFile(join(dir.trim(), file), join(to, name));
      }
    });
  }
  return paths;
}

/** The version that a go.mod wants of a module. */
async function versionOf(path: string, folder: string): Promise<string> {
  const text = await readFile(join(folder, "go.mod"), "utf8");
  const line = text.split("\n").find((one) =>
    one
      .trim()
      .replace(/^require /u, "")
      .startsWith(`${path} `),
  );
  const version = line
    ?.trim()
    .split(" ")
    .find((word) => word.startsWith("v"));
  if (version === undefined) throw new Error(`${folder}/go.mod does not name ${path}`);
  return version;
}
