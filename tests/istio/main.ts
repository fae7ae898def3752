/**
 * `npm run test:istio`: what `sallyport manifest --for istio` writes and `sallyport oci --push` pushes, in a real Istio: etcd, Kubernetes' API
 * server, istiod, and its agents, each with the Envoy that all tests have. Apart from `npm test`, since those are built with Go (a quarter
 * of an hour, once).
 *
 * Istio's programs listen on fixed ports and have fixed folders, so all of it runs in namespaces of its own (network, mounts, processes),
 * which need root or user namespaces. Nothing is left behind when they end.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { findPrograms } from "./programs.ts";

const files = ["enforcement", "admission", "changes", "watching"].map((name) => `tests/istio/${name}.ts`);
const asked = process.argv.slice(2);
const chosen = asked.length === 0 ? files : files.filter((path) => asked.some((name) => path.includes(`/${name}.ts`)));
if (chosen.length === 0) throw new Error(`no file is named so: there are ${files.join(", ")}`);

const programs = await findPrograms();
const isRoot = process.getuid?.() === 0;
const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"];
const run = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
const test = [process.execPath, "--import", "tsx", "--test", "--test-concurrency=1", ...chosen];
const child = spawn("unshare", [...(isRoot ? [] : ["--map-root-user"]), ...namespaces, ...run, ...test], {
  stdio: ["ignore", "inherit", "inherit"],
  env: { ...process.env, ISTIO_PROGRAMS: JSON.stringify(programs) },
});
const [code] = await once(child, "exit");
process.exitCode = code ?? 1;
