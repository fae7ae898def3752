/**
 * The tests as plain JavaScript, compiled at once. Node 20 runs TypeScript only through a loader that lives in a thread of
 * its own, for which each file of tests would wait a second.
 */
import { rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

/** A folder for this run alone, in the checkout, where dependencies are found. */
const folder = join("build", `tests-${process.pid}`);
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** Where tools find the engine, and what fuzzers find in its place. */
const engine_loader = join("scripts", "policy", "build.ts");
const engine_names = '"engine.wasm", "build/engine.wasm"';
const poisoned_names = '"build/engine.poisoned.wasm"';

/**
 * What a module says of where it stands stays true: fixtures are found beside the source, not beside the bundle.
 * @param poisoned whether the engine is the one that overwrites what it gives up
 */
const sourcePlaces = (poisoned: boolean): Plugin => ({
  name: "source-places",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const places: Record<string, string> = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) };
      let text = await readFile(path, "utf8");
      if (poisoned && path === resolve(engine_loader)) {
        if (!text.includes(engine_names)) throw new Error(`${engine_loader} loads the engine otherwise than was known`);
        text = text.replace(engine_names, poisoned_names);
      }
      const contents = text.replace(/\bimport\.meta\.(url|filename|dirname)\b/g, (_, place: string) =>
        JSON.stringify(places[place]),
      );
      return { contents, loader: "ts" };
    });
  },
});

/** Where the compiled form of a file below tests/ is. */
export function compiledTest(file: string): string {
  return resolve(folder, relative("tests", file).replace(/\.ts$/, ".mjs"));
}

/** Whether a file of tests is a fuzzer, which runs the poisoned engine; all others run the one that ships. */
function isFuzzer(file: string): boolean {
  return file.startsWith(join("tests", "fuzz"));
}

/** Compiles files below tests/, with what of ours they import. Stack traces name the sources (`--enable-source-maps`). */
export async function bundleTests(files: string[]): Promise<void> {
  await bundle(
    files.filter((file) => !isFuzzer(file)),
    false,
  );
  await bundle(files.filter(isFuzzer), true);
}

async function bundle(files: string[], poisoned: boolean): Promise<void> {
  if (files.length === 0) return;
  await build({
    entryPoints: files,
    outdir: folder,
    outbase: "tests",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    packages: "external",
    platform: "node",
    target: "node20",
    format: "esm",
    sourcemap: true,
    plugins: [sourcePlaces(poisoned)],
    logLevel: "warning",
  });
}
