/** Conditions in the engine itself: one policy with a rule for each, asked one by one. */

import type { Engine, Evaluator } from "../../scripts/evaluate/engine.ts";
import { compileCondition } from "../../scripts/policy/condition/compile.ts";
import type { Condition } from "../../scripts/policy/condition/condition.ts";
import { type Diagnostic, Findings, Reporter } from "../../scripts/policy/diagnostic.ts";
import { type Endpoint, parseEndpoint } from "../../scripts/policy/endpoint.ts";
import { writeImage } from "../../scripts/policy/image.ts";
import type { Policy, Rule } from "../../scripts/policy/model.ts";
import { sourceOf } from "../../scripts/policy/source.ts";
import { standInKey } from "../../scripts/policytest/keys.ts";
import { mintToken } from "../../scripts/policytest/mint.ts";

const es256 = 3;
const issuer = "https://issuer.example.org";
/** All values stand below one claim: the runner takes a claim that is null away, and the token has some of its own. */
export const claims_name = "bound";
const now_seconds = 1_800_000_000;

/** Compiles a condition of a rule that has a token and no path variables. */
export function compileText(text: string): { condition: Condition | undefined; errors: Diagnostic[] } {
  const findings = new Findings();
  const reporter = new Reporter(sourceOf("condition", text), findings);
  const condition = compileCondition(reporter, { value: text, at: 0 }, { hasToken: true, endpoints: [] });
  return { condition, errors: findings.errors };
}

/** How a condition came out. */
export type Outcome = "true" | "false" | "error";

/** The engine with a policy of these conditions. */
export class Conditions {
  readonly #evaluator: Evaluator;

  constructor(engine: Engine, conditions: readonly Condition[]) {
    const rules = conditions.map((condition, index) => ruleOf(condition, index));
    const policy: Policy = {
      name: "conformance",
      mode: "enforce",
      trustDomains: ["example.org"],
      forwarders: [],
      forwards: [],
      issuers: [
        {
          name: "issuer",
          issuer,
          audiences: ["audience"],
          algorithms: ["ES256"],
          keys: [{ kid: standInKey(es256).kid, algorithms: 1 << es256, spki: standInKey(es256).spki }],
          leewaySeconds: 60,
          maxLifetimeSeconds: 0,
        },
      ],
      callerSets: [],
      limits: [],
      rules: rules.sort((a, b) => (a.name < b.name ? -1 : 1)),
    };
    this.#evaluator = engine.start(writeImage(policy), now_seconds * 1000);
  }

  /** Asks one condition, with these claims in the token. */
  ask(index: number, claims: Record<string, unknown>): Outcome {
    const token = mintToken(
      { header: {}, claims: { [claims_name]: claims } },
      { iss: issuer, audiences: ["audience"], algorithms: [es256], lifetimeSeconds: 0 },
      now_seconds,
    );
    const { decision, reason } = this.#evaluator.ask({
      caller: "spiffe://example.org/caller",
      source: "10.0.0.1",
      method: "GET",
      path: `/case/${index}`,
      host: "example.org",
      headers: [],
      token,
    });
    if (decision === "allow") return "true";
    if (reason === "condition_false") return "false";
    if (reason === "condition_error") return "error";
    throw new Error(`case ${index}: ${reason}`);
  }
}

function ruleOf(condition: Condition, index: number): Rule {
  return {
    name: `case-${index}`,
    file: "conformance",
    line: 1,
    column: 1,
    action: "allow",
    callers: [{ kind: "any" }],
    hosts: [],
    endpoints: [parseEndpoint(`GET /case/${index}`) as Endpoint],
    issuers: ["issuer"],
    scopes: [],
    condition,
    limits: [],
    cost: 1,
    mode: "enforce",
    startsSeconds: 0,
    expiresSeconds: 0,
  };
}
