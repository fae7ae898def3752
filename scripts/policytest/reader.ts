/**
 * Reading a YAML file strictly: every value has a place, every key must be known, and what is wrong is gathered rather
 * than thrown, so that one run shows all of it.
 */
import { isMap, isScalar, isSeq, type Node, parseDocument, type YAMLMap } from "yaml";
import { Findings, Reporter } from "../policy/diagnostic.ts";
import { positionOf, type Source } from "../policy/source.ts";
import { didYouMean } from "../policy/suggest.ts";

/** A node of the document, or what stands for one that is not there. */
export type MaybeNode = Node | null | undefined;

/** One YAML file being read. */
export class Reader {
  readonly root: MaybeNode;
  readonly #reporter: Reporter;
  readonly #findings = new Findings();

  /** Throws PolicyError where the text is no YAML. */
  constructor(source: Source) {
    this.#reporter = new Reporter(source, this.#findings);
    const document = parseDocument(source.text, { prettyErrors: false, uniqueKeys: true });
    for (const { pos, message } of document.errors) this.#reporter.error("yaml", pos[0], message);
    this.finish();
    this.root = document.contents as MaybeNode;
  }

  /** Line and column of a node, from 1. */
  place(node: MaybeNode): { line: number; column: number } {
    return positionOf(this.#reporter.source, node?.range?.[0] ?? 0);
  }

  /** Notes a problem at a node; gives undefined, so that a reading function can return it. */
  fail(node: MaybeNode, code: string, message: string): undefined {
    this.#reporter.error(code, node?.range?.[0] ?? 0, message);
    return undefined;
  }

  /** Ends the reading. Throws PolicyError when anything was wrong. */
  finish(): void {
    this.#findings.throwIfErrors();
  }

  /** The values of a map by key; a key that is not in `known` is a problem. */
  map(node: MaybeNode, what: string, known: readonly string[]): Map<string, MaybeNode> | undefined {
    if (!isMap(node)) return this.fail(node, "type", `${what} must be a map`);
    const values = new Map<string, MaybeNode>();
    for (const { key, value } of (node as YAMLMap<Node, Node | null>).items) {
      const name = isScalar(key) ? String(key.value) : "";
      if (known.includes(name)) values.set(name, value);
      else this.fail(key, "unknown_key", `${what} has no key \`${name}\`${didYouMean(name, known)}`);
    }
    return values;
  }

  /** The elements of a list. */
  list(node: MaybeNode, what: string): MaybeNode[] | undefined {
    if (!isSeq(node)) return this.fail(node, "type", `${what} must be a list`);
    return node.items as MaybeNode[];
  }

  /** Text that is not empty. */
  text(node: MaybeNode, what: string): string | undefined {
    if (isScalar(node) && typeof node.value === "string" && node.value !== "") return node.value;
    return this.fail(node, "type", `${what} must be text`);
  }

  /** A whole number within bounds. */
  integer(node: MaybeNode, what: string, least: number, most: number): number | undefined {
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    return this.fail(node, "type", `${what} must be a whole number from ${least} to ${most}`);
  }

  /** A point in time (RFC 3339), in milliseconds since 1970. */
  time(node: MaybeNode, what: string): number | undefined {
    const milliseconds = isScalar(node) ? parseTime(String(node.value)) : undefined;
    return milliseconds ?? this.fail(node, "time", `${what} must be a time such as 2026-11-21T10:00:00Z`);
  }

  /** Whether the value was written as `null`, or left out after its key. */
  isNull(node: MaybeNode): boolean {
    return node == null || (isScalar(node) && node.value === null);
  }
}

/** An RFC 3339 time in milliseconds since 1970; undefined where it is not one. */
export function parseTime(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const milliseconds = Date.parse(text);
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}
