/** Writing a folder of files that are ours: none that is not is written over, and none of an earlier run stays that is not made any more. */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { reasonOf } from "../policy/source/read.ts";
import { UsageError, writeOutput } from "./output.ts";

/**
 * Writes files into a folder, or none where one is in the way.
 * @param heading how files of ours begin
 * @returns the names of files of ours that were removed
 */
export function writeFolder(
  folder: string,
  files: readonly { name: string; text: string }[],
  heading: string,
): string[] {
  const foreign = files
    .map(({ name }) => name)
    .filter((name) => existsSync(join(folder, name)) && !isOurs(join(folder, name), heading));
  if (foreign.length > 0) {
    throw new UsageError(
      `nothing was written, since ${foreign.map((name) => join(folder, name)).join(", ")} exists and is not from here; choose another folder with -o`,
    );
  }
  const folders = [...new Set(files.map(({ name }) => dirname(name)))];
  // What is written through a link lands in a folder that nobody named.
  const link = folders.find((name) => name !== "." && isLink(join(folder, name)));
  if (link !== undefined) {
    throw new UsageError(
      `nothing was written, since ${join(folder, link)} is a link to another place; remove it, or choose another folder with -o`,
    );
  }
  const written = new Set(files.map(({ name }) => name));
  try {
    for (const name of folders) mkdirSync(join(folder, name), { recursive: true });
  } catch (error) {
    throw new UsageError(`cannot write into ${folder}: ${reasonOf(error)}`);
  }
  for (const { name, text } of files) writeOutput(join(folder, name), Buffer.from(text), "file of ours");
  const stale = folders
    .flatMap((name) => readdirSync(join(folder, name)).map((file) => join(name, file)))
    .filter((name) => !written.has(name) && isOurs(join(folder, name), heading))
    .sort();
  for (const name of stale) rmSync(join(folder, name));
  return stale;
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function isOurs(path: string, heading: string): boolean {
  return lstatSync(path).isFile() && readFileSync(path, "utf8").startsWith(heading);
}
