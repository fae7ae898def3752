/** The licences of what the bundled program contains of others: they ask to go where their code goes. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Names of files that hold a package's licence or notices. */
const licence_file = /^(licen[cs]e|copying|notice)(\.|-|$)/iu;

/**
 * The text of all licences, package by package in the order of their names.
 * @param inputs the files that esbuild put into the bundle, as its metafile names them
 * @param what contains them, as the first line names it
 * @throws Error where a package has neither a licence file nor a licence in its manifest
 */
export async function licencesOf(inputs: readonly string[], what: string): Promise<string> {
  const folders = new Set(inputs.flatMap((input) => packageFolder(input) ?? []));
  const sections = await Promise.all([...folders].sort().map(describePackage));
  return `What is of others in ${what}, and on what terms.\n\n${sections.join("\n")}`;
}

/** The folder of the package that a file belongs to; undefined for files of this project. */
function packageFolder(input: string): string | undefined {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/u.exec(input)?.[0];
}

async function describePackage(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const files = (await readdir(folder)).filter((file) => licence_file.test(file)).sort();
  if (files.length === 0 && typeof license !== "string") throw new Error(`${folder} has no licence`);
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
  const rule = "-".repeat(72);
  return `${rule}\n${name} ${version}: ${license}\n${rule}\n${texts.map((text) => `${text.trim()}\n`).join("\n")}`;
}
