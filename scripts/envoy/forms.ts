/**
 * What a connection manager must leave alone for a policy whose `paths` takes it. The examples refuse encoded slashes and merge
 * empty segments, so that no filter sees them. Envoy's normalization (`normalize_path`) keeps both, and semicolons.
 */
import { openFormsOf } from "../policy/image/name.ts";
import { imageOfFilter } from "./enforcement.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; the few touched here are checked when used.
type Json = any;

/** Lets a connection manager keep the forms of paths that the policy of one of its filters takes. */
export function keepForms(manager: Json): void {
  for (const { typed_config } of manager.http_filters) {
    const image = imageOfFilter(typed_config?.config);
    if (image === undefined) continue;
    const { encodedSlash, emptySegments } = openFormsOf(image);
    if (encodedSlash) manager.path_with_escaped_slashes_action = "KEEP_UNCHANGED";
    if (emptySegments) manager.merge_slashes = false;
  }
}
