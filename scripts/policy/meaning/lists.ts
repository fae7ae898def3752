/** What a change of a named list does: its entries, and by the conditions that look into it who is let through for them. */
import { type Node, parseSyntax } from "../condition/syntax.ts";
import type { NamedList, Policy, Rule } from "../language/model.ts";
import type { Meeting } from "./change.ts";
import { stableText } from "./change.ts";

/** What entries do to a condition: more of them make it true for more requests (`more`), for fewer, or both may be. */
interface Sense {
  more: boolean;
  fewer: boolean;
}

/** The lists of two policies that have one name and other entries. */
export function changedLists({
  policies: { before, after },
}: Meeting<Policy>): { what: string; before: string; after: string; gain: boolean }[] {
  return after.lists.flatMap((list) => {
    const old = before.lists.find(({ name }) => name === list.name);
    if (old === undefined || isSame(old, list)) return [];
    const [was, is] = [new Set(old.entries), new Set(list.entries)];
    const added = list.entries.filter((entry) => !was.has(entry)).length;
    const removed = old.entries.filter((entry) => !is.has(entry)).length;
    const sense = senseOf(list.name, after.rules);
    const gain = (added > 0 && sense.more) || (removed > 0 && sense.fewer);
    const open = sense.more && sense.fewer ? "; who gains by that cannot be told" : "";
    const counts = `${counted(is.size)} (+${added} −${removed}${open})`;
    return [{ what: `list ${list.name}`, before: counted(was.size), after: counts, gain }];
  });
}

function counted(entries: number): string {
  return `${entries} ${entries === 1 ? "entry" : "entries"}`;
}

/** Networks are the same where they hold the same addresses. */
function isSame(a: NamedList, b: NamedList): boolean {
  if (a.ranges !== undefined && b.ranges !== undefined) return rangesText(a) === rangesText(b);
  return stableText(a.entries) === stableText(b.entries);
}

function rangesText({ ranges = [] }: NamedList): string {
  return ranges.map(({ first, last }) => `${first}-${last}`).join();
}

/** Whether more entries, or fewer, may let more requests through. Rules in shadow mode let nothing through. */
function senseOf(list: string, rules: readonly Rule[]): Sense {
  const sense: Sense = { more: false, fewer: false };
  for (const { condition, costFrom, action, mode } of rules) {
    // What costs less lets more through.
    if (mode !== "shadow" && costFrom?.lists.has(list)) return { more: true, fewer: true };
    if (mode === "shadow" || condition?.lists.has(list) !== true) continue;
    const syntax = parseSyntax(condition.text, () => {});
    if (syntax === undefined) return { more: true, fewer: true };
    look(syntax.root, list, action === "allow", sense);
  }
  return sense;
}

/** @param isMore whether more is let through where the expression is true more often */
function look(node: Node, list: string, isMore: boolean, sense: Sense): void {
  const open = (...nodes: readonly Node[]): void => {
    for (const one of nodes) {
      look(one, list, true, sense);
      look(one, list, false, sense);
    }
  };
  if (isLook(node, list)) {
    if (isMore) sense.more = true;
    else sense.fewer = true;
  }
  switch (node.kind) {
    case "logic":
      for (const operand of node.operands) look(operand, list, isMore, sense);
      return;
    case "loop":
      open(node.range);
      look(node.body, list, isMore, sense);
      return;
    case "list":
      open(...node.elements);
      return;
    case "select":
    case "has":
      open(node.operand);
      return;
    case "call": {
      const { name, target, args } = node;
      if (name === "!_") look(args[0]!, list, !isMore, sense);
      else if (name === "_?_:_") {
        open(args[0]!);
        for (const branch of args.slice(1)) look(branch, list, isMore, sense);
      } else open(...(target === undefined ? [] : [target]), ...args);
      return;
    }
    default:
  }
}

/** `x in lists.a`, or `lists.a.containsIP(x)`. */
function isLook(node: Node, list: string): boolean {
  if (node.kind !== "call") return false;
  const of = node.name === "@in" ? node.args[1] : node.name === "containsIP" ? node.target : undefined;
  if (of?.kind === "select") return of.field === list && isLists(of.operand);
  if (of?.kind !== "call" || of.name !== "_[_]") return false;
  const [container, key] = of.args as [Node, Node];
  return isLists(container) && key.kind === "literal" && key.value === list;
}

function isLists(node: Node): boolean {
  return node.kind === "name" && node.name === "lists";
}
