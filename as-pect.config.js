/** as-pect: AssemblyScript unit tests, compiled one file at a time and run in Node. */

/** Units that reach for the host find one that does nothing and succeeds. */
const host = Object.fromEntries(
  [
    "call_foreign_function",
    "continue_stream",
    "define_metric",
    "get_buffer_bytes",
    "get_current_time_nanoseconds",
    "get_header_map_pairs",
    "get_property",
    "get_shared_data",
    "http_call",
    "increment_metric",
    "log",
    "record_metric",
    "remove_header_map_value",
    "replace_header_map_value",
    "send_local_response",
    "set_effective_context",
    "set_property",
    "set_shared_data",
    "set_tick_period_milliseconds",
  ].map((call) => [`proxy_${call}`, () => 0]),
);

export default {
  entries: ["tests/unit/**/*.spec.ts"],
  include: [],
  disclude: [/node_modules/],
  async instantiate(memory, createImports, instantiate, binary) {
    return instantiate(binary, createImports({ env: { memory, ...host } }));
  },
  outputBinary: false,
};
