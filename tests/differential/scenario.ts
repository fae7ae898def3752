/** One policy and the requests that come to it, put to both evaluators. */
import * as fc from "fast-check";
import { kindsOf } from "./arbitrary/conditions.ts";
import { mint, type TokenParts } from "./arbitrary/keys.ts";
import { type PolicyParts, type PolicyText, somePolicy, writePolicy } from "./arbitrary/policies.ts";
import { most_tokens, type Step, someStep } from "./arbitrary/requests.ts";
import { someToken, start_seconds } from "./arbitrary/tokens.ts";
import { compileText, Product } from "./product.ts";
import { type Answer, Reference } from "./reference/evaluate.ts";
import { readPolicy } from "./reference/policy.ts";
import type { Arrived } from "./reference/request.ts";
import type { Tally } from "./tally.ts";

export interface Scenario {
  policy: PolicyParts;
  tokens: TokenParts[];
  steps: Step[];
}

export const someScenario: fc.Arbitrary<Scenario> = fc.record({
  policy: somePolicy,
  tokens: fc.array(someToken, { minLength: 1, maxLength: most_tokens, size: "+1" }),
  steps: fc.array(someStep, { minLength: 1, maxLength: 480, size: "max" }),
});

/** A request that the two judge differently. */
export class Difference extends Error {
  override name = "Difference";
  readonly scenario: Scenario;
  readonly text: PolicyText;
  readonly step: number;
  readonly product: Answer;
  readonly reference: Answer;

  constructor(scenario: Scenario, text: PolicyText, step: number, product: Answer, reference: Answer) {
    super(`the product says ${product.reason}, the reference ${reference.reason}`);
    this.scenario = scenario;
    this.text = text;
    this.step = step;
    this.product = product;
    this.reference = reference;
  }
}

/** Puts every request to both. Throws Difference for the first they do not agree on. */
export function runScenario(scenario: Scenario, folder: string, tally?: Tally): void {
  const text = writePolicy(scenario.policy);
  const image = compileText(text, folder);
  // A policy whose conditions could cost too much together is refused; there is nothing to decide then.
  if (image === undefined) tally?.addRefused();
  fc.pre(image !== undefined);
  const product = new Product(image!);
  const policy = readPolicy(text.main, Object.values(text.included), folder);
  const reference = new Reference(policy);
  const kinds = new Map(
    scenario.policy.policy.rules.map(({ name, when }) => [name, when ? kindsOf(String(when)) : []]),
  );
  reference.onCondition = (rule, outcome) => tally?.addCondition(kinds.get(rule)!, outcome);
  let now = start_seconds * 1000;
  for (const [index, step] of scenario.steps.entries()) {
    now += step.afterMilliseconds;
    const arrived = arrivedAt(scenario, step);
    const expected = reference.ask(arrived, now);
    const { verdict, headers } = product.ask(arrived, now);
    const { decision, status, reason, rule, shadow } = verdict;
    const forwarded = headersFrom(headers ?? [], [...policy.forward.keys()]);
    const given = { decision, status, reason, rule, shadow: shadow ?? [], forwarded };
    if (!isSame(given, expected)) throw new Difference(scenario, text, index, given, expected);
    tally?.addAnswer(expected);
  }
}

/** The headers of some names, also where `_` stands for `-`, as many upstreams read it. */
function headersFrom(headers: Arrived["headers"], names: readonly string[]): Answer["forwarded"] {
  return headers
    .filter(([name]) => names.includes(name.replaceAll("_", "-")))
    .map(([name, value]): [string, string] => [name, value])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function isSame(a: Answer, b: Answer): boolean {
  if (a.reason !== b.reason || a.rule !== b.rule || a.status !== b.status || a.decision !== b.decision) return false;
  return JSON.stringify([a.shadow, a.forwarded]) === JSON.stringify([b.shadow, b.forwarded]);
}

function arrivedAt({ tokens }: Scenario, { token, request }: Step): Arrived {
  if (token === null) return request;
  const bearer = `Bearer ${mint(tokens[token % tokens.length]!)}`;
  return { ...request, headers: [...request.headers, ["authorization", bearer]] };
}

/** All that is needed to see what went wrong. */
export function describeDifference({ scenario, text, step, product, reference }: Difference): string {
  const { token, request } = scenario.steps[step]!;
  const parts = token === null ? undefined : scenario.tokens[token % scenario.tokens.length]!;
  const offset = scenario.steps.slice(0, step + 1).reduce((sum, { afterMilliseconds }) => sum + afterMilliseconds, 0);
  const files = Object.entries({ "policy.yaml": text.main, ...text.included });
  return [
    ...files.map(([name, content]) => `--- ${name}\n${content}`),
    `--- request ${step + 1} of ${scenario.steps.length}, at ${new Date(start_seconds * 1000 + offset).toISOString()}`,
    JSON.stringify(request, null, 2),
    parts === undefined ? "no token" : `token ${JSON.stringify(Object.fromEntries(parts.header))}`,
    ...(parts === undefined
      ? []
      : [`claims ${JSON.stringify(parts.claims)}`, `key ${parts.key}, damage ${parts.damage}`]),
    `product   ${JSON.stringify(product)}`,
    `reference ${JSON.stringify(reference)}`,
  ].join("\n");
}
