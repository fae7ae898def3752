/** Characters that stand for themselves in a JSON string, for whoever writes one (bytes/writer.ts) and whoever reads one. */

/** Where the run of ASCII characters ends that need no escape, DEL not among them: sixteen at a time. */
export function endOfPlain(start: usize, end: usize): usize {
  while (start + 16 <= end) {
    const special = specialBytes(start);
    if (special != 0) return start + <usize>ctz(special);
    start += 16;
  }
  const rest = <u32>(end - start);
  if (rest == 0) return end;
  // As in `indexOfByte`: the block that ends with the run, without what stands before its rest.
  const special = specialBytes(end - 16) >> (16 - rest);
  return special == 0 ? end : start + <usize>ctz(special);
}

/** A bit for each of sixteen bytes that a JSON string must escape, or that is no ASCII. */
function specialBytes(start: usize): u32 {
  const bytes = v128.load(start);
  // As signed numbers, bytes above ASCII are below 0x20 too.
  const low = i8x16.lt_s(bytes, i8x16.splat(0x20));
  const quote = i8x16.eq(bytes, i8x16.splat(0x22));
  const backslash = i8x16.eq(bytes, i8x16.splat(0x5c));
  const erase = i8x16.eq(bytes, i8x16.splat(0x7f));
  return <u32>i8x16.bitmask(v128.or(v128.or(low, quote), v128.or(backslash, erase)));
}
