/** Rules as the compiler has them, for tests that make none of text. */
import type { Rule } from "../../scripts/policy/language/model.ts";

/** What rules ask for beside caller, host and endpoint: nothing. A part that the language gets goes here. */
const plain: Omit<Rule, "name" | "callers" | "endpoints"> = {
  file: "policy.yaml",
  line: 1,
  column: 1,
  action: "allow",
  hosts: [],
  issuers: [],
  scopes: [],
  condition: undefined,
  limits: [],
  cost: 1,
  mode: "enforce",
  startsSeconds: 0,
  expiresSeconds: 0,
};

/** An allow rule that asks for nothing but what is given. */
export function ruleWith(parts: Pick<Rule, "name" | "callers" | "endpoints"> & Partial<Rule>): Rule {
  return { ...plain, ...parts };
}

/** The rule with its callers, hosts and endpoints alone: it asks for no token and at no time. */
export function bareRule({ name, action, mode, callers, hosts, endpoints }: Rule): Rule {
  return ruleWith({ name, action, mode, callers, hosts, endpoints });
}
