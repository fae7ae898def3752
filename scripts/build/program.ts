/**
 * The command line as one file, dist/sallyport.mjs. Beside it are the engine, what the page of a report is made of, and the licences of
 * what all of that contains of others.
 */
import { chmod, copyFile, mkdir, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { build } from "esbuild";
import { licencesOf } from "./licences.ts";

/** What `sallyport report` puts into its page, in dist/: the page's program, its style, and the licences of what the former contains. */
async function buildPage(): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: ["scripts/report/page/main.ts"],
    outfile: "dist/report.js",
    bundle: true,
    platform: "browser",
    target: "es2022",
    format: "iife",
    minify: true,
    charset: "ascii",
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
  });
  const inputs = Object.keys(metafile.inputs);
  await writeFile("dist/report.licences.txt", await licencesOf(inputs, "this page"));
  await copyFile("scripts/report/page/style.css", "dist/report.css");
  return inputs;
}

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
  const inputs = [...Object.keys(metafile.inputs), ...(await buildPage())];
  await writeFile("dist/LICENSES.txt", await licencesOf(inputs, "dist/sallyport.mjs and the page of its reports"));
  await chmod("dist/sallyport.mjs", 0o755);
  for (const engine of ["engine.wasm", "engine.bodies.wasm"]) await copyFile(`build/${engine}`, `dist/${engine}`);
  console.log("dist/sallyport.mjs: the command line, with the engine and the page of reports beside it");
}
