/**
 * Rules taken apart into clauses: one host, one method, one path, one set of conditions each. Two policies have a clause
 * in common however their rules are named, ordered, split and joined.
 */
import type { Endpoint } from "../language/endpoint.ts";
import type { Rule } from "../language/model.ts";
import type { PathPattern } from "../language/pathpattern.ts";
import { type Conditions, conditionsOf, type Naming } from "./conditions.ts";
import { pathText } from "./paths.ts";
import { hostText, type Method } from "./relations.ts";

/** The text that stands for every host. */
export const every_host = "*";

/** What a rule says of one host, method and path. */
export interface Clause {
  id: number;
  action: "allow" | "deny";
  /** A host pattern, or `every_host`. */
  host: string;
  method: Method;
  path: PathPattern;
  /** Names of variables, by the place of their segment, as the rule that was met first has them. */
  names: ReadonlyMap<number, string>;
  conditions: Conditions;
}

/** Gives equal clauses one number. */
export class ClauseTable {
  readonly #clauses = new Map<string, Clause>();

  /** The clauses of a rule. */
  of(rule: Rule, naming: Naming): Clause[] {
    const hosts = rule.hosts.length === 0 ? [every_host] : rule.hosts.map(hostText);
    return rule.endpoints.flatMap((endpoint) => {
      const conditions = conditionsOf(rule, endpoint, naming);
      const key = conditionsKey(conditions);
      const methods = endpoint.methods === "*" ? ["*"] : endpoint.methods;
      return hosts.flatMap((host) =>
        methods.map((method) => this.#intern(rule.action, host, method, endpoint, conditions, key)),
      );
    });
  }

  #intern(
    action: Clause["action"],
    host: string,
    method: Method,
    endpoint: Endpoint,
    conditions: Conditions,
    conditionsText: string,
  ): Clause {
    const key = `${action} ${host} ${method} ${pathText(endpoint)} ${conditionsText}`;
    let clause = this.#clauses.get(key);
    if (clause === undefined) {
      const { segments, tail, after } = endpoint;
      const names = new Map([...endpoint.variables].map(([name, place]) => [place, name]));
      clause = {
        id: this.#clauses.size,
        action,
        host,
        method,
        path: { segments, tail, ...(after && { after }) },
        names,
        conditions,
      };
      this.#clauses.set(key, clause);
    }
    return clause;
  }
}

/** The same for conditions that say the same. */
function conditionsKey(conditions: Conditions): string {
  const { issuers, isTokenOptional, scopes, when, startsSeconds, expiresSeconds, charges, most, opened, others } =
    conditions;
  return JSON.stringify([
    [...issuers].sort(),
    isTokenOptional,
    scopes.map((some) => some.join(" ")).sort(),
    when.map(({ key }) => key).sort(),
    startsSeconds,
    expiresSeconds,
    charges.map(({ limit, cost, from = "", by }) => `${cost} ${limit} ${by} ${from}`).sort(),
    most,
    opened,
    [...others].sort(),
  ]);
}
