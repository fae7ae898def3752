/** Text for terminals: colour and progress only where somebody is looking. */

import { hasColour } from "./output.ts";

/** Paints text where the stream shows colour. */
export function painter(stream: NodeJS.WriteStream): (style: "red" | "green" | "dim" | "bold", text: string) => string {
  const codes = { red: 31, green: 32, dim: 2, bold: 1 };
  const isOn = hasColour(stream);
  return (style, text) => (isOn ? `\u001b[${codes[style]}m${text}\u001b[0m` : text);
}

/** How long work takes before a bar is shown. */
const patienceMilliseconds = 1000;
const barCells = 30;

/** A progress bar on stderr for work that takes longer than a second; `end` removes it. */
export function progressBar(what: string): { update: (done: number, total: number) => void; end: () => void } {
  const stream = process.stderr;
  const started = Date.now();
  let shownAt = 0;
  return {
    update(done, total) {
      const now = Date.now();
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

/** Text from outside, with what could steer a terminal shown as `\u…`. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
