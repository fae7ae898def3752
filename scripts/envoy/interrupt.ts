/** Waiting for the person at the keyboard. */

/**
 * Resolves at SIGINT (Ctrl-C) or SIGTERM, or when the other thing has ended; the caller then cleans up. A second Ctrl-C
 * ends the process in the usual way.
 */
export async function untilInterrupted(other: Promise<void>): Promise<void> {
  let wake: () => void = () => {};
  const signalled = new Promise<void>((resolve) => {
    wake = resolve;
  });
  process.once("SIGINT", wake);
  process.once("SIGTERM", wake);
  // Without a timer nothing but the child would keep this process alive.
  const keepAlive = setInterval(() => {}, 60_000);
  await Promise.race([signalled, other]);
  clearInterval(keepAlive);
  process.removeListener("SIGINT", wake);
  process.removeListener("SIGTERM", wake);
}
