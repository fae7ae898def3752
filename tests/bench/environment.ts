/** What a run was made on, without which its figures say little. */
import { cpus, release } from "node:os";
import { isEngineFresh } from "../../scripts/build/engine.ts";
import { envoyVersion } from "../../scripts/envoy/find.ts";
import { loadEngine } from "../../scripts/policy/build.ts";

/** As bench.json has it. */
export interface Environment {
  /** When the run began, ISO 8601 in UTC. */
  date: string;
  processor: string;
  processors: number;
  kernel: string;
  node: string;
  envoy: string;
  engineBytes: number;
  /** Whether build/engine.wasm is what assembly/ compiles to. */
  isEngineFresh: boolean;
}

export async function describeEnvironment(envoyPath: string): Promise<Environment> {
  return {
    date: new Date().toISOString(),
    processor: cpus()[0]?.model ?? "unknown",
    processors: cpus().length,
    kernel: release(),
    node: process.versions.node,
    envoy: (await envoyVersion(envoyPath)) ?? "of an unknown version",
    engineBytes: loadEngine().length,
    isEngineFresh: isEngineFresh(),
  };
}
