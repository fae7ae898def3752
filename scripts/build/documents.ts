/**
 * `npm run docs`: the tables of the documents that say what the code says too, made from the code's own declarations. A table
 * stands between two lines, and what is around them is prose that nobody touches:
 *
 *   <!-- generated: warnings -->
 *   …
 *   <!-- end -->
 *
 * They are in the repository, and tests/build/contracts.test.ts fails where one is not what the code says.
 */
import { readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { flawNames, flawWords } from "../evaluate/details.ts";
import { type CodeEntry, code_tables, type Example } from "../policy/source/codes.ts";

/** The files that may have generated tables. */
export const documents: readonly string[] = [
  "README.md",
  ...readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** What stands between the marks, by name. */
const blocks: Readonly<Record<string, () => string>> = {
  ...Object.fromEntries(Object.entries(code_tables).map(([name, codes]) => [name, () => codeTable(codes)])),
  details: () =>
    table(
      ["`detail`", "what it says"],
      flawNames.map((name) => [code(name), flawWords(name)]),
    ),
};

/** The names of all tables. */
export const block_names: readonly string[] = Object.keys(blocks);

/** Everything between two marks. */
const marks = /(<!-- generated: (\w+) -->\n)[\s\S]*?(<!-- end -->)/gu;

/** The names of the tables that a document has. */
export function blocksOf(text: string): string[] {
  return [...text.matchAll(marks)].map(([, , name]) => name!);
}

/** A document's text with its tables as they have to be. Throws where there is no table of a name. */
export function withTables(text: string): string {
  return text.replace(marks, (_, begin: string, name: string, end: string) => {
    const block = blocks[name];
    if (block === undefined) throw new Error(`no table is named ${name}: there are ${block_names.join(", ")}`);
    return `${begin}${block()}\n${end}`;
  });
}

/** Writes the tables into all documents. */
export async function writeTables(): Promise<void> {
  for (const document of documents) {
    const text = await readFile(document, "utf8");
    const written = withTables(text);
    if (written !== text) await writeFile(document, written);
  }
  console.log(`${block_names.length} tables in docs/: what they say is what the code says`);
}

function codeTable(codes: Readonly<Record<string, CodeEntry>>): string {
  const rows = Object.entries(codes).map(([name, { meaning, example }]) => [code(name), meaning, shown(example)]);
  return table(["code", "what it says", "for example"], rows);
}

/** An example: for each part of the policy its keys, each in a line of its own. */
function shown(example: Example = {}): string {
  return Object.entries(example)
    .map(([part, text]) => `${part}: ${text.split("\n").map(code).join("<br>")}`)
    .join("<br>");
}

/** Text as code; where it has a backtick, in two. */
function code(text: string): string {
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}

/** A table of GitHub's Markdown, in which a cell has no bar of its own. */
function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(heads), `|${"---|".repeat(heads.length)}`, ...rows.map(line)].join("\n").replaceAll(" |  |", " | |");
}
