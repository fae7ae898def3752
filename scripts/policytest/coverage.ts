/** What tests have exercised of a policy: which rules decided one, and which conditions were true in one and false in one. */
import type { Verdict } from "../evaluate/engine.ts";
import type { TestPolicy } from "./policy.ts";

/** In how many tests the condition of a rule came out as what. A test may count in several. */
export interface ConditionCoverage {
  true: number;
  false: number;
  /** It could not be evaluated, as without the claim it asks for. */
  error: number;
}

/** How often a rule was exercised. */
export interface CoveredRule {
  rule: string;
  /** Tests it decided. */
  tests: number;
  /** Left out for rules without `when`. */
  condition?: ConditionCoverage;
}

/** How often each rule was exercised, of one policy. */
export interface RuleCoverage {
  /** The policy's path. */
  policy: string;
  rules: CoveredRule[];
}

/** Counts what the tests of one policy exercise. */
export class CoverageCounter {
  readonly #policy: string;
  readonly #rules: CoveredRule[];
  readonly #numbers: Map<string, number>;
  /** Whether any rule has a condition, so that the engine has to be asked for what became of it. */
  readonly hasConditions: boolean;

  constructor({ path, model }: TestPolicy) {
    this.#policy = path;
    this.#rules = model.map(({ name, condition }) => ({
      rule: name,
      tests: 0,
      ...(condition !== undefined && { condition: { true: 0, false: 0, error: 0 } }),
    }));
    this.#numbers = new Map(model.map(({ name }, number) => [name, number]));
    this.hasConditions = model.some(({ condition }) => condition !== undefined);
  }

  /** @param lines what the engine said while it was inspected (assembly/inspect.ts) */
  count(verdict: Verdict, lines: readonly string[]): void {
    const decided = isDecided(verdict) ? [verdict.rule] : [];
    // A rule in shadow mode decides nothing; it is exercised where it says what it would have done.
    const shadowed = verdict.shadow?.filter(isDecided).map(({ rule }) => rule) ?? [];
    for (const rule of [...decided, ...shadowed]) {
      const number = rule === null ? undefined : this.#numbers.get(rule);
      if (number !== undefined) this.#rules[number]!.tests++;
    }
    // Under several bindings of its path variables a condition is evaluated once for each.
    for (const line of new Set(lines)) {
      const [, number, outcome] = /^inspect condition (\d+) (true|false|error)$/u.exec(line) ?? [];
      const condition = this.#rules[Number(number)]?.condition;
      if (condition !== undefined) condition[outcome as keyof ConditionCoverage]++;
    }
  }

  /** What has been counted. */
  coverage(): RuleCoverage {
    return { policy: this.#policy, rules: this.#rules };
  }
}

function isDecided({ decision, reason }: { decision: string; reason: string }): boolean {
  return decision === "allow" || reason === "rule_denied";
}
