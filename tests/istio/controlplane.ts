/** A control plane of Istio without nodes: etcd, Kubernetes' API server with Istio's kinds of resources, and istiod. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { must } from "../fleet/systems.ts";
import { until } from "../support/until.ts";
import { Kubernetes, type Resource } from "./kubernetes.ts";
import type { Programs } from "./programs.ts";

export type { Resource } from "./kubernetes.ts";

/** Where istiod hands out certificates and configuration. */
export const discovery_address = "127.0.0.1:25012";
export const mesh_domain = "example.org";
const ready_url = "http://127.0.0.1:25080/ready";

/** The programs that main.ts has found. */
export function programs(): Programs {
  const { ISTIO_PROGRAMS } = process.env;
  assert.ok(ISTIO_PROGRAMS, "ISTIO_PROGRAMS is not set: run this by `npm run test:istio`");
  return JSON.parse(ISTIO_PROGRAMS);
}

export class ControlPlane extends Kubernetes {
  private constructor(folder: string) {
    super(folder, programs());
  }

  /**
   * @param mesh istiod's configuration
   * @param accounts service accounts of the namespace `default`
   */
  static async start(folder: string, mesh: Resource, accounts: readonly string[]): Promise<ControlPlane> {
    const plane = new ControlPlane(folder);
    try {
      await plane.startApi();
      await plane.kubectl(["apply", "--server-side", "-f", programs()["crds.yaml"]]);
      await plane.kubectl(["create", "namespace", "istio-system"]);
      for (const name of accounts) await plane.kubectl(["create", "serviceaccount", name]);
      await plane.kubectl(["wait", "--for", "condition=established", "crd", "--all", "--timeout=60s"]);
      await plane.#startIstiod(mesh);
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  async #startIstiod(mesh: Resource): Promise<void> {
    await writeFile(this.path("mesh.yaml"), stringify(mesh));
    const istiod = this.run(
      "istiod",
      programs()["pilot-discovery"],
      [
        ...["discovery", "--kubeconfig", this.path("kubeconfig"), "--meshConfig", this.path("mesh.yaml")],
        ...["--grpcAddr", "127.0.0.1:25010", "--httpAddr", "127.0.0.1:25080", "--httpsAddr", ""],
        ...["--secureGRPCAddr", discovery_address, "--monitoringAddr", "127.0.0.1:25014", "--ctrlz_port", "0"],
      ],
      {
        ENABLE_CA_SERVER: "true",
        // Filters of Istio's own Envoy, which others refuse.
        PILOT_ENABLE_METADATA_EXCHANGE: "false",
        PILOT_ENABLE_ALPN_FILTER: "false",
      },
    );
    await until("istiod is ready, and its authority is known", async () => {
      await istiod.checkAlive();
      const { status } = (await fetch(ready_url).catch(() => undefined)) ?? {};
      return status === 200 && (await this.try(["get", "configmap", "istio-ca-root-cert"])).code === 0;
    });
  }

  /** What istiod wrote. */
  log(): Promise<string> {
    return this.logOf("istiod");
  }
}

/** Gives the folder that agents keep modules in a place that is ours; they know no other way. */
export async function mountAgentsFolder(folder: string): Promise<void> {
  const own = join(folder, "lib");
  await mkdir(join(own, "istio/data"), { recursive: true });
  await must("mount", ["--bind", own, "/var/lib"], folder);
}
