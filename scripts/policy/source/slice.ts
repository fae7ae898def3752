/**
 * The list of rules in a long file, found by its lines, so that it can be parsed by pieces: a YAML tree of 100,000
 * rules would take more than a gigabyte. In YAML every line that belongs to an item of a block list is indented more
 * than the list's dashes (YAML 1.2.2 §8.2.1), so a dash at that column always begins the next item.
 */
import { isMap, isScalar, type Node } from "yaml";
import { scalarValue } from "./yaml.ts";

/** A file shorter than this is parsed as a whole. */
const whole_characters = 131072;

/** A part of the text, in UTF-16 code units. */
export interface Piece {
  start: number;
  end: number;
}

/** Where the rules stand. */
export interface RulesRegion extends Piece {
  /** Whether, in the document without the region, the key before it is a key of the root that has no value. */
  isEmptyRulesOf(root: Node): boolean;
  /** The region cut before some of its items, so many in each piece but the last. */
  pieces(items: number): Iterable<Piece>;
}

/** Finds the lines of a top-level `rules:` that is a block list; undefined where the file is short or has none. */
export function findRules(text: string): RulesRegion | undefined {
  if (text.length < whole_characters) return undefined;
  const head = /^rules:[ ]*(?:#[^\r\n]*)?\r?\n/mu.exec(text);
  if (head === null) return undefined;
  const key = head.index;
  const start = key + head[0].length;
  const first = /^(?:[ ]*(?:#[^\n]*)?\r?\n)*([ ]*)-[ \r\n]/u.exec(text.slice(start, start + whole_characters));
  if (first === null) return undefined;
  const indent = first[1]!.length;
  const items: number[] = [];
  let end = start;
  while (end < text.length) {
    const line = end;
    const newline = text.indexOf("\n", line);
    let at = line;
    while (text.charCodeAt(at) === 32) at++;
    const mark = text[at];
    const isBlank = mark === undefined || mark === "\n" || mark === "\r" || mark === "#";
    if (!isBlank && at - line <= indent) {
      if (at - line < indent || mark !== "-" || !" \r\n".includes(text[at + 1] ?? "\n")) break;
      items.push(line);
    }
    end = newline < 0 ? text.length : newline + 1;
  }
  return {
    start,
    end,
    isEmptyRulesOf: (root) =>
      isMap(root) &&
      root.flow !== true &&
      root.items.some(
        ({ key: node, value }) =>
          isScalar(node) &&
          node.range?.[0] === key &&
          (value === null || (isScalar(value) && scalarValue(value) === null)),
      ),
    *pieces(count) {
      for (let item = 0; item < items.length; item += count) {
        yield { start: items[item]!, end: items[item + count] ?? end };
      }
    },
  };
}
