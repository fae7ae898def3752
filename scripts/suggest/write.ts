/**
 * A suggestion as YAML. All texts go through the library, which quotes what has to be quoted; comments come escaped, one line each.
 */
import { Document, isScalar, type Node, type Pair, visit, YAMLMap, YAMLSeq } from "yaml";
import type { NamedNode } from "./base.ts";
import type { SuggestedLimit } from "./limits.ts";

/** A rule as it is written. */
export interface WrittenRule {
  name: string;
  comments: string[];
  callers: string[];
  hosts: string[];
  allow: string[];
  token: string[];
  scopes: readonly string[];
  when: string | undefined;
  limit: string | undefined;
}

/** An issuer that a person has to complete. */
export interface OpenIssuer {
  name: string;
  /** `iss`, where the log has it. */
  issuer: string;
}

/** All that a suggestion says. */
export interface WrittenPolicy {
  comments: string[];
  name: string;
  /** Trust domains, with what is to be said of them; undefined where `whole` has the key. */
  domains: { names: string[]; comments: string[] } | undefined;
  /** Keys of the policy as a whole that are taken over. */
  whole: NamedNode[];
  issuers: NamedNode[];
  openIssuers: OpenIssuer[];
  callerSets: { name: string; callers: string[] }[];
  takenSets: NamedNode[];
  limits: { name: string; limit: SuggestedLimit }[];
  lists: NamedNode[];
  rules: WrittenRule[];
  denyRules: Node[];
}

/** A list longer than this has a line for each item. */
const flow_characters_max = 96;

/** The policy's text. */
export function writePolicy(policy: WrittenPolicy): string {
  const document = new Document({});
  const root = document.contents as unknown as YAMLMap;
  document.commentBefore = comment(policy.comments) ?? null;
  const set = (key: string, node: unknown): Pair => {
    const pair = document.createPair(key, node);
    root.items.push(pair as never);
    return pair as Pair;
  };
  set("version", 1);
  set("name", policy.name);
  if (policy.domains !== undefined) {
    const trust = document.createNode({ domains: policy.domains.names }) as YAMLMap;
    (trust.get("domains") as YAMLSeq).flow = true;
    commentOn(trust.items[0]!, policy.domains.comments);
    space(set("trust", trust));
  }
  for (const one of policy.whole) {
    const pair = taken(document, one);
    root.items.push(pair as never);
    space(pair);
  }
  const issuers = document.createNode({}) as YAMLMap;
  for (const one of policy.issuers) issuers.items.push(taken(document, one) as never);
  for (const open of policy.openIssuers) issuers.items.push(openIssuer(document, open) as never);
  if (issuers.items.length > 0) space(set("issuers", issuers));
  const sets = document.createNode({}) as YAMLMap;
  for (const { name, callers } of policy.callerSets)
    sets.items.push(document.createPair(name, list(document, callers)) as never);
  for (const one of policy.takenSets) sets.items.push(taken(document, one) as never);
  if (sets.items.length > 0) space(set("callers", sets));
  const limits = document.createNode({}) as YAMLMap;
  for (const { name, limit } of policy.limits)
    limits.items.push(document.createPair(name, flow(document, limit)) as never);
  if (limits.items.length > 0) space(set("limits", limits));
  if (policy.lists.length > 0) {
    const lists = document.createNode({}) as YAMLMap;
    for (const one of policy.lists) lists.items.push(taken(document, one) as never);
    space(set("lists", lists));
  }
  const rules = document.createNode([]) as YAMLSeq;
  rules.flow = false;
  for (const [at, rule] of policy.rules.entries()) {
    const node = ruleNode(document, rule);
    node.spaceBefore = at > 0;
    rules.items.push(node);
  }
  for (const node of policy.denyRules) {
    node.spaceBefore = rules.items.length > 0;
    rules.items.push(node);
  }
  if (rules.items.length === 0) rules.flow = true;
  space(set("rules", rules));
  visit(document, { Map: (_, node) => pad(node, true), Seq: (_, node) => pad(node, false) });
  return document.toString({ lineWidth: 0 });
}

function taken(document: Document, { name, node, comment }: NamedNode): Pair {
  const pair = document.createPair(name, node) as Pair;
  (pair.key as Node).commentBefore = comment;
  return pair;
}

/** `{ a: b }` and `[a, b]`: the library knows one way for both. */
function pad(node: YAMLMap | YAMLSeq, flowCollectionPadding: boolean): void {
  const own = node instanceof YAMLMap ? YAMLMap.prototype : YAMLSeq.prototype;
  node.toString = (context, onComment, onChompKeep) =>
    own.toString.call(
      node,
      context && { ...context, flowCollectionPadding: flowCollectionPadding ? " " : "" },
      onComment,
      onChompKeep,
    );
}

function ruleNode(document: Document, rule: WrittenRule): Node {
  const { name, comments, callers, hosts, allow, token, scopes, when, limit } = rule;
  const node = document.createNode({
    name,
    callers: list(document, callers),
    ...(hosts.length > 0 && { hosts: list(document, hosts) }),
    allow: list(document, allow),
    ...(token.length > 0 && { token: token.length === 1 ? token[0] : list(document, token) }),
    ...(scopes.length > 0 && { scopes: list(document, scopes) }),
    ...(when !== undefined && { when: quoted(document, when) }),
    ...(limit !== undefined && { limit }),
  });
  node.commentBefore = comment(comments) ?? null;
  return node;
}

/** Nothing here is believed: a list that is empty is an error at its line until somebody has filled it in. */
function openIssuer(document: Document, { name, issuer }: OpenIssuer): Pair {
  const node = document.createNode({ issuer, audiences: [], algorithms: [], keys: {} }) as YAMLMap;
  const lines = [
    ...(issuer === "" ? ["FILL IN: what its tokens have as `iss`."] : ["CHECK: the log says that it is this one."]),
    "FILL IN: for whom its tokens are, such as [order-api].",
    "FILL IN: what it signs with, such as [RS256].",
    "FILL IN: where its keys are, such as { file: keys.jwks.json }, or { url: ..., cluster: ... }.",
  ];
  for (const [at, line] of lines.entries()) {
    const pair = node.items[at]!;
    commentOn(pair, [line]);
  }
  return document.createPair(name, node) as Pair;
}

/** In one line where it is short. */
function list(document: Document, items: readonly string[]): YAMLSeq {
  const node = document.createNode(items) as YAMLSeq;
  node.flow =
    items.reduce((sum, item) => sum + item.length + 2, 0) <= flow_characters_max &&
    items.every((item) => !/[{}[\],]/u.test(item));
  return node;
}

function flow(document: Document, value: unknown): Node {
  const node = document.createNode(value) as YAMLMap;
  node.flow = true;
  return node;
}

/** In single quotes: a condition has double ones. */
function quoted(document: Document, text: string): Node {
  const node = document.createNode(text);
  if (isScalar(node)) node.type = "QUOTE_SINGLE";
  return node;
}

function commentOn(pair: Pair<unknown, unknown>, lines: readonly string[]): void {
  const key = pair.key as Node;
  const text = comment(lines);
  if (text !== undefined) key.commentBefore = text;
}

function space(pair: Pair): void {
  (pair.key as Node).spaceBefore = true;
}

function comment(lines: readonly string[]): string | undefined {
  if (lines.length === 0) return undefined;
  return lines.map((line) => (line === "" ? " " : ` ${line.replace(/[^ -~]/gu, "?")}`)).join("\n");
}
