/**
 * The layer of an image: a tar archive (POSIX.1-1988 ustar) with one file, compressed with gzip. The same module gives the same
 * bytes everywhere: times and owners are zero, and the compressor is JavaScript, since Node's zlib compresses differently on
 * other processors and in other versions.
 */
import { gzipSync } from "fflate";

const block_bytes = 512;
/** What Istio and Envoy Gateway look for in the layer. */
const file_name = "plugin.wasm";

/** An archive with the module in it. */
export function tarOf(module: Uint8Array): Uint8Array {
  const header = Buffer.alloc(block_bytes);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`;
  header.write(file_name, 0);
  header.write(octal(0o644, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(module.length, 11), 124);
  header.write(octal(0, 11), 136);
  header.write(" ".repeat(8), 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257);
  // Counted with blanks in the place of the checksum.
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${octal(checksum, 6)} `, 148);
  const padding = (block_bytes - (module.length % block_bytes)) % block_bytes;
  // Two blocks of zeros end an archive.
  return Buffer.concat([header, module, Buffer.alloc(padding + 2 * block_bytes)]);
}

/** Compresses, without the time and the name that gzip may have. */
export function compressed(bytes: Uint8Array): Uint8Array {
  return gzipSync(bytes, { level: 9, mtime: 0 });
}
