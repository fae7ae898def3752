/** One policy and the requests that come to it, put to both evaluators. */
import * as fc from "fast-check";
import { carry } from "./arbitrary/carry.ts";
import { kindsOf } from "./arbitrary/conditions.ts";
import type { TokenParts } from "./arbitrary/keys.ts";
import { type PolicyParts, type PolicyText, somePolicy, writePolicy } from "./arbitrary/policies.ts";
import { type Step, someStep, tokens_max } from "./arbitrary/requests.ts";
import { someToken, start_seconds } from "./arbitrary/tokens.ts";
import { compileText, Product } from "./product.ts";
import { type Answer, Reference } from "./reference/evaluate.ts";
import { plainHeaders, plainPath } from "./reference/places.ts";
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
  tokens: fc.array(someToken, { minLength: 1, maxLength: tokens_max, size: "+1" }),
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
  reference.onTrait = (trait) => tally?.addTrait(trait);
  let now = start_seconds * 1000;
  for (const [index, step] of scenario.steps.entries()) {
    now += step.afterMilliseconds;
    const arrived = arrivedAt(scenario, step);
    const expected = reference.ask(arrived, now);
    const given = answerOf(product.ask(arrived, now));
    if (!isSame(given, expected)) throw new Difference(scenario, text, index, given, expected);
    tally?.addAnswer(expected);
  }
}

/** What the product says, in the terms of the reference. */
export function answerOf({ verdict, headers }: ReturnType<Product["ask"]>): Answer {
  const { decision, status, reason, rule, shadow } = verdict;
  return { decision, status, reason, rule, shadow: shadow ?? [], upstream: headers && upstreamOf(headers) };
}

/** What goes upstream, in the form the reference has it; all but what says where the request goes. */
function upstreamOf(headers: Arrived["headers"]): Answer["upstream"] {
  const path = headers.find(([name]) => name === ":path")?.[1] ?? "";
  return { path: plainPath(path), headers: plainHeaders(headers.filter(([name]) => !name.startsWith(":"))) };
}

/** Whether two answers are the same. */
export function isSame(a: Answer, b: Answer): boolean {
  if (a.reason !== b.reason || a.rule !== b.rule || a.status !== b.status || a.decision !== b.decision) return false;
  return JSON.stringify([a.shadow, a.upstream]) === JSON.stringify([b.shadow, b.upstream]);
}

function arrivedAt({ policy, tokens }: Scenario, { tokens: carried, request }: Step): Arrived {
  return carried.reduce((arrived, one) => carry(arrived, one, tokens, policy.policy), request);
}

/** All that is needed to see what went wrong. */
export function describeDifference({ scenario, text, step, product, reference }: Difference): string {
  const arrived = arrivedAt(scenario, scenario.steps[step]!);
  const carried = scenario.steps[step]!.tokens.map(({ token, ...how }) => {
    const parts = token === null ? undefined : scenario.tokens[token % scenario.tokens.length]!;
    if (parts === undefined) return `no token ${JSON.stringify(how)}`;
    const { header, claims, ...more } = parts;
    const shown = [header, claims].map((members) => JSON.stringify(Object.fromEntries(members)));
    return `token ${shown.join(" ")} ${JSON.stringify({ ...more, ...how })}`;
  });
  const offset = scenario.steps.slice(0, step + 1).reduce((sum, { afterMilliseconds }) => sum + afterMilliseconds, 0);
  const files = Object.entries({ "policy.yaml": text.main, ...text.included });
  return [
    ...files.map(([name, content]) => `--- ${name}\n${content}`),
    `--- request ${step + 1} of ${scenario.steps.length}, at ${new Date(start_seconds * 1000 + offset).toISOString()}`,
    JSON.stringify(arrived, null, 2),
    ...carried,
    `product   ${JSON.stringify(product)}`,
    `reference ${JSON.stringify(reference)}`,
  ].join("\n");
}
