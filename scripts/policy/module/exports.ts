/**
 * The callbacks a module needs for its policy. Envoy calls all that a module exports, and each one costs every request, so a
 * callback that only some policies need is taken away from the modules of the others.
 */
import { key_set_url_at, section_key_sets, sectionRecordBytes, sections_at } from "../../../assembly/policy/layout.ts";
import { type Section, section_export, unsigned, WasmReader } from "./wasm.ts";

/** The callback that tells of the end of each stream: for policies under which requests wait. */
export const endOfStreams = "proxy_on_delete";

/** The callbacks that a policy image has no use for. */
export function unusedCallbacks(image: Uint8Array): string[] {
  return fetchesKeys(image) ? [] : [endOfStreams];
}

/** Whether any key set of an image has a URL; requests wait only for keys that are fetched. */
function fetchesKeys(image: Uint8Array): boolean {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const section = sections_at + 8 * section_key_sets;
  if (section + 8 > image.length) return true;
  const [start, count] = [view.getUint32(section, true), view.getUint32(section + 4, true)];
  const bytes = sectionRecordBytes(section_key_sets);
  // An image that is not sound is the engine's to refuse.
  if (start + count * bytes > image.length) return true;
  return Array.from({ length: count }, (_, index) => start + index * bytes + key_set_url_at).some(
    (text) => view.getUint32(text + 4, true) !== 0,
  );
}

/** The contents of the export section (core specification 2.0 §5.5.10) without some names. */
export function exportsWithout(module: Uint8Array, section: Section, names: readonly string[]): Uint8Array {
  if (section.id !== section_export) throw new Error("that is not the export section");
  const reader = new WasmReader(module, section.start);
  const kept: Uint8Array[] = [];
  for (let count = reader.unsigned(); count > 0; count--) {
    const start = reader.at;
    const name = reader.name();
    reader.byte();
    reader.unsigned();
    if (!names.includes(name)) kept.push(module.subarray(start, reader.at));
  }
  return Buffer.concat([Uint8Array.from(unsigned(kept.length)), ...kept]);
}
