/** Rules as the compiler has them, for tests that make none of text. */
import type { Rule } from "../../scripts/policy/language/model.ts";
import { check } from "./policy.ts";

/** A rule that says nothing but what it must: the compiler fills in the rest, also what the language gets in future. */
const plain = check(`
version: 1
name: plain
trust: { domains: [example.org] }
rules: [{ name: plain, callers: [any], allow: [GET /] }]
`).policy!.rules[0]!;

/** An allow rule that asks for nothing but what is given. */
export function ruleWith(parts: Pick<Rule, "name" | "callers" | "endpoints"> & Partial<Rule>): Rule {
  return { ...plain, ...parts };
}

/** The rule with its callers, hosts and endpoints alone: it asks for no token and at no time. */
export function bareRule({ name, action, mode, callers, hosts, endpoints }: Rule): Rule {
  return ruleWith({ name, action, mode, callers, hosts, endpoints });
}
