/** What our tests use of `@seriousme/openapi-schema-validator`, so that types are checked where it is not installed. */
declare module "@seriousme/openapi-schema-validator" {
  /** Holds documents against the JSON Schema of their version of OpenAPI. */
  export class Validator {
    /** @param specification a document as data; references in it are resolved in place */
    validate(specification: object): Promise<{ valid: boolean; errors?: unknown }>;
  }
}
