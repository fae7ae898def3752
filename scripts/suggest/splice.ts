/** Taking things out of a text and leaving the rest as it is, and telling what was changed as a unified diff. */

/** What stands from `start` to `end` (offsets in UTF-16 code units) becomes `text`. */
export interface Splice {
  start: number;
  end: number;
  text: string;
}

/** A text with splices, which may not overlap. */
export function spliced(text: string, splices: readonly Splice[]): string {
  let result = "";
  let at = 0;
  for (const { start, end, text: own } of inOrder(splices)) {
    result += text.slice(at, start) + own;
    at = end;
  }
  return result + text.slice(at);
}

/** One within another is a part of it. */
function inOrder(splices: readonly Splice[]): Splice[] {
  const sorted = [...splices].sort((a, b) => a.start - b.start || b.end - a.end);
  const kept: Splice[] = [];
  for (const splice of sorted) if (splice.start >= (kept.at(-1)?.end ?? 0)) kept.push(splice);
  return kept;
}

const context_lines = 3;

/** A change of whole lines: those from `first` to before `last` become others. */
interface LineChange {
  first: number;
  last: number;
  lines: string[];
}

/**
 * What splices change, as `patch` and `git apply` take it; empty where nothing is changed.
 * @param path as the header has it
 */
export function unifiedDiff(path: string, text: string, splices: readonly Splice[]): string {
  const lines = text.split(/(?<=\n)/u);
  const starts: number[] = [];
  let at = 0;
  for (const line of lines) {
    starts.push(at);
    at += line.length;
  }
  const changes = lineChanges(text, starts, lines, inOrder(splices));
  if (changes.length === 0) return "";
  const hunks: string[] = [];
  let shift = 0;
  for (let from = 0; from < changes.length; ) {
    let to = from + 1;
    while (to < changes.length && changes[to]!.first - changes[to - 1]!.last <= 2 * context_lines) to++;
    const own = changes.slice(from, to);
    const first = Math.max(0, own[0]!.first - context_lines);
    const last = Math.min(lines.length, own.at(-1)!.last + context_lines);
    const shown: string[] = [];
    let place = first;
    for (const change of own) {
      for (; place < change.first; place++) shown.push(shownLine(" ", lines[place]!));
      for (; place < change.last; place++) shown.push(shownLine("-", lines[place]!));
      for (const line of change.lines) shown.push(shownLine("+", line));
    }
    for (; place < last; place++) shown.push(shownLine(" ", lines[place]!));
    const more = own.reduce((sum, change) => sum + change.lines.length - (change.last - change.first), 0);
    hunks.push(`@@ -${range(first, last - first)} +${range(first + shift, last - first + more)} @@\n${shown.join("")}`);
    shift += more;
    from = to;
  }
  return `--- a/${path}\n+++ b/${path}\n${hunks.join("")}`;
}

/** An empty range names the line before it. */
function range(first: number, count: number): string {
  return `${count === 0 ? first : first + 1}${count === 1 ? "" : `,${count}`}`;
}

function shownLine(sign: string, line: string): string {
  return line.endsWith("\n") ? sign + line : `${sign}${line}\n\\ No newline at end of file\n`;
}

/** Splices as changes of whole lines; those that share a line are one. */
function lineChanges(
  text: string,
  starts: readonly number[],
  lines: readonly string[],
  splices: readonly Splice[],
): LineChange[] {
  const changes: LineChange[] = [];
  let own: Splice[] = [];
  let [first, last] = [0, 0];
  const flush = (): void => {
    if (own.length === 0) return;
    const start = starts[first]!;
    const end = last < starts.length ? starts[last]! : text.length;
    const moved = own.map((splice) => ({ ...splice, start: splice.start - start, end: splice.end - start }));
    const changed = spliced(text.slice(start, end), moved);
    changes.push({ first, last, lines: changed === "" ? [] : changed.split(/(?<=\n)/u) });
    own = [];
  };
  for (const splice of splices) {
    const from = lineAt(starts, splice.start);
    // What ends where a line begins does not touch that line.
    const to = splice.end > splice.start ? lineAt(starts, splice.end - 1) + 1 : from + 1;
    if (own.length > 0 && from < last) last = Math.max(last, to);
    else {
      flush();
      [first, last] = [from, Math.min(to, lines.length)];
    }
    own.push(splice);
  }
  flush();
  return changes;
}

/** The line that an offset is in. */
function lineAt(starts: readonly number[], offset: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
