/** `npm run build [engine]`: the engine, and around it the command line as one file in dist/. */
import { buildEngine } from "./engine.ts";
import { buildProgram } from "./program.ts";

try {
  await buildEngine();
  if (process.argv[2] !== "engine") await buildProgram();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
