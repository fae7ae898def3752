/**
 * The module's linear memory as a host sees it. Every access is bounded as V8::getMemory, setMemory and setWord bound it
 * (proxy-wasm-cpp-host, src/v8/v8.cc): a pointer that leads outside is an answer, not a crash.
 */
export class GuestMemory {
  readonly #memory: WebAssembly.Memory;
  readonly #malloc: (bytes: number) => number;
  #bytes: Uint8Array;

  /** @param malloc hands out that many bytes of the module's own memory, or returns 0 */
  constructor(memory: WebAssembly.Memory, malloc: (bytes: number) => number) {
    this.#memory = memory;
    this.#malloc = malloc;
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /** Bytes of memory the module has now. */
  get size(): number {
    return this.#memory.buffer.byteLength;
  }

  /** The memory's bytes; growing detaches the buffer, so it is asked for anew each time. */
  #view(): Uint8Array {
    if (this.#bytes.buffer !== this.#memory.buffer) this.#bytes = new Uint8Array(this.#memory.buffer);
    return this.#bytes;
  }

  #holds(pointer: number, size: number): boolean {
    return pointer + size <= 0xffffffff && pointer + size <= this.size;
  }

  /** A copy of `size` bytes at `pointer`, or undefined where they are not all in memory. */
  read(pointer: number, size: number): Uint8Array | undefined {
    if (!this.#holds(pointer, size)) return undefined;
    return this.#view().slice(pointer, pointer + size);
  }

  write(pointer: number, bytes: Uint8Array): boolean {
    if (!this.#holds(pointer, bytes.length)) return false;
    this.#view().set(bytes, pointer);
    return true;
  }

  writeWord(pointer: number, value: number): boolean {
    const word = new Uint8Array(4);
    new DataView(word.buffer).setUint32(0, value, true);
    return this.write(pointer, word);
  }

  writeLong(pointer: number, value: bigint): boolean {
    const long = new Uint8Array(8);
    new DataView(long.buffer).setBigUint64(0, value, true);
    return this.write(pointer, long);
  }

  /** Room for `size` bytes from the module's `malloc`, or undefined when it gives none or none that is in memory. */
  allocate(size: number): number | undefined {
    const pointer = this.#malloc(size) >>> 0;
    if (pointer === 0 || !this.#holds(pointer, size)) return undefined;
    return pointer;
  }

  /** Hands bytes to the module: copyToPointerSize of include/proxy-wasm/wasm.h. Nothing is allocated for no bytes. */
  copyOut(bytes: Uint8Array, pointerPointer: number, sizePointer: number): boolean {
    let pointer = 0;
    if (bytes.length > 0) {
      const room = this.allocate(bytes.length);
      if (room === undefined) return false;
      this.write(room, bytes);
      pointer = room;
    }
    return this.writeWord(pointerPointer, pointer) && this.writeWord(sizePointer, bytes.length);
  }
}
