/** The records of the image that say what requests have inside: calls of a protocol behind one path (see policy/layout.ts). */

/**
 * PROTOCOLS: what is spoken on a path, the path, decoded, and how many calls one request may have. Of GraphQL: how deep a document may
 * select, how many aliases it may have, whether it may ask for the schema, and the documents that are known by their hash (run in PERSISTED).
 * Requests with other paths are no calls. A path stands once.
 */
export const protocol_kind_at: u32 = 0;
export const protocol_path_at: u32 = 4;
export const protocol_calls_at: u32 = 12;
export const protocol_depth_at: u32 = 16;
export const protocol_aliases_at: u32 = 20;
export const protocol_introspection_at: u32 = 24;
export const protocol_persisted_at: u32 = 28;
export const protocol_record_bytes: u32 = 36;
/** The Model Context Protocol over Streamable HTTP; JSON-RPC 2.0, by itself or as A2A has it; GraphQL over HTTP. */
export const protocol_mcp: u32 = 0;
export const protocol_jsonrpc: u32 = 1;
export const protocol_a2a: u32 = 2;
export const protocol_graphql: u32 = 3;

/** PERSISTED, in the order of their IDs' bytes within a run: the ID, a SHA-256 in lower-case hexadecimal or any other text, and the document. */
export const persisted_id_at: u32 = 0;
export const persisted_document_at: u32 = 8;
export const persisted_record_bytes: u32 = 16;
