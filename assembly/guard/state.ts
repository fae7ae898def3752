/**
 * What a scan keeps of a stream between two chunks, in memory of the caller's: `stream_bytes` at a multiple of 16.
 *
 * Bytes that may begin something are held: the scan keeps a copy, and puts them before the next chunk. The context, what stands
 * before the byte where the scan goes on, is kept as it came, whatever the caller has made of it meanwhile.
 */
import { guard_held_bytes_max } from "../limits";
import { names_count } from "./nearby";

/** What detectors look at before the byte that they are asked about: a local part and a JSON escape, or the way to a name. */
export const context_bytes: u32 = 96;

/** A u64: the detectors that are asked for. */
export const wanted_at: u32 = 0;
/** A u64: how many bytes of the stream stand before those that are held. */
export const offset_at: u32 = 8;
/** The table of patterns; 0 for none. */
export const table_at: u32 = 16;
/** How many bytes are held; how many of those the scan has behind it already. */
export const held_size_at: u32 = 20;
export const ahead_at: u32 = 24;
/** From the end of the last finding to where the scan goes on, at most the context. */
export const floor_at: u32 = 28;
/** How the finding goes on that is under way (window.ts), its detector, and the hyphens before the next byte. */
export const rest_at: u32 = 32;
export const rest_detector_at: u32 = 36;
export const hyphens_at: u32 = 40;
export const names_at: u32 = 48;
export const context_at: u32 = names_at + names_count * 4;
export const held_at: u32 = context_at + context_bytes;
export const stream_bytes: u32 = held_at + guard_held_bytes_max;
if (stream_bytes % 16 != 0) ERROR("a stream's memory is cleared in blocks of sixteen bytes");

/** What must be free before a chunk, and what must be memory after it, in bytes: the one is written, the other never used. */
export const room_before_bytes: u32 = guard_held_bytes_max + context_bytes;
export const room_after_bytes: u32 = 32;
