/**
 * `npm run test:contour`: what docs/contour.md shows, with a real Contour on etcd and Kubernetes' API server: its Envoy passes TLS on to an Envoy
 * that has what `sallyport manifest --for envoy` writes. Apart from `npm test`, since these are built with Go.
 *
 * They listen on fixed ports, so all of it runs in namespaces of its own (network, mounts, processes), which need root or user namespaces.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { allThere, buildInto, cacheFolder } from "../bench/building.ts";
import { findOnPath, must } from "../fleet/systems.ts";
import { findKubernetes } from "../istio/programs.ts";
import { crdFiles } from "../manifest/crds.ts";
import { service_address } from "./world.ts";

/** What go/go.mod requires. */
const contour_version = "v1.33.8";

async function findContour(): Promise<string> {
  const folder = join(cacheFolder(), `contour-${contour_version}`);
  const contour = join(folder, "contour");
  if (await allThere([contour], constants.X_OK)) return contour;
  console.log(`building Contour ${contour_version} into ${folder}, once: about five minutes`);
  await buildInto(folder, [contour], async (into) => {
    const source = fileURLToPath(new URL("./go", import.meta.url));
    const name = "github.com/projectcontour/contour/cmd/contour";
    await must("go", ["install", "-ldflags", "-s -w", name], source, { GOBIN: into });
  });
  return contour;
}

await findOnPath("unshare", ["util-linux"]);
await findOnPath("ip", ["iproute2"]);
const crds = (await crdFiles()).find((path) => path.includes("contour"));
const programs = { ...(await findKubernetes()), contour: await findContour(), envoy: await findEnvoy(), crds };
const isRoot = process.getuid?.() === 0;
const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
// Kubernetes takes no loopback address for a service.
const run = ["sh", "-c", `ip link set lo up && ip address add ${service_address}/32 dev lo && exec "$@"`, "sh"];
const test = [process.execPath, "--import", "tsx", "--test", "tests/contour/passthrough.ts"];
const child = spawn("unshare", [...(isRoot ? [] : ["--map-root-user"]), ...namespaces, ...run, ...test], {
  stdio: ["ignore", "inherit", "inherit"],
  env: { ...process.env, CONTOUR_PROGRAMS: JSON.stringify(programs), ENVOY: programs.envoy },
});
const [code] = await once(child, "exit");
process.exitCode = code ?? 1;
