/** Where a place within a YAML scalar is in the file, however the scalar is written. */

/**
 * The place in the file of each place in the value: of what is written, blanks are folded or taken away and quotes
 * escape, but every other character stands there in its order. Where that does not hold, the value's beginning.
 * @param at where the scalar begins: its first character, quote, `|` or `>`
 */
export function placer(source: string, at: number, value: string): (offset: number) => number {
  let places: number[] | undefined;
  return (offset) => {
    places ??= align(source, at, value);
    return places[Math.min(offset, value.length)] ?? at;
  };
}

function align(source: string, at: number, value: string): number[] {
  const style = source[at];
  const isBlock = style === "|" || style === ">";
  const isQuoted = style === '"' || style === "'";
  let cursor = isBlock ? endOfLine(source, at) : isQuoted ? at + 1 : at;
  const places: number[] = [];
  for (let index = 0; index < value.length; index++) {
    if (isBlank(value[index]!)) {
      // Filled in below: a blank is where the word before it ends.
      places.push(-1);
      continue;
    }
    while (isBlank(source[cursor] ?? "x")) cursor++;
    const place = cursor;
    if (style === "'" && source.startsWith("''", cursor)) cursor++;
    else if (style === '"' && source[cursor] === "\\") cursor = afterBackslash(source, cursor);
    if (source[cursor] !== value[index]) return [];
    places.push(place);
    cursor++;
  }
  places.push(cursor);
  for (let index = 0; index < value.length; index++) {
    if (places[index] === -1) places[index] = index === 0 ? cursorOf(places) : places[index - 1]! + 1;
  }
  return places;
}

/** `\"`, `\\` and `\/` stand for the character after; at the end of a line a backslash only joins it with the next. */
function afterBackslash(source: string, cursor: number): number {
  if (!/[\r\n]/u.test(source[cursor + 1] ?? "")) return cursor + 1;
  let next = cursor + 1;
  while (isBlank(source[next] ?? "x")) next++;
  return next;
}

function cursorOf(places: number[]): number {
  return places.find((place) => place >= 0)!;
}

function endOfLine(source: string, at: number): number {
  const end = source.indexOf("\n", at);
  return end < 0 ? source.length : end;
}

function isBlank(character: string): boolean {
  return character === " " || character === "\t" || character === "\n" || character === "\r";
}
