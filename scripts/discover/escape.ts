/** Texts of a log where people read them: nothing in them steers a terminal, or shows text in another order than it has. */

/**
 * Control characters but the end of a line and the tabulator, marks of direction, characters without width, separators of lines, and
 * what is half a character.
 */
const steering = /(?![\n\t])[\p{Cc}\p{Cs}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** Whether a text has such a character. */
export function hasSteering(text: string): boolean {
  return text.search(steering) >= 0;
}

/** A text with `\u` and four digits for each such character: in JSON, and within double quotes in YAML, that is the character. */
export function escapeSteering(text: string): string {
  return text.replace(steering, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The same on one line, for a table; cut to so many characters. */
export function cell(text: string, most = 80): string {
  const line = escapeSteering(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t");
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}
