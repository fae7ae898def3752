/** Where things stand in a YAML file, so that they can be taken out of it with the lines that are theirs. */
import { type Document, isMap, isSeq, type Node, type Pair, parseDocument, type YAMLMap, type YAMLSeq } from "yaml";
import type { Splice } from "./splice.ts";

/** A file of a policy with the nodes of its YAML. */
export class YamlFile {
  readonly file: string;
  readonly text: string;
  readonly #document: Document;

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    this.#document = parseDocument(text, { keepSourceTokens: true });
  }

  /** A list at a key of the root; undefined where there is none. */
  list(key: string): YAMLSeq | undefined {
    const node = this.#document.get(key);
    return isSeq(node) ? node : undefined;
  }

  /** A mapping at a key of the root; undefined where there is none. */
  mapping(key: string): YAMLMap | undefined {
    const node = this.#document.get(key);
    return isMap(node) ? node : undefined;
  }

  /**
   * Takes items out of a list, of which some stay. Of a block list their lines go, with the comments right above them, which are
   * about them.
   */
  without(list: YAMLSeq, places: readonly number[]): Splice[] {
    const gone = new Set(places);
    if (list.flow !== true)
      return places.map((place) => this.#lines(this.#dashOf(list, place), list.items[place] as Node));
    const splices: Splice[] = [];
    const of = (place: number): [number, number] => rangeOf(list.items[place] as Node);
    for (let first = 0; first < list.items.length; first++) {
      if (!gone.has(first)) continue;
      let last = first;
      while (gone.has(last + 1)) last++;
      const [start, end] = [of(first)[0], of(last)[1]];
      if (last + 1 < list.items.length) splices.push({ start, end: of(last + 1)[0], text: "" });
      else {
        const before = of(first - 1)[1];
        // A comment between the two is about the one that stays.
        if (!this.text.slice(before, start).includes("#")) splices.push({ start: before, end, text: "" });
        else splices.push(this.#alone(start, end));
      }
      first = last;
    }
    return splices;
  }

  /** The last items of a list in several lines, with the comma behind them, and their lines where nothing else stands in them. */
  #alone(start: number, end: number): Splice {
    const { text } = this;
    const last = end + (/^\s*,/u.exec(text.slice(end))?.[0].length ?? 0);
    const lineStart = text.lastIndexOf("\n", start - 1) + 1;
    const rest = /^[ \t]*(?:#[^\n]*)?\n/u.exec(text.slice(last));
    if (rest === null || text.slice(lineStart, start).trim() !== "") return { start, end: last, text: "" };
    return { start: lineStart, end: last + rest[0].length, text: "" };
  }

  /** Makes a list an empty one. */
  emptied(list: YAMLSeq): Splice[] {
    const [start, end] = rangeOf(list);
    const first = list.flow === true ? start : this.text.lastIndexOf("\n", this.#dashOf(list, 0)) + 1;
    const colon = this.text.lastIndexOf(":", first);
    return [{ start: colon + 1, end: this.#contentEnd(first, end), text: " []" }];
  }

  /** Takes a key of a mapping in block style out, with its lines; undefined for one in flow style. */
  withoutKey(mapping: YAMLMap, name: string): Splice | undefined {
    if (mapping.flow === true) return undefined;
    const pair = mapping.items.find(({ key }) => String(key) === name) as Pair<Node, Node> | undefined;
    return pair && this.#lines(rangeOf(pair.key)[0], pair.value ?? pair.key);
  }

  /** The lines of what begins at an offset, its mark included, and ends with a node. */
  #lines(begin: number, node: Node): Splice {
    const { text } = this;
    const lineStart = text.lastIndexOf("\n", begin - 1) + 1;
    const indent = begin - lineStart;
    let start = lineStart;
    for (;;) {
      const above = text.lastIndexOf("\n", start - 2) + 1;
      const line = text.slice(above, start);
      if (start === 0 || !/^[ \t]*#/u.test(line) || line.search(/#/u) < indent) break;
      start = above;
    }
    const last = this.#contentEnd(begin, rangeOf(node)[1]);
    const newline = text.indexOf("\n", last);
    let end = newline < 0 ? text.length : newline + 1;
    // Of two empty lines that would meet, one goes too.
    const isBlankBefore =
      start === 0 || /\n[ \t]*\r?\n$/u.test(text.slice(0, start)) || /:[ \t]*\r?\n$/u.test(text.slice(0, start));
    const blank = /^[ \t]*\r?\n/u.exec(text.slice(end));
    if (isBlankBefore && blank !== null) end += blank[0].length;
    return { start, end, text: "" };
  }

  /** Where the content of what lies between two offsets ends: without empty lines and comments behind it that are indented less than it. */
  #contentEnd(begin: number, end: number): number {
    const { text } = this;
    const indent = begin - (text.lastIndexOf("\n", begin - 1) + 1);
    let last = end;
    for (;;) {
      const content = begin + text.slice(begin, last).trimEnd().length;
      const lineStart = text.lastIndexOf("\n", content - 1) + 1;
      const line = text.slice(lineStart, content);
      if (lineStart <= begin || !/^[ \t]*#/u.test(line) || line.search(/#/u) > indent) return content;
      last = lineStart;
    }
  }

  /** Where the dash of an item stands. */
  #dashOf(list: YAMLSeq, place: number): number {
    const token = list.srcToken;
    const item = token?.type === "block-seq" ? token.items[place] : undefined;
    const dash = item?.start.find(({ type }) => type === "seq-item-ind");
    if (dash === undefined) throw new Error("an item of a block list has no dash");
    return dash.offset;
  }
}

/** Where a node's value begins and ends. */
export function rangeOf(node: Node): [number, number] {
  const { range } = node;
  if (!range) throw new Error("a node that was parsed has no place");
  return [range[0], range[1]];
}
