/** `npm run build [engine]`: the engine, and around it the command line as one file in dist/. */
import { chmod, copyFile, mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { build } from "esbuild";
import { buildEngine } from "./engine.ts";

async function buildProgram(): Promise<void> {
  await mkdir("dist", { recursive: true });
  await build({
    entryPoints: ["scripts/cli.ts"],
    outfile: "dist/sallyport.mjs",
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    // The browser build of yaml is the same code without a look at process.env for every token it reads.
    alias: { yaml: resolve("node_modules/yaml/browser/index.js") },
    // Some dependencies are CommonJS and ask for Node's modules by `require`, which an ES module does not have.
    banner: {
      js: '#!/usr/bin/env node\nimport { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);',
    },
    logLevel: "warning",
  });
  await chmod("dist/sallyport.mjs", 0o755);
  await copyFile("build/engine.wasm", "dist/engine.wasm");
  console.log("dist/sallyport.mjs: the command line, with the engine beside it");
}

try {
  await buildEngine();
  if (process.argv[2] !== "engine") await buildProgram();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
