/** Waiting for the person at the keyboard. */

/** SIGINT (Ctrl-C) and SIGTERM, caught from the moment this was made. */
export interface Interrupt {
  /** Resolves when a signal came, also one that came before, or when the other thing has ended; the caller then cleans up. */
  until(other: Promise<void>): Promise<void>;
  /** Lets signals end the process in the usual way again. */
  release(): void;
}

/**
 * Catches the first signal. Make it before there is anything to clean up: a signal that comes while things start is kept
 * until they have. A second one ends the process in the usual way.
 */
export function catchInterrupt(): Interrupt {
  let wake: () => void = () => {};
  const signalled = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const release = (): void => {
    process.removeListener("SIGINT", onSignal);
    process.removeListener("SIGTERM", onSignal);
  };
  const onSignal = (): void => {
    release();
    wake();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    release,
    until: async (other) => {
      // Without a timer nothing but the child would keep this process alive.
      const keepAlive = setInterval(() => {}, 60_000);
      await Promise.race([signalled, other]);
      clearInterval(keepAlive);
    },
  };
}
