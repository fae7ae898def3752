/**
 * `npm run test:envoy-gateway`: what `sallyport manifest` and `sallyport oci` make, in a real Envoy Gateway that runs without Kubernetes,
 * with the Envoy that all tests have. Apart from `npm test`, since Envoy Gateway is built with Go (a quarter of an hour, once).
 *
 * Envoy Gateway listens on fixed ports and wants a name to resolve, so all of it runs in namespaces of its own (network, mounts,
 * processes), which need root or user namespaces. Nothing is left behind when they end.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rmdir } from "node:fs/promises";
import { findPrograms } from "./programs.ts";
import { ca_folder } from "./system.ts";

const files = ["arrival", "admission", "enforcement", "modules", "changes", "rollout", "status", "federation"].map(
  (name) => `tests/envoygateway/${name}.ts`,
);
const asked = process.argv.slice(2);
const chosen = asked.length === 0 ? files : files.filter((path) => asked.some((name) => path.includes(`/${name}.ts`)));
if (chosen.length === 0) throw new Error(`no file is named so: there are ${files.join(", ")}`);

const { gateway, envoy } = await findPrograms();
const isRoot = process.getuid?.() === 0;
const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
const run = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
const test = [process.execPath, "--import", "tsx", "--test", "--test-concurrency=1", ...chosen];

// Envoy looks for the authority of Envoy Gateway's own server there, and nowhere else; the namespace puts it there.
const made = await mkdir(ca_folder).then(
  () => true,
  () => false,
);
try {
  const child = spawn("unshare", [...(isRoot ? [] : ["--map-root-user"]), ...namespaces, ...run, ...test], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ENVOY_GATEWAY: gateway, ENVOY: envoy },
  });
  const [code] = await once(child, "exit");
  process.exitCode = code ?? 1;
} finally {
  if (made) await rmdir(ca_folder);
}
