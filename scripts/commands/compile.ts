/** Compiling a policy for a verb, with a bar where that takes long and somebody is looking. */
import { type CompiledPolicy, compilePolicyFile } from "../policy/build.ts";
import { progressBar } from "./terminal.ts";

/** As compilePolicyFile. Throws PolicyError. */
export function compileWithBar(path: string): CompiledPolicy {
  const bar = progressBar("characters of rules");
  try {
    return compilePolicyFile(path, bar.update);
  } finally {
    bar.end();
  }
}
