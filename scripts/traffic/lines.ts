/** A file → its lines, whatever is in it: packed or not, cut off, without ends of lines, no UTF-8. */
import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import type { Duplex } from "node:stream";
import * as zlib from "node:zlib";
import type { Source } from "./sources.ts";

/** So long may a line be: a collector writes many records into one. What is longer is skipped. */
export const line_bytes_max = 64 * 1024 * 1024;

/** One line. */
export interface Line {
  /** From 1. */
  number: number;
  text: string;
  /** The line is longer than `line_bytes_max`, and this is how it begins. */
  isCut: boolean;
  /** Its bytes are UTF-8. */
  isSound: boolean;
}

/** Node's own unpacking: for zstd from Node 22.15 on. */
function unpackerOf(source: Source): Duplex | undefined {
  if (source.compression === "none") return undefined;
  if (source.compression === "gzip") return zlib.createGunzip();
  const make = (zlib as unknown as { createZstdDecompress?: () => Duplex }).createZstdDecompress;
  if (make === undefined) throw new Error("zstd needs Node 22.15 or newer here: unpack it before, with zstd -d");
  return make();
}

/** The file's bytes, unpacked; those before a fault come before its error. */
export async function* bytesOf(source: Source): AsyncGenerator<Buffer> {
  const file = createReadStream(source.path, { highWaterMark: 256 * 1024 });
  const unpacker = unpackerOf(source);
  if (unpacker === undefined) {
    yield* file as AsyncIterable<Buffer>;
    return;
  }
  // `pipe` leaves the file's faults alone: they end the unpacking.
  file.on("error", (error) => unpacker.destroy(error));
  try {
    yield* file.pipe(unpacker) as AsyncIterable<Buffer>;
  } finally {
    file.destroy();
  }
}

/** The lines in order, without empty ones. Throws what unpacking or the disk says, after the lines before that. */
export async function* linesOf(source: Source, mostBytes = line_bytes_max): AsyncGenerator<Line> {
  let number = 1;
  let parts: Buffer[] = [];
  let size = 0;
  const take = (isLast: boolean): Line | undefined => {
    const isCut = size > mostBytes;
    const whole = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    const kept = whole.subarray(0, isCut ? 200 : whole.length);
    const text = kept.toString("utf8");
    parts = [];
    size = 0;
    const line = {
      number: isLast ? number : number++,
      text: text.endsWith("\r") ? text.slice(0, -1) : text,
      isCut,
      isSound: isUtf8(kept),
    };
    return line.text.trim() === "" ? undefined : line;
  };
  const add = (part: Buffer): void => {
    size += part.length;
    // Of a line that is too long its beginning is kept.
    if (size <= mostBytes) parts.push(part);
    else if (parts.length > 1) parts = [Buffer.concat(parts).subarray(0, 200)];
    else if (parts.length === 0) parts = [part.subarray(0, 200)];
  };
  let fault: unknown;
  try {
    for await (const chunk of bytesOf(source)) {
      let start = 0;
      for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
        add(chunk.subarray(start, end));
        const line = take(false);
        if (line !== undefined) yield line;
        start = end + 1;
      }
      if (start < chunk.length) add(chunk.subarray(start));
    }
  } catch (error) {
    fault = error;
  }
  if (size > 0) {
    const line = take(true);
    if (line !== undefined) yield line;
  }
  if (fault !== undefined) throw fault;
}

/** Why a file cannot be unpacked to its end; undefined where it can. */
export async function faultOf(source: Source): Promise<string | undefined> {
  try {
    for await (const _ of bytesOf(source));
    return undefined;
  } catch (error) {
    return String((error as Error).message);
  }
}
