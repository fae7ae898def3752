/** Files that come with the program, such as the engine and the example bootstraps. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Finds a file of the package: from this program's folder upwards, no further than the folder of the package's manifest.
 * The bundled program and the sources stand at different depths, and the bundle may stand alone with its files beside it.
 * @param names where it may be, relative to each folder; the first that exists counts
 * @returns its path, or undefined where the package does not have it
 */
export function findPackaged(...names: string[]): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const found = names.map((name) => join(folder, name)).find((path) => existsSync(path));
    if (found !== undefined) return found;
    if (existsSync(join(folder, "package.json")) || dirname(folder) === folder) return undefined;
    folder = dirname(folder);
  }
}
