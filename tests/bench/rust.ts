/**
 * Builds the Rust filter of `peers/rust`, once for each version of its source. Rust needs a standard library for Wasm. Where the
 * `rustc` on PATH has none, Debian's packages are unpacked for the time of the build: nothing is installed.
 */
import { copyFile, cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { allThere, BenchToolsError, buildInto, cacheFolder, type Outcome, run, sourceHash } from "./building.ts";

/** A Rust that builds for WASI. */
interface Toolchain {
  cargo: string;
  target: string;
  environment: NodeJS.ProcessEnv;
  /** Whether its cargo can fetch from crates.io as it is today; else the dependencies are fetched by the cargo on PATH. */
  isCurrent: boolean;
}

const crate_folder = fileURLToPath(new URL("./peers/rust", import.meta.url));
/** The newest Rust for Wasm in Debian 12, and the libraries that a machine may lack. */
const debian_packages = [
  ...["rustc", "cargo", "libstd-rust-1.63", "libstd-rust-dev", "libstd-rust-dev-wasm32", "lld-14", "libllvm14"],
  ...["libgit2-1.5", "libssh2-1", "libcurl3-gnutls", "libhttp-parser2.9", "libz3-4"],
  ...["libmbedtls14", "libmbedcrypto7", "libmbedx509-1"],
];
const libraries = { x64: "usr/lib/x86_64-linux-gnu", arm64: "usr/lib/aarch64-linux-gnu" };

/**
 * The path of the built filter.
 * @throws BenchToolsError where there is no Rust for Wasm and none can be had, or the build fails
 */
export async function rustFilter(): Promise<string> {
  const isSource = (name: string): boolean => /(^Cargo\.(toml|lock)|\.rs)$/.test(name);
  const to = join(cacheFolder(), `bench-rust-${await sourceHash(crate_folder, isSource)}`);
  const path = join(to, "peer.wasm");
  if (await allThere([path])) return path;
  console.log(`building the Rust filter into ${to}, once: about three minutes`);
  await buildInto(to, [path], async (folder) => {
    const work = join(folder, "work");
    await cp(crate_folder, work, { recursive: true });
    const { cargo, target, environment, isCurrent } = await findToolchain(work);
    if (!isCurrent) await fetchDependencies(work);
    const offline = isCurrent ? [] : ["--offline"];
    const args = [
      "build",
      "--release",
      "--locked",
      ...offline,
      "--target",
      target,
      "--target-dir",
      join(work, "target"),
    ];
    must(await run(cargo, args, work, environment), "the Rust filter does not build");
    await copyFile(join(work, "target", target, "release", "peer.wasm"), join(folder, "peer.wasm"));
    // The toolchain alone takes 660 MB.
    await rm(work, { recursive: true });
  });
  return path;
}

async function findToolchain(work: string): Promise<Toolchain> {
  const target = "wasm32-wasip1";
  const found = await run("rustc", ["--print", "target-libdir", "--target", target], work);
  if (found.code === 0 && (await allThere([found.stdout.trim()]))) {
    return { cargo: "cargo", target, environment: {}, isCurrent: true };
  }
  return debianToolchain(work);
}

async function debianToolchain(work: string): Promise<Toolchain> {
  const packages = join(work, "packages");
  await mkdir(packages);
  must(
    await run("apt-get", ["download", ...debian_packages], packages),
    "there is no Rust for Wasm: `rustup target add wasm32-wasip1` brings it. Of Debian 12, `apt-get download` has it too, " +
      "after `apt-get update`, but failed",
  );
  const root = join(work, "debian");
  for (const name of await readdir(packages)) {
    must(await run("dpkg-deb", ["-x", name, root], packages), `${name} cannot be unpacked`);
  }
  const binaries = join(root, "usr/bin");
  return {
    cargo: join(binaries, "cargo"),
    target: "wasm32-wasi",
    environment: {
      RUSTC: join(binaries, "rustc"),
      CARGO_TARGET_WASM32_WASI_LINKER: join(binaries, "wasm-ld-14"),
      CARGO_HOME: join(work, "home"),
      LD_LIBRARY_PATH: join(root, libraries[process.arch === "arm64" ? "arm64" : "x64"]),
    },
    isCurrent: false,
  };
}

/** Puts the dependencies beside the crate, for a cargo that is too old for crates.io. */
async function fetchDependencies(work: string): Promise<void> {
  const vendored = must(
    await run("cargo", ["vendor", "--locked", "vendor"], work),
    "the Rust filter's dependencies cannot be fetched with `cargo vendor`, which takes a cargo of at least 1.68 on PATH",
  );
  await mkdir(join(work, ".cargo"));
  await writeFile(join(work, ".cargo/config.toml"), vendored.stdout);
}

/** @throws BenchToolsError that ends with what the program said, where it failed */
function must(outcome: Outcome, what: string): Outcome {
  if (outcome.code !== 0) throw new BenchToolsError(`${what}: ${outcome.output.trim()}`);
  return outcome;
}
