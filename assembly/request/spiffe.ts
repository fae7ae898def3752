/**
 * SPIFFE IDs (SPIFFE-ID.md §2): `spiffe://`, a trust domain of lower-case letters, digits, dots, dashes and underscores,
 * and a path whose segments add upper-case letters; no empty segment, none of one or two dots, no trailing slash, no query,
 * no fragment, no percent-encoding.
 */
import { literal } from "../bytes/literal";
import { isNameByte, startsWithLiteral } from "../bytes/span";
import { spiffe_id_bytes_max, trust_domain_bytes_max } from "../limits";

const scheme = literal("spiffe://");
/** Where the trust domain begins in every ID. */
export const trust_domain_offset: u32 = 9;

/** The size in bytes of the trust domain of a workload's ID; 0 when it is not a valid one. A workload's ID has a path (X509-SVID.md §3.1). */
export function trustDomainBytes(start: usize, size: u32): u32 {
  if (size > spiffe_id_bytes_max || !startsWithLiteral(start, size, scheme)) return 0;
  let cursor = trust_domain_offset;
  while (cursor < size && isNameByte(load<u8>(start + cursor))) cursor++;
  const domain = cursor - trust_domain_offset;
  if (domain == 0 || domain > trust_domain_bytes_max || cursor == size) return 0;
  return isPath(start + cursor, size - cursor) ? domain : 0;
}

function isPath(start: usize, size: u32): bool {
  let cursor: u32 = 0;
  while (cursor < size) {
    if (load<u8>(start + cursor) != 0x2f) return false;
    const segment = ++cursor;
    let dots: u32 = 0;
    while (cursor < size) {
      const byte = <u32>load<u8>(start + cursor);
      if (!isNameByte(byte) && byte - 0x41 >= 26) break;
      if (byte == 0x2e) dots++;
      cursor++;
    }
    const bytes = cursor - segment;
    if (bytes == 0 || (dots == bytes && bytes <= 2)) return false;
  }
  return true;
}
