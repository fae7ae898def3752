/** Signed policies in the Node host: keys, images of many versions, and an Envoy that tries each configuration on its main thread first. */
import assert from "node:assert/strict";
import { createPrivateKey, type KeyObject } from "node:crypto";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { type HostOptions, PluginHost, type StartOutcome } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { signImage } from "../../scripts/policy/signed/envelope.ts";
import { keyIdOf, makeSigningKey, readTrustKey } from "../../scripts/policy/signed/keys.ts";
import { engine, nowSeconds } from "./plugin.ts";
import { imageOf } from "./workers.ts";

/** A key that signs, and what a module trusts of it. */
export interface SigningKey {
  privateKey: KeyObject;
  publicBytes: Uint8Array;
  id: string;
}

export function signingKey(): SigningKey {
  const { privatePem, publicPem } = makeSigningKey();
  const publicBytes = readTrustKey(publicPem);
  return { privateKey: createPrivateKey(privatePem), publicBytes, id: keyIdOf(publicBytes) };
}

/** An image that allows `GET /NAME` and nothing else. @param more keys of the policy, as YAML lines */
export function allowing(path: string, more = "", name = "shop"): Uint8Array {
  return imageOf(`version: 1
name: ${name}
${more}
trust: { domains: [example.org] }
rules:
  - { name: only, callers: [any], allow: ["GET|POST /${path}"] }
`);
}

/** The configuration with a signed image. */
export function signedConfiguration(
  image: Uint8Array,
  { privateKey }: SigningKey,
  version: number,
  expiresSeconds?: number,
): string {
  return pluginConfiguration(signImage(image, privateKey, { version, expiresSeconds }));
}

/** Whether a root context admits `GET /NAME`. */
export function admits(host: PluginHost, root: number, path: string): boolean {
  const { action, trapped, error } = host.request(
    root,
    hostRequest({
      caller: "spiffe://example.org/web",
      source: "10.1.2.3",
      method: "GET",
      path: `/${path}`,
      host: "shop.example.org",
      headers: [],
      token: null,
    }),
  );
  assert.equal(trapped, false, error?.message);
  return action === "continue";
}

interface Worker {
  host: PluginHost;
  root: number;
}

/**
 * An Envoy as proxy-wasm-cpp-host has it (src/wasm.cc): a configuration is tried in a VM of its own on the main thread, once; the answer
 * is remembered; workers are then given it in VMs that last.
 */
export class SignedEnvoy {
  readonly module: Uint8Array;
  readonly sharedData = new SharedData();
  options: HostOptions = {};
  nowSeconds = nowSeconds;
  workers: Worker[] = [];
  /** What the log said last of a configuration, in the VM that was given it last. */
  said = "";
  readonly #tried = new Map<string, boolean>();
  readonly #count: number;

  constructor(embedded: Uint8Array, trusted: readonly SigningKey[], workers = 2) {
    this.module = embedImage(
      engine,
      embedded,
      trusted.map(({ publicBytes }) => publicBytes),
    );
    this.#count = workers;
  }

  /** A VM that has no configuration yet. */
  vm(): PluginHost {
    const clock = () => BigInt(this.nowSeconds) * 1_000_000_000n;
    return PluginHost.load(this.module, { sharedData: this.sharedData, clock, ...this.options });
  }

  /** Gives a VM a configuration; whether it took it. */
  start(host: PluginHost, configuration: string): StartOutcome {
    const started = host.startPlugin(configuration);
    assert.equal(started.trapped, false, started.error?.message);
    this.said = started.logs.map(({ message }) => message).join("\n");
    return started;
  }

  /** Pushes a configuration; whether the main thread took it. Each worker that would be without the filter fails the test. */
  push(configuration: string): boolean {
    const known = this.#tried.get(configuration);
    const isTaken = known ?? this.start(this.vm(), configuration).ok;
    this.#tried.set(configuration, isTaken);
    if (!isTaken) return false;
    const before = this.workers;
    this.workers = Array.from({ length: this.#count }, (_, index) => {
      const host = before[index]?.host ?? this.vm();
      const { ok, rootContext } = this.start(host, configuration);
      assert.equal(ok, true, `worker ${index} is without the filter: ${this.said}`);
      return { host, root: rootContext };
    });
    for (const { host, root } of before) host.deleteContext(root);
    return true;
  }

  /** The paths of some that every worker admits; the test fails where workers differ. */
  admitted(...paths: string[]): string[] {
    const [first, ...others] = this.workers.map(({ host, root }) => paths.filter((path) => admits(host, root, path)));
    for (const other of others) assert.deepEqual(other, first, "workers differ");
    return first!;
  }
}
