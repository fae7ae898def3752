/** `npm run build [engine]`: the engine, and around it the command line as one file in dist/, and the JSON Schemas. */
import { buildEngine } from "./engine.ts";
import { buildProgram } from "./program.ts";
import { writeSchemas } from "./schema.ts";

try {
  await buildEngine();
  if (process.argv[2] !== "engine") {
    await buildProgram();
    await writeSchemas();
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
