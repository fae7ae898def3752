/** A file of the policy: its text, and where an offset into it is for a person. */

/** One file's text. */
export interface Source {
  /** The path as messages show it: the one that was asked for. */
  readonly file: string;
  readonly text: string;
  /** Offset of each line's first character. */
  readonly lineStarts: number[];
}

/** Makes a source of a text. @param file the name that messages show */
export function sourceOf(file: string, text: string): Source {
  const lineStarts = [0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 10 || (code === 13 && text.charCodeAt(at + 1) !== 10)) lineStarts.push(at + 1);
  }
  return { file, text, lineStarts };
}

/** Line and column, counted from 1, of an offset. */
export function positionOf(source: Source, offset: number): { line: number; column: number } {
  const { lineStarts } = source;
  let low = 0;
  let high = lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (lineStarts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - lineStarts[low]! + 1 };
}
