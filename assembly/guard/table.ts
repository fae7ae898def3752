/**
 * The table of a policy's own literals and patterns, which the policy compiler writes (scripts/policy/guard/table.ts). Both compilers
 * read this file.
 *
 * The table, all numbers little-endian:
 *
 *   0                      16               80              336                336 + 2 s          336 + 2 s + 2 s c
 *   +----------------------+----------------+---------------+------------------+------------------+
 *   | magic, size, states  | the first two  | the class of  | what each state  | the next state   |
 *   | s, classes c, longest| bytes' filter  | each byte     | accepts          | by state, class  |
 *   +----------------------+----------------+---------------+------------------+------------------+
 *
 * State 0 is the end of every way. A match begins in state 1 inside a word, where patterns that begin with `\b` have no way, else in
 * state 2. Of the two bytes that say what a state accepts the first holds whatever follows, the second where no word goes on; each is
 * 0, or the number of a pattern and one. Filters are as those of words.ts.
 */
export const pattern_magic: u32 = 0x44644753;
export const pattern_size_at: u32 = 4;
export const pattern_states_at: u32 = 8;
export const pattern_classes_at: u32 = 10;
export const pattern_longest_at: u32 = 12;
export const pattern_filter_at: u32 = 16;
export const pattern_classes_of_bytes_at: u32 = 80;
export const pattern_accepts_at: u32 = 336;
