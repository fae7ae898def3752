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
  /** Those that are counted; where there is no policy, there is nothing to count the others with. */
  COUNT,
  OUT_OF_MEMORY,
  NO_POLICY,
}

export function failureName(failure: Failure): string {
  switch (failure) {
    case Failure.ARENA_FULL:
      return "arena_full";
    case Failure.GET_HEADER_MAP_PAIRS:
      return "get_header_map_pairs";
    case Failure.GET_PROPERTY:
      return "get_property";
    case Failure.GET_CURRENT_TIME:
      return "get_current_time";
    case Failure.CALL_FOREIGN_FUNCTION:
      return "call_foreign_function";
    case Failure.GET_SHARED_DATA:
      return "get_shared_data";
    case Failure.SET_SHARED_DATA:
      return "set_shared_data";
    case Failure.SHARED_DATA_CONTENTION:
      return "shared_data_contention";
    case Failure.SET_PROPERTY:
      return "set_property";
    case Failure.INCREMENT_METRIC:
      return "increment_metric";
    case Failure.REMOVE_HEADER_MAP_VALUE:
      return "remove_header_map_value";
    case Failure.REPLACE_HEADER_MAP_VALUE:
      return "replace_header_map_value";
    case Failure.SEND_LOCAL_RESPONSE:
      return "send_local_response";
    case Failure.CONTINUE_STREAM:
      return "continue_stream";
    case Failure.CERTIFICATE_END:
      return "certificate_end";
    case Failure.CALLER_GROUPS:
      return "caller_groups";
    case Failure.INDEX_VISITS:
      return "index_visits";
    case Failure.CANDIDATE_RULES:
      return "candidate_rules";
    case Failure.RATE_LIMIT_SERVICE:
      return "rate_limit_service";
    case Failure.HELD_STREAMS:
      return "held_streams";
    case Failure.NO_TICK:
      return "no_tick";
    case Failure.OUT_OF_MEMORY:
      return "out_of_memory";
    case Failure.NO_POLICY:
      return "no_policy";
    default:
      return "none";
  }
}
