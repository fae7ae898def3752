/** Named lists of the policy: whether a text, or an address, is in one. Each leaves its outcome in the cell that it looks at. */
import * as layout from "../policy/layout";
import { Policy, recordAt } from "../policy/policy";
import { findMember, not_found } from "../policy/table";
import { address, parseAddress } from "./address";
import { kindOf, setBool, setError, sizeOf, startOf, ValueKind } from "./value";

/** The low half of `::ffff:0:0` (RFC 4291 §2.5.5.2). */
const mapped_low: u64 = 0xffff00000000;

/** Whether a text is in a text set; an error for anything but a text, since a list of texts says nothing of it. */
export function isInTexts(cell: usize, policy: Policy, set: u32): void {
  if (kindOf(cell) != ValueKind.STRING) setError(cell);
  else setBool(cell, findMember(policy, set, startOf(cell), sizeOf(cell)) != not_found);
}

/** Whether an address is in a network set; an error for what is none. */
export function isInNetworks(cell: usize, policy: Policy, set: u32): void {
  const found = kindOf(cell) == ValueKind.STRING ? parseAddress(startOf(cell), sizeOf(cell)) : 0;
  if (found == 0) {
    setError(cell);
    return;
  }
  const high: u64 = found == 4 ? 0 : bswap(load<u64>(address));
  const low: u64 = found == 4 ? mapped_low | <u64>bswap(load<u32>(address)) : bswap(load<u64>(address, 8));
  const run = recordAt(policy, layout.section_network_sets, set) + layout.network_set_ranges_at;
  let first = load<u32>(run);
  const end = first + load<u32>(run, 4);
  // The last range that begins at the address or before it is the one that could hold it.
  let last = end;
  while (first < last) {
    const middle = (first + last) >> 1;
    const range = recordAt(policy, layout.section_ranges, middle);
    const isBefore = isAtMost(
      load<u64>(range, layout.range_first_high_at),
      load<u64>(range, layout.range_first_low_at),
      high,
      low,
    );
    if (isBefore) first = middle + 1;
    else last = middle;
  }
  if (first == load<u32>(run)) {
    setBool(cell, false);
    return;
  }
  const range = recordAt(policy, layout.section_ranges, first - 1);
  setBool(
    cell,
    isAtMost(high, low, load<u64>(range, layout.range_last_high_at), load<u64>(range, layout.range_last_low_at)),
  );
}

function isAtMost(high: u64, low: u64, otherHigh: u64, otherLow: u64): bool {
  return high < otherHigh || (high == otherHigh && low <= otherLow);
}
