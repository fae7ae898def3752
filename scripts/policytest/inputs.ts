/** The files that a run of policy tests reads: what somebody edits and wants to see the effect of. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, parse, resolve } from "node:path";
import { parseDocument } from "yaml";

/** Files to look at, and the folders in which they and others that count may come and go. */
export interface Inputs {
  files: Set<string>;
  folders: Set<string>;
}

/**
 * Finds what test files, their policies, included files, key sets and lists are read from. A file that cannot be read, or not
 * yet, is among them: it is the one most likely to be written next.
 */
export function findInputs(testFiles: readonly string[]): Inputs {
  const inputs: Inputs = { files: new Set(), folders: new Set() };
  const add = (path: string): string => {
    const absolute = resolve(path);
    inputs.files.add(absolute);
    inputs.folders.add(dirname(absolute));
    return absolute;
  };
  for (const path of testFiles) {
    const file = add(path);
    const policy = readLoosely(file).policy;
    if (typeof policy !== "string") continue;
    const policyFile = add(relativeTo(file, policy));
    const { issuers, trust, include, lists } = readLoosely(policyFile);
    const addLists = (file: string, all: Loose["lists"]): void => {
      for (const list of Object.values(all ?? {})) if (typeof list?.file === "string") add(relativeTo(file, list.file));
    };
    addLists(policyFile, lists);
    const keySets = Object.values(issuers ?? {}).map((issuer: { keys?: KeyFile } | null) => issuer?.keys);
    for (const keys of [...keySets, ...Object.values(trust?.jwtSvid?.bundles ?? {})])
      if (typeof keys?.file === "string") add(relativeTo(policyFile, keys.file));
    for (const pattern of Array.isArray(include) ? include : []) {
      if (typeof pattern === "string")
        for (const folder of foldersOf(relativeTo(policyFile, pattern))) {
          inputs.folders.add(folder);
          for (const file of policiesIn(folder)) addLists(file, readLoosely(file).lists);
        }
    }
  }
  return inputs;
}

function relativeTo(file: string, path: string): string {
  return isAbsolute(path) ? path : join(dirname(file), path);
}

/** Files that may be included. */
function policiesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /\.ya?ml$/u.test(name))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** Where keys, or the entries of a list, are, if it is in a file. */
type KeyFile = { file?: unknown } | null;

interface Loose {
  policy?: unknown;
  issuers?: Record<string, { keys?: KeyFile } | null>;
  lists?: Record<string, KeyFile>;
  trust?: { jwtSvid?: { bundles?: Record<string, KeyFile> } | null } | null;
  include?: unknown;
}

/** What stands in a YAML file, as far as it can be made out while somebody is writing it. */
function readLoosely(path: string): Loose {
  try {
    const content: unknown = parseDocument(readFileSync(path, "utf8"), { logLevel: "silent" }).toJS({
      maxAliasCount: 0,
    });
    return typeof content === "object" && content !== null ? content : {};
  } catch {
    return {};
  }
}

/** Every folder that a pattern of files may match something in. */
function foldersOf(pattern: string): string[] {
  const { root } = parse(pattern);
  const names = pattern.slice(root.length).split("/");
  let level = [root];
  const all: string[] = [];
  for (const name of names.slice(0, -1)) {
    const isPattern = /[*?]/u.test(name);
    if (isPattern) all.push(...level);
    level = level.flatMap((folder) => (isPattern ? subfolders(folder) : [join(folder, name)]));
  }
  return [...all, ...level];
}

function subfolders(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(folder, name));
  } catch {
    return [];
  }
}

/** What has a name like this may be included, or be a key set. */
const counted_names = /\.(?:ya?ml|json)$/u;

/** A text that changes whenever one of the inputs does: which files there are, and when each was written. */
export function stateOf({ files, folders }: Inputs): string {
  const paths = new Set(files);
  for (const folder of folders) {
    try {
      for (const name of readdirSync(folder)) if (counted_names.test(name)) paths.add(join(folder, name));
    } catch {
      // A folder that is not there has no files.
    }
  }
  const states = [...paths].sort().map((path) => {
    const state = statSync(path, { throwIfNoEntry: false });
    return `${path} ${state === undefined ? "" : `${state.mtimeMs} ${state.size} ${state.ino}`}`;
  });
  return states.join("\n");
}
