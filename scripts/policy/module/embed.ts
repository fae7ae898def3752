/**
 * Puts a policy image into a copy of the engine without a compiler: the memory the module starts with grows by the pages
 * the image needs, and one more data segment ends at that memory's last byte, where the engine looks at start.
 *
 *   | the engine's own memory | unused | image, 8-aligned | padding | trust keys, 32 bytes each | trailer, 16 bytes |
 *                                                                                    initial memory ends here --^
 *
 * Callbacks that the image does not need are left out of the exports, so that the host does not call them for every stream, and the
 * trailer says which: the engine refuses a configuration that needs one of them.
 */
import { trust_keys_max } from "../../../assembly/limits.ts";
import {
  image_header_bytes,
  image_magic,
  image_version,
  magic_at,
  needs_answers,
  needs_body,
  needs_hold,
  needs_response,
  policy_needs_at,
  policy_record_bytes,
  section_policy,
  sections_at,
  trailer_bytes,
  trailer_callbacks_shift,
  trailer_keys_shift,
  trailer_magic,
} from "../../../assembly/policy/layout.ts";
import { trust_key_bytes } from "../../../assembly/policy/layout-signed.ts";
import {
  type MemoryLimits,
  page_bytes,
  pages_max,
  readData,
  readExports,
  readMemory,
  readSections,
  type Section,
  section_code,
  section_data,
  section_data_count,
  section_export,
  section_memory,
  signedAddress,
  unsigned,
  WasmError,
  WasmReader,
  withoutExports,
} from "./wasm.ts";

/** The callbacks that only some policies need, by their bits. */
const callbacks: readonly (readonly [bit: number, name: string])[] = [
  [needs_body, "proxy_on_request_body"],
  [needs_response, "proxy_on_response_headers"],
  [needs_hold, "proxy_on_request_trailers"],
  [needs_answers, "proxy_on_response_body"],
  [needs_answers, "proxy_on_response_trailers"],
];

/** What tells the engine that reads bodies from the other one. */
const bodies_export = "proxy_on_request_trailers";

/** What tells the engine from other filters. */
const engine_export = "sallyport_inspect";

/**
 * The engine with an image in it.
 * @param trustKeys the keys, of 32 bytes each, one of which has to have signed every other image that the module takes; none: it takes any
 * @throws WasmError when `engine` is not the engine, has an image already, or would have more memory than it may
 */
export function embedImage(engine: Uint8Array, image: Uint8Array, trustKeys: readonly Uint8Array[] = []): Uint8Array {
  const sections = readSections(engine);
  checkEngine(engine, sections);
  checkImage(image);
  if (findImage(engine, sections) !== undefined) {
    throw new WasmError("the module carries a policy already; embed into the engine as it was built");
  }
  const memory = readMemory(engine, sections);
  if (trustKeys.length > trust_keys_max) throw new WasmError(`a module trusts at most ${trust_keys_max} keys`);
  const spanBytes = trailer_bytes + trustKeys.length * trust_key_bytes + ((image.length + 7) & ~7);
  const pages = Math.ceil(spanBytes / page_bytes);
  const grown: MemoryLimits = {
    initialPages: memory.initialPages + pages,
    // What the engine may take while running stays what it was.
    mostPages: memory.mostPages === undefined ? undefined : Math.min(memory.mostPages + pages, pages_max),
  };
  if (grown.initialPages > pages_max) throw new WasmError("engine and image together pass 4 GiB of memory");
  if (readsBodies(image) && !readExports(engine, sections).includes(bodies_export)) {
    throw new WasmError("the policy reads bodies, for which there is an engine of its own: `engine.bodies.wasm`");
  }
  const left = callbacksWithout(image);
  const segment = dataSegment({ image, trustKeys, spanBytes, left }, grown.initialPages * page_bytes);
  return assemble(engine, sections, grown, segment, left);
}

/** The names of the callbacks that a module with this image is made without. */
export function leftOutCallbacks(image: Uint8Array): string[] {
  // The engine that reads no bodies never had the others.
  const isThere = (bit: number): boolean => readsBodies(image) || bit === needs_body || bit === needs_response;
  return callbacksWithout(image).flatMap(([bit, name]) => (isThere(bit) ? [name] : []));
}

function callbacksWithout(image: Uint8Array): typeof callbacks {
  const needed = needsOfImage(image);
  return callbacks.filter(([bit]) => (needed & bit) === 0);
}

/** Whether an image is of a policy that reads bodies: it needs the engine that does. */
export function readsBodies(image: Uint8Array): boolean {
  return (needsOfImage(image) & needs_hold) !== 0;
}

/** What an image needs of the module, as bits of `policy_needs_at`. */
function needsOfImage(image: Uint8Array): number {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const policy = view.getUint32(sections_at + section_policy * 8, true);
  return view.getUint32(policy + policy_needs_at, true);
}

/**
 * The image a module carries, or undefined when it carries none.
 * @throws WasmError when the module is not the engine, or what it carries is damaged
 */
export function extractImage(module: Uint8Array): Uint8Array | undefined {
  return readBuilt(module)?.image;
}

/** What `build` has put into a module. */
export interface BuiltIn {
  image: Uint8Array;
  trustKeys: Uint8Array[];
}

/**
 * What a module carries, or undefined when it carries nothing.
 * @throws WasmError as `extractImage` does
 */
export function readBuilt(module: Uint8Array): BuiltIn | undefined {
  const sections = readSections(module);
  checkEngine(module, sections);
  return findImage(module, sections);
}

function checkEngine(module: Uint8Array, sections: Section[]): void {
  const names = readExports(module, sections);
  for (const name of [engine_export, "memory"]) {
    if (!names.includes(name))
      throw new WasmError(`this module is not the Sallyport engine: it exports no \`${name}\``);
  }
}

function checkImage(image: Uint8Array): void {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (image.length < image_header_bytes || view.getUint32(magic_at, true) !== image_magic) {
    throw new WasmError("this is no policy image");
  }
  if (view.getUint32(8, true) !== image.length) throw new WasmError("the policy image is cut short or too long");
  const policy = view.getUint32(sections_at + section_policy * 8, true);
  if (policy + policy_record_bytes > image.length) throw new WasmError("the policy image has no policy");
}

function findImage(module: Uint8Array, sections: Section[]): BuiltIn | undefined {
  const end = readMemory(module, sections).initialPages * page_bytes;
  for (const { address, bytes } of readData(module, sections).segments) {
    if (address + bytes.length !== end || bytes.length < trailer_bytes) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const trailer = bytes.length - trailer_bytes;
    if (view.getUint32(trailer, true) !== trailer_magic) continue;
    const distance = view.getUint32(trailer + 8, true);
    const size = view.getUint32(trailer + 12, true);
    const keys = view.getUint32(trailer + 4, true) >>> trailer_keys_shift;
    if (distance > bytes.length || size > distance - trailer_bytes - keys * trust_key_bytes)
      throw new WasmError("the policy in the module is damaged");
    const start = bytes.length - distance;
    const trustKeys = Array.from({ length: keys }, (_, index) => {
      const at = trailer - (keys - index) * trust_key_bytes;
      return new Uint8Array(bytes.subarray(at, at + trust_key_bytes));
    });
    return { image: new Uint8Array(bytes.subarray(start, start + size)), trustKeys };
  }
  return undefined;
}

/** One active segment (core specification §5.5.14): kind 0, `i32.const` address, `end`, size, bytes. */
function dataSegment(
  {
    image,
    trustKeys,
    spanBytes,
    left,
  }: Omit<BuiltIn, "trustKeys"> & { trustKeys: readonly Uint8Array[] } & { spanBytes: number; left: typeof callbacks },
  memoryEnd: number,
): Uint8Array {
  const head = [0x00, 0x41, ...signedAddress(memoryEnd - spanBytes), 0x0b, ...unsigned(spanBytes)];
  const segment = new Uint8Array(head.length + spanBytes);
  segment.set(head);
  segment.set(image, head.length);
  for (const [index, key] of trustKeys.entries()) {
    const before = (trustKeys.length - index) * trust_key_bytes;
    segment.set(key, segment.length - trailer_bytes - before);
  }
  const trailer = new DataView(segment.buffer, segment.length - trailer_bytes);
  trailer.setUint32(0, trailer_magic, true);
  const bits = left.reduce((sum, [bit]) => sum | bit, 0);
  const word = image_version | (bits << trailer_callbacks_shift) | (trustKeys.length << trailer_keys_shift);
  trailer.setUint32(4, word >>> 0, true);
  trailer.setUint32(8, spanBytes, true);
  trailer.setUint32(12, image.length, true);
  return segment;
}

/** The engine with other memory, without some of its exports, and with one more data segment. */
function assemble(
  engine: Uint8Array,
  sections: Section[],
  memory: MemoryLimits,
  segment: Uint8Array,
  left: typeof callbacks,
): Uint8Array {
  const { count } = readData(engine, sections);
  const parts: Uint8Array[] = [engine.subarray(0, 8)];
  const add = (id: number, ...contents: Uint8Array[]): void => {
    const size = contents.reduce((sum, content) => sum + content.length, 0);
    parts.push(Uint8Array.from([id, ...unsigned(size)]), ...contents);
  };
  const addData = (old: Uint8Array): void => add(section_data, Uint8Array.from(unsigned(count + 1)), old, segment);
  for (const section of sections) {
    const { id, head, start, end } = section;
    if (id === section_memory) {
      const { initialPages, mostPages } = memory;
      const most = mostPages === undefined ? [] : unsigned(mostPages);
      add(id, Uint8Array.from([1, mostPages === undefined ? 0 : 1, ...unsigned(initialPages), ...most]));
    } else if (id === section_export) {
      const names = left.map(([, name]) => name);
      add(id, withoutExports(engine, section, names));
    } else if (id === section_data_count) {
      add(id, Uint8Array.from(unsigned(count + 1)));
    } else if (id === section_data) {
      const reader = new WasmReader(engine, start);
      reader.unsigned();
      addData(engine.subarray(reader.at, end));
    } else {
      parts.push(engine.subarray(head, end));
      if (id === section_code && !sections.some((one) => one.id === section_data)) addData(new Uint8Array());
    }
  }
  return new Uint8Array(Buffer.concat(parts));
}
