/** Compiling a policy that is to ship, with a bar where that takes long and somebody is looking. */
import { Option } from "commander";
import { type CompiledPolicy, compilePolicyFile, type PolicyFiles } from "../policy/build.ts";
import type { Policy } from "../policy/language/model.ts";
import { progressBar } from "./terminal.ts";

/** The option of verbs that make ready to ship, as commander hands it over. */
export interface ShipOptions {
  allowExampleKeys?: boolean;
}

/** The option `--allow-example-keys`. */
export function exampleKeysOption(): Option {
  return new Option("--allow-example-keys", "take keys whose private halves `init` wrote beside the policy");
}

/** As compilePolicyFile, but example keys are refused, or warned of where they are allowed. Throws PolicyError. */
export function compileToShip(path: string, { allowExampleKeys }: ShipOptions): CompiledPolicy & PolicyFiles {
  const bar = progressBar("characters of rules");
  try {
    const exampleKeys = allowExampleKeys === true ? "warn" : "refuse";
    return compilePolicyFile(path, { onProgress: bar.update, exampleKeys });
  } finally {
    bar.end();
  }
}

/** What the summary of something that was made of a policy says where the policy is in shadow mode; empty for others. */
export function shadowWords({ mode }: Policy): string {
  return mode === "shadow" ? ", in shadow mode: it enforces nothing" : "";
}
