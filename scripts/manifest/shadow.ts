/** A second filter in front of the one that enforces: it judges the same requests by another policy in shadow mode, for `rollout`. */
import type { Bootstrap } from "../envoy/bootstrap.ts";
import type { Holding } from "../envoy/holding.ts";
import type { Policy } from "../policy/language/model.ts";
import { accessLogFormat } from "./manager.ts";

/** Such a filter. `Module` is where its module is, as the system has it. */
export interface ShadowFilter<Module> {
  /** What it judges by: a policy in shadow mode that leaves no trace in requests. */
  policy: Policy;
  /** The plugin's configuration: JSON that has the policy's image, and the name of the record. */
  configuration: string;
  /** The record's name: filter state `wasm.sallyport.NAME`. Also the member of the access log, and the end of the filter's own name. */
  record: string;
  module: Module;
  /** Where its policy reads bodies. */
  holds: Holding | undefined;
}

/** What the file of such a filter says of it. */
export const shadow_about = "the filter that tries the new policy";
export const shadow_words =
  "It lets every request pass, to the filter that enforces, and writes a record of its own. Its policy is the new one in shadow\nmode, under another name, without headers for the upstream.";

/** Has the access log tell what the filter says, beside what the one that enforces does. */
export function logShadow(example: Bootstrap, { record }: Pick<ShadowFilter<unknown>, "record">): void {
  accessLogFormat(example)[record] = `%FILTER_STATE(wasm.sallyport.${record}:PLAIN)%`;
}
