/** All keys of the language as a list: what the shapes say, for the documents and for tests that nothing is forgotten. */
import { schemas } from "./policy.ts";
import type { Schema } from "./shape.ts";

/** A key and where it stands: `rules[].callers` is one of each item of a list, `issuers.<name>.keys` one of each entry by name. */
export interface LanguageKey {
  path: string;
  name: string;
  description: string;
  isRequired: boolean;
  default: unknown;
  example: unknown;
}

/** Every key of a policy, those of a mapping before what lies in them. */
export function languageKeys(): LanguageKey[] {
  return below(schemas.get("policy.schema.json")!, "");
}

function below(schema: Schema, path: string): LanguageKey[] {
  const { properties, required = [], items, additionalProperties, anyOf } = schema;
  if (properties !== undefined) {
    return Object.entries(properties as Record<string, Schema>).flatMap(([name, key]) => {
      const own = path === "" ? name : `${path}.${name}`;
      const { markdownDescription, description } = key;
      const entry: LanguageKey = {
        path: own,
        name,
        description: String(markdownDescription ?? description),
        isRequired: (required as string[]).includes(name),
        default: key.default,
        example: (key.examples as unknown[] | undefined)?.[0],
      };
      return [entry, ...below(key, own)];
    });
  }
  if (items !== undefined) return below(items as Schema, `${path}[]`);
  if (typeof additionalProperties === "object") return below(additionalProperties as Schema, `${path}.<name>`);
  // One item, or a list of them: the item has no keys of its own where it may stand alone.
  return anyOf === undefined ? [] : (anyOf as Schema[]).flatMap((one) => below(one, path));
}
