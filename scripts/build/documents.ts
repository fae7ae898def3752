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
import { stringify } from "yaml";
import { createProgram } from "../commands/verbs.ts";
import { detailNames, detailWords } from "../evaluate/details.ts";
import { failures } from "../evaluate/failures.ts";
import { metricEntries } from "../evaluate/metrics.ts";
import { reasonNames, reasons, responses, statusOf } from "../evaluate/reasons.ts";
import { record_members } from "../evaluate/record.ts";
import { functions } from "../policy/condition/functions.ts";
import { languageKeys } from "../policy/language/keys.ts";
import type { CodeEntry, Example } from "../policy/source/codeentry.ts";
import { code_tables } from "../policy/source/codes.ts";
import { status_codes } from "../status/codes.ts";
import { engineFolders, type Folder, toolFolders } from "./folders.ts";
import { testFiles } from "./testindex.ts";

/** The files that may have generated tables. */
export const documents: readonly string[] = [
  "README.md",
  "tests/README.md",
  ...readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** What stands between the marks, by name. */
const blocks: Readonly<Record<string, () => string>> = {
  ...Object.fromEntries(Object.entries(code_tables).map(([name, codes]) => [name, () => codeTable(codes)])),
  responses: responseTable,
  reasons: reasonTable,
  details: () =>
    table(
      ["`detail`", "what it says"],
      detailNames.map((name) => [code(name), detailWords(name)]),
    ),
  record: () =>
    table(
      ["member", "there when, and what it says"],
      Object.entries(record_members).map(([name, meaning]) => [code(name), meaning]),
    ),
  metrics: metricTable,
  engine: () => folderTable(engineFolders),
  tools: () => folderTable(toolFolders),
  tests: () =>
    table(
      ["file", "about"],
      testFiles().map(({ path, subject }) => [code(path), subject]),
    ),
  keys: keyTable,
  functions: () =>
    table(
      ["function", "what it is", "for example"],
      Object.values(functions).map(({ forms, meaning, example }) => [
        forms.map(code).join(", "),
        meaning,
        code(example),
      ]),
    ),
  status: () =>
    table(
      ["code", "means"],
      Object.entries(status_codes).map(([name, { meaning, ...entry }]) => [
        code(name),
        "isNote" in entry ? `a note: ${meaning}` : meaning,
      ]),
    ),
  verbs: verbTable,
  options: optionTable,
  failures: () => table(["cause", "what it means, and what to do"], grouped(failures)),
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

/** How requests are answered, by kinds of reasons. */
function responseTable(): string {
  const rows = Object.entries(responses).map(([kind, { meaning, grpc, headers }]) => {
    const names = reasonNames.filter((name) => reasons[name].response === kind);
    const statuses = new Set(names.map(statusOf));
    if (statuses.size !== 1) throw new Error(`the reasons of ${kind} are not answered with one status`);
    const [status] = [...statuses];
    const isAnswered = grpc !== undefined;
    return [
      meaning,
      names.map(code).join(", "),
      isAnswered ? String(status) : "–",
      isAnswered ? String(grpc) : "–",
      headers,
    ];
  });
  return table(["decision", "reasons", "HTTP", "gRPC", "headers"], rows);
}

/** The reasons one by one, in the order of the checks. */
function reasonTable(): string {
  const rows = reasonNames.map((name) => {
    const { words, part, keys = part === undefined ? [] : [part] } = reasons[name];
    return [code(name), words, keys.map(code).join(", ")];
  });
  return table(["reason", "what it says", "part of the rule"], rows);
}

function metricTable(): string {
  const rows = metricEntries.map(([name, { labels, isGauge, meaning }]) => {
    const shown = Object.entries(labels).map(([label, values]) =>
      values.length === 0
        ? code(`sallyport_${label}`)
        : `${code(`sallyport_${label}`)}: ${values.map(code).join(", ")}`,
    );
    return [code(name), [code("sallyport_policy"), ...shown].join("; "), (isGauge ? "gauge: " : "") + meaning];
  });
  return table(["metric", "labels", "counts"], rows);
}

/** Every key of the language with its default, and an example where it has one that is short. */
function keyTable(): string {
  const rows = languageKeys().map(({ path, description, isRequired, example, ...key }) => {
    const text = example === undefined ? "" : code(asYaml(example));
    const fallback = key.default === undefined ? "" : code(asYaml(key.default));
    return [code(path), description, isRequired ? "required" : fallback, text];
  });
  return table(["key", "what it means", "default", "for example"], rows);
}

/** A value in one line of YAML. */
function asYaml(value: unknown): string {
  const text = stringify(value, { collectionStyle: "flow", lineWidth: 0 }).trim();
  return text.replaceAll("[ ", "[").replaceAll(" ]", "]");
}

/** Where verbs have a document of their own. */
const verb_documents: Readonly<Partial<Record<string, string>>> = {
  check: "[diagnostics](diagnostics.md)",
  test: "[policy tests](policy-tests.md)",
  diff: "[comparing policies](diff.md)",
  replay: "[replaying traffic](replay.md)",
  image: "[loading a policy](operations.md#loading-a-policy), [signed policies](signing.md)",
  keygen: "[signed policies](signing.md)",
  oci: "[images](images.md)",
  manifest: "[manifests](operations.md#manifests-for-envoy-istio-and-envoy-gateway), [fleets](limits.md#fleets)",
  discover: "[who calls what](discover.md)",
  report: "[reports](report.md)",
  status: "[what is in force](operations.md#what-is-in-force)",
};

/** The verbs as the program itself says them. */
function verbTable(): string {
  const rows = createProgram().commands.map((verb) => [
    code(`${verb.name()} ${verb.usage().replace(/^\[options\] ?/u, "")}`.trim()),
    verb.description(),
    verb_documents[verb.name()] ?? "",
  ]);
  return table(["verb", "does", "more"], rows);
}

/** Options by what they mean, with the verbs that have them; `--format` and `--help` belong to all. */
function optionTable(): string {
  const verbsOf = new Map<string, string[]>();
  for (const verb of createProgram().commands) {
    for (const { long, flags, description, defaultValue } of verb.options) {
      if (long === "--format") continue;
      const isShown = typeof defaultValue === "string" || typeof defaultValue === "number";
      const key = `${flags}\n${description}${isShown ? ` (default: ${defaultValue})` : ""}`;
      verbsOf.set(key, [...(verbsOf.get(key) ?? []), verb.name()]);
    }
  }
  const rows = [...verbsOf].map(([key, names]) => {
    const [flags = "", meaning = ""] = key.split("\n");
    return [code(flags), names.map(code).join(", "), meaning];
  });
  return table(["option", "of", "does"], rows);
}

/** Rows of names and what they mean; names that mean the same share one. */
function grouped(entries: Readonly<Record<string, string>>): string[][] {
  const meanings = new Map<string, string[]>();
  for (const [name, meaning] of Object.entries(entries))
    meanings.set(meaning, [...(meanings.get(meaning) ?? []), name]);
  return [...meanings].map(([meaning, names]) => [names.map(code).join(", "), meaning]);
}

/** Folders in the order in which they may import each other. */
function folderTable(folders: readonly Folder[]): string {
  const nameOf = (path: string): string =>
    [...engineFolders, ...toolFolders].find((folder) => folder.path === path)?.name ?? code(path);
  const rows = folders.map(({ path, name, purpose, imports }) => [
    code(path),
    (name === undefined ? "" : `the ${name}: `) + purpose,
    imports.map(nameOf).join(", "),
  ]);
  return table(["folder", "what goes in, what comes out", "may import"], rows);
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
  const cell = (text: string): string => (text === "" ? " " : ` ${text.replaceAll("|", "\\|")} `);
  const line = (cells: readonly string[]): string => `|${cells.map(cell).join("|")}|`;
  return [line(heads), `|${"---|".repeat(heads.length)}`, ...rows.map(line)].join("\n");
}
