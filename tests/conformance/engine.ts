/** Conditions in the engine itself: one policy with a rule for each, asked one by one. */

import type { Engine, Evaluator } from "../../scripts/evaluate/engine.ts";
import { compileCondition } from "../../scripts/policy/condition/compile.ts";
import { writeImage } from "../../scripts/policy/image/image.ts";
import type { Condition } from "../../scripts/policy/language/condition.ts";
import { type Endpoint, parseEndpoint } from "../../scripts/policy/language/endpoint.ts";
import type { Policy, Rule } from "../../scripts/policy/language/model.ts";
import { strict_paths } from "../../scripts/policy/language/pathoptions.ts";
import { usual_terms } from "../../scripts/policy/language/terms.ts";
import { type Diagnostic, Findings, Reporter } from "../../scripts/policy/source/diagnostic.ts";
import { sourceOf } from "../../scripts/policy/source/source.ts";
import { standInKeys } from "../../scripts/policytest/keys.ts";
import { mintToken } from "../../scripts/policytest/mint.ts";
import { ruleWith } from "../support/rule.ts";

const es256 = 3;
const issuer = "https://issuer.example.org";
/** All values stand below one claim: the runner takes a claim that is null away, and the token has some of its own. */
export const claims_name = "bound";
const now_seconds = 1_800_000_000;

const endpointOf = (index: number): Endpoint => parseEndpoint(`GET /case/${index}/{id}`) as Endpoint;

/** What the compiler says of a condition. */
export interface CompiledText {
  condition: Condition | undefined;
  errors: Diagnostic[];
  warnings: Diagnostic[];
}

/** Compiles a condition of a rule that has a token and the path variable `id`. */
export function compileText(text: string): CompiledText {
  const findings = new Findings();
  const reporter = new Reporter(sourceOf("condition", text), findings);
  const condition = compileCondition(reporter, { value: text, at: 0 }, { hasToken: true, endpoints: [endpointOf(0)] });
  return { condition, errors: findings.errors, warnings: findings.warnings };
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
      tokenBytes: 16384,
      trustDomains: ["example.org"],
      aliases: new Map(),
      identity: "mtls",
      svids: [],
      sourceAddress: "connection",
      forwarders: [],
      forwards: [],
      paths: strict_paths,
      issuers: [
        {
          name: "issuer",
          issuer,
          audiences: ["audience"],
          ...usual_terms,
          algorithms: ["ES256"],
          keySet: { use: "sig", keys: standInKeys(["ES256"]), source: undefined },
          leewaySeconds: 60,
          maxLifetimeSeconds: 0,
          places: [{ kind: "header", name: "authorization", prefix: "Bearer " }],
          forwardToken: true,
          bind: "none",
          claims: [],
          template: [],
          tenants: undefined,
        },
      ],
      callerSets: [],
      limits: [],
      quarantines: [],
      lists: [],
      rules: rules.sort((a, b) => (a.name < b.name ? -1 : 1)),
    };
    this.#evaluator = engine.start(writeImage(policy), now_seconds * 1000);
  }

  /** Asks one condition, with these values below `claims_name`, or with these claims themselves. */
  ask(index: number, values: Record<string, unknown>, where: "below" | "top" = "below"): Outcome {
    const claims = where === "top" ? values : { [claims_name]: values };
    const token = mintToken(
      { issuer: "issuer", header: {}, claims },
      { iss: issuer, audiences: ["audience"], algorithms: [es256], lifetimeSeconds: 0 },
      now_seconds,
    );
    const { decision, reason } = this.#evaluator.ask({
      caller: "spiffe://example.org/caller",
      source: "10.0.0.1",
      method: "GET",
      path: `/case/${index}/x`,
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
  return ruleWith({
    name: `case-${index}`,
    callers: [{ kind: "any" }],
    endpoints: [endpointOf(index)],
    issuers: ["issuer"],
    condition,
  });
}
