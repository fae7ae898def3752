/**
 * The engine's sources as asc reads them. A line `// @inline` or `// @external(…)` before a function stands for AssemblyScript's
 * decorator of that name, which the language has for functions and TypeScript, whose tools read these files too, has not. Lines keep
 * their numbers. What is inlined was measured: short functions on every request's path.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";

/** For asc's `readFile`: null where there is no such file, which asc asks to find out. */
export async function readEngineSource(name: string, folder: string): Promise<string | null> {
  const text = await readFile(resolve(folder, name), "utf8").catch(() => null);
  return name.endsWith(".ts") && text !== null ? text.replace(/^\/\/ (@inline|@external\(.*\))$/gm, "$1") : text;
}
