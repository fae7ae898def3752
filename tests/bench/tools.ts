/**
 * The programs the benchmarks need besides Envoy: our load generator and OPA as an ext_authz server, both built from
 * `peers/`, and Fortio, which sends at a fixed rate. They are built with Go when first asked for and kept in a cache folder.
 */
import { constants } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { allThere, BenchToolsError, buildInto, cacheFolder, run, sourceHash } from "./building.ts";

export { Load, LoadError, type OpenOptions, type RunResult } from "./peers/client.ts";

/** Paths of the executables. */
export interface BenchTools {
  load: string;
  opa: string;
  fortio: string;
}

const fortio_version = "1.66.5";
const module_folder = fileURLToPath(new URL("./peers", import.meta.url));
const isGoSource = (name: string): boolean => /(^go\.(mod|sum)|\.go)$/.test(name) && !name.endsWith("_test.go");

/**
 * Finds the programs, and builds those that are not there yet.
 * @throws BenchToolsError where Go is missing or too old, or a build fails
 */
export async function benchTools(): Promise<BenchTools> {
  const cache = cacheFolder();
  const peers = join(cache, `bench-${await sourceHash(module_folder, isGoSource)}`);
  const fortioFolder = join(cache, `fortio-${fortio_version}`);
  const tools = { load: join(peers, "load"), opa: join(peers, "opa"), fortio: join(fortioFolder, "fortio") };

  if (!(await allThere([tools.load, tools.opa], constants.X_OK))) {
    await checkGo();
    console.log(`building OPA and the load generator into ${peers}, once: about a minute`);
    await buildInto(peers, [tools.load, tools.opa], async (folder) => {
      await go(["build", "-trimpath", "-o", `${folder}/`, "./load", "./opa"], module_folder);
    });
  }
  if (!(await allThere([tools.fortio], constants.X_OK))) {
    await checkGo();
    console.log(`building Fortio ${fortio_version} into ${fortioFolder}, once: about half a minute`);
    await buildInto(fortioFolder, [tools.fortio], async (folder) => {
      await go(["install", "-trimpath", `fortio.org/fortio@v${fortio_version}`], folder, { GOBIN: folder });
    });
  }
  return tools;
}

/** @throws BenchToolsError where there is no Go on PATH that builds the module */
async function checkGo(): Promise<void> {
  const wanted = /^go (\S+)$/m.exec(await readFile(join(module_folder, "go.mod"), "utf8"))?.[1];
  const refuse = (what: string): never => {
    throw new BenchToolsError(
      `Go ${wanted} or newer is needed to build the load generator, OPA and Fortio for the benchmarks, but ${what}. ` +
        "Get it from https://go.dev/dl/ or your distribution, and have it on PATH.",
    );
  };
  // In the module's folder, Go itself compares its version with what go.mod asks for, and may fetch a newer one.
  const found = await run("go", ["env", "GOVERSION"], module_folder);
  if (found.missing) return refuse("there is no go on PATH");
  if (found.code !== 0) return refuse(`the go on PATH says: ${found.output.trim()}`);
}

async function go(args: string[], folder: string, environment: NodeJS.ProcessEnv = {}): Promise<void> {
  const { code, output } = await run("go", args, folder, environment);
  if (code !== 0) {
    throw new BenchToolsError(
      `\`go ${args.join(" ")}\` failed in ${folder}; it needs Go's module proxy:\n${output.trim()}`,
    );
  }
}
