/** Waiting in tests. */
import { setTimeout as sleep } from "node:timers/promises";

/** Waits until something is so, and not for ever: what a busy machine makes slow is there within a minute. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<void> {
  const startedMs = Date.now();
  while (!(await isSo())) {
    const passedMs = Date.now() - startedMs;
    if (passedMs > limitMs) throw new Error(`after ${limitMs} ms still not so: ${what}`);
    // The longer it takes, the less often it is looked at.
    await sleep(Math.min(500, Math.max(5, passedMs / 20)));
  }
}
