/**
 * `npm run build`: the engine, and around it the command line as one file in dist/, the JSON Schemas, and the tables of the
 * documents. `npm run build:engine` makes the engine alone, `npm run docs` the tables.
 */
import { writeTables } from "./documents.ts";
import { buildEngine } from "./engine.ts";
import { buildProgram } from "./program.ts";
import { writeSchemas } from "./schema.ts";

try {
  const [part] = process.argv.slice(2);
  if (part !== "docs") await buildEngine();
  if (part === undefined) {
    await buildProgram();
    await writeSchemas();
  }
  if (part !== "engine") await writeTables();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
