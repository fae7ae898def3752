/** The keys that a module trusts, as options give them, and what is said of signed images. */
import { readFileSync } from "node:fs";
import { Option } from "commander";
import type { Policy } from "../policy/language/model.ts";
import { KeyError, keyIdOf, readTrustKey, trust_keys_max } from "../policy/signed/keys.ts";
import { reasonOf } from "../policy/source/read.ts";
import { UsageError } from "./output.ts";

/** The option `--trust-key` of verbs that make a module, or name its digest. */
export function trustKeyOption(): Option {
  const about = "a public key (PEM) that signs policies: the module takes no others; may be given several times";
  return new Option("--trust-key <file>", about).argParser(collect).default([], "none");
}

/** The option as commander hands it over. */
export interface TrustOptions {
  trustKey: string[];
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

/**
 * The keys of files, of 32 bytes each.
 * @throws UsageError
 */
export function readTrustKeys({ trustKey: paths }: TrustOptions): Uint8Array[] {
  const files = new Map<string, string>();
  const keys = paths.map((path) => {
    const key = withFile(path, readTrustKey);
    const text = Buffer.from(key).toString("hex");
    const same = files.get(text);
    if (same !== undefined) throw new UsageError(`${path} has the same key as ${same}: name each once`);
    files.set(text, path);
    return key;
  });
  if (keys.length > trust_keys_max) throw new UsageError(`a module trusts at most ${trust_keys_max} keys`);
  return keys;
}

/** Reads a key's file. Throws UsageError. */
export function withFile<T>(path: string, read: (pem: string) => T): T {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${reasonOf(error)}`);
  }
  try {
    return read(text);
  } catch (error) {
    if (error instanceof KeyError) throw new UsageError(`${path}: ${error.message}`);
    throw error;
  }
}

/** What JSON says of a module's trust keys. */
export function trustOf(
  keys: readonly Uint8Array[],
  { minimumVersion }: Policy,
): { trustKeys: string[]; minimumVersion: number | null } {
  return { trustKeys: keys.map(keyIdOf), minimumVersion: minimumVersion ?? null };
}

/** The same in words, and a note where the policy has a version that nobody looks at; each one line. */
export function trustLines(keys: readonly Uint8Array[], { name, minimumVersion }: Policy): string[] {
  if (keys.length === 0) {
    return minimumVersion === undefined ? [] : ["`minimumVersion` has no effect in a module without --trust-key"];
  }
  const ids = keys.map(keyIdOf).join(" or ");
  const least = minimumVersion === undefined ? "" : ` of version ${minimumVersion} or newer`;
  return [`takes, beside this policy, only images of \`${name}\`${least} that key ${ids} has signed`];
}
