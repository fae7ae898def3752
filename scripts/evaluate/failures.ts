/**
 * What `internal` stands for, in words, by the engine's own list (assembly/failure.ts): one that is added there has to be added
 * here. The table of docs/observability.md is made from it.
 */
import type { Failure } from "../../assembly/failure.ts";

/** The name of a failure, as records and metrics have it. */
export type FailureName = Lowercase<Exclude<keyof typeof Failure, "NONE" | "COUNT">>;

const refused = "the host refused the call: compare the capability list with `envoy/inbound.yaml`";
const bound = "a request met a bound of the engine; the compiler refuses policies under which one could, so report it";

/** What each means, and what to do. */
export const failures: Readonly<Record<FailureName, string>> = {
  arena_full:
    "what the host gave outside of a request did not fit; requests that are too large are `headers_too_large`, and counted as denials only",
  get_header_map_pairs: refused,
  get_property: refused,
  get_current_time: refused,
  set_property: refused,
  get_buffer_bytes: refused,
  answer_unreadable:
    "the upstream's answer to `tools/list` of MCP is no JSON and no events, is encoded or larger than is read, or the host refuses to have it changed: is `proxy_set_buffer_bytes` allowed?",
  increment_metric: refused,
  remove_header_map_value: refused,
  replace_header_map_value: refused,
  send_local_response: refused,
  continue_stream: refused,
  get_shared_data: refused,
  set_shared_data: refused,
  call_foreign_function: refused,
  certificate_end:
    "the configuration has `certificateEnd`, and filter state `sallyport.certificate_end` is missing or no time in seconds",
  out_of_memory:
    "there is [no memory](operations.md#out-of-memory) for the policy yet; in the record and in `%RESPONSE_CODE_DETAILS%`, `sallyport_denied{internal}{out_of_memory}`, but in no metric, since those belong to a policy; the record's `policy` is empty",
  no_policy: "in the same places: the configuration was refused, by a line of log, and Envoy asked all the same",
  shared_data_contention: "many workers want one bucket at once: use a key for the limit that spreads callers",
  rate_limit_service:
    "the rate limit service of the fleet did not answer in time, or has no rule for a limit, and that limit has `onError: deny`: see `sallyport_fleet_answers`",
  index_visits: bound,
  candidate_rules: bound,
  caller_groups: bound,
  held_streams:
    "so many streams are under way in one worker that no more can be counted, or Envoy does not tell of their ends: is `proxy_on_delete` allowed?",
  no_tick:
    "the rule has a limit with `concurrency`, and the host does not tick, so that workers cannot tell which of them are lost: is `proxy_on_tick` allowed?",
};
