/** The compiler as the command line uses it: a policy file in, an image or a module out. */
import { readFileSync } from "node:fs";
import { findPackaged } from "../common/files.ts";
import type { ExampleKeys } from "./check/example.ts";
import { checkPolicy } from "./check/policy.ts";
import { writeImage } from "./image/image.ts";
import { BoundError } from "./index/bounds.ts";
import type { Policy } from "./language/model.ts";
import { type OnProgress, parsePolicy } from "./language/parse.ts";
import { embedImage, readsBodies } from "./module/embed.ts";
import { type Diagnostic, Findings, PolicyError, Reporter } from "./source/diagnostic.ts";
import { readSource } from "./source/read.ts";

/** A policy that was read and found sound. */
export interface LoadedPolicy {
  policy: Policy;
  warnings: Diagnostic[];
}

/** A policy ready for the engine. */
export interface CompiledPolicy extends LoadedPolicy {
  image: Uint8Array;
}

/** A policy and the files that it was read from: its own first, then those that it includes, key sets and lists. */
export interface PolicyFiles {
  files: string[];
}

/** How a policy file is read. */
interface LoadOptions {
  onProgress?: OnProgress;
  /** What is said of keys whose private halves lie about. Default: nothing. */
  exampleKeys?: ExampleKeys;
}

/**
 * Reads and checks a policy file, the files it includes, and key sets.
 * @throws PolicyError with every error found
 */
export function loadPolicyFile(
  path: string,
  { onProgress, exampleKeys }: LoadOptions = {},
): LoadedPolicy & PolicyFiles {
  const findings = new Findings();
  const reporter = new Reporter(readSource(path), findings);
  const draft = parsePolicy(reporter, onProgress);
  const policy = draft === undefined ? undefined : checkPolicy(reporter, draft, exampleKeys);
  findings.throwIfErrors();
  return { policy: policy!, warnings: findings.warnings, files: [...findings.files] };
}

/**
 * Compiles a policy, which may have been changed after it was loaded (test runners put keys of their own into issuers).
 * @param path the file to show for bounds that the policy passes as a whole
 * @throws PolicyError code `bound`
 */
export function compilePolicy({ policy, warnings }: LoadedPolicy, path: string): CompiledPolicy {
  try {
    return { policy, warnings, image: writeImage(policy) };
  } catch (error) {
    if (!(error instanceof BoundError)) throw error;
    const { file, line, column } = error.rule ?? { file: path, line: 1, column: 1 };
    throw new PolicyError([{ file, line, column, code: "bound", message: error.message }], warnings);
  }
}

/**
 * Reads, checks and compiles a policy file.
 * @throws PolicyError with every error found
 */
export function compilePolicyFile(path: string, options?: LoadOptions): CompiledPolicy & PolicyFiles {
  const loaded = loadPolicyFile(path, options);
  return { ...compilePolicy(loaded, path), files: loaded.files };
}

/**
 * The engine without a policy: beside the bundled program, or in a checkout that was built.
 * @throws Error that says how to build it
 */
export function loadEngine(): Uint8Array {
  return readEngine(findPackaged("engine.wasm", "build/engine.wasm"));
}

/**
 * The engine that an image needs, without a policy: the one that reads bodies where the policy does.
 * @throws Error that says how to build it
 */
export function loadEngineFor(image: Uint8Array): Uint8Array {
  if (!readsBodies(image)) return loadEngine();
  return readEngine(findPackaged("engine.bodies.wasm", "build/engine.bodies.wasm"));
}

function readEngine(path: string | undefined): Uint8Array {
  if (path === undefined) throw new Error("the engine is not built yet: run `npm run build` first");
  return new Uint8Array(readFileSync(path));
}

/**
 * The module to load into Envoy: the engine with the policy of a file in it.
 * @param engine an engine without a policy; by default the one that was built and that the policy needs
 * @throws PolicyError for the policy; Error when there is no engine
 */
export async function buildModule(policyPath: string, engine?: Uint8Array): Promise<Uint8Array> {
  const { image } = compilePolicyFile(policyPath);
  return embedImage(engine ?? loadEngineFor(image), image);
}
