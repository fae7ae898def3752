/** IP addresses as text (RFC 4291 §2.2, RFC 6943 §3.1.1), and whether a network holds them. */
import { hexDigit, sameBytes } from "../bytes/span";

/** The address last parsed, in network order. */
export const address: usize = memory.data(16);

/** The first 12 bytes of an IPv4 address that is written as an IPv6 one (RFC 4291 §2.5.5.2). */
const mapped_bytes: u32 = 12;

/** Parses an address into `address`. Its size: 4, 16, or 0 where it is none. An IPv4-mapped one is the IPv4 address it stands for. */
export function parseAddress(start: usize, size: u32): u32 {
  for (let index: u32 = 0; index < size; index++) {
    if (load<u8>(start + index) == 0x3a) return parseSix(start, start + size);
  }
  return parseFour(start, start + size, address) ? 4 : 0;
}

/** Leaves of the address last parsed, of `size` bytes, its first `bits`. */
export function cutAddress(size: u32, bits: u32): void {
  for (let index: u32 = 0; index < size; index++) {
    const left = max(<i32>bits - <i32>(index << 3), 0);
    if (left < 8) store<u8>(address + index, load<u8>(address + index) & (0xff00 >> left));
  }
}

/** Whether a network, `size` bytes at `network` of which the first `prefix` bits count, holds the address last parsed. */
export function isInNetwork(network: usize, prefix: u32): bool {
  const whole = prefix >> 3;
  if (!sameBytes(network, address, whole)) return false;
  const rest = prefix & 7;
  if (rest == 0) return true;
  const mask = 0xff ^ ((1 << (8 - rest)) - 1);
  return ((<u32>load<u8>(network + whole) ^ <u32>load<u8>(address + whole)) & mask) == 0;
}

/** Four decimal numbers without leading zeros, which some read as octal. */
function parseFour(start: usize, end: usize, to: usize): bool {
  let cursor = start;
  for (let part: u32 = 0; part < 4; part++) {
    if (part > 0) {
      if (cursor >= end || load<u8>(cursor) != 0x2e) return false;
      cursor++;
    }
    const first = cursor;
    let value: u32 = 0;
    while (cursor < end && <u32>load<u8>(cursor) - 0x30 < 10 && cursor - first < 3) {
      value = value * 10 + (<u32>load<u8>(cursor) - 0x30);
      cursor++;
    }
    if (cursor == first || value > 255 || (cursor - first > 1 && load<u8>(first) == 0x30)) return false;
    store<u8>(to + part, value);
  }
  return cursor == end;
}

function parseSix(start: usize, end: usize): u32 {
  memory.fill(address, 0, 16);
  let cursor = start;
  let filled: u32 = 0;
  // Where `::` stands: so many bytes come before it.
  let gap: u32 = 17;
  if (end - cursor >= 2 && load<u16>(cursor) == 0x3a3a) {
    gap = 0;
    cursor += 2;
  }
  while (cursor < end) {
    const group = cursor;
    let value: u32 = 0;
    while (cursor < end && cursor - group < 4 && hexDigit(load<u8>(cursor)) >= 0) {
      value = (value << 4) | <u32>hexDigit(load<u8>(cursor));
      cursor++;
    }
    if (cursor < end && load<u8>(cursor) == 0x2e) {
      if (filled > 12 || !parseFour(group, end, address + filled)) return 0;
      filled += 4;
      break;
    }
    if (cursor == group || filled > 14) return 0;
    store<u8>(address + filled, value >> 8);
    store<u8>(address + filled + 1, value & 0xff);
    filled += 2;
    if (cursor == end) break;
    if (load<u8>(cursor) != 0x3a || ++cursor == end) return 0;
    if (load<u8>(cursor) != 0x3a) continue;
    if (gap <= 16) return 0;
    gap = filled;
    cursor++;
  }
  if (gap > 16) return filled == 16 ? unmapped() : 0;
  if (filled > 14) return 0;
  const after = filled - gap;
  memory.copy(address + 16 - after, address + gap, after);
  memory.fill(address + gap, 0, 16 - filled);
  return unmapped();
}

function unmapped(): u32 {
  const isMapped = load<u64>(address) == 0 && load<u32>(address, 8) == 0xffff0000;
  if (!isMapped) return 16;
  memory.copy(address, address + mapped_bytes, 4);
  return 4;
}
