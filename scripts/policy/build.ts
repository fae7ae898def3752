/** The compiler as the command line uses it: a policy file in, an image or a module out. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BoundError } from "./bounds.ts";
import { checkPolicy } from "./check.ts";
import { type Diagnostic, Findings, PolicyError, Reporter } from "./diagnostic.ts";
import { embedImage } from "./embed.ts";
import { writeImage } from "./image.ts";
import type { Policy } from "./model.ts";
import { parsePolicy } from "./parse.ts";
import { readSource } from "./read.ts";

/** A policy that was read and found sound. */
export interface LoadedPolicy {
  policy: Policy;
  warnings: Diagnostic[];
}

/** A policy ready for the engine. */
export interface CompiledPolicy extends LoadedPolicy {
  image: Uint8Array;
  /** What each caller group of the engine is in the policy's words, by its number. */
  groupNames: string[];
  /** What each host number of the engine is in the policy's words. */
  hostNames: string[];
}

/**
 * Reads and checks a policy file and its key sets.
 * @throws PolicyError with every error found
 */
export function loadPolicyFile(path: string): LoadedPolicy {
  const findings = new Findings();
  const reporter = new Reporter(readSource(path), findings);
  const draft = parsePolicy(reporter);
  const policy = draft === undefined ? undefined : checkPolicy(reporter, draft);
  findings.throwIfErrors();
  return { policy: policy!, warnings: findings.warnings };
}

/**
 * Compiles a policy, which may have been changed after it was loaded (test runners put keys of their own into issuers).
 * @param path the file to show for bounds that the policy passes as a whole
 * @throws PolicyError code `bound`
 */
export function compilePolicy({ policy, warnings }: LoadedPolicy, path: string): CompiledPolicy {
  try {
    const { bytes, groupNames, hostNames } = writeImage(policy);
    return { policy, warnings, image: bytes, groupNames, hostNames };
  } catch (error) {
    if (!(error instanceof BoundError)) throw error;
    const line = error.rule?.line ?? 1;
    throw new PolicyError([{ file: path, line, column: 1, code: "bound", message: error.message }], warnings);
  }
}

/**
 * Reads, checks and compiles a policy file.
 * @throws PolicyError with every error found
 */
export function compilePolicyFile(path: string): CompiledPolicy {
  return compilePolicy(loadPolicyFile(path), path);
}

/**
 * The engine without a policy: beside the bundled program, or in a checkout that was built.
 * @throws Error that says how to build it
 */
export function loadEngine(): Uint8Array {
  const places = ["./engine.wasm", "../../build/engine.wasm", "../build/engine.wasm"];
  for (const place of places) {
    const file = fileURLToPath(new URL(place, import.meta.url));
    if (existsSync(file)) return new Uint8Array(readFileSync(file));
  }
  throw new Error("the engine is not built yet: run `npm run build` first");
}

/**
 * The module to load into Envoy: the engine with the policy of a file in it.
 * @throws PolicyError for the policy; Error when there is no engine
 */
export async function buildModule(policyPath: string): Promise<Uint8Array> {
  return embedImage(loadEngine(), compilePolicyFile(policyPath).image);
}
