/** The files that a policy includes. A file that is not found could have held a deny rule, so that nothing is passed over. */
import { readdirSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, parse } from "node:path";
import { PolicyError, Reporter } from "./diagnostic.ts";
import { readSource, reasonOf } from "./read.ts";
import type { Located } from "./yaml.ts";

/**
 * Finds and opens the included files, each once, in the order of their paths.
 * @param patterns paths from the folder of the reporter's file, in which `*` and `?` stand for characters of one name
 * @returns a reporter for each, which shares the findings
 */
export function findIncluded(reporter: Reporter, patterns: readonly Located<string>[]): Reporter[] {
  const { file } = reporter.source;
  const paths = new Map<string, { path: string; at: number }>();
  for (const { value, at } of patterns) {
    const found = expand(reporter, value, at);
    if (found === undefined) continue;
    if (found.length === 0) {
      const message = `\`${value}\` matches no file, and a deny rule that got lost would admit; add the file, or remove the pattern`;
      reporter.error("include", at, message);
    }
    for (const path of found) {
      const real = realPath(path);
      if (real === realPath(file)) {
        const message = `\`${value}\` matches the policy \`${file}\` itself; put the files it includes into a folder of their own, as in \`teams/*.yaml\``;
        reporter.error("include", at, message);
      } else if (!paths.has(real)) paths.set(real, { path, at });
    }
  }
  const reporters: Reporter[] = [];
  for (const { path, at } of [...paths.values()].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    if (isSpecial(path)) {
      reporter.error("file", at, `included file \`${path}\`: a device or pipe, which might never end; include files`);
      continue;
    }
    try {
      reporters.push(new Reporter(readSource(path), reporter.findings));
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      reporter.error("file", at, `included file \`${path}\`: ${error.diagnostics[0]!.message}`);
    }
  }
  return reporters;
}

/** What a file is known by, however it is reached. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** The paths that a pattern matches; undefined, and reported, where it is none or a folder cannot be read. */
function expand(reporter: Reporter, pattern: string, at: number): string[] | undefined {
  const fault = patternFault(pattern);
  if (fault !== undefined) {
    reporter.error("include", at, fault);
    return undefined;
  }
  const { root } = parse(pattern);
  const names = pattern.slice(root.length).split("/");
  let folders = [isAbsolute(pattern) ? root : dirname(reporter.source.file)];
  try {
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1;
      folders = folders.flatMap((folder) => matches(folder, name, isLast));
    }
  } catch (error) {
    reporter.error("include", at, `\`${pattern}\` cannot be looked for: ${reasonOf(error)}`);
    return undefined;
  }
  return folders;
}

function patternFault(pattern: string): string | undefined {
  if (pattern === "" || pattern.endsWith("/")) return "a file to include needs a name, as in `teams/*.yaml`";
  if (pattern.includes("**")) return "`**` is not known here: name each level of folders, as in `teams/*/*.yaml`";
  if (/[[\]{}\\\0]/u.test(pattern)) return "a pattern has only `*` and `?`, and its folders are joined by `/`";
  return undefined;
}

/** The entries of a folder that one part of a pattern matches. As in a shell, hidden ones are named or left alone. */
function matches(folder: string, pattern: string, isLast: boolean): string[] {
  if (!/[*?]/u.test(pattern)) {
    const path = join(folder, pattern);
    return isThere(path) ? [path] : [];
  }
  const expression = new RegExp(
    `^${pattern
      .replace(/[.+^$()|]/gu, "\\$&")
      .replaceAll("*", ".*")
      .replaceAll("?", ".")}$`,
    "su",
  );
  const names = readdirSync(folder).filter((name) => expression.test(name) && (name[0] !== "." || pattern[0] === "."));
  // A link that leads nowhere stays: reading it says so.
  return names.map((name) => join(folder, name)).filter((path) => isFolder(path) !== isLast);
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function isSpecial(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && !found.isFile() && !found.isDirectory();
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
