/** Bounds on the size of requests. */
import { header_pairs_bytes_max } from "../../../assembly/limits.ts";
import type { DraftRule, Rule } from "../language/model.ts";
import { read_body_bytes_max, usual_read_body_bytes } from "../language/reads.ts";
import type { Context } from "./names.ts";

/** The keys that bound the size of requests. */
export const size_keys = ["maxHeaderBytes", "maxQueryBytes", "maxBodyBytes"] as const;

/** No request has fewer bytes of headers, once Envoy has added its own; and what most are well within. */
const header_bytes_least = 64;
const header_bytes_usual = 8192;
/** What is left for names and values with the four pseudo-headers that each request has: the host's list takes 4 bytes, and 10 for each header. */
const header_bytes_read_max = header_pairs_bytes_max - 4 - 4 * 10;

/**
 * The bounds that the rule sets on the size of requests. Warns of those that deny all of them, or none.
 * @param isRead it reads the body, so that one has a bound whether the rule says so or not; undefined where that is not known
 */
export function mostBytesOf({ reporter }: Context, draft: DraftRule, isRead: boolean | undefined): Rule["mostBytes"] {
  const { maxHeaderBytes, maxQueryBytes, maxBodyBytes } = draft;
  if (draft.deny !== undefined && maxBodyBytes !== undefined && isRead === false) {
    const message =
      "a deny rule takes `maxBodyBytes` only where it reads the body: otherwise it denies requests of any size";
    reporter.error("deny_with", maxBodyBytes.at, message);
  }
  if (isRead === true && maxBodyBytes !== undefined && maxBodyBytes.value > read_body_bytes_max) {
    const message = `a rule that reads the body, its calls among it, reads ${read_body_bytes_max} bytes at the most, since they are held until it is decided`;
    reporter.error("bound", maxBodyBytes.at, message);
  }
  if (isRead !== true && size_keys.every((key) => draft[key] === undefined)) return undefined;
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
    headers: maxHeaderBytes?.value,
    query: maxQueryBytes?.value,
    body: maxBodyBytes?.value ?? (isRead === true ? usual_read_body_bytes : undefined),
  };
}
