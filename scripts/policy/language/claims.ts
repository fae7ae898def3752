/**
 * What claims are declared to be: `claims: { role: string, "groups!": list, org: { id: string! } }`. A `!` after the name or the type
 * says that the claim must be there.
 */

import type { Located } from "../source/yaml.ts";
import type { Shape } from "./shape.ts";

/** The types that a policy may name. An int is a number too; a map is declared by its members. */
export const claim_type_names = ["string", "int", "double", "bool", "list", "any"] as const;
export type ClaimTypeName = (typeof claim_type_names)[number] | "map";

/** A claim that an issuer declares, or a member of one. */
export interface ClaimType {
  path: readonly string[];
  type: ClaimTypeName;
  /** It must be there. */
  isRequired: boolean;
}

/** A claim as the file has it: of a type, or with members. */
export interface DraftClaim {
  name: Located<string>;
  type: Located<string> | DraftClaim[];
}

/** The claims of an issuer. */
export const claims_shape: Shape<DraftClaim[]> = {
  schema: {
    type: "object",
    additionalProperties: {
      anyOf: [{ type: "string", pattern: `^(?:${claim_type_names.join("|")})!?$` }, { type: "object" }],
    },
    propertyNames: { minLength: 1 },
  },
  read: (reader, slot, what) =>
    reader.entries(slot, what)?.flatMap((field): DraftClaim[] => {
      const claim = `the claim \`${field.name}\``;
      const type = reader.isMapping(field)
        ? claims_shape.read(reader, field, claim)
        : reader.text(field, claim, "a type such as `string`");
      return type === undefined ? [] : [{ name: { value: field.name, at: field.at }, type }];
    }),
};
