/** What our filter says in Envoy's log, without what everybody else says there. */

/** Envoy's levels from warning up, as its log has them. */
const line_form = /\[(?:warning|error|critical)\]\[wasm\].* wasm log [^:]*: sallyport: (.*)$/u;
const quietMs = 10_000;

/** What it says of level warn and is no warning: Envoys that log nothing less shall have it, too. */
const in_force = /^policy \S+ in force, .*, enforced/u;

/** The filter's own words in a line of Envoy's log, of level warn or above; undefined for any other line. */
export function filterWords(line: string): string | undefined {
  const words = line_form.exec(line)?.[1];
  return words === undefined || in_force.test(words) ? undefined : words;
}

/**
 * Calls back for what the filter says, for the same words once in ten seconds: every worker says them.
 * @param now milliseconds that only ever grow
 * @returns takes one line of Envoy's log after the other
 */
export function filterLog(onWords: (words: string) => void, now = () => performance.now()): (line: string) => void {
  const saidAt = new Map<string, number>();
  return (line) => {
    const words = filterWords(line);
    if (words === undefined) return;
    const nowMs = now();
    for (const [known, atMs] of saidAt) if (nowMs - atMs >= quietMs) saidAt.delete(known);
    if (saidAt.has(words)) return;
    saidAt.set(words, nowMs);
    onWords(words);
  };
}
