/**
 * SPIRE as it is, built with Go into the cache folder by its version, with two programs of ours that are workloads (tools/). What is
 * missing is built; what cannot be is an error, never a test left out.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { chmod, copyFile, link, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { allThere, buildInto, cacheFolder, sourceHash } from "../bench/building.ts";
import { findOnPath, must } from "../fleet/systems.ts";

const tools_folder = fileURLToPath(new URL("tools", import.meta.url));
const spire_module = "github.com/spiffe/spire";
const isGoSource = (name: string): boolean => /(^go\.(mod|sum)|\.go)$/u.test(name);

/** Paths of the programs. */
export interface Programs {
  "spire-server": string;
  "spire-agent": string;
  /** Steady traffic with the SVID of the Workload API. */
  load: string;
  /** The service behind Envoy. */
  serve: string;
  envoy: string;
}

/** SPIRE's version, as tools/go.mod has it. */
export async function spireVersion(): Promise<string> {
  const text = await readFile(join(tools_folder, "go.mod"), "utf8");
  const [, version] = /github\.com\/spiffe\/spire (v\S+)/u.exec(text) ?? [];
  if (version === undefined) throw new Error(`${tools_folder}/go.mod does not name SPIRE`);
  return version;
}

/**
 * Finds the programs, and builds those that are not there.
 * @throws Error where this process is not root, which running workloads as several users takes, or where a program cannot be had
 */
export async function findPrograms(): Promise<Programs> {
  if (process.getuid?.() !== 0)
    throw new Error("workloads run as users of their own, which takes root: run this as root");
  await findOnPath("setpriv", ["util-linux"]);
  const version = await spireVersion();
  const spire = await built(
    `spire-${version}`,
    ["spire-server", "spire-agent"],
    "a quarter of an hour",
    async (into) => {
      // SPIRE's server has SQLite in it, which is C.
      await findOnPath("gcc", ["gcc", "libc6-dev"]);
      const packages = ["spire-server", "spire-agent"].map((name) => `${spire_module}/cmd/${name}`);
      await must("go", ["install", "-ldflags=-s -w", ...packages], tools_folder, {
        GOBIN: into,
        CGO_ENABLED: "1",
      });
    },
  );
  const hash = await sourceHash(tools_folder, isGoSource);
  const ours = await built(`spire-workloads-${hash}`, ["load", "serve"], "a minute", async (into) => {
    await must("go", ["install", "./load", "./serve"], tools_folder, { GOBIN: into });
  });
  return { ...spire, ...ours, envoy: await findEnvoy() };
}

/** Paths of programs in a folder of the cache, which is made where it is not there. */
async function built<Name extends string>(
  name: string,
  programs: readonly Name[],
  takes: string,
  make: (into: string) => Promise<void>,
): Promise<Record<Name, string>> {
  const folder = join(cacheFolder(), name);
  const paths = programs.map((program) => join(folder, program));
  if (!(await allThere(paths, constants.X_OK))) {
    console.log(`building ${programs.join(" and ")} into ${folder}, once: ${takes}`);
    await buildInto(folder, paths, make);
  }
  return Object.fromEntries(programs.map((program, at) => [program, paths[at]])) as Record<Name, string>;
}

/** The same programs in a folder that every user may read: the cache may lie in root's home. */
export async function openToAll(programs: Programs, folder: string): Promise<Programs> {
  const opened = { ...programs };
  for (const name of Object.keys(programs) as (keyof Programs)[]) {
    opened[name] = join(folder, name);
    // Another name for the same file, where that is possible: Envoy alone has 150 MB.
    await link(programs[name], opened[name]).catch(() => copyFile(programs[name], opened[name]));
    await chmod(opened[name], 0o755);
  }
  return opened;
}

/** Has what is started end with this process, however that ends. */
const bound = ["setpriv", "--pdeathsig", "KILL"];

/** The command that runs a program as another user, which is how SPIRE tells workloads of one machine apart. */
export const asUser = (uid: number): string[] => [...bound, `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];

/** A program that goes on beside this one; what it wrote is told where it ends when nobody asked it to. */
export class Background {
  readonly #child;
  readonly #what: string;
  #written = "";
  readonly ended: Promise<void>;

  constructor(what: string, command: readonly string[], cwd: string) {
    this.#what = what;
    const [program, ...args] = [...bound, "--", ...command];
    this.#child = spawn(program!, args, { cwd, stdio: ["pipe", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        this.#written = (this.#written + chunk).slice(-65_536);
      });
    }
    this.#child.stdin.on("error", () => {});
    this.ended = once(this.#child, "close").then(() => {});
    this.ended.catch(() => {});
  }

  get written(): string {
    return this.#written;
  }

  /** Throws where it has ended. */
  check(): void {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null)
      throw new Error(`${this.#what} ended with ${exitCode ?? signalCode}:\n${this.#written.slice(-4_000)}`);
  }

  /** Ends its input, and waits until it has ended by itself; what it wrote. */
  async finish(): Promise<string> {
    this.#child.stdin.end();
    await this.ended;
    if (this.#child.exitCode !== 0) this.check();
    return this.#written;
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGKILL");
    await this.ended.catch(() => {});
  }
}
