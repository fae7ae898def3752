/** What the user names → files: patterns, folders, standard input, and how each file is compressed. */
import { once } from "node:events";
import { createWriteStream, type Dirent } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import type { Readable } from "node:stream";

/** How the bytes of a file are packed, by how they begin. */
export type Compression = "none" | "gzip" | "zstd";

/** A file to read. */
export interface Source {
  /** As the user may find it; `-` for standard input. */
  name: string;
  /** Where it lies; a copy, where it can be read once only. */
  path: string;
  /** As it lies there. */
  bytes: number;
  compression: Compression;
}

/** So many files are read in one go. */
export const files_max = 100_000;

/**
 * Finds the files.
 * @param paths files, folders (all files below, but hidden ones), patterns with `*`, `?`, `[…]` and `**`, and `-`; a file of that very name
 * comes before a pattern
 * @param folder for copies of what can be read once only
 * @throws Error where one names nothing, or all of them too much
 */
export async function findSources(
  paths: readonly string[],
  folder: string,
  input: Readable = process.stdin,
): Promise<Source[]> {
  const found = new Map<string, Source>();
  const add = async (name: string, path = name): Promise<void> => {
    if (found.has(name)) return;
    if (found.size >= files_max) throw new Error(`more than ${files_max} files: name fewer, or join them`);
    const { size } = await stat(path);
    found.set(name, { name, path, bytes: size, compression: await compressionOf(path) });
  };
  let copies = 0;
  const copy = async (name: string, from: Readable): Promise<void> => {
    const path = join(folder, `copy-${copies++}`);
    const file = createWriteStream(path, { mode: 0o600 });
    for await (const chunk of from) if (!file.write(chunk)) await once(file, "drain");
    file.end();
    await once(file, "close");
    await add(name, path);
  };
  for (const path of paths) {
    if (path === "-") {
      await copy("-", input);
      continue;
    }
    const status = await stat(path).catch(() => undefined);
    if (status === undefined) {
      const names = await matching(path);
      if (names.length === 0) throw new Error(`${path}: no such file, and no file matches it as a pattern`);
      for (const name of names) await add(name);
    } else if (status.isDirectory()) {
      const names = await filesBelow(path);
      if (names.length === 0) throw new Error(`${path}: the folder has no files`);
      for (const name of names) await add(name);
    } else if (status.isFile()) await add(path);
    else {
      // A pipe, such as the shell makes for `<(…)`.
      const handle = await open(path);
      await copy(path, handle.createReadStream());
    }
  }
  return [...found.values()];
}

async function filesBelow(folder: string): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await entriesOf(folder)) {
    if (entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) names.push(...(await filesBelow(path)));
    // A link counts if it leads to a file; a folder behind one is not followed, since it may lead back.
    else if (entry.isFile() || (entry.isSymbolicLink() && (await stat(path).catch(() => undefined))?.isFile()))
      names.push(path);
    if (names.length > files_max) break;
  }
  return names;
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder === "" ? "." : folder, { withFileTypes: true }).catch(() => []);
  return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Files that a pattern matches, in order. `*` and `?` match no slash and no dot in front; `**` stands for folders, any number of them. */
async function matching(pattern: string): Promise<string[]> {
  const parts = pattern.split(sep === "\\" ? /[\\/]/ : "/");
  if (!parts.some((part) => /[*?[]/.test(part))) return [];
  let folders = [pattern.startsWith("/") ? "/" : ""];
  const files: string[] = [];
  const rest = parts.filter((part, index) => part !== "" || index === parts.length - 1);
  for (const [index, part] of rest.entries()) {
    const isLast = index === rest.length - 1;
    const next: string[] = [];
    const test = part === "**" ? undefined : segmentPattern(part);
    for (const folder of folders) {
      if (test === undefined) {
        next.push(...(await foldersBelow(folder)));
        continue;
      }
      // A folder of that very name comes before what the name matches as a pattern.
      if (!isLast && (await stat(join(folder, part)).catch(() => undefined))?.isDirectory()) {
        next.push(join(folder, part));
        continue;
      }
      for (const entry of await entriesOf(folder)) {
        if (!test.test(entry.name) || (entry.name.startsWith(".") && !part.startsWith("."))) continue;
        const path = join(folder, entry.name);
        const status = await stat(path).catch(() => undefined);
        if (isLast && status?.isFile()) files.push(path);
        else if (!isLast && status?.isDirectory()) next.push(path);
      }
    }
    if (isLast && part === "**") for (const folder of next) files.push(...(await directFiles(folder)));
    folders = next;
  }
  return [...new Set(files)].sort();
}

async function directFiles(folder: string): Promise<string[]> {
  return (await entriesOf(folder))
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map(({ name }) => join(folder, name));
}

async function foldersBelow(folder: string): Promise<string[]> {
  const all = [folder];
  for (const entry of await entriesOf(folder))
    if (entry.isDirectory() && !entry.name.startsWith(".")) all.push(...(await foldersBelow(join(folder, entry.name))));
  return all;
}

function segmentPattern(part: string): RegExp {
  const source = part.replace(/\[(!?)([^\]]+)\]|[\s\S]/g, (one, not: string | undefined, set: string | undefined) => {
    if (set !== undefined) return `[${not === "!" ? "^" : ""}${set.replace(/[\\[\]^]/g, "\\$&")}]`;
    if (one === "*") return "[^/]*";
    if (one === "?") return "[^/]";
    return one.replace(/[\\^$.|+(){}[\]]/g, "\\$&");
  });
  return new RegExp(`^${source}$`, "u");
}

async function compressionOf(path: string): Promise<Compression> {
  const head = await headOf(path, 4);
  if (head.length >= 2 && head.readUInt16BE() === 0x1f8b) return "gzip";
  if (head.length < 4) return "none";
  const magic = head.readUInt32LE();
  // A frame of data, or one that is skipped (RFC 8878 §3.1).
  return magic === 0xfd2fb528 || magic >>> 4 === 0x184d2a5 ? "zstd" : "none";
}

/** The first bytes of a file. */
export async function headOf(path: string, bytes: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
