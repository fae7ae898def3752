/**
 * Every bound of the engine: what it bounds, its unit, then `_max` or `_min`. What is chosen rather than bounded, a period or
 * a table's shape, ends in its unit; tests/build/bounds.test.ts has the list. The policy compiler reads this file too, so that
 * a policy the engine would refuse is refused where it is written. Nothing here may use AssemblyScript's own types.
 */

/** What one callback may take from the host: headers, decoded path and token, the signature's argument, shared data. */
export const arena_bytes_max: u32 = 393216;
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
/** The compact serialization of a token, as far as a policy may allow it (`tokenBytes`), and where it does not say. */
export const token_bytes_max: u32 = 57344;
export const usual_token_bytes_max: u32 = 16384;
/** A text of a policy that claims, headers and the like are compared with. */
export const policy_text_bytes_max: u32 = 8192;
export const signature_bytes_max: u32 = 1024;
/** Values, members and elements of one token part; of the claims as many for each `usual_token_bytes_max` that tokens may have. */
export const json_nodes_max: u32 = 1024;
export const claims_nodes_max: u32 = 4096;
export const json_members_max: u32 = 128;
export const json_depth_max: u32 = 16;
/** How much deeper a value may nest that nobody can read for its depth. */
export const json_unread_depth_max: u32 = 4096;
/** A GraphQL document, its tokens, and brackets that are open at a time. */
export const graphql_document_bytes_max: u32 = 1048576;
export const graphql_tokens_max: u32 = 16384;
export const graphql_nesting_max: u32 = 256;
/** A name in it; operations and fragments, a power of two; and distinct fragments that each of these spreads, together. */
export const graphql_name_bytes_max: u32 = 255;
export const graphql_definitions_max: u32 = 256;
export const graphql_edges_max: u32 = 1024;
/** Selections at the root of an operation. */
export const graphql_root_fields_max: u32 = 128;
/** SPIFFE-ID §2.3 and §2.1. */
export const spiffe_id_bytes_max: u32 = 2048;
export const trust_domain_bytes_max: u32 = 255;
/** The path of the property that says who the caller is. */
export const identity_path_bytes_max: u32 = 256;

/** Slots of a table one lookup looks at. Tables are at most half full, so that even the longest search of a large one is far shorter. */
export const slot_probes_max: u32 = 1024;
/** Nodes of the endpoint index one request may visit, and rules it may have to evaluate. */
export const index_visits_max: u32 = 4096;
export const candidate_rules_max: u32 = 1024;
/** Text on one side of a variable or a star in a segment; and ways in which such text is divided, at one node of the endpoint index. */
export const affix_bytes_max: u32 = 255;
export const node_shapes_max: u32 = 32;
/** Rules in shadow mode that one record tells of. */
export const shadow_rules_max: u32 = 8;
/** Distinct sets of callers one caller may be a member of. */
export const caller_groups_max: u32 = 256;
/** Segments of a caller pattern and labels of a host pattern: one bit of a mask each. */
export const pattern_segments_max: u32 = 31;
/** Ways of having `*` in a caller pattern before its end, by the number of segments and which they are: an ID is looked up by each. */
export const caller_shapes_max: u32 = 16;
/** Trust domains whose IDs are those of another. */
export const trust_aliases_max: u32 = 16;
/** Methods a policy may name; one more bit stands for every other method. */
export const policy_methods_max: u32 = 31;
export const policy_issuers_max: u32 = 256;
/** Values of `typ` beside the usual ones that the issuers of a policy accept: one bit of a mask each. */
export const policy_types_max: u32 = 28;
/** Claims that scopes may be read from, of one issuer. */
export const issuer_scope_claims_max: u32 = 8;
/** Tenants of one issuer, and claims that its `iss` is made of. */
export const issuer_tenants_max: u32 = 100000;
export const template_claims_max: u32 = 4;
/** Claims that one issuer declares, those inside others counted, and the part of a claim's name that the record has. */
export const issuer_claims_max: u32 = 64;
export const policy_claims_max: u32 = 16384;
export const claim_name_bytes_max: u32 = 128;
/** Places tokens may stand in, of a policy and of one issuer. */
export const policy_places_max: u32 = 16;
export const issuer_places_max: u32 = 8;
export const place_name_bytes_max: u32 = 64;
export const place_prefix_bytes_max: u32 = 64;
/** The realm of a challenge, and all that an issuer adds to one. */
export const realm_bytes_max: u32 = 256;
export const challenge_bytes_max: u32 = 1536;
export const policy_key_sets_max: u32 = 256;
/** Those of them that are fetched, which are the first ones. */
export const fetched_key_sets_max: u32 = 64;
/** Keys of one set, embedded or fetched. */
export const key_set_keys_max: u32 = 1024;
export const kid_bytes_max: u32 = 256;
/** Keys of one set that are tried on one token. */
export const key_candidates_max: u32 = 4;
/** A key of RSA 8192 bits takes 1,062 bytes as SubjectPublicKeyInfo. */
export const key_bytes_max: u32 = 1280;
export const policy_rules_max: u32 = 100000;
export const rule_limits_max: u32 = 8;
/** Rules with a metric of their own; the others share one, so that a policy cannot grow the host's statistics at will. */
export const rule_metrics_max: u32 = 1000;
export const name_bytes_max: u32 = 64;
/** Texts or networks of one named list. */
export const list_entries_max: u32 = 1000000;
/** A text of a set that something is looked up in, such as the tenants of an issuer. */
export const set_text_bytes_max: u32 = 1024;
/** Instructions of one condition. */
export const condition_instructions_max: u32 = 2048;
/** Elements of the lists that one condition writes out, together. */
export const condition_elements_max: u32 = 1024;
/** Values one condition holds at a time: such a list, and what stands around it. */
export const condition_values_max: u32 = 1088;
/** The longest header and the longest query that conditions read. */
export const condition_text_bytes_max: u32 = 8192;
/** Cost of one condition, and of all that one request may meet, in units of about one instruction (10 ns). */
export const condition_cost_max: u32 = 65536;
export const request_condition_cost_max: u32 = 1048576;
/** Parts that `split` and `words` make of a text: as many as a list of a token may have elements. */
export const split_elements_max: u32 = 1024;
/** The longest text that `contains` and `split` look for inside another. */
export const search_bytes_max: u32 = 1024;
/** Gateways whose word on their callers is taken. */
export const policy_forwarders_max: u32 = 16;
/** Headers that are set on admitted requests. */
export const policy_forwards_max: u32 = 16;
/** A header for the upstream that is made of a claim. */
export const forward_value_bytes_max: u32 = 8192;
export const header_name_bytes_max: u32 = 64;
/** A key set as its server sends it; a larger one is refused unread. */
export const jwks_bytes_max: u32 = 1048576;
export const key_url_bytes_max: u32 = 1024;
/** Hosts that a discovery document may say its keys are on, the issuer's own among them, and the largest such document. */
export const discovery_hosts_max: u32 = 4;
export const discovery_bytes_max: u32 = 65536;
/** The value of a header that a server of keys asks for. */
export const key_header_bytes_max: u32 = 4096;
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
/** Requests in flight of one limit: sets in shared data, each with an entry for each key and worker. A host may have so many workers. */
export const slot_sets: u32 = 1024;
export const slot_workers_max: u32 = 128;
export const limit_slots_max: u32 = 65535;
/** A worker is lost whose beat, one a second, has not changed for so many of another's. */
export const lost_worker_beats: u32 = 10;
/** How many hops a request may be let make at the most. */
export const limit_hops_max: u32 = 1000;
export const limit_burst_tokens_max: u32 = 1000000;
/** What one limit counts by. */
export const limit_parts_max: u32 = 8;
/** Tiers of one limit, and the text that chooses one. */
export const limit_tiers_max: u32 = 32;
export const tier_name_bytes_max: u32 = 256;
/** How long an empty bucket may take to fill: as long as a million tokens do of which one comes in an hour. */
export const limit_fill_nanoseconds_max = 3600000000000000000.0;
/** Requests a second at the most, so that one token is never less than a microsecond. */
export const limit_rate_per_second_max: u32 = 1000000;

/** How long the rate limit service of a fleet may take; the largest fleet; and how much one request asks it. */
export const fleet_deadline_milliseconds_max: u32 = 5000;
export const fleet_replicas_max: u32 = 10000;
export const fleet_question_bytes_max: u32 = 2048;
/** The name and the rate of a limit, as the service is told of them. */
export const fleet_limit_bytes_max: u32 = 96;
/** Failures in a row after which the service is left alone, and for how long, until one request asks it again. */
export const fleet_failures_max: u32 = 5;
export const fleet_rest_milliseconds: u32 = 1000;
/** Keys whose tokens of the fleet a worker can hold, and how long an entry without any is theirs. */
export const lease_entries_max: u32 = 256;
export const lease_nanoseconds_min: u32 = 1000000000;
/** Of what a fleet's limit has in a period, an Envoy's share of it (`replicas`) goes into so many blocks at least. */
export const lease_divisor: u32 = 15;
/** How much longer than its time an answer is waited for that the host does not tell of. */
export const fleet_lateness_milliseconds_max: u32 = 1000;

/** Quarantines of one policy, what one of them is kept per, and what it lets out by name. */
export const policy_quarantines_max: u32 = 8;
export const quarantine_per_max: u32 = 4;
export const quarantine_releases_max: u32 = 64;
/** Denials that shut a key out, within how long, and for how long. */
export const quarantine_denials_max: u32 = 1000;
export const quarantine_within_seconds_max: u32 = 3600;
export const quarantine_seconds_max: u32 = 86400;
/** Keys of one quarantine: sets in shared data, each with as many ways; and the times that are kept of one key's denials. */
export const quarantine_sets: u32 = 2048;
export const quarantine_ways: u32 = 8;
export const quarantine_times_max: u32 = 32;
/** Attempts at one compare-and-swap of such a set. */
export const quarantine_attempts_max: u32 = 8;
/**
 * Keys of which a worker knows when it last asked its fleet, and how often it does for one. The longest time of a quarantine of the fleet
 * is at most so many times its first, which is no shorter than its window nor than the least.
 */
export const quarantine_asks_max: u32 = 512;
export const quarantine_ask_seconds: u32 = 5;
export const quarantine_fleet_factor_max: u32 = 32;
export const quarantine_fleet_seconds_min: u32 = 20;

/** The audit record: room for everything it may hold, however much of that has to be escaped. */
export const record_bytes_max: u32 = 24576;
/** The part of a path, decoded, that the record has. */
export const record_path_bytes_max: u32 = 1024;
export const response_bytes_max: u32 = 4096;
export const log_bytes_max: u32 = 512;
/** What a line of log has of somebody else's words. */
export const blamed_bytes_max: u32 = 200;

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
/** Versions of signed policies: numbers of 32 bits. */
export const policy_version_max: u32 = 4294967295;
/** Attempts at one compare-and-swap of the version that is in force. */
export const version_attempts_max: u32 = 8;
/** Keys that a module may trust to sign its policies. */
export const trust_keys_max: u32 = 8;
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
/** Streams under way that one worker keeps something for, such as how much more of a body may come. */
export const held_entries_max: u32 = 16384;
/** Levels of two values that are compared: as deep as JSON nests, and a list written out a level deeper for each pair of brackets. */
export const compared_depth_max: u32 = 32;

/** A body that is read, by a policy that does not say more or less and at the most; the values in it; and calls of one request. */
export const body_bytes_usual: u32 = 65536;
export const body_bytes_max: u32 = 1048576;
export const body_nodes_max: u32 = 65536;
export const calls_max: u32 = 128;
/** The `id` of a call that an answer repeats, and the part of a call's name that the record has. */
export const call_id_bytes_max: u32 = 128;
export const record_call_bytes_max: u32 = 256;
/** Paths of one policy on which a protocol is spoken, and documents of GraphQL that are known by their hash, with their bytes. */
export const policy_protocols_max: u32 = 64;
export const policy_persisted_max: u32 = 10000;
/** An answer that lists tools, with the values in it; requests under way that list some, of one worker; and rules by which one may. */
export const answer_bytes_max: u32 = 262144;
export const answer_nodes_max: u32 = 32768;
export const listing_streams_max: u32 = 256;
export const listing_rules_max: u32 = 59;
/** How long a body may take from its first byte to its last, and how long the host may take to hand over the first one it ever holds. */
export const body_seconds_max: u32 = 15;
export const body_proof_milliseconds_max: u32 = 1000;
/** Bytes of bodies that the host holds for one worker, and those of one caller among them once half of that is taken. */
export const held_body_bytes_max: u32 = 67108864;
export const client_body_bytes_max: u32 = 16777216;

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
/** Keys left out of one set that have a line of log each. */
export const left_out_lines_max: u32 = 16;
/** Requests of one worker that wait for keys; of one client; of all clients without an identity together; and for how long. */
export const waiting_streams_max: u32 = 256;
export const client_streams_max: u32 = 64;
export const unidentified_streams_max: u32 = 128;
/** Those that may wait on a worker that has not been told of the end of any stream yet. */
export const untold_streams_max: u32 = 16;
export const key_wait_seconds_max: u32 = 5;
/** Key sets that one request waits for. */
export const awaited_key_sets_max: u32 = 4;
/** A policy's own literals and patterns that a guard looks for: how many, the bytes that one may match, states and bytes of their table. */
export const guard_patterns_max: u32 = 255;
export const guard_pattern_bytes_min: u32 = 3;
export const guard_pattern_bytes_max: u32 = 128;
export const guard_states_max: u32 = 2048;
export const guard_table_bytes_max: u32 = 131072;
/** Bytes of an answer that a guard keeps back until it knows whether they begin something. */
export const guard_held_bytes_max: u32 = 576;
