/** Reading files out of a zip archive (APPNOTE.TXT, 4.3), as the Go module proxy serves modules: no encryption, no ZIP64. */
import { inflateRawSync } from "node:zlib";

const end_signature = 0x06054b50;
const end_bytes = 22;
const entry_bytes = 46;
const local_bytes = 30;
const deflated = 8;

/** The files of an archive whose names pass, by name. Throws where the archive is damaged. */
export function unzip(archive: Buffer, isWanted: (name: string) => boolean): Map<string, Buffer> {
  const end = archive.lastIndexOf(Buffer.from(Uint32Array.of(end_signature).buffer));
  if (end < 0 || end + end_bytes > archive.length) throw new Error("this is no zip archive");
  const files = new Map<string, Buffer>();
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset));
    const name = archive.toString("utf8", at + entry_bytes, at + entry_bytes + nameBytes!);
    if (isWanted(name)) files.set(name, contentOf(archive, at));
    at += entry_bytes + nameBytes! + extraBytes! + commentBytes!;
  }
  return files;
}

function contentOf(archive: Buffer, entry: number): Buffer {
  const local = archive.readUInt32LE(entry + 42);
  const start = local + local_bytes + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  const bytes = archive.subarray(start, start + archive.readUInt32LE(entry + 20));
  return archive.readUInt16LE(entry + 10) === deflated ? inflateRawSync(bytes) : Buffer.from(bytes);
}
