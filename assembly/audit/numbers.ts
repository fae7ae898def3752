/**
 * The host's numbers for metrics, by name, for as long as the VM lives. Envoy gives a new number to every definition, also of a
 * name it knows, and never takes one back (source/extensions/common/wasm/context.cc, `defineMetric`), so a configuration that is
 * loaded again must not define its metrics again. A table with open addressing, at most three quarters full:
 *
 *   0                 8        12        16
 *   +-----------------+--------+---------+
 *   | hash of a name  | number | 1: taken|
 *   +-----------------+--------+---------+
 *
 * Names are told apart by 64 bits of SipHash alone. They come from the policy's author, who has nothing to win from two alike.
 */
import { sipHash } from "../bytes/siphash";
import { defineMetric } from "../host/host";
import { giveRegion, takeRegion } from "../host/region";

const entry_bytes: u32 = 16;
const entries_min: u32 = 1024;

let table: usize = 0;
let entries: u32 = 0;
let taken: u32 = 0;

/** The number of a metric, which is defined if it is new to this VM; -1 when the host refuses. */
export function numberOfMetric(isGauge: bool, name: usize, nameSize: u32): i64 {
  const hash = sipHash(isGauge ? 1 : 0, nameSize, name, nameSize);
  if (taken * 4 >= entries * 3) growTable();
  // Without memory for a larger table the metric is defined all the same: counting matters more than what it leaves behind.
  if (taken * 4 >= entries * 3) return defineMetric(isGauge, name, nameSize);
  const entry = findEntry(hash);
  if (load<u32>(entry, 12) != 0) return <i64>load<u32>(entry, 8);
  const number = defineMetric(isGauge, name, nameSize);
  if (number >= 0) keep(entry, hash, <u32>number);
  return number;
}

/** The entry of a name, or the free one that it would take. */
function findEntry(hash: u64): usize {
  const mask = entries - 1;
  let index = <u32>hash & mask;
  while (true) {
    const entry = table + <usize>index * entry_bytes;
    if (load<u32>(entry, 12) == 0 || load<u64>(entry) == hash) return entry;
    index = (index + 1) & mask;
  }
}

function keep(entry: usize, hash: u64, number: u32): void {
  store<u64>(entry, hash);
  store<u32>(entry, number, 8);
  store<u32>(entry, 1, 12);
  taken++;
}

function growTable(): void {
  const before = table;
  const count = entries;
  const wanted = count == 0 ? entries_min : count * 2;
  const region = takeRegion(<usize>wanted * entry_bytes);
  if (region == 0) return;
  table = region;
  entries = wanted;
  taken = 0;
  for (let index: u32 = 0; index < count; index++) {
    const entry = before + <usize>index * entry_bytes;
    if (load<u32>(entry, 12) == 0) continue;
    const hash = load<u64>(entry);
    keep(findEntry(hash), hash, load<u32>(entry, 8));
  }
  giveRegion(before);
}
