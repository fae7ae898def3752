/** The command line as one file, dist/sallyport.mjs, with the engine and the licences of what it contains beside it. */
import { chmod, copyFile, mkdir, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { build } from "esbuild";
import { licencesOf } from "./licences.ts";

/** Bundles scripts/cli.ts. The engine must have been built. */
export async function buildProgram(): Promise<void> {
  await mkdir("dist", { recursive: true });
  const { metafile } = await build({
    entryPoints: ["scripts/cli.ts"],
    outfile: "dist/sallyport.mjs",
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    // The browser build of yaml is the same code without a look at process.env for every token it reads.
    alias: { yaml: resolve("node_modules/yaml/browser/index.js") },
    // Some dependencies are CommonJS and ask for Node's modules by `require`, which an ES module does not have;
    // others import `createRequire` by that name.
    banner: {
      js: '#!/usr/bin/env node\nimport { createRequire as requireOfNode } from "node:module";\nconst require = requireOfNode(import.meta.url);',
    },
    logLevel: "warning",
    metafile: true,
  });
  await writeFile("dist/LICENSES.txt", await licencesOf(Object.keys(metafile.inputs)));
  await chmod("dist/sallyport.mjs", 0o755);
  await copyFile("build/engine.wasm", "dist/engine.wasm");
  console.log("dist/sallyport.mjs: the command line, with the engine beside it");
}
