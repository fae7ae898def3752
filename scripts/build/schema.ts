/** The JSON Schemas by which editors complete and check policies. They are in the repository, and a test holds them to the language. */
import { writeFile } from "node:fs/promises";
import { schemas } from "../policy/language/policy.ts";

/** The text of each schema, by file name. */
export function schemaTexts(): Map<string, string> {
  return new Map([...schemas].map(([name, schema]) => [name, `${JSON.stringify(schema, null, 2)}\n`]));
}

/** Writes the schemas beside package.json. */
export async function writeSchemas(): Promise<void> {
  const texts = schemaTexts();
  for (const [name, text] of texts) await writeFile(name, text);
  console.log(`${[...texts.keys()].join(", ")}: the language of policies, for editors`);
}
