/** The steps of docs/spire.md as it has them, which the suite takes with folders and ports of its own. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const page = readFileSync(fileURLToPath(new URL("../../docs/spire.md", import.meta.url)), "utf8");

/** Blocks of the page by the comment that each begins with. */
const blocks = new Map(
  [...page.matchAll(/^```\w+\n# ([^\n]+)\n(.*?)^```$/gmsu)].map(([, name, text]) => [name!, text!] as const),
);

/** A block of the page. @throws Error where it has none of this name */
export function block(name: string): string {
  const text = blocks.get(name);
  if (text === undefined)
    throw new Error(`docs/spire.md has no block "# ${name}", only: ${[...blocks.keys()].join(", ")}`);
  return text;
}

/** A text with others in place of some that it has to have. */
export function replaced(text: string, by: Readonly<Record<string, string>>): string {
  let result = text;
  for (const [from, to] of Object.entries(by)) {
    if (!result.includes(from)) throw new Error(`${from} is not in:\n${text}`);
    result = result.replaceAll(from, to);
  }
  return result;
}
