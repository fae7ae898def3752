/** What building a program for the benchmarks takes: a cache folder by version, and a word for what is missing. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, constants, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** A program could not be built; the message says what is missing and where to get it. */
export class BenchToolsError extends Error {
  override name = "BenchToolsError";
}

/** Control planes are the largest: Envoy Gateway takes eleven minutes on two cores that have nothing else to do. */
const build_timeout_ms = 60 * 60_000;

/** Where built programs are kept, each in a folder of its version. */
export const cacheFolder = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "sallyport");

/** A short hash of the files of a folder that match: another source is another version. */
export async function sourceHash(folder: string, isSource: (name: string) => boolean): Promise<string> {
  const names = (await readdir(folder, { recursive: true })).filter(isSource).sort();
  const hash = createHash("sha256");
  for (const name of names) hash.update(`${name}\n`).update(await readFile(join(folder, name)));
  return hash.digest("hex").slice(0, 16);
}

/**
 * Builds in a folder of its own and renames the finished one into place, so that nobody ever sees a half of it.
 * @param files what has to be there in the end
 */
export async function buildInto(
  to: string,
  files: readonly string[],
  make: (folder: string) => Promise<void>,
): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true });
  const folder = await mkdtemp(join(cacheFolder(), "build-"));
  try {
    await make(folder);
    // Renaming onto a folder that has content fails; then another run was first, and what it built is as good.
    await rename(folder, to).catch((error: unknown) => error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (!(await allThere(files))) {
    throw new BenchToolsError(`${to} exists but does not hold ${files.join(" and ")}: remove the folder`);
  }
}

/** Whether all these files can be read and, as `constants.X_OK` wants it, executed. */
export async function allThere(paths: readonly string[], mode: number = constants.R_OK): Promise<boolean> {
  const found = await Promise.all(
    paths.map((path) =>
      access(path, mode).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.every(Boolean);
}

/** How a program ended. */
export interface Outcome {
  code: number;
  stdout: string;
  /** Both streams. */
  output: string;
  /** There is no such program. */
  missing: boolean;
}

/** Runs a program to its end, with this process's environment and what is added to it. */
export async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  added: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const options = { cwd, env: { ...process.env, ...added }, timeout: build_timeout_ms, maxBuffer: 16 << 20 };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      const output = `${stdout}${stderr}` || (error?.message ?? "");
      resolve({ code, stdout, output, missing: error?.code === ("ENOENT" as unknown) });
    });
  });
}

/**
 * What these chains are made with, or undefined where it could not be built: then the others are measured without them.
 * @param missing what is said of each chain is added here
 */
export async function orMissing<T>(
  chains: readonly string[],
  make: () => Promise<T>,
  missing: string[],
): Promise<T | undefined> {
  if (chains.length === 0) return undefined;
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof BenchToolsError)) throw error;
    missing.push(...chains.map((chain) => `the chain "${chain}" is not measured: ${error.message}`));
    return undefined;
  }
}
