/**
 * The code of conditions: what the compiler emits (scripts/policy/condition/) and the engine evaluates (assembly/condition/).
 * Both read this file. A condition is a run of INSTRUCTIONS that leaves one value on a stack of values; a value is an
 * error, null, bool, int, double, string, timestamp, duration, list or map.
 *
 *   0        4     8     12    16
 *   +--------+-----+-----+-----+
 *   | opcode | a   | b   | c   |     a text: a is its offset in the image, b its size in bytes
 *   +--------+-----+-----+-----+     a long: a is its low word, b its high word
 *
 * Jumps name an index within the condition and go forward, save `op_next`, which goes back to just after its own loop's
 * beginning. An operation on an error, or on types it is not for, gives an error; errors travel up to the `&&` or `||`
 * that absorbs them (cel-spec, langdef.md "Logical operators").
 */

/** Push a constant. */
export const op_null: u32 = 0;
/** a: 0 or 1. */
export const op_bool: u32 = 1;
/** a, b: a long. */
export const op_int: u32 = 2;
/** a, b: the 64 bits of an IEEE 754 double. */
export const op_double: u32 = 3;
/** a, b: a text. */
export const op_text: u32 = 4;
/** a, b: whole seconds since 1970, rounded down; c: nanoseconds past them. */
export const op_timestamp: u32 = 5;
/** a, b: whole seconds, rounded down; c: nanoseconds past them. */
export const op_duration: u32 = 6;
/** Pop a values; push the list of them, an error if one of them is. */
export const op_list: u32 = 7;

/** Push a part of the request; an error where there is none. */
export const op_caller: u32 = 8;
export const caller_id: u32 = 0;
export const caller_trust_domain: u32 = 1;
export const caller_path: u32 = 2;
/** The claims as a map; an error unless the rule's token is good. */
export const op_claims: u32 = 9;
/** a: number of the path variable. */
export const op_variable: u32 = 10;
export const op_has_variable: u32 = 11;
/** a: which part. */
export const op_request: u32 = 12;
export const request_method: u32 = 0;
export const request_path: u32 = 1;
export const request_host: u32 = 2;
export const request_scheme: u32 = 3;
/** a, b: the header's name in lower case. An error too where the header stands twice. */
export const op_header: u32 = 13;
export const op_has_header: u32 = 14;
/** a, b: the parameter's name. An error too where it stands twice, or a reader could take the query in two ways. */
export const op_query: u32 = 15;
export const op_has_query: u32 = 16;
export const op_source_ip: u32 = 17;
export const op_source_port: u32 = 18;
export const op_now: u32 = 19;
/** The element that the loop is at. */
export const op_element: u32 = 20;

/** Pop one value, push one. */
/** a, b: the name of a member. */
export const op_select: u32 = 21;
/** a, b: the name of a member. */
export const op_has: u32 = 22;
export const op_not: u32 = 23;
export const op_size: u32 = 24;
/** From an int, seconds since 1970. */
export const op_to_timestamp: u32 = 25;
/** Pop an IP address as text. a, b: a text of the network's 4 or 16 bytes; c: the prefix's length in bits. */
export const op_contains_ip: u32 = 26;

/** Pop the right value and the left, push one. */
export const op_equal: u32 = 27;
export const op_not_equal: u32 = 28;
export const op_less: u32 = 29;
export const op_less_equal: u32 = 30;
export const op_greater: u32 = 31;
export const op_greater_equal: u32 = 32;
export const op_in: u32 = 33;
/** Container, then key. */
export const op_index: u32 = 34;
/** Text, then what it is searched for. */
export const op_starts_with: u32 = 35;
export const op_ends_with: u32 = 36;
export const op_contains: u32 = 37;
/** Of a timestamp and a duration, or two durations. */
export const op_add: u32 = 38;
/** Of two timestamps, a timestamp and a duration, or two durations. */
export const op_subtract: u32 = 39;
export const op_and: u32 = 40;
export const op_or: u32 = 41;

/**
 * Jump to a, leaving the value, if it is false (true). `x && y` is: x, jump_if_false END, y, and; END.
 * A value that is no bool does not jump: `op_and` and `op_or` see to it.
 */
export const op_jump_if_false: u32 = 42;
export const op_jump_if_true: u32 = 43;
/**
 * Pop a bool: go on if it is true, jump to a if it is false; if it is no bool push an error and jump to b.
 * `x ? y : z` is: x, choose ELSE END, y, jump END; ELSE: z; END.
 */
export const op_choose: u32 = 44;
/** Jump to a. */
export const op_jump: u32 = 45;
/**
 * Pop a list, or a map for its keys, and begin with its first element. If it is empty, or neither, push the outcome and jump
 * to a, the index after the loop's `op_next`. b: `loop_exists` or `loop_all`. There is one loop at a time.
 */
export const op_loop: u32 = 46;
export const loop_exists: u32 = 0;
export const loop_all: u32 = 1;
/** Pop the element's bool; jump back to a for the next element, or push the outcome. */
export const op_next: u32 = 47;

/** Pop a text and push it with its ASCII letters in lower case. */
export const op_lower: u32 = 48;
/** Pop a text and push the list of its words, which blanks part; a list stays as it is. */
export const op_words: u32 = 49;
/** Pop a text and the one before it, push them joined. */
export const op_join: u32 = 50;
/** Pop a separator and the text before it, push the list of the text's parts. a: how many at the most, negative for any number. */
export const op_split: u32 = 51;
/** Push the port that the connection came to. */
export const op_destination_port: u32 = 52;
/** Pop a text; an error for anything else. a: the number of the text set (policy/layout.ts). */
export const op_in_texts: u32 = 53;
/** Pop an IP address as text. a: the number of the network set. */
export const op_in_networks: u32 = 54;
/** Pop a text of decimal digits, or a number, and push it as an int. */
export const op_to_int: u32 = 55;
/** The body as a value, what it is as JSON; an error where there is none, or it is none. */
export const op_body: u32 = 56;
/** a: which part of the call that is decided; an error where it has none. */
export const op_call: u32 = 57;
export const op_count: u32 = 58;
/** Of MCP, JSON-RPC and A2A: the method; the tool that `tools/call` names, and what it is called with; all that the call comes with. */
export const call_method_name: u32 = 0;
export const call_tool: u32 = 1;
export const call_arguments: u32 = 2;
export const call_params: u32 = 3;
/** Of GraphQL: `query`, `mutation` or `subscription`; the root field; the operation's name; and its variables. */
export const call_type: u32 = 4;
export const call_field: u32 = 5;
export const call_operation_name: u32 = 6;
export const call_variables: u32 = 7;
export const call_parts: u32 = 8;

/** What an instruction does with the stack. */
export const enum Form {
  /** No instruction. */
  NONE = 0,
  /** Pushes a constant. */
  CONSTANT,
  /** Pops `a` values and pushes the list of them. */
  LIST,
  /** Pushes a part of the request. */
  SOURCE,
  /** Pops one value and pushes one; an error stays an error. */
  UNARY,
  /** Pops two values and pushes one, an error if one of the two is. */
  BINARY,
  /** As UNARY, with a text or a list for which the arena must have room. */
  COMPOSE_ONE,
  /** As BINARY, likewise. */
  COMPOSE_TWO,
  /** Pops two values and pushes one; an error may be absorbed. */
  LOGIC,
  /** Says which instruction is next. */
  CONTROL,
}

/** The form of each instruction. */
export function formOf(op: u32): Form {
  switch (op) {
    case op_null:
    case op_bool:
    case op_int:
    case op_double:
    case op_text:
    case op_timestamp:
    case op_duration:
      return Form.CONSTANT;
    case op_list:
      return Form.LIST;
    case op_caller:
    case op_claims:
    case op_variable:
    case op_has_variable:
    case op_request:
    case op_header:
    case op_has_header:
    case op_query:
    case op_has_query:
    case op_source_ip:
    case op_source_port:
    case op_destination_port:
    case op_now:
    case op_element:
    case op_body:
    case op_call:
      return Form.SOURCE;
    case op_select:
    case op_has:
    case op_not:
    case op_size:
    case op_to_timestamp:
    case op_to_int:
    case op_contains_ip:
    case op_in_texts:
    case op_in_networks:
      return Form.UNARY;
    case op_equal:
    case op_not_equal:
    case op_less:
    case op_less_equal:
    case op_greater:
    case op_greater_equal:
    case op_in:
    case op_index:
    case op_starts_with:
    case op_ends_with:
    case op_contains:
    case op_add:
    case op_subtract:
      return Form.BINARY;
    case op_lower:
    case op_words:
      return Form.COMPOSE_ONE;
    case op_join:
    case op_split:
      return Form.COMPOSE_TWO;
    case op_and:
    case op_or:
      return Form.LOGIC;
    case op_jump_if_false:
    case op_jump_if_true:
    case op_choose:
    case op_jump:
    case op_loop:
    case op_next:
      return Form.CONTROL;
    default:
      return Form.NONE;
  }
}
