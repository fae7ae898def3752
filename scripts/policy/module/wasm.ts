/** The little of the WebAssembly binary format (core specification 2.0 §5) that embedding an image takes. */

export const page_bytes = 65536;
/** A 32-bit memory has at most so many pages. */
export const pages_max = 65536;

/** Section numbers (§5.5.2). */
export const section_memory = 5;
export const section_export = 7;
export const section_code = 10;
export const section_data = 11;
export const section_data_count = 12;

/** The module is not of the form that is needed; the message says how. */
export class WasmError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "WasmError";
  }
}

/** One section: `[start, end)` is its contents, `head` where its number stands. */
export interface Section {
  id: number;
  head: number;
  start: number;
  end: number;
}

/** Reads a module's bytes from front to back. */
export class WasmReader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new WasmError("the module is cut short");
    return byte;
  }

  /** An unsigned LEB128 number of 32 bits (§5.2.2). */
  unsigned(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new WasmError("a number in the module is too long");
  }

  /** A signed LEB128 number of 32 bits, as the address it stands for. */
  address(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (shift < 25 && (byte & 0x40) !== 0) value |= -1 << (shift + 7);
      return value >>> 0;
    }
    throw new WasmError("a number in the module is too long");
  }

  name(): string {
    return Buffer.from(this.take(this.unsigned())).toString("utf8");
  }

  take(size: number): Uint8Array {
    const end = this.at + size;
    if (end > this.bytes.length) throw new WasmError("the module is cut short");
    const taken = this.bytes.subarray(this.at, end);
    this.at = end;
    return taken;
  }
}

/** The sections of a module, in order. */
export function readSections(module: Uint8Array): Section[] {
  const magic = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  if (module.length < 8 || magic.some((byte, at) => module[at] !== byte)) {
    throw new WasmError("this is no WebAssembly module");
  }
  const reader = new WasmReader(module, 8);
  const sections: Section[] = [];
  while (reader.at < module.length) {
    const head = reader.at;
    const id = reader.byte();
    const size = reader.unsigned();
    const start = reader.at;
    reader.take(size);
    sections.push({ id, head, start, end: reader.at });
  }
  return sections;
}

/** Limits of the module's one memory, in pages. */
export interface MemoryLimits {
  initialPages: number;
  mostPages: number | undefined;
}

/** Reads the memory section (§5.5.8): one memory of its own, with 32-bit addresses, not shared. */
export function readMemory(module: Uint8Array, sections: Section[]): MemoryLimits {
  const section = sections.find(({ id }) => id === section_memory);
  const reader = new WasmReader(module, section?.start ?? 0);
  if (section === undefined || reader.unsigned() !== 1) throw new WasmError("the module has no memory of its own");
  const flags = reader.byte();
  if (flags > 1) throw new WasmError("the module's memory is shared or has 64-bit addresses");
  const initialPages = reader.unsigned();
  return { initialPages, mostPages: flags === 1 ? reader.unsigned() : undefined };
}

/** Names of what the module exports (§5.5.10). */
export function readExports(module: Uint8Array, sections: Section[]): string[] {
  const section = sections.find(({ id }) => id === section_export);
  if (section === undefined) return [];
  const reader = new WasmReader(module, section.start);
  return Array.from({ length: reader.unsigned() }, () => {
    const name = reader.name();
    reader.byte();
    reader.unsigned();
    return name;
  });
}

/** The contents of an export section without some of its names. */
export function withoutExports(module: Uint8Array, section: Section, names: readonly string[]): Uint8Array {
  const reader = new WasmReader(module, section.start);
  const entries = Array.from({ length: reader.unsigned() }, () => {
    const start = reader.at;
    const name = reader.name();
    reader.byte();
    reader.unsigned();
    return { name, bytes: module.subarray(start, reader.at) };
  });
  const kept = entries.filter(({ name }) => !names.includes(name));
  return new Uint8Array(Buffer.concat([Uint8Array.from(unsigned(kept.length)), ...kept.map(({ bytes }) => bytes)]));
}

/** A data segment that is put into memory at a fixed address. */
export interface DataSegment {
  address: number;
  bytes: Uint8Array;
}

/** The active data segments with fixed addresses (§5.5.14), and how many segments there are in all. */
export function readData(module: Uint8Array, sections: Section[]): { segments: DataSegment[]; count: number } {
  const section = sections.find(({ id }) => id === section_data);
  if (section === undefined) return { segments: [], count: 0 };
  const reader = new WasmReader(module, section.start);
  const count = reader.unsigned();
  const segments: DataSegment[] = [];
  for (let index = 0; index < count; index++) {
    const kind = reader.unsigned();
    if (kind > 2) throw new WasmError("the module has a data segment of an unknown kind");
    if (kind === 2) reader.unsigned();
    let address = -1;
    if (kind !== 1) {
      // i32.const ADDRESS end; anything else depends on globals, which a module for Envoy has no use for.
      if (reader.byte() !== 0x41) throw new WasmError("the module has a data segment without a fixed address");
      address = reader.address();
      if (reader.byte() !== 0x0b) throw new WasmError("the module has a data segment without a fixed address");
    }
    const bytes = reader.take(reader.unsigned());
    if (address >= 0) segments.push({ address, bytes });
  }
  return { segments, count };
}

/** An unsigned LEB128 number. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

/** The signed LEB128 number of an address: `i32.const` reads its operand so. */
export function signedAddress(address: number): number[] {
  const bytes: number[] = [];
  let rest = address | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    const isLast = (rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0);
    bytes.push(isLast ? byte : byte | 0x80);
    if (isLast) return bytes;
  }
}
