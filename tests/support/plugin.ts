/** What tests of the release engine share: a policy in force in the Node host, tokens for it, and requests. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type FilterRequest, hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import type { HostCall } from "../../scripts/host/context.ts";
import { type HostOptions, type HostRequest, type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { mintFor } from "../../scripts/policytest/cases.ts";
import { loadTestPolicy, type TestPolicy } from "../../scripts/policytest/policy.ts";

/** The clock of tests: 2026-11-21T10:00:00Z. */
export const nowSeconds = 1795255200;
export const engine = loadEngine();
const policies = new Map<string, TestPolicy>();

/** A policy of tests/policy/policies, compiled once. */
export function policyNamed(name: string): TestPolicy {
  const path = fileURLToPath(new URL(`../policy/policies/${name}.yaml`, import.meta.url));
  const policy = policies.get(name) ?? loadTestPolicy(path);
  policies.set(name, policy);
  return policy;
}

/** A VM with one policy in force. */
export class TestPlugin {
  readonly host: PluginHost;
  readonly root: number;
  readonly policy: TestPolicy;

  constructor(name: string, options: HostOptions = {}, module = engine) {
    this.policy = policyNamed(name);
    this.host = PluginHost.load(module, { clock: () => BigInt(nowSeconds) * 1_000_000_000n, ...options });
    const started = this.host.startPlugin(pluginConfiguration(this.policy.standInImage));
    assert.equal(started.ok, true, started.logs.map(({ message }) => message).join("\n"));
    this.root = started.rootContext;
  }

  /** A token of issuer corp. */
  token(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): string {
    return mintFor({ issuer: "corp", claims, header }, this.policy, nowSeconds);
  }

  request(request: Partial<FilterRequest>, more: Partial<HostRequest> = {}): Outcome {
    return this.host.request(this.root, { ...hostRequest({ ...sound, ...request }), ...more });
  }

  /** An order that the shop's policy admits. */
  order(request: Partial<FilterRequest> = {}): Outcome {
    return this.request({ token: this.token({ sub: "alice", scope: "orders:write" }), ...request });
  }
}

const sound: FilterRequest = {
  caller: "spiffe://example.org/checkout-service",
  source: "10.1.2.3",
  method: "POST",
  path: "/orders",
  host: "orders.example.org",
  headers: [],
  token: null,
};

/** Whether the record marks a request as one that goes on, as the enforcement check reads it; undefined where there is none. */
export function markOf(outcome: Outcome): boolean | undefined {
  const text = outcome.filterState.get("sallyport");
  if (text === undefined) return undefined;
  const mark = /^\{"admit":(true|false),"policy":"[A-Za-z0-9_-]*",/u.exec(text);
  assert.ok(mark !== null, `the record begins otherwise: ${text}`);
  return mark[1] === "true";
}

/** The audit record of a request. */
export function recordOf(outcome: Outcome): Record<string, unknown> {
  const text = outcome.filterState.get("sallyport");
  assert.ok(text !== undefined, "the engine left no record");
  return JSON.parse(text) as Record<string, unknown>;
}

/** Host calls in one line each, as name and first argument; bytes of keys and records left out. */
export function callNames(calls: readonly HostCall[]): string[] {
  const withArgument = ["get_property", "set_property", "increment_metric", "call_foreign_function"];
  return calls.map(({ name, args }) => (withArgument.includes(name) ? `${name} ${args[0]}` : name));
}

/** Asserts that a request was refused with our own 503 and did not break the VM. */
export function assertInternal(outcome: Outcome, what: string): void {
  assert.equal(outcome.trapped, false, `${what}: ${outcome.error?.message}`);
  assert.equal(outcome.action, "pause", `${what}: admitted`);
  assert.equal(outcome.localResponse?.requestedStatus, 503, what);
  // Nothing is left that the enforcement check would take for an admission.
  assert.equal(outcome.filterState.get("sallyport")?.startsWith('{"admit":true') ?? false, false, what);
}
