/**
 * Folders for lines of logs while they are read. They are of their owner alone, and none is left behind: not when the process ends in the
 * middle of its work, nor when Ctrl-C or another program ends it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ending_signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const open = new Set<string>();
// DuckDB may write its next file meanwhile.
const removal = { recursive: true, force: true, maxRetries: 3 } as const;

/** Makes a folder. Whoever calls removes it with `removeTemporaryFolder`; the end of the process does so, too. */
export function makeTemporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-traffic-"));
  if (open.size === 0) {
    process.on("exit", removeAll);
    for (const signal of ending_signals) process.on(signal, onSignal);
  }
  open.add(folder);
  return folder;
}

/** Removes a folder with all that is in it. */
export async function removeTemporaryFolder(folder: string): Promise<void> {
  await rm(folder, removal);
  open.delete(folder);
  if (open.size === 0) forget();
}

function forget(): void {
  process.removeListener("exit", removeAll);
  for (const signal of ending_signals) process.removeListener(signal, onSignal);
}

function removeAll(): void {
  for (const folder of open) {
    try {
      rmSync(folder, removal);
    } catch {
      // The others are to go all the same.
    }
  }
  open.clear();
}

/** Ends the process as the signal would have without us, unless somebody else waits for it. */
function onSignal(signal: NodeJS.Signals): void {
  removeAll();
  forget();
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
