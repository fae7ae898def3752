/** Whether a zstd file is whole, by the frames and blocks that it says it has (RFC 8878 §3.1), without unpacking it. */
import { type FileHandle, open } from "node:fs/promises";

const buffer_bytes = 256 * 1024;
/** The longest header of a frame: magic number, descriptor, window, dictionary, size of the content. */
const header_bytes_max = 4 + 1 + 1 + 4 + 8;

/** Why a file is no whole number of frames; undefined where it is. Wrong bytes within a block are not found. */
export async function zstdFault(path: string): Promise<string | undefined> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    return await new Frames(file, size).fault();
  } finally {
    await file.close();
  }
}

class Frames {
  readonly #file: FileHandle;
  readonly #size: number;
  readonly #buffer = Buffer.alloc(buffer_bytes);
  /** Which bytes of the file the buffer has. */
  #start = 0;
  #end = 0;
  #at = 0;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
  }

  async fault(): Promise<string | undefined> {
    while (this.#at < this.#size) {
      const fault = await this.#frame();
      if (fault !== undefined) return fault;
    }
    return this.#at > this.#size ? "unexpected end of file" : undefined;
  }

  /** Goes behind one frame; beyond the file's end where that is cut off. */
  async #frame(): Promise<string | undefined> {
    const head = await this.#look(header_bytes_max);
    const magic = head.readUInt32LE();
    if (magic >>> 4 === 0x184d2a5) {
      this.#at += 8 + head.readUInt32LE(4);
      return undefined;
    }
    if (magic !== 0xfd2fb528) return this.#at + 4 > this.#size ? "unexpected end of file" : "no frame of zstd";
    const descriptor = head[4]!;
    const isSingle = (descriptor & 0x20) !== 0;
    const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    this.#at += 5 + (isSingle ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]! + sizeBytes;
    for (let isLast = false; !isLast; ) {
      if (this.#at + 3 > this.#size) return "unexpected end of file";
      // Without a wait for each block: a hostile file has one every three bytes.
      const block = (this.#held(3) ?? (await this.#look(3))).readUIntLE(0, 3);
      const type = (block >> 1) & 3;
      if (type === 3) return "a block of no kind that zstd has";
      isLast = (block & 1) === 1;
      // A block of the second kind is one byte, repeated.
      this.#at += 3 + (type === 1 ? 1 : block >> 3);
    }
    if ((descriptor & 4) !== 0) this.#at += 4;
    return undefined;
  }

  /** So many bytes from here, where the buffer has them. */
  #held(bytes: number): Buffer | undefined {
    const from = this.#at - this.#start;
    return from >= 0 && this.#at + bytes <= this.#end ? this.#buffer.subarray(from, from + bytes) : undefined;
  }

  /** So many bytes from here; 0 beyond the file's end. */
  async #look(bytes: number): Promise<Buffer> {
    const held = this.#held(bytes);
    if (held !== undefined) return held;
    const { bytesRead } = await this.#file.read(this.#buffer, 0, buffer_bytes, this.#at);
    this.#buffer.fill(0, bytesRead);
    this.#start = this.#at;
    this.#end = this.#at + bytesRead;
    return this.#buffer.subarray(0, bytes);
  }
}
