/** What our tests use of `@seriousme/openapi-schema-validator`: its own types ask for those of packages that it brings along. */
declare module "@seriousme/openapi-schema-validator" {
  /** Holds documents against the JSON Schema of their version of OpenAPI. */
  export class Validator {
    /** @param specification a document as data; references in it are resolved in place */
    validate(specification: object): Promise<{ valid: boolean; errors?: unknown }>;
  }
}
