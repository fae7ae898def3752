/** Two Envoys that share limits by one service, each with a network of its own to it, and what is sent to them. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { rateLimitConfiguration } from "../../scripts/policy/fleet.ts";
import { serviceCluster } from "../bench/limits/service.ts";
import { type Ended, Http2Client } from "../storm/client.ts";
import { startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { check } from "../support/policy.ts";
import { type Clocks, findMovableService } from "./clocks.ts";
import { Link } from "./network.ts";
import { findSystems, type Service, startService } from "./systems.ts";

export const rate = 40;
export const replicas = 2;
/** What each Envoy admits by itself. */
export const share = rate / replicas;
/** Enough for blocks. */
export const largeRate = 900;
/** So many requests to what no rule is for shut a caller out. */
export const denials = 6;
/** Far more than the deadline and a slow machine take, and far less than for ever. */
const patience_ms = 5_000;

type Unit = "h" | "d";
const limit = (unit: Unit, onError: string): string =>
  `{ rate: ${rate}/${unit}, per: [caller], scope: fleet, onError: ${onError}, headers: always }`;
const policyOf = (unit: Unit): string => `
version: 1
name: fleet
trust: { domains: [example.org] }
fleet: { cluster: bench_ratelimit, deadline: 250ms, replicas: ${replicas} }
quarantine: [{ name: probing, when: [no_rule], denials: ${denials}, within: 1m, for: 5m, max: 1h, scope: fleet }]
limits:
  local: ${limit(unit, "local")}
  deny: ${limit(unit, "deny")}
  allow: ${limit(unit, "allow")}
  leased: { rate: ${largeRate}/${unit}, per: [caller], scope: fleet, fleet: leased, onError: deny }
  unheard: { rate: 7/${unit}, per: [caller], scope: fleet, onError: deny }
rules:
  - { name: local, callers: ["spiffe://example.org/*"], allow: [GET /local], limit: local }
  - { name: deny, callers: ["spiffe://example.org/*"], allow: [GET /deny], limit: deny }
  - { name: allow, callers: ["spiffe://example.org/*"], allow: [GET /allow], limit: allow }
  - { name: leased, callers: ["spiffe://example.org/*"], allow: [GET /leased], limit: leased }
  - { name: unheard, callers: ["spiffe://example.org/*"], allow: [GET /unheard], limit: unheard }
`;

/** What the service is told: all limits but one. */
function configuration(policyYaml: string): string {
  const { policy } = check(policyYaml);
  const made = rateLimitConfiguration([policy!]);
  if (typeof made === "string") throw new Error(made);
  return stringify({ ...made, descriptors: made.descriptors.filter(({ value }) => !value.startsWith("unheard")) });
}

export const admitted = (ended: readonly Ended[]): number => ended.filter(({ status }) => status === 200).length;
export const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

let callers = 0;
export const nextCaller = (): string => `spiffe://example.org/caller-${callers++}`;

/** What differs from systems as they are, and periods of a day. */
interface FleetOptions {
  unit?: Unit;
  clocks?: Clocks;
}

export class FleetWorld {
  readonly service: Service;
  readonly envoys: TestEnvoy[] = [];
  /** From each Envoy to the service. */
  readonly links: Link[] = [];

  readonly #policyYaml: string;

  private constructor(service: Service, policyYaml: string) {
    this.service = service;
    this.#policyYaml = policyYaml;
  }

  static async start({ unit = "d", clocks }: FleetOptions = {}): Promise<FleetWorld> {
    const policyYaml = policyOf(unit);
    const systems = await findSystems();
    if (clocks !== undefined) systems.ratelimit = await findMovableService();
    const service = await startService(systems, configuration(policyYaml), clocks?.environments);
    const world = new FleetWorld(service, policyYaml);
    try {
      for (let count = 0; count < replicas; count++) await world.#addEnvoy();
      // A worker that has not seen a stream end yet lets few requests wait.
      await world.untilAnswered();
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  async #addEnvoy(): Promise<void> {
    const link = await Link.start(this.service.ratelimit.port);
    this.links.push(link);
    const cluster = serviceCluster({ port: link.port, stop: () => {} });
    // As docs/limits.md has it: Envoy finds out that nothing gets through a connection any more.
    const http2_protocol_options = { connection_keepalive: { interval: "2s", timeout: "1s" } };
    // biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
    for (const options of Object.values<any>((cluster as any).typed_extension_protocol_options)) {
      options.explicit_http_config = { http2_protocol_options };
    }
    const adjust = (bootstrap: Bootstrap): void => {
      bootstrap.static_resources.clusters.push(cluster);
    };
    this.envoys.push(await startTestEnvoy({ policyYaml: this.#policyYaml, adjust }));
  }

  async stop(): Promise<void> {
    for (const envoy of this.envoys) await envoy.stop();
    for (const link of this.links) link.stop();
    await this.service.stop();
  }

  /** So many requests of a caller to one Envoy, all at once. */
  async sendTo({ local }: TestEnvoy, path: string, count: number, caller: string): Promise<Ended[]> {
    const client = await Http2Client.open(await local.target(caller));
    const ended = await Promise.all(Array.from({ length: count }, () => client.send({ path }).ended));
    client.destroy();
    for (const { tookMs } of ended) assert.ok(tookMs < patience_ms, `a request waited for ${tookMs} ms`);
    return ended;
  }

  /** So many requests of a caller to each Envoy, all at once; what each Envoy's came to. */
  async send(path: string, count: number, caller: string): Promise<Ended[][]> {
    return Promise.all(this.envoys.map((envoy) => this.sendTo(envoy, path, count, caller)));
  }

  /** How many of so many requests to each Envoy it admits. */
  async admittedBy(path: string, count: number, caller = nextCaller()): Promise<number[]> {
    return (await this.send(path, count, caller)).map(admitted);
  }

  /** Sends requests until the service decides again what these Envoys are asked. */
  async untilAnswered(envoys = this.envoys): Promise<void> {
    const deadline = performance.now() + 30_000;
    for (;;) {
      const sent = await Promise.all(envoys.map((envoy) => this.sendTo(envoy, "/deny", 1, nextCaller())));
      const statuses = sent.flat().map(({ status }) => status);
      if (statuses.every((status) => status === 200)) return;
      assert.ok(performance.now() < deadline, `the service is not asked again: ${statuses}`);
      await sleep(100);
    }
  }

  /** What a metric of the answers of the service comes to in the first Envoy. */
  async answers(result: string): Promise<number> {
    const line = (await this.envoys[0]!.prometheus()).find(
      (metric) => metric.includes("fleet_answers") && metric.includes(result),
    );
    return Number(line?.split(" ").at(-1) ?? 0);
  }
}
