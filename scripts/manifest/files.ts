/** Files of a manifest: YAML under a heading that says whose it is, with reasons as comments beside the keys that need one. */
import { Document, isMap, isScalar, isSeq } from "yaml";

/** The systems that a policy's filter is put into. */
export const systems = ["envoy", "istio", "envoy-gateway"] as const;
export type System = (typeof systems)[number];

/** Why there is no manifest: the message says what to do instead. */
export class ManifestError extends Error {
  override name = "ManifestError";
}

/** A file to write. */
export interface ManifestFile {
  /** Its path in the folder. */
  name: string;
  text: string;
  /** What it is, in a few words. */
  about: string;
}

/** What an operator gets. */
export interface Manifest {
  /** In the order in which they are applied. */
  applied: ManifestFile[];
  /** What belongs to them and is not applied as it is: patches, values, lists of the others. */
  others: ManifestFile[];
}

/** A key, by the way that leads to it, and why it is as it is. */
export type Reason = readonly [path: readonly (string | number)[], text: string];

/** One YAML document, with its reasons. */
export interface YamlDocument {
  content: Readonly<Record<string, unknown>>;
  reasons?: readonly Reason[];
}

/** The first line of all files of a system. */
export function headingOf(system: System): string {
  return `# Made by \`sallyport manifest --for ${system}\``;
}

/**
 * A file of one or more documents.
 * @param text what the reader should know first: lines without `#`
 */
export function yamlFile(
  system: System,
  name: string,
  about: string,
  text: string,
  ...documents: readonly YamlDocument[]
): ManifestFile {
  const head = [`${headingOf(system)}: ${about}.`, ...text.split("\n").map((line) => `# ${line}`)].join("\n");
  return { name, about, text: `${head}\n${documents.map(printed).join("---\n")}` };
}

function printed({ content, reasons = [] }: YamlDocument): string {
  const document = new Document(content, { aliasDuplicateObjects: false });
  for (const [path, text] of reasons) explain(document, path, text);
  return document.toString({ lineWidth: 0 });
}

/** Puts a comment before the key that a path leads to. Throws where there is none: a reason for nothing is a fault of ours. */
function explain(document: Document, path: readonly (string | number)[], text: string): void {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  const last = path.at(-1)!;
  const node = isMap(parent)
    ? parent.items.map(({ key }) => key).find((key) => isScalar(key) && key.value === last)
    : isSeq(parent)
      ? parent.items[Number(last)]
      : undefined;
  if (node === undefined || node === null) throw new Error(`there is no ${path.join(".")} to explain`);
  (node as { commentBefore?: string }).commentBefore = text
    .split("\n")
    .map((line) => ` ${line}`)
    .join("\n");
}
