/**
 * Every bound of the engine: what it bounds, its unit, then `_max` or `_min`. What is chosen rather than bounded, a period or
 * a table's shape, ends in its unit; tests/build/bounds.test.ts has the list. The policy compiler reads this file too, so that
 * a policy the engine would refuse is refused where it is written. Nothing here may use AssemblyScript's own types.
 */

/** What one callback may take from the host: headers, decoded path and token, the signature's argument, shared data. */
export const arena_bytes_max: u32 = 262144;
/** What a function of the host may return: a verdict, and an error's text. */
export const foreign_result_bytes_max: u32 = 1024;
/** Envoy's own default is 60 KiB of headers; the serialized pairs add 10 bytes a header. */
export const header_pairs_bytes_max: u32 = 65536;
/** The path without its query, as received. */
export const path_bytes_max: u32 = 8192;
export const path_segments_max: u32 = 128;
/** A host name without its port (RFC 1035 §2.3.4). */
export const host_bytes_max: u32 = 255;
export const method_bytes_max: u32 = 32;
/** The compact serialization of a token. */
export const token_bytes_max: u32 = 8192;
export const signature_bytes_max: u32 = 1024;
/** Values, members and elements of one token part. */
export const json_nodes_max: u32 = 1024;
export const json_members_max: u32 = 128;
export const json_depth_max: u32 = 16;
/** SPIFFE-ID §2.3 and §2.1. */
export const spiffe_id_bytes_max: u32 = 2048;
export const trust_domain_bytes_max: u32 = 255;

/** Slots of a table one lookup looks at. Tables are at most half full, so that even the longest search of a large one is far shorter. */
export const slot_probes_max: u32 = 1024;
/** Nodes of the endpoint index one request may visit, and rules it may have to evaluate. */
export const index_visits_max: u32 = 4096;
export const candidate_rules_max: u32 = 1024;
/** Rules in shadow mode that one record tells of. */
export const shadow_rules_max: u32 = 8;
/** Distinct sets of callers one caller may be a member of. */
export const caller_groups_max: u32 = 256;
/** Segments of a caller pattern and labels of a host pattern: one bit of a mask each. */
export const pattern_segments_max: u32 = 31;
/** Methods a policy may name; one more bit stands for every other method. */
export const policy_methods_max: u32 = 31;
export const policy_issuers_max: u32 = 64;
/** Places tokens may stand in, of a policy and of one issuer. */
export const policy_places_max: u32 = 16;
export const issuer_places_max: u32 = 8;
export const place_name_bytes_max: u32 = 64;
export const place_prefix_bytes_max: u32 = 64;
export const policy_key_sets_max: u32 = 64;
/** Keys of one set, embedded or fetched. */
export const key_set_keys_max: u32 = 1024;
export const kid_bytes_max: u32 = 256;
/** A key of RSA 8192 bits takes 1,062 bytes as SubjectPublicKeyInfo. */
export const key_bytes_max: u32 = 1280;
export const policy_rules_max: u32 = 100000;
export const rule_limits_max: u32 = 8;
/** Rules with a metric of their own; the others share one, so that a policy cannot grow the host's statistics at will. */
export const rule_metrics_max: u32 = 1000;
export const name_bytes_max: u32 = 64;
/** Instructions of one condition. */
export const condition_instructions_max: u32 = 1024;
/** Values one condition holds at a time, and elements of the lists it writes out. */
export const condition_values_max: u32 = 256;
/** The longest header and the longest query that conditions read. */
export const condition_text_bytes_max: u32 = 8192;
/** Cost of one condition, and of all that one request may meet, in units of about one instruction (10 ns). */
export const condition_cost_max: u32 = 65536;
export const request_condition_cost_max: u32 = 1048576;
/** The longest text that `contains` looks for inside another. */
export const search_bytes_max: u32 = 1024;
/** Gateways whose word on their callers is taken. */
export const policy_forwarders_max: u32 = 16;
/** Headers that are set on admitted requests. */
export const policy_forwards_max: u32 = 16;
export const header_name_bytes_max: u32 = 64;
/** A key set as its server sends it; a larger one is refused unread. */
export const jwks_bytes_max: u32 = 1048576;
export const key_url_bytes_max: u32 = 1024;
export const cluster_name_bytes_max: u32 = 256;
/** How often a key set may be fetched, and how often it is where the policy does not say. */
export const refresh_seconds_min: u32 = 1;
export const refresh_seconds_max: u32 = 86400;
/** The widest leeway an issuer may ask for. */
export const leeway_seconds_max: u32 = 300;

/** Buckets of one limit: sets in shared data, each with as many ways, and one more for keys that find no room. */
export const bucket_sets: u32 = 4096;
export const bucket_ways: u32 = 15;
/** By how much the times may differ that workers read and then judge one bucket by. A difference beyond is a clock that jumped. */
export const clock_skew_nanoseconds_max: u32 = 2000000000;
/** Attempts at one compare-and-swap before the request is denied. */
export const bucket_attempts_max: u32 = 32;
/** A worker takes a token ahead from a bucket for so many of its burst, and so many tokens at the most. */
export const reservation_divisor: u32 = 1000;
export const reservation_tokens_max: u32 = 64;
/** A worker that found a bucket empty asks for it again after so long at the latest. */
export const empty_nanoseconds_max: u32 = 1000000000;
/** Keys whose tokens a worker can hold, or whose buckets it can remember to be empty. */
export const reservation_entries_max: u32 = 256;
export const limit_burst_tokens_max: u32 = 1000000;
/** Requests a second at the most, so that one token is never less than a microsecond. */
export const limit_rate_per_second_max: u32 = 1000000;

/** The audit record: room for everything it may hold, however much of that has to be escaped. */
export const record_bytes_max: u32 = 16384;
/** The part of a path, decoded, that the record has. */
export const record_path_bytes_max: u32 = 1024;
export const response_bytes_max: u32 = 2048;
export const log_bytes_max: u32 = 512;

export const image_bytes_max: u32 = 268435456;
/** Root contexts whose configuration found no memory and is tried again, and how often it is. */
export const shortages_max: u32 = 32;
export const shortage_retry_seconds: u32 = 1;
/** A configuration that needs no region, since no policy can be in it. */
export const short_configuration_bytes_max: u32 = 256;
/** Longer ones that found no memory, kept in shared data meanwhile: how many at a time, the largest, and what it is cut into. */
export const parking_places_max: u32 = 4;
export const parked_bytes_max: u32 = 67108864;
export const parked_chunk_bytes_max: u32 = 131072;
/** Attempts at one compare-and-swap of a place's head, and how long nobody claims a place that its last holder left. */
export const parking_attempts_max: u32 = 8;
export const parking_quiet_seconds_min: u32 = 10;
/** The room kept for `literal` texts, filled while the module initializes. */
export const literals_bytes_max: u32 = 6144;
/** Callers whose groups are kept, of each policy. */
export const known_callers_max: u32 = 64;
/** Tokens that were verified, all key sets of a policy together, and at least for each of them. */
export const known_tokens_bytes_max: u32 = 2097152;
export const known_tokens_bytes_min: u32 = 131072;
/** Bytes of cached tokens that are moved at the most to make room for one. */
export const token_moved_bytes_max: u32 = 131072;
/** How often a cached token goes to the front before it must have been used again; one that was never used does so once. */
export const token_moves_max: u32 = 8;
/** Policies of a VM that keep the tokens they verified, the newest; older ones, which are draining, verify each anew. */
export const policies_with_known_tokens_max: u32 = 16;

/** Bytes of a caller that is no SPIFFE ID, and of a token's subject, in the record. */
export const subject_bytes_max: u32 = 256;
/** Streams whose root context is held at once, a power of two; one whose slot a later stream took has no policy. */
export const held_streams_max: u32 = 4096;
/** Levels of two values that are compared: as deep as JSON nests, and a list written out a level deeper for each pair of brackets. */
export const compared_depth_max: u32 = 32;

/** How late counts may be that are handed over to the host, in milliseconds. */
export const count_tick_milliseconds: u32 = 1000;

/** How often each worker looks whether key sets are due, or have come, in milliseconds. */
export const key_tick_milliseconds: u32 = 200;
/** How long the server of a key set may take. */
export const key_fetch_milliseconds_max: u32 = 5000;
/** How long others wait for a worker that fetches and gives no sign of life; it gives one half way through. */
export const key_lease_seconds_max: u32 = 2;
/** After how long a callout that the host has not answered counts as lost. */
export const key_callout_seconds_max: u32 = 8;
/** How far apart the clocks of two threads may read; what lies further ahead was written before the clock stepped back. */
export const clock_skew_milliseconds_max: u32 = 1000;
/** Ticks after which a worker that cannot take over what another one fetched stops using the keys it had. */
export const key_takeover_attempts_max: u32 = 5;
/** Between two fetches that unknown keys ask for; the shortest and the longest wait after a failure. */
export const key_interval_seconds_min: u32 = 2;
/** The same while the server fails. */
export const key_failing_interval_seconds_min: u32 = 8;
export const backoff_seconds_min: u32 = 1;
export const backoff_seconds_max: u32 = 64;
/** A key set is kept at least as long, whatever its server says of its age. */
export const max_age_seconds_min: u32 = 10;
export const etag_bytes_max: u32 = 128;
/** Values of a key set's JSON. */
export const jwks_nodes_max: u32 = 32768;
/** Requests of one worker that wait for keys; of one client; of all clients without an identity together; and for how long. */
export const waiting_streams_max: u32 = 256;
export const client_streams_max: u32 = 64;
export const unidentified_streams_max: u32 = 128;
/** Those that may wait on a worker that has not been told of the end of any stream yet. */
export const untold_streams_max: u32 = 16;
export const key_wait_seconds_max: u32 = 5;
/** Key sets that one request waits for. */
export const awaited_key_sets_max: u32 = 4;
