/**
 * What a rule asks of a request beside caller, host and endpoint, as a number: two rules with one number ask the same, in one policy or in two.
 * So what a log says of the one is true of the other.
 */
import { createHash } from "node:crypto";
import { ruleVariables } from "../policy/language/condition.ts";
import type { Issuer, NamedList, Policy, Rule } from "../policy/language/model.ts";

/** Numbers of what rules ask. */
export class Guards {
  readonly #numbers = new Map<string, number>();
  readonly #issuers = new WeakMap<Issuer, string>();
  readonly #lists = new WeakMap<NamedList, string>();

  /** The number of a rule's guard. Allow and deny rules ask in different ways, and have no number in common. */
  numberOf(policy: Policy, rule: Rule): number {
    const { action, isTokenOptional, scopes, isAnyScope, condition, costFrom, mostBytes } = rule;
    const { startsSeconds, expiresSeconds, callers, hosts, endpoints, paths, captures } = rule;
    const named = [...(condition?.lists.keys() ?? []), ...(costFrom?.lists.keys() ?? [])];
    const reads = { ...rule, limitVariables: [], forwardVariables: [] };
    return this.#numberOfText(
      exactText([
        { action, isTokenOptional, scopes, isAnyScope, mostBytes, startsSeconds, expiresSeconds },
        [condition?.text, costFrom?.text],
        rule.issuers.map((name) => this.#issuerText(policy, name)),
        named.map((name) => [name, this.#listText(policy, name)]),
        policy.tokenBytes,
        policy.sourceAddress,
        // What stands for a variable follows from where the rule matches.
        ruleVariables(reads).length === 0 ? null : [callers, hosts, endpoints, paths, captures, policy.callerSets],
      ]),
    );
  }

  #numberOfText(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.#numbers.size);
    return this.#numbers.size - 1;
  }

  #issuerText(policy: Policy, name: string): string {
    const issuer = policy.issuers.find((one) => one.name === name);
    if (issuer === undefined) return "";
    let text = this.#issuers.get(issuer);
    if (text === undefined) {
      text = exactText([goodnessText(issuer), issuer.scopeClaims]);
      this.#issuers.set(issuer, text);
    }
    return text;
  }

  /** A list may be long, so its digest stands for it. */
  #listText(policy: Policy, name: string): string {
    const list = policy.lists.find((one) => one.name === name);
    if (list === undefined) return "";
    let text = this.#lists.get(list);
    if (text === undefined) {
      text = createHash("sha256").update(JSON.stringify(list.entries)).digest("hex");
      this.#lists.set(list, text);
    }
    return text;
  }
}

/** All of an issuer that has a say in whether a token is good: where two are alike, one token is good for both or for neither. */
export function goodnessText({ name: _, forwardToken: _1, challenge: _2, scopeClaims: _3, ...rest }: Issuer): string {
  return exactText(rest);
}

/** JSON that tells any two values apart, with maps, bytes and large numbers in it. */
export function exactText(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => {
    if (one instanceof Map || one instanceof Set) return [...one];
    if (one instanceof Uint8Array) return Buffer.from(one).toString("base64");
    return typeof one === "bigint" ? String(one) : one;
  });
}
