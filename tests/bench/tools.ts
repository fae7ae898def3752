/**
 * The programs the benchmarks need besides Envoy: our load generator and OPA as an ext_authz server, both built from
 * `peers/`, and Fortio, which sends at a fixed rate. They are built with Go when first asked for and kept in a cache folder.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, constants, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export { Load, LoadError, type OpenOptions, type RunResult } from "./peers/client.ts";

/** Paths of the executables. */
export interface BenchTools {
  load: string;
  opa: string;
  fortio: string;
}

/** A program could not be built; the message says what is missing and where to get it. */
export class BenchToolsError extends Error {
  override name = "BenchToolsError";
}

const fortio_version = "1.66.5";
const module_folder = fileURLToPath(new URL("./peers", import.meta.url));
const build_timeout_ms = 15 * 60_000;

/**
 * Finds the programs, and builds those that are not there yet.
 * @throws BenchToolsError where Go is missing or too old, or a build fails
 */
export async function benchTools(): Promise<BenchTools> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "sallyport");
  const peers = join(cache, `bench-${await moduleHash()}`);
  const fortioFolder = join(cache, `fortio-${fortio_version}`);
  const tools = { load: join(peers, "load"), opa: join(peers, "opa"), fortio: join(fortioFolder, "fortio") };

  if (!(await allExecutable(tools.load, tools.opa))) {
    await checkGo();
    console.log(`building OPA and the load generator into ${peers}, once: about a minute`);
    await build(cache, peers, [tools.load, tools.opa], async (folder) => {
      await go(["build", "-trimpath", "-o", `${folder}/`, "./load", "./opa"], module_folder);
    });
  }
  if (!(await allExecutable(tools.fortio))) {
    await checkGo();
    console.log(`building Fortio ${fortio_version} into ${fortioFolder}, once: about half a minute`);
    await build(cache, fortioFolder, [tools.fortio], async (folder) => {
      await go(["install", "-trimpath", `fortio.org/fortio@v${fortio_version}`], folder, { GOBIN: folder });
    });
  }
  return tools;
}

/** What the two programs are made of: another source is another folder, so that checkouts side by side never mix. */
async function moduleHash(): Promise<string> {
  const names = (await readdir(module_folder, { recursive: true }))
    .filter((name) => /(^go\.(mod|sum)|\.go)$/.test(name) && !name.endsWith("_test.go"))
    .sort();
  const hash = createHash("sha256");
  for (const name of names) hash.update(`${name}\n`).update(await readFile(join(module_folder, name)));
  return hash.digest("hex").slice(0, 16);
}

/** Builds in a folder of its own and renames the finished one into place, so that nobody ever sees a half of it. */
async function build(
  cache: string,
  to: string,
  executables: readonly string[],
  make: (folder: string) => Promise<void>,
): Promise<void> {
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "build-"));
  try {
    await make(folder);
    // Renaming onto a folder that has content fails; then another run was first, and what it built is as good.
    await rename(folder, to).catch((error: unknown) => error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (!(await allExecutable(...executables))) {
    throw new BenchToolsError(`${to} exists but does not hold ${executables.join(" and ")}: remove the folder`);
  }
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

async function allExecutable(...paths: string[]): Promise<boolean> {
  const found = await Promise.all(
    paths.map((path) =>
      access(path, constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.every(Boolean);
}

interface Outcome {
  code: number;
  output: string;
  /** There is no such program. */
  missing: boolean;
}

/** Runs a program to its end, with this process's environment and what is added to it. */
async function run(program: string, args: string[], cwd: string, added: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const env = { ...process.env, ...added };
  return new Promise((resolve) => {
    execFile(program, args, { cwd, env, timeout: build_timeout_ms }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      const output = `${stdout}${stderr}` || (error?.message ?? "");
      resolve({ code, output, missing: error?.code === ("ENOENT" as unknown) });
    });
  });
}
