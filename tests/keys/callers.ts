/**
 * What tests of known callers share: callers, some of which resemble each other, a policy with rules for
 * each, an engine that is asked again and again, and what one would answer that has seen nobody.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { mintToken } from "../../scripts/policytest/mint.ts";
import { loadTestPolicy, type TestPolicy } from "../../scripts/policytest/policy.ts";
import { engine, markOf, nowSeconds, recordOf } from "../support/plugin.ts";

const module = new WebAssembly.Module(engine as Uint8Array<ArrayBuffer>);
const keys = join(import.meta.dirname, "../policy/keys");

// Each of these pairs is of one size, and ends alike.
export const [alice, bruno] = ["spiffe://example.org/alice/billing", "spiffe://example.org/bruno/billing"] as const;
export const [edge, ridge] = ["spiffe://example.org/edge/proxy-1", "spiffe://partnr.net/xedge/proxy-1"] as const;
export const [wedge, alien] = ["spiffe://example.org/wedg/proxy-1", "spiffe://examplx.org/edge/proxy-1"] as const;
export const [many, full] = ["spiffe://example.org/many", "spiffe://example.org/full"] as const;
export const malformed = "spiffe://example.org//lice/billing";
export const fleet = "spiffe://example.org/fleet/seven";
export const deep = "spiffe://example.org/fleet/seven/eight";
/** An ID of so many bytes. A place keeps up to 176. */
const idOf = (bytes: number) => `spiffe://example.org/long/${"x".repeat(bytes - 26)}`;
export const longest = [175, 176, 177, 2048].map(idOf);

export const digest = "a1".repeat(32);
export const other_digest = "b2".repeat(32);

/** A policy with rules whose sets of callers differ, so that `many` is in more groups than a place keeps, and `full` in as many. */
export function policyText(rules: string, mode = "enforce"): string {
  return `version: 1
name: known
mode: ${mode}
trust:
  domains: [example.org, partnr.net]
  forwarders: [${edge}]
  identity: either
  jwtSvid:
    audiences: [order-api]
    bundles: { example.org: { file: ${keys}/bundle.json }, partnr.net: { file: ${keys}/bundle.json } }
    from: [{ header: x-svid }]
    leeway: 0s
forward: { x-caller: caller.id, x-domain: caller.trust_domain, x-path: caller.path }
rules:
${rules}`;
}

/** Rules whose callers are one ID, or pattern, and one more each: as many groups for whoever has it. */
export const groups = (id: string, count: number) =>
  Array.from({ length: count }, (_, index) => {
    const name = `${id.split("/").at(-1)!.replace("*", "crowd")}-${index}`;
    return `  - { name: ${name}, callers: ["${id}", "spiffe://example.org/none/${name}"], allow: [GET /${name}] }`;
  }).join("\n");

/** Rules for each of the callers. */
export const rules = `
  - { name: alice, callers: [${alice}], allow: [GET /alice] }
  - { name: bruno, callers: [${bruno}], allow: [GET /bruno] }
  - { name: edge, callers: [${edge}], allow: [GET /edge] }
  - { name: wedge, callers: [${wedge}], allow: [GET /wedge] }
  - { name: ridge, callers: [${ridge}], allow: [GET /ridge] }
  - { name: child, callers: ["spiffe://example.org/fleet/*"], allow: [GET /child] }
  - { name: below, callers: ["spiffe://example.org/fleet/**"], allow: [GET /below] }
  - { name: long, callers: ["spiffe://example.org/long/*"], allow: [GET /long] }
  - { name: member, callers: [any], allow: [GET /any] }
  - { name: nobody, callers: [anonymous], allow: [GET /anonymous] }
${groups(many, 12)}
${groups(full, 11)}
`;

const folder = mkdtempSync(join(tmpdir(), "sallyport-known-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** Compiles a policy. Throws PolicyError. */
export function policyOf(name: string, text: string): TestPolicy {
  const path = join(folder, `${name}.yaml`);
  writeFileSync(path, text);
  return loadTestPolicy(path);
}

/** The policy that most tests ask. */
export const policy = policyOf("known", policyText(rules));

/** What a request has that these tests are about. */
export interface Asked {
  caller: string | null;
  path: string;
  xfcc?: string | readonly string[];
  svid?: string;
  digest?: string;
}

/** A VM with a policy in it, kept over many requests. */
export class Keeper {
  readonly host: PluginHost;
  root: number;

  constructor(image = policy.standInImage) {
    this.host = PluginHost.load(module, { clock: () => BigInt(nowSeconds) * 1_000_000_000n });
    this.root = this.load(image);
  }

  load(image: Uint8Array): number {
    const started = this.host.startPlugin(pluginConfiguration(image));
    assert.equal(started.ok, true, started.logs.map(({ message }) => message).join("\n"));
    this.root = started.rootContext;
    return this.root;
  }

  ask({ caller, path, xfcc = [], svid, digest: shown = digest }: Asked): Outcome {
    const outcome = this.host.request(this.root, {
      headers: [
        [":authority", "example.org"],
        [":path", path],
        [":method", "GET"],
        ...[xfcc].flat().map((value) => ["x-forwarded-client-cert", value] as const),
        ...(svid === undefined ? [] : [["x-svid", svid] as const]),
      ],
      properties: {
        "source.address": "10.1.2.3:40000",
        "connection.sha256_peer_certificate_digest": shown,
        ...(caller !== null && { "connection.uri_san_peer_certificate": caller }),
      },
    });
    assert.equal(outcome.trapped, false, outcome.error?.message);
    return outcome;
  }
}

/** All there is to see of a decision. */
export function seen(outcome: Outcome): unknown {
  const { action, headers, localResponse } = outcome;
  return {
    record: recordOf(outcome),
    action,
    headers,
    response: localResponse,
    mark: markOf(outcome),
  };
}

const answers = new Map<string, unknown>();

/** What an engine answers that has seen nobody. */
export function fresh(asked: Asked): unknown {
  const id = JSON.stringify(asked);
  if (!answers.has(id)) answers.set(id, seen(new Keeper().ask(asked)));
  return answers.get(id);
}

/** Puts requests to one engine, twice over, each of which must be answered as if it were the first. */
export function agree(...requests: Asked[]): Keeper {
  const keeper = new Keeper();
  for (const [index, asked] of [...requests, ...requests].entries()) {
    assert.deepEqual(seen(keeper.ask(asked)), fresh(asked), `request ${index}: ${JSON.stringify(asked)}`);
  }
  return keeper;
}

/** The caller that was decided on, and the reason. */
export const reasonOf = (keeper: Keeper, asked: Asked) => {
  const { reason, caller = "nobody" } = recordOf(keeper.ask(asked));
  return `${caller} ${reason}`;
};

/** A JWT-SVID that is good unless `claims` say otherwise. */
export function svidOf(sub: string, claims: Record<string, unknown> = {}): string {
  const issuer = policy.svids.get(sub.split("/")[2]!) ?? policy.svids.get("example.org")!;
  return mintToken({ issuer: "", claims: { sub, ...claims }, header: {} }, issuer, nowSeconds);
}
