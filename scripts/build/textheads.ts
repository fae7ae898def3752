/**
 * The heads of static texts, taken out of a module. AssemblyScript puts five words before each text, for its memory management and its
 * types, of which code as ours reads the last alone, the text's size:
 *
 *   0            4        12                    16       20
 *   +------------+--------+---------------------+--------+------+
 *   | block size | 0, 0   | type: 2, for texts  | size   | text |
 *   +------------+--------+---------------------+--------+------+
 *
 * The compiler leaves out runs of zeros, so that each text is two data segments. Without its block's size and its type, it is one, and
 * both are zero in memory. Nobody asks for them: nothing static is freed or moved, and no value has a type of its own at run time.
 */
import {
  type DataSegment,
  readData,
  readSections,
  section_data,
  section_data_count,
  signedAddress,
  unsigned,
} from "../policy/module/wasm.ts";

const type_at = 12;
const type_of_text = Uint8Array.of(2, 0, 0, 0);

/** The module without the heads of its texts, as far as nothing needs them. @throws where a data segment has no fixed address */
export function withoutTextHeads(module: Uint8Array): Uint8Array {
  const sections = readSections(module);
  const { segments, count } = readData(module, sections);
  if (segments.length !== count) throw new Error("a data segment of the engine has no fixed address");
  const kept = trimTexts(segments);
  const parts: Uint8Array[] = [module.subarray(0, 8)];
  const add = (id: number, content: Uint8Array): void => {
    parts.push(Uint8Array.from([id, ...unsigned(content.length)]), content);
  };
  for (const { id, head, end } of sections) {
    if (id === section_data_count) add(id, Uint8Array.from(unsigned(kept.length)));
    else if (id === section_data)
      add(id, Buffer.concat([Uint8Array.from(unsigned(kept.length)), ...kept.map(segmentBytes)]));
    else parts.push(module.subarray(head, end));
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** The segments in the order in which they are in the module, without what stands before the size of a text. */
function trimTexts(segments: readonly DataSegment[]): DataSegment[] {
  const byAddress = new Map(segments.map((segment) => [segment.address, segment]));
  const isText = ({ bytes }: DataSegment): boolean =>
    bytes.length > type_of_text.length && Buffer.compare(bytes.subarray(0, type_of_text.length), type_of_text) === 0;
  const heads = new Set(
    segments.filter(({ address, bytes }) => {
      const text = byAddress.get(address + type_at);
      // The size of a block that is no larger than 64 KiB.
      return text !== undefined && isText(text) && address % 4 === 0 && bytes.length <= 2;
    }),
  );
  return segments.flatMap((segment) => {
    if (heads.has(segment)) return [];
    const head = byAddress.get(segment.address - type_at);
    if (head === undefined || !heads.has(head)) return [segment];
    const { address, bytes } = segment;
    return [{ address: address + type_of_text.length, bytes: bytes.subarray(type_of_text.length) }];
  });
}

function segmentBytes({ address, bytes }: DataSegment): Uint8Array {
  return Buffer.concat([Uint8Array.from([0, 0x41, ...signedAddress(address), 0x0b, ...unsigned(bytes.length)]), bytes]);
}
