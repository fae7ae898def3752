/** A suggested policy in the engine, for tests: with tokens of the runner's own keys. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine, type Evaluator, type Verdict } from "../../scripts/evaluate/engine.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { mintToken } from "../../scripts/policytest/mint.ts";
import { loadTestPolicy, type TestPolicy } from "../../scripts/policytest/policy.ts";

export const now = Date.parse("2026-11-21T10:00:00Z");

/** A policy whose issuers a log can name. Its keys are fetched, so that no file is needed. */
export const base_policy = `version: 1
name: shop
trust:
  domains: [example.org, partner.example.net]
issuers:
  # Those who work here.
  corp: { issuer: https://corp.example.org, audiences: [order-api], algorithms: [ES256], keys: { url: https://corp.example.org/keys, cluster: corp }, leeway: 30s, maxLifetime: 1h }
  partner: { issuer: https://partner.example.net, audiences: [order-api], algorithms: [ES256], keys: { url: https://partner.example.net/keys, cluster: partner }, leeway: 30s, maxLifetime: 1h }
rules:
  - { name: all, callers: [any], allow: [GET /anything-at-all] }
`;

const engine = new Engine(loadEngine());

/** What is asked in a test. */
export interface Asked {
  /** "" for nobody. */
  caller: string;
  host: string;
  method: string;
  /** As it is sent. */
  path: string;
  /** "" for no token. */
  issuer: string;
  scopes: readonly string[];
}

/** A policy's text in an engine. */
export class Asking {
  readonly policy: TestPolicy;
  readonly #evaluator: Evaluator;

  constructor(text: string) {
    const folder = temporaryFolder();
    try {
      const path = join(folder, "policy.yaml");
      writeFileSync(path, text);
      this.policy = loadTestPolicy(path);
    } finally {
      rmSync(folder, { recursive: true });
    }
    this.#evaluator = engine.start(this.policy.standInImage, now);
  }

  ask({ caller, host, method, path, issuer, scopes }: Asked): Verdict {
    const claims = { issuer, claims: { scope: scopes.join(" ") }, header: {} };
    const minting = this.policy.issuers.get(issuer);
    return this.#evaluator.ask({
      caller: caller === "" ? null : caller,
      source: "10.0.0.1",
      method,
      path,
      host,
      headers: [],
      token: minting === undefined ? null : mintToken(claims, minting, now / 1000),
    });
  }
}

/** A folder that whoever asked for it removes. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "sallyport-suggest-"));
}
