/** The records of the image that conditions are made of: instructions, and the sets that they look up in (see policy/layout.ts). */

/** TEXT_SETS: its members (run in MEMBERS), at least one; those of each set follow those of the set before. */
export const text_set_members_at: u32 = 0;
export const text_set_record_bytes: u32 = 8;

/** MEMBERS: the text set's number, text. */
export const member_set_at: u32 = 0;
export const member_text_at: u32 = 4;
export const member_record_bytes: u32 = 12;

/** NETWORK_SETS: its ranges (run in RANGES), at least one; those of each set follow those of the set before. */
export const network_set_ranges_at: u32 = 0;
export const network_set_record_bytes: u32 = 8;

/**
 * RANGES: the first and the last address, each two u64 of 64 bits. IPv4 stands as `::ffff:a.b.c.d`, and nothing else does there. Those of
 * a set are in ascending order and share no address.
 */
export const range_first_high_at: u32 = 0;
export const range_first_low_at: u32 = 8;
export const range_last_high_at: u32 = 16;
export const range_last_low_at: u32 = 24;
export const range_record_bytes: u32 = 32;

/** INSTRUCTIONS: see policy/instructions.ts. */
export const instruction_opcode_at: u32 = 0;
export const instruction_a_at: u32 = 4;
export const instruction_b_at: u32 = 8;
export const instruction_c_at: u32 = 12;
export const instruction_record_bytes: u32 = 16;
