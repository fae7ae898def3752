/** Runs test files in one process: for fast tests, starting a process each would take longer than the tests. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href);
