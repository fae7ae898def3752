/** Running again when what was read has changed. */
import { type FSWatcher, watch } from "node:fs";
import { findInputs, stateOf } from "./inputs.ts";

/** An editor writes a file in several steps; so long without another one counts as the end. */
const calm_milliseconds = 80;
/** There are file systems that tell nobody of changes (network mounts, some containers): there a look must do. */
const look_milliseconds = 1500;

/** A watch that goes on until it is closed. */
export interface Watch {
  close(): void;
}

/**
 * Calls `onChange` whenever a test file, its policy, an included file or a key set has changed, come or gone. Folders are
 * watched rather than files, since editors put a new file in the place of the old one.
 */
export function watchInputs(testFiles: readonly string[], onChange: () => void): Watch {
  const watchers = new Map<string, FSWatcher>();
  let inputs = findInputs(testFiles);
  let state = stateOf(inputs);
  let timer: NodeJS.Timeout | undefined;

  const forget = (folder: string): void => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  const watchFolders = (): void => {
    for (const folder of watchers.keys()) if (!inputs.folders.has(folder)) forget(folder);
    for (const folder of inputs.folders) {
      if (watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, soon);
        watcher.on("error", () => forget(folder));
        watchers.set(folder, watcher);
      } catch {
        // A folder that is not there yet is found by the next look.
      }
    }
  };
  const look = (): void => {
    if (stateOf(inputs) === state) return;
    // Taken before the run: what changes during it is seen after it.
    inputs = findInputs(testFiles);
    state = stateOf(inputs);
    watchFolders();
    onChange();
  };
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(look, calm_milliseconds);
  };
  watchFolders();
  const interval = setInterval(look, look_milliseconds);
  return {
    close() {
      clearInterval(interval);
      clearTimeout(timer);
      for (const folder of [...watchers.keys()]) forget(folder);
    },
  };
}
