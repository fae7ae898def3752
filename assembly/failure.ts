/** What `internal` stands for: the name in the record and in the metric, so that an operator knows where to look. */
export const enum Failure {
  NONE = 0,
  ARENA_FULL,
  GET_HEADER_MAP_PAIRS,
  GET_PROPERTY,
  GET_CURRENT_TIME,
  CALL_FOREIGN_FUNCTION,
  GET_SHARED_DATA,
  SET_SHARED_DATA,
  SHARED_DATA_CONTENTION,
  SET_PROPERTY,
  INCREMENT_METRIC,
  REMOVE_HEADER_MAP_VALUE,
  REPLACE_HEADER_MAP_VALUE,
  SEND_LOCAL_RESPONSE,
  CONTINUE_STREAM,
  CERTIFICATE_END,
  CALLER_GROUPS,
  INDEX_VISITS,
  CANDIDATE_RULES,
  RATE_LIMIT_SERVICE,
  HELD_STREAMS,
  NO_TICK,
  GET_BUFFER_BYTES,
  ANSWER_UNREADABLE,
  /** Those that are counted; where there is no policy, there is nothing to count the others with. */
  COUNT,
  OUT_OF_MEMORY,
  NO_POLICY,
}

/** The names of failures by their numbers: one text, as `reason_names`. */
export const failure_names =
  "none,arena_full,get_header_map_pairs,get_property,get_current_time,call_foreign_function,get_shared_data,set_shared_data,shared_data_contention,set_property,increment_metric,remove_header_map_value,replace_header_map_value,send_local_response,continue_stream,certificate_end,caller_groups,index_visits,candidate_rules,rate_limit_service,held_streams,no_tick,get_buffer_bytes,answer_unreadable,none,out_of_memory,no_policy";

/** The name of a failure, for tools. */
export function failureName(failure: Failure): string {
  return failure_names.split(",")[failure]!;
}
