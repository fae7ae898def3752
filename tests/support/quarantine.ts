/** Workers of one Envoy whose policy shuts callers out: what tests of quarantines share. */
import { type FilterRequest, hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import type { HostOptions, Outcome } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { nowSeconds, recordOf } from "./plugin.ts";
import { imageOf, Workers } from "./workers.ts";

export const web = "spiffe://example.org/web";
export const mobile = "spiffe://example.org/mobile";
export const edge = "spiffe://example.org/edge";

/** A policy with these quarantines, in flow style, that admits everybody to `/public` and known callers to `/orders`. */
export function quarantinePolicy(quarantines: string, more = "", trust = ""): string {
  return `version: 1
name: shop
${more}
trust: { domains: [example.org, partner.net], forwarders: [${edge}] ${trust} }
quarantine: [${quarantines}]
rules:
  - { name: public, callers: [anonymous], allow: [GET /public] }
  - { name: orders, callers: [any], allow: [GET /orders] }
  - { name: internal, callers: [${edge}], allow: [GET /nothing/at-all] }
`;
}

/** Three denials within a minute, two minutes, up to eight. */
export const probing = "{ name: probing, when: [no_rule], denials: 3, within: 1m, for: 2m, max: 8m }";

/** Workers with one clock, which a test moves. */
export class Guarded {
  readonly workers: Workers;
  #nanoseconds = BigInt(nowSeconds) * 1_000_000_000n;

  constructor(policy: string, count = 2, options: HostOptions = {}, sharedData = new SharedData()) {
    this.workers = new Workers(imageOf(policy), count, sharedData, { clock: () => this.#nanoseconds, ...options });
  }

  /** Loads another policy on every worker, as a reload does. */
  reload(policy: string): void {
    const image = imageOf(policy);
    for (const [index, host] of this.workers.hosts.entries()) {
      const { rootContext, ok } = host.startPlugin(pluginConfiguration(image));
      if (!ok) throw new Error("the policy is refused");
      host.deleteContext(this.workers.roots[index]!);
      this.workers.roots[index] = rootContext;
    }
  }

  /** Seconds pass, or are taken back. */
  pass(seconds: number): void {
    this.#nanoseconds += BigInt(Math.round(seconds * 1000)) * 1_000_000n;
  }

  ask(request: Partial<FilterRequest> = {}, worker = 0): Outcome {
    const whole = {
      caller: web,
      source: "10.0.0.1",
      method: "GET",
      path: "/orders",
      host: "h",
      headers: [],
      token: null,
    };
    return this.workers.hosts[worker]!.request(this.workers.roots[worker]!, hostRequest({ ...whole, ...request }));
  }

  /** The reason. */
  reason(request: Partial<FilterRequest> = {}, worker = 0): string {
    return String(recordOf(this.ask(request, worker)).reason);
  }

  /** Denied so often, on the workers by turns; the last reason. */
  probe(times: number, request: Partial<FilterRequest> = {}): string {
    let last = "";
    for (let count = 0; count < times; count++)
      last = this.reason({ path: "/nothing", ...request }, count % this.workers.hosts.length);
    return last;
  }

  /** What Retry-After says, in seconds. */
  retryAfter(request: Partial<FilterRequest> = {}): number {
    const { localResponse } = this.ask(request);
    return Number(new Map(localResponse?.headers ?? []).get("retry-after") ?? -1);
  }

  /** Lines of log about quarantines, of all workers. */
  get lines(): string[] {
    const all = this.workers.hosts.flatMap(({ logs }) => logs.map(({ message }) => message));
    return all.filter((line) => line.includes("quarantine"));
  }

  /** How often something was counted. */
  counted(quarantine: string, event: string): number {
    return Number(this.workers.counted(`sallyport_quarantine.policy.shop;.quarantine.${quarantine};.event.${event}`));
  }

  /** How often the rate limit service of the fleet has answered so. */
  answers(result: string): number {
    return Number(this.workers.counted(`sallyport_fleet_answers.policy.shop;.result.${result}`));
  }
}
