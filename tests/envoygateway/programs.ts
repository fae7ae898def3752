/**
 * The programs of `npm run test:envoy-gateway`, as they are: Envoy Gateway, built with Go from the module beside this file and kept in a
 * cache folder by its version, and a registry and the tools for namespaces from the distribution. What cannot be had is an error.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { allThere, buildInto, cacheFolder } from "../bench/building.ts";
import { findOnPath, must } from "../fleet/systems.ts";

/** What go/go.mod requires. */
export const gateway_version = "v1.9.1";
const module_folder = fileURLToPath(new URL("./go", import.meta.url));
const gateway_package = "github.com/envoyproxy/gateway/cmd/envoy-gateway";

/** Paths of the programs. */
export interface Programs {
  gateway: string;
  envoy: string;
}

/** Finds the programs, and installs or builds those that are not there. Throws where that fails. */
export async function findPrograms(): Promise<Programs> {
  await findOnPath("docker-registry", ["docker-registry"]);
  await findOnPath("unshare", ["util-linux"]);
  await findOnPath("ip", ["iproute2"]);
  const folder = join(cacheFolder(), `envoy-gateway-${gateway_version}`);
  const gateway = join(folder, "envoy-gateway");
  if (!(await allThere([gateway], constants.X_OK))) {
    console.log(`building Envoy Gateway ${gateway_version} into ${folder}, once: about a quarter of an hour`);
    await buildInto(folder, [gateway], async (into) => {
      await must("go", ["install", "-ldflags", "-s -w", gateway_package], module_folder, { GOBIN: into });
    });
  }
  return { gateway, envoy: await findEnvoy() };
}
