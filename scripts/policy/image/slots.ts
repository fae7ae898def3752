/** The hash tables of an image: open addressing over records, searched slot by slot (assembly/policy/table.ts). */

/**
 * The slots of a table over records with these hashes. A table is at most half full, so that searches stay short.
 * @returns in each slot the record's number and one, or 0
 */
export function slotsOf(hashes: readonly number[]): Uint32Array {
  let size = 2;
  while (size < hashes.length * 2) size *= 2;
  const slots = new Uint32Array(size);
  for (const [record, hash] of hashes.entries()) {
    let slot = hash & (size - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (size - 1);
    slots[slot] = record + 1;
  }
  return slots;
}
