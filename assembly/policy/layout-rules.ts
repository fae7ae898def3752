/** The records of the image that say what a rule asks and does: rules, limits, and what is forwarded (see policy/layout.ts). */

/**
 * RULES, in the order of their names: name, action, issuers (run in WORDS), scopes (run in TEXTS), the scopes joined by spaces,
 * limits (run in WORDS), mode, tokens taken from each limit, and the seconds since 1970 from which and before which the
 * rule holds, each a u64; 0 for always and for ever; the condition (run in INSTRUCTIONS, empty for none) and how many path
 * variables it reads; whether the token may be absent; and whether all scopes must be held, or one of them. Where the cost is
 * calculated (run in INSTRUCTIONS, empty for none), it takes no more than the cost that stands here. Then what of a body it reads, and
 * the names of the tools that its endpoints of MCP admit (run in TEXTS): whole, or with `*` at their end.
 */
export const rule_name_at: u32 = 0;
export const rule_action_at: u32 = 8;
export const rule_issuers_at: u32 = 12;
export const rule_scopes_at: u32 = 20;
export const rule_challenge_at: u32 = 28;
export const rule_limits_at: u32 = 36;
export const rule_mode_at: u32 = 44;
export const rule_cost_at: u32 = 48;
export const rule_starts_seconds_at: u32 = 52;
export const rule_expires_seconds_at: u32 = 60;
export const rule_condition_at: u32 = 68;
export const rule_variables_at: u32 = 76;
export const rule_token_at: u32 = 80;
export const rule_held_at: u32 = 84;
/** The forms of paths that an allow rule takes (`form_slash` and the like), whether its endpoints, or a deny rule's, are folded, and whether its condition reads the path. */
export const rule_forms_at: u32 = 88;
/** The names of the rule's variables in their order, where its limits count by some or headers tell of some (run in TEXTS); else none. */
export const rule_variable_names_at: u32 = 92;
/** How large a request may be: where its `sizes` words begin in WORDS, + 1; 0 for a rule that sets no bound. */
export const rule_sizes_at: u32 = 100;
export const rule_cost_condition_at: u32 = 104;
export const rule_reads_at: u32 = 112;
export const rule_tools_at: u32 = 116;
export const rule_record_bytes: u32 = 124;
/** Its condition, or its cost, reads the body as JSON; or parts of a call; or some of its endpoints are calls. Such a rule bounds the body. */
export const reads_body: u32 = 1;
export const reads_call: u32 = 2;
export const reads_endpoint: u32 = 4;
/** The words of a rule's bounds, in bytes: all names and values of headers together, the query, and the body. */
export const sizes_headers: u32 = 0;
export const sizes_query: u32 = 1;
export const sizes_body: u32 = 2;
export const sizes_words: u32 = 3;
/** No bound. */
export const size_any: u32 = 0xffffffff;
export const held_all: u32 = 0;
export const held_any: u32 = 1;
/** A path ends in a slash; has an encoded slash, an empty segment, or a semicolon. */
export const form_slash: u32 = 1;
export const form_encoded_slash: u32 = 2;
export const form_empty: u32 = 4;
export const form_semicolon: u32 = 8;
/** A segment hides a `.` or `..` behind one of the others; no rule takes that. */
export const form_dots: u32 = 16;
/** A path with a slash at the end is another one than without: the rule's endpoints say which, by an empty segment at their end. */
export const form_distinct: u32 = 32;
/** Endpoints are folded (policy/folding.ts), and so is what is matched with them. */
export const form_case: u32 = 64;
/** Its condition reads the path: a deny rule is evaluated for every reading of it that one of its endpoints matches. */
export const form_read: u32 = 128;
export const action_allow: u32 = 0;
export const action_deny: u32 = 1;
export const token_required: u32 = 0;
/** Without a token the rule holds too, with claims that have nothing in them. */
export const token_optional: u32 = 1;

/**
 * LIMITS: name, nanoseconds between two tokens (low and high word of a u64), burst, `per` (run in SELECTORS),
 * the value of `RateLimit-Policy`, the seed of its bucket keys (hash32 seed 0 of policy name, NUL, limit name), what the fleet's
 * rate limit service knows it by, which is empty for a limit of one Envoy, what holds while that service does not answer,
 * and how many tokens of it a worker asks for at a time at the most, 0 where each request asks, and which answers
 * tell of it. Interval
 * and burst of a limit of the fleet are those of each Envoy's share.
 */
export const limit_name_at: u32 = 0;
export const limit_interval_nanoseconds_at: u32 = 8;
export const limit_burst_tokens_at: u32 = 16;
export const limit_per_at: u32 = 20;
export const limit_header_at: u32 = 28;
export const limit_seed_at: u32 = 36;
export const limit_fleet_at: u32 = 40;
export const limit_error_at: u32 = 48;
export const limit_lease_tokens_at: u32 = 52;
/** Whether the limit takes part in decisions, and what becomes of a request that lacks something it counts by. */
export const limit_mode_at: u32 = 56;
export const limit_absent_at: u32 = 60;
export const limit_headers_at: u32 = 64;
/** Which of its tiers holds: the selector of one text (its number in SELECTORS, + 1; 0 for none), and a run in TIERS. */
export const limit_tier_at: u32 = 68;
export const limit_tiers_at: u32 = 72;
export const absent_share: u32 = 0;
export const absent_deny: u32 = 1;
/** Which answers have headers that tell of the limit: those of requests that it has no room for, or those of admitted ones too. */
export const headers_denied: u32 = 0;
export const headers_always: u32 = 1;
/** What it counts: tokens of buckets, requests in flight, or the hops that a request has made, by a header (in place of `RateLimit-Policy`). */
export const limit_kind_at: u32 = 80;
export const limit_record_bytes: u32 = 84;
export const limit_rate: u32 = 0;
export const limit_concurrency: u32 = 1;
export const limit_hops: u32 = 2;
export const error_local: u32 = 0;
export const error_deny: u32 = 1;
export const error_allow: u32 = 2;

/** TIERS: the text that chooses it, and the limit that then holds, a record of LIMITS that no rule names. */
export const tier_name_at: u32 = 0;
export const tier_limit_at: u32 = 8;
export const tier_record_bytes: u32 = 12;

/**
 * SELECTORS: what a bucket is kept for: kind, the names that lead to a claim, the name of a variable or of a header in lower case (run in
 * TEXTS), and how many bits of an IPv4 and of an IPv6 address count.
 */
export const selector_kind_at: u32 = 0;
export const selector_path_at: u32 = 4;
export const selector_four_bits_at: u32 = 12;
export const selector_six_bits_at: u32 = 16;
export const selector_record_bytes: u32 = 20;
export const selector_caller: u32 = 0;
export const selector_claim: u32 = 1;
export const selector_trust_domain: u32 = 2;
export const selector_variable: u32 = 3;
export const selector_header: u32 = 4;
export const selector_source: u32 = 5;
/** The rule, by its name; the host and the method, as the request has them. */
export const selector_rule: u32 = 6;
export const selector_host: u32 = 7;
export const selector_method: u32 = 8;

/** FORWARDS: header name in lower case, where its value comes from, and for a claim the names that lead to it (run in TEXTS, none for all claims) and the form that it has; for a capture the one name that the rule's variable has. */
export const forward_name_at: u32 = 0;
export const forward_kind_at: u32 = 8;
export const forward_path_at: u32 = 12;
export const forward_as_at: u32 = 20;
export const forward_record_bytes: u32 = 24;
export const forward_caller_id: u32 = 0;
export const forward_trust_domain: u32 = 1;
export const forward_caller_path: u32 = 2;
export const forward_claim: u32 = 3;
export const forward_capture: u32 = 4;

/** As it is; the elements of a list with commas between them; JSON; that in base64url, all claims as the token has them. */
export const as_plain: u32 = 0;
export const as_comma: u32 = 1;
export const as_json: u32 = 2;
export const as_base64url: u32 = 3;
