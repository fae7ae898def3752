/** Several workers of one proxy in the Node host, whose policy fetches its keys: what tests of key sets share. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import type { CalloutAnswer } from "../../scripts/host/callout.ts";
import { type HostOptions, type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { type KeyAlgorithm, makeKey, type ProviderKey, providerAudience, providerIssuer } from "./jwks-server.ts";
import { engine } from "./plugin.ts";

export const caller = "spiffe://example.org/web";

/** A policy with one issuer whose keys are fetched. */
export function fetchingPolicy({ refresh = "60s", file }: { refresh?: string; file?: string } = {}): string {
  const embedded = file === undefined ? "" : `, file: ${file}`;
  return `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  idp:
    issuer: ${providerIssuer}
    audiences: [${providerAudience}]
    algorithms: [RS256, PS256, ES256, EdDSA]
    keys: { url: "https://idp.example.org/jwks.json", cluster: idp, refresh: ${refresh}${embedded} }
    leeway: 30s
rules:
  - { name: orders, callers: [any], allow: [GET /orders], token: idp }
`;
}

/** The image of a policy text, with key files beside it. */
export function imageOf(text: string, files: Readonly<Record<string, string>> = {}): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-keys-"));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    writeFileSync(join(folder, "policy.yaml"), text);
    return compilePolicyFile(join(folder, "policy.yaml")).image;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What most tests of key sets sign with. */
export interface TwoKeys {
  one: ProviderKey;
  two: ProviderKey;
  tokenOne: string;
  tokenTwo: string;
}

/** Two keys, and a token of each. */
export async function makeTwoKeys(secondAlgorithm?: KeyAlgorithm): Promise<TwoKeys> {
  const [one, two] = [await makeKey("one"), await makeKey("two", secondAlgorithm)];
  return { one, two, tokenOne: await one.token(), tokenTwo: await two.token() };
}

export const jwks = (...keys: ProviderKey[]): string => JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });

/** The workers, which share data, metrics and a clock that stands still until a test moves it. */
export class Workers {
  readonly hosts: PluginHost[];
  readonly roots: number[];
  #nanoseconds = BigInt(Date.now()) * 1_000_000n;

  constructor(image: Uint8Array, count = 2, sharedData = new SharedData(), options: HostOptions = {}) {
    const metricValues = new Map<string, bigint>();
    const clock = () => this.#nanoseconds;
    this.hosts = Array.from({ length: count }, () =>
      PluginHost.load(engine, { sharedData, metricValues, clock, clusters: ["idp"], ...options }),
    );
    this.roots = this.hosts.map((host) => this.start(host, image));
  }

  /** Puts an image in force on a worker; its root context. */
  start(host: PluginHost, image: Uint8Array): number {
    const started = host.startPlugin(pluginConfiguration(image));
    assert.equal(started.ok, true, started.logs.map(({ message }) => message).join("\n"));
    return started.rootContext;
  }

  pass(seconds: number): void {
    this.#nanoseconds += BigInt(Math.round(seconds * 1000)) * 1_000_000n;
  }

  tick(worker: number): void {
    const { trapped, error } = this.hosts[worker]!.tick(this.roots[worker]!);
    assert.equal(trapped, false, error?.message);
  }

  tickAll(): void {
    this.hosts.forEach((_, worker) => {
      this.tick(worker);
    });
  }

  /** How many callouts wait for an answer, over all workers. */
  get fetches(): number {
    return this.hosts.reduce((sum, { calls }) => sum + calls.length, 0);
  }

  /** Answers the one callout that waits. */
  answer(answer: CalloutAnswer): void {
    assert.equal(this.fetches, 1, "one callout waits");
    const host = this.hosts.find(({ calls }) => calls.length === 1)!;
    const { trapped, error } = host.answer(host.calls[0]!.token, answer);
    assert.equal(trapped, false, error?.message);
  }

  /** The headers of the one callout that waits. */
  get asked(): Map<string, string> {
    assert.equal(this.fetches, 1, "one callout waits");
    return new Map(this.hosts.find(({ calls }) => calls.length === 1)!.calls[0]!.headers);
  }

  /** Ticks, and answers the fetch that this must begin. */
  fetch(answer: CalloutAnswer): void {
    this.tickAll();
    this.answer(answer);
    this.tickAll();
  }

  ask(worker: number, token: string, from: { caller?: string | null; source?: string } = {}): Outcome {
    const request = {
      caller,
      source: "10.0.0.1",
      ...from,
      method: "GET",
      path: "/orders",
      host: "h",
      headers: [],
      token,
    };
    return this.hosts[worker]!.request(this.roots[worker]!, hostRequest(request));
  }

  /** A counter, once a tick of each worker has handed over what it counted. */
  counted(name: string): bigint {
    this.tickAll();
    return this.hosts[0]!.metrics().get(name) ?? -1n;
  }

  metric(name: string): number {
    return Number(this.hosts[0]!.metrics().get(`sallyport_key_set_${name}.policy.shop;.set.idp`) ?? -1n);
  }
}

/** `allowed`, `waits`, or the reason of a denial. */
export function outcomeOf({ paused, filterState }: Outcome): string {
  if (paused) return "waits";
  return (JSON.parse(filterState.get("sallyport") ?? '{"reason":"no record"}') as { reason: string }).reason;
}
