/** dist/sallyport.mjs, the command line as its users have it. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The program's path. A bundle older than its sources would be a test of something else, so then there is none. */
export const program = join(root, "dist/sallyport.mjs");
if (!existsSync(program) || statSync(program).mtimeMs < newestSource()) {
  throw new Error("dist/sallyport.mjs is not what its sources say: run `npm run build` first (`npm test` does)");
}

/** A run of the program takes a few seconds at most: one that hangs is ended, and its test fails. */
export const endsInTime = { timeout: 120_000, killSignal: "SIGKILL" } as const;

/** When the youngest of the files that the build reads was written. */
function newestSource(): number {
  const files = ["scripts", "assembly"].flatMap((name) =>
    readdirSync(join(root, name), { recursive: true, encoding: "utf8" }).map((path) => join(root, name, path)),
  );
  return Math.max(...[...files, join(root, "package.json")].map((path) => statSync(path).mtimeMs));
}
