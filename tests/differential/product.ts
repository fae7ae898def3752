/** The product's answers: the whole compiler over a policy's files, then the engine that ships, in the Node host. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hostRequest, pluginConfiguration, tickFirst, type Verdict, verdictOf } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { type ForeignFunction, verifySignature } from "../../scripts/host/signature.ts";
import { compilePolicyFile, loadEngine } from "../../scripts/policy/build.ts";
import { PolicyError } from "../../scripts/policy/source/diagnostic.ts";
import type { PolicyText } from "./arbitrary/policies.ts";
import type { Arrived } from "./reference/request.ts";

export const module = new WebAssembly.Module(loadEngine() as Uint8Array<ArrayBuffer>);

const verified = new Map<string, ReturnType<ForeignFunction>>();
/** Verifying is what costs most, and the same tokens come again and again. */
export const rememberingVerify: ForeignFunction = (argument) => {
  const id = Buffer.from(argument).toString("latin1");
  let result = verified.get(id);
  if (result === undefined) {
    result = verifySignature(argument);
    if (verified.size > 10_000) verified.clear();
    verified.set(id, result);
  }
  return result;
};

/** Writes a policy's files and reads them; undefined where the policy passes a bound. Throws PolicyError. @param read given the policy's path */
export function readText<Result>(text: PolicyText, folder: string, read: (path: string) => Result): Result | undefined {
  const path = join(folder, "policy.yaml");
  writeFileSync(path, text.main);
  for (const [name, part] of Object.entries(text.included)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), part);
  }
  try {
    return read(path);
  } catch (error) {
    if (
      error instanceof PolicyError &&
      error.diagnostics.every(({ code }) => code === "bound" || code === "condition_cost")
    )
      return undefined;
    throw error;
  } finally {
    for (const name of Object.keys(text.included)) rmSync(join(folder, name));
  }
}

/** Writes a policy's files and compiles them; undefined where the policy passes a bound. Throws PolicyError. */
export function compileText(text: PolicyText, folder: string): Uint8Array | undefined {
  return readText(text, folder, (path) => compilePolicyFile(path).image);
}

/** An engine with a policy in it. */
export class Product {
  readonly #host: PluginHost;
  readonly #root: number;
  #nowMilliseconds = 0;

  constructor(image: Uint8Array) {
    this.#host = PluginHost.load(module, {
      clock: () => BigInt(this.#nowMilliseconds) * 1_000_000n,
      foreignFunctions: new Map([["verify_signature", rememberingVerify]]),
    });
    const started = this.#host.startPlugin(pluginConfiguration(image));
    if (!started.ok) throw new Error(`the engine refuses the image: ${started.logs.map((line) => line.message)}`);
    this.#root = started.rootContext;
    tickFirst(this.#host, this.#root);
  }

  /** The verdict, and the headers the upstream gets if the request goes on. */
  ask(
    arrived: Arrived,
    nowMilliseconds: number,
  ): { verdict: Verdict; headers: Arrived["headers"] | undefined; trapped: boolean } {
    this.#nowMilliseconds = nowMilliseconds;
    const { digest, ...request } = arrived;
    const certificate = digest === null ? {} : { certificateDigest: digest };
    const outcome = this.#host.request(this.#root, hostRequest({ ...request, ...certificate, token: null }));
    const headers = outcome.action === "continue" ? outcome.headers : undefined;
    return { verdict: verdictOf(outcome), headers, trapped: outcome.trapped };
  }

  /** How often something happened that the engine counts. */
  metric(name: string): number {
    return Number(this.#host.metrics().get(name) ?? 0n);
  }
}
