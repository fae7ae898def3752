/** Text from logs where people read it. Whoever sends a request chooses what is in it. */

/** So many characters of a text are shown. */
const shown_characters = 120;

/**
 * A text in ASCII without control characters, quotes and backslashes of its own, and not longer than a line: it ends no comment, and
 * looks like nothing else. What is left out at its end is `…` as three dots.
 */
export function escaped(text: string): string {
  let shown = "";
  for (const character of text) {
    if (shown.length >= shown_characters) return `${shown}...`;
    const code = character.codePointAt(0)!;
    shown += code >= 0x20 && code < 0x7f && character !== "\\" ? character : `\\u{${code.toString(16)}}`;
  }
  return shown;
}

/** "1 request", "12,345 requests". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}
