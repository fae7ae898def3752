/**
 * Finds which source file each byte of a module comes from, by the module's source map.
 *
 * The name section would not do: the optimizer inlines most functions, so that a function's body holds code of many files and
 * bears the name of one. The source map has a location for each instruction, wherever it ended up.
 */
import { SourceMap, type SourceMapPayload, type SourceMapping } from "node:module";
import {
  readData,
  readSections,
  type Section,
  section_code,
  section_data,
  signedAddress,
  unsigned,
  WasmError,
  WasmReader,
} from "../policy/module/wasm.ts";

/** Stands for the source of what the map tells nothing about. */
export const no_source = "";

/** What a module holds of one source file, in bytes. */
export interface SourceBytes {
  code: number;
  data: number;
}

/** A section of the module, with its number and size before it. */
export interface SectionBytes {
  name: string;
  bytes: number;
}

export interface Attribution {
  /** By the file as the source map names it. */
  sources: Map<string, SourceBytes>;
  sections: SectionBytes[];
}

/** §5.5.2, in order of their numbers. */
const section_names = [
  "custom",
  "type",
  "import",
  "function",
  "table",
  "memory",
  "global",
  "export",
  "start",
  "element",
  "code",
  "data",
  "data count",
];

/** `i32.const` (§5.4.7). */
const opcode_i32_const = 0x41;
/** What AssemblyScript puts before a string in memory; code holds the address after it. */
const object_header_bytes = 20;

/**
 * Reads a module and its source map.
 *
 * @param sourceMap its columns are offsets in the module, as asc writes them
 * @throws WasmError where the module is of another form than asc gives it
 */
export function attribute(module: Uint8Array, sourceMap: string): Attribution {
  const sections = readSections(module);
  const sources = new Map<string, SourceBytes>();
  const add = (source: string, kind: keyof SourceBytes, bytes: number): void => {
    const sums = sources.get(source) ?? { code: 0, data: 0 };
    sums[kind] += bytes;
    sources.set(source, sums);
  };
  const map = new SourceMap(JSON.parse(sourceMap) as SourceMapPayload);
  const references = attributeCode(module, sections, map, add);
  attributeData(module, sections, references, add);
  return {
    sources,
    sections: sections.map(({ id, head, end }) => ({ name: section_names[id] ?? `section ${id}`, bytes: end - head })),
  };
}

type Add = (source: string, kind: keyof SourceBytes, bytes: number) => void;

/** Attributes each byte of each function, and answers which source speaks of which number: addresses are among them. */
function attributeCode(module: Uint8Array, sections: Section[], map: SourceMap, add: Add): Map<number, string> {
  const references = new Map<number, string>();
  const section = sections.find(({ id }) => id === section_code);
  if (section === undefined) return references;
  const reader = new WasmReader(module, section.start);
  for (let left = reader.unsigned(); left > 0; left--) {
    const head = reader.at;
    const size = reader.unsigned();
    const body = reader.at;
    reader.take(size);
    // What has no location goes with what stands before it, in the same function: the optimizer made it in that place.
    let source = no_source;
    let waiting = body - head;
    for (let at = body; at < reader.at; at++) {
      const entry: Partial<SourceMapping> = map.findEntry(0, at);
      const begins = entry.generatedColumn ?? -1;
      if (begins >= body && entry.originalSource !== undefined) {
        source = entry.originalSource;
        add(source, "code", waiting);
        waiting = 0;
        if (begins === at && module[at] === opcode_i32_const) {
          const address = new WasmReader(module, at + 1).address();
          if (!references.has(address)) references.set(address, source);
        }
      }
      // The locals, which every function begins with, have no location and wait for the first.
      if (source === no_source) waiting++;
      else add(source, "code", 1);
    }
    add(no_source, "code", waiting);
  }
  return references;
}

/** Attributes each data segment to the source that speaks of its address, or of the one before it where none does. */
function attributeData(module: Uint8Array, sections: Section[], references: Map<number, string>, add: Add): void {
  const section = sections.find(({ id }) => id === section_data);
  if (section === undefined) return;
  const { segments, count } = readData(module, sections);
  const addresses = [...references.keys()].sort((a, b) => a - b);
  let attributed = unsigned(count).length;
  for (const { address, bytes } of segments) {
    const end = address + bytes.length + object_header_bytes;
    const within = addresses.find((reference) => reference >= address && reference < end);
    const reference = within ?? addresses.findLast((before) => before < address);
    // Its kind, its address as an expression (an instruction and an end) and its size stand before the bytes.
    const size = 1 + 1 + signedAddress(address).length + 1 + unsigned(bytes.length).length + bytes.length;
    add(reference === undefined ? no_source : references.get(reference)!, "data", size);
    attributed += size;
  }
  const { start, end } = section;
  if (attributed !== end - start) {
    throw new WasmError(`the data section has ${end - start} bytes, of which ${attributed} were understood`);
  }
}
