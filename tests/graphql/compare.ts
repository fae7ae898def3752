/** One document, put to the parser and to `graphql`: where they may differ, and why, and that they agree elsewhere. */
import assert from "node:assert/strict";
import { type DocumentNode, GraphQLError, parse, type Token, visit } from "graphql";
import {
  graphql_definitions_max,
  graphql_edges_max,
  graphql_name_bytes_max,
  graphql_tokens_max,
} from "../../assembly/limits.ts";
import type { Asked, Fault, GraphqlParser } from "./parser.ts";
import { judge } from "./reference.ts";

/** What `graphql` takes and the parser does not, and as what it refuses it. */
interface Difference {
  name: string;
  faults: readonly Fault[];
  isIn: (text: string, document: DocumentNode) => boolean;
}

export const differences: readonly Difference[] = [
  {
    // The grammar of October 2021 (§2.1) has of control characters only tab and the ends of lines; the newest edition has them all.
    name: "control characters in strings and comments",
    faults: ["TEXT"],
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    isIn: (text) => /[\0-\x08\x0b\x0c\x0e-\x1f]/u.test(text),
  },
  {
    // §2.1.7 lets one stand between any tokens; readers differ, and no client writes one.
    name: "a byte order mark between tokens",
    faults: ["TEXT"],
    isIn: (text, document) =>
      text.includes("\ufeff") &&
      [...text.matchAll(/\ufeff/gu)].some(({ index }) => !allTokens(document).some((token) => holds(token, index))),
  },
  {
    // Newer than October 2021.
    name: "escapes of characters by their number in braces",
    faults: ["SYNTAX"],
    isIn: (text, document) =>
      text.includes("\\u{") &&
      tokensOf(document).some(
        ({ kind, start, end }) =>
          kind === "String" && [...text.slice(start, end).matchAll(/\\(u\{|.)/gsu)].some(([, what]) => what === "u{"),
      ),
  },
  {
    // Newer than October 2021, where only definitions of types have them.
    name: "descriptions",
    faults: ["SYNTAX"],
    isIn: (_, { definitions }) =>
      definitions.some(
        (one) =>
          ("description" in one && one.description !== undefined) ||
          ("variableDefinitions" in one &&
            one.variableDefinitions?.some((variable) => "description" in variable && variable.description)),
      ),
  },
  {
    // §2.2: a document with one is not executed.
    name: "definitions and extensions of types",
    faults: ["DEFINITION"],
    isIn: (_, { definitions }) => definitions.some(({ kind }) => !isExecutable(kind)),
  },
  {
    name: "more than limits.ts has room for",
    faults: ["COUNT"],
    isIn: (_, document) => isBeyondBounds(document),
  },
];

const isExecutable = (kind: string): boolean => kind === "OperationDefinition" || kind === "FragmentDefinition";

function allTokens(document: DocumentNode): Token[] {
  const tokens: Token[] = [];
  for (let token = document.loc!.startToken.next; token; token = token.next) tokens.push(token);
  return tokens;
}

/** Those that the grammar calls tokens. */
function tokensOf(document: DocumentNode): Token[] {
  return allTokens(document).filter(({ kind }) => kind !== "Comment" && kind !== "<EOF>");
}

const holds = ({ start, end }: Token, index: number): boolean => start <= index && index < end;

function isBeyondBounds(document: DocumentNode): boolean {
  const tokens = tokensOf(document);
  if (tokens.length > graphql_tokens_max) return true;
  if (tokens.some(({ kind, start, end }) => kind === "Name" && end - start > graphql_name_bytes_max)) return true;
  // Each takes at least so many tokens.
  if (tokens.length < Math.min(graphql_definitions_max, graphql_edges_max) * 2) return false;
  const names = new Set<string>();
  let edges = 0;
  for (const [index, definition] of document.definitions.entries()) {
    const spread = new Set<string>();
    visit(definition, { FragmentSpread: ({ name }) => void spread.add(`fragment ${name.value}`) });
    for (const name of spread) names.add(name);
    edges += spread.size;
    if (definition.kind === "FragmentDefinition") names.add(`fragment ${definition.name.value}`);
    if (definition.kind === "OperationDefinition") names.add(`operation ${definition.name?.value ?? index}`);
  }
  return names.size > graphql_definitions_max || edges > graphql_edges_max;
}

/** What a document that cannot be parsed is refused as. */
const unparsed: readonly Fault[] = ["SYNTAX", "TEXT", "DEFINITION"];

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Asserts that both agree, or differ where they may. @returns the parser's fault, or the name of the difference */
export function compare(parser: GraphqlParser, bytes: Uint8Array, asked: Asked, where: string): string {
  const ours = parser.parse(bytes, asked);
  const say = (what: string): string => `${where}: ${what}\n${JSON.stringify(Buffer.from(bytes).toString())}`;
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    assert.ok(unparsed.includes(ours.fault), say(`no UTF-8, and yet ${ours.fault}`));
    return ours.fault;
  }
  let document: DocumentNode;
  try {
    document = parse(text);
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    assert.ok(unparsed.includes(ours.fault), say(`${error.message}, and yet ${ours.fault}`));
    return ours.fault;
  }
  const found = differences.filter(({ isIn }) => isIn(text, document));
  if (found.length > 0) {
    const expected = found.flatMap(({ faults }) => faults);
    assert.ok(expected.includes(ours.fault), say(`${ours.fault} in place of ${expected.join(" or ")}`));
    return found.length === 1 ? found[0]!.name : "several differences";
  }
  const theirs = judge(document, asked);
  assert.equal(ours.fault, theirs.fault, say(JSON.stringify(asked)));
  if (theirs.selected !== undefined) assert.deepEqual(ours.selected, theirs.selected, say(JSON.stringify(asked)));
  return ours.fault;
}
