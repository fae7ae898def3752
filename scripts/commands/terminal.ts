/** What the verbs' text output has in common: colour, harmless text, and progress where somebody is looking. */
export { type Painter, painter, printable, type Style } from "../common/screen.ts";

/** How long work takes before a bar is shown. */
const patienceMilliseconds = 1000;
const barCells = 30;

/** A progress bar on stderr for work that takes longer than a second; `end` removes it. */
export function progressBar(what: string): { update: (done: number, total: number) => void; end: () => void } {
  const stream = process.stderr;
  const started = performance.now();
  let shownAt = 0;
  return {
    update(done, total) {
      const now = performance.now();
      if (stream.isTTY !== true || now - started < patienceMilliseconds || now - shownAt < 100) return;
      shownAt = now;
      const cells = Math.round((done / Math.max(total, 1)) * barCells);
      stream.write(`\r${"█".repeat(cells)}${"░".repeat(barCells - cells)} ${done}/${total} ${what}`);
    },
    end() {
      if (shownAt !== 0) stream.write("\r\u001b[K");
    },
  };
}
