/** The records of the image that say who is shut out for a while (see policy/layout.ts). */

/**
 * QUARANTINES, in the order of their names: name, mode, what a key is made of (run in SELECTORS), the reasons whose denials count
 * (a u64: bit n is reason n), how many of them within how many seconds shut a key out, for how many seconds, for how many at the most where
 * it happens again, keys that are let out (run in TEXTS: SPIFFE IDs, trust domains, addresses), the seed of its keys in shared data
 * (hash32 seed 0 of policy name, NUL, quarantine name), and, where its scope is the fleet, the names under which the fleet's rate limit
 * service counts denials and knows who is shut out: empty texts otherwise.
 */
export const quarantine_name_at: u32 = 0;
export const quarantine_mode_at: u32 = 8;
export const quarantine_per_at: u32 = 12;
export const quarantine_reasons_at: u32 = 20;
export const quarantine_denials_at: u32 = 28;
export const quarantine_within_seconds_at: u32 = 32;
export const quarantine_for_seconds_at: u32 = 36;
export const quarantine_max_seconds_at: u32 = 40;
export const quarantine_releases_at: u32 = 44;
export const quarantine_seed_at: u32 = 52;
export const quarantine_count_at: u32 = 56;
export const quarantine_shut_at: u32 = 64;
export const quarantine_record_bytes: u32 = 72;
