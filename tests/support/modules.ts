/** The engine's module, changed: with less memory than Envoy would give it, or without a callback. */
import {
  page_bytes,
  readMemory,
  readSections,
  section_export,
  section_memory,
  unsigned,
} from "../../scripts/policy/module/wasm.ts";

/** The module with room for so many more bytes of memory than it begins with. */
export function withRoom(module: Uint8Array, bytes: number): Uint8Array {
  const sections = readSections(module);
  const { initialPages } = readMemory(module, sections);
  const { head, end } = sections.find(({ id }) => id === section_memory)!;
  const limits = [1, 1, ...unsigned(initialPages), ...unsigned(initialPages + Math.ceil(bytes / page_bytes))];
  const section = [section_memory, ...unsigned(limits.length), ...limits];
  return Buffer.concat([module.subarray(0, head), Buffer.from(section), module.subarray(end)]);
}

/** What Envoy's V8 gives one VM, in bytes. */
export const envoy_memory_bytes = 2 ** 30;

/** The module without an export, which a host then finds missing: it has another name. */
export function withoutExport(module: Uint8Array, name: string): Uint8Array {
  const section = readSections(module).find(({ id }) => id === section_export)!;
  const changed = Buffer.from(module);
  const at = changed.indexOf(name, section.start);
  if (at < 0 || at >= section.end) throw new Error(`the module exports no ${name}`);
  changed.write("x", at);
  return changed;
}
