/** Bounds on the size of requests. */
import { header_pairs_bytes_max } from "../../../assembly/limits.ts";
import type { DraftRule, Rule } from "../language/model.ts";
import type { Context } from "./names.ts";

/** The keys that bound the size of requests. */
export const size_keys = ["maxHeaderBytes", "maxQueryBytes", "maxBodyBytes"] as const;

/** No request has fewer bytes of headers, once Envoy has added its own; and what most are well within. */
const header_bytes_least = 64;
const header_bytes_usual = 8192;
/** What is left for names and values with the four pseudo-headers that each request has: the host's list takes 4 bytes, and 10 for each header. */
const header_bytes_read_max = header_pairs_bytes_max - 4 - 4 * 10;

/** The bounds that the rule sets on the size of requests. Warns of those that deny all of them, or none. */
export function mostBytesOf({ reporter }: Context, draft: DraftRule): Rule["mostBytes"] {
  if (size_keys.every((key) => draft[key] === undefined)) return undefined;
  const { maxHeaderBytes, maxQueryBytes } = draft;
  for (const [key, bound] of Object.entries({ maxHeaderBytes, maxQueryBytes })) {
    if (bound === undefined || bound.value < header_bytes_read_max) continue;
    const message = `\`${key}\` never denies: the filter reads ${header_pairs_bytes_max} bytes of headers at the most, with 10 more for each header, and denies what is larger; leave it out, or give less`;
    reporter.warn("size_bound", bound.at, message);
  }
  if (maxHeaderBytes !== undefined && maxHeaderBytes.value < header_bytes_least) {
    const message = `\`maxHeaderBytes: ${maxHeaderBytes.value}\` denies every request: \`:method\`, \`:path\`, \`:authority\` and \`:scheme\` alone are more, and so are headers that Envoy adds; give ${header_bytes_usual} or more`;
    reporter.warn("size_bound", maxHeaderBytes.at, message);
  }
  return {
    headers: draft.maxHeaderBytes?.value,
    query: draft.maxQueryBytes?.value,
    body: draft.maxBodyBytes?.value,
  };
}
