/** Every key of the language is compared, and whatever a newer policy lets through in the engine is told as a gain. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { writeImage } from "../../scripts/policy/image/image.ts";
import { BoundError } from "../../scripts/policy/index/bounds.ts";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { schemas } from "../../scripts/policy/language/policy.ts";
import type { PolicyChange } from "../../scripts/policy/meaning/change.ts";
import { comparePolicies, hasGain } from "../../scripts/policy/meaning/difference.ts";
import { limit_rows } from "../../scripts/policy/meaning/limits.ts";
import { quarantine_rows } from "../../scripts/policy/meaning/quarantines.ts";
import { issuer_rows, policy_rows, svid_rows } from "../../scripts/policy/meaning/settings.ts";
import { carry } from "../differential/arbitrary/carry.ts";
import { somePolicy } from "../differential/arbitrary/policies.ts";
import { someStep } from "../differential/arbitrary/requests.ts";
import { someToken, start_seconds } from "../differential/arbitrary/tokens.ts";
import type { Arrived } from "../differential/reference/request.ts";
import { parameters } from "../support/arbitrary.ts";
import {
  type Change,
  changed,
  changes,
  focused,
  keySetOf,
  load,
  type PolicyData,
  someChange,
  someFocus,
  writeChangedKeySets,
} from "./changes.ts";
import { countAdmitted, gainOf, LocalEnvoy, withoutLimits, withoutQuarantines } from "./gains.ts";
import { someAsking } from "./requests.ts";

const rows = [policy_rows, svid_rows, issuer_rows, limit_rows, quarantine_rows].flatMap(
  (table) => table as readonly { keys: readonly string[]; kind: string }[],
);

interface Schema {
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | false;
  items?: Schema;
}

/** The paths of all keys of a schema; `*` stands for a name. What a rule has in it is left out. */
function pathsOf({ properties = {}, additionalProperties, items }: Schema, within = ""): string[] {
  if (within === "rules.") return [];
  const inner = Object.entries(properties).flatMap(([name, schema]) => [
    within + name,
    ...pathsOf(schema, `${within}${name}.`),
  ]);
  const named = typeof additionalProperties === "object" ? pathsOf(additionalProperties, `${within}*.`) : [];
  return [...inner, ...named, ...(items === undefined ? [] : pathsOf(items, within))];
}
const language = pathsOf(schemas.get("policy.schema.json") as Schema);

describe("every key of the language", () => {
  test("is in the table, and nothing else is", () => {
    const known = new Set(rows.flatMap(({ keys }) => keys));
    assert.deepEqual(
      language.filter((key) => !known.has(key)),
      [],
    );
    assert.deepEqual(
      [...known].filter((key) => !language.includes(key)),
      [],
    );
  });

  test("is changed in the comparison with the engine", () => {
    // A version there is one of; files are put together before anything is compared, and `trust` is what is in it.
    const elsewhere = ["version", "include", "trust"];
    const isPlace = (key: string): boolean => /\.from\.[a-z]+$/u.test(key);
    assert.deepEqual(
      language.filter((key) => !(key in changes) && !elsewhere.includes(key) && !isPlace(key)),
      [],
    );
    assert.deepEqual(
      Object.keys(changes).filter((key) => !language.includes(key)),
      [],
    );
  });

  test("a part that no row knows is a gain", () => {
    const folder = writeChangedKeySets();
    const policy = load(folder, { ...fc.sample(somePolicy, { numRuns: 1, seed: 1 })[0]!.policy, mode: "enforce" })!;
    const later = { ...policy, later: ["x"] } as Policy;
    assert.deepEqual(comparePolicies(policy, later).policy, [
      { what: "later", before: null, after: '["x"]', gain: true },
    ]);
  });
});

const someScenario = fc.record({
  base: fc.oneof(
    { arbitrary: somePolicy.map(({ policy }) => policy as PolicyData), weight: 1 },
    {
      arbitrary: fc.tuple(somePolicy, someFocus).map(([{ policy }, focus]) => focused(policy as PolicyData, focus)),
      weight: 4,
    },
  ),
  first: fc.array(someChange, { maxLength: 4 }),
  next: fc.array(someChange, { minLength: 1, maxLength: 2 }),
  tokens: fc.array(someToken, { minLength: 4, maxLength: 8, size: "max" }),
  steps: fc.array(someStep, { minLength: 8, maxLength: 8, size: "max" }),
  askings: fc.array(someAsking, { minLength: 48, maxLength: 48, size: "max" }),
  /** Which key the server withdraws, and when requests come: before, or while only some policies know, or after. */
  withdrawn: fc.nat(4),
  waitSeconds: fc.constantFrom(0, 0, 5, 11, 61, 301, 601),
});
type Scenario = typeof someScenario extends fc.Arbitrary<infer T> ? T : never;

const folder = writeChangedKeySets();
const runs = Number(process.env.RUNS ?? 150);
/** How often each change was told as none, and put to the engine. */
const shown = new Map<string, number>();

/** Puts requests to both policies where no gain is told. Throws for one that is. */
function compareWithEngine(scenario: Scenario): void {
  const { base, first, next, tokens, steps, askings } = scenario;
  const data = changed(base, first);
  const newer = changed(data, next);
  const [before, after] = [load(folder, data), load(folder, newer)];
  if (before === undefined || after === undefined) return;
  const difference = comparePolicies(before, after);
  for (const change of difference.policy) assert.ok(hasWords(change), JSON.stringify(change));
  if (hasGain(difference) || isSameImage(before, after)) return;
  for (const key of new Set(next.map(({ key }) => key))) shown.set(key, (shown.get(key) ?? 0) + 1);
  const dataOf = (number: number): PolicyData => (number % 2 === 0 ? data : newer);
  const odd = steps.map(({ tokens: carried, request }, number) =>
    carried.reduce((arrived, one) => carry(arrived, one, tokens, dataOf(number)), request),
  );
  const usual = askings.map((asking, number) =>
    asking.tokens.reduce(
      (arrived, { parts, place }) => carry(arrived, { token: 0, place, manner: "plainly" }, [parts], dataOf(number)),
      asking.request,
    ),
  );
  const requests = [...usual, ...odd];
  // Where other parts change too, who is shut out when is not comparable (docs/diff.md).
  const compared = isAbout(next, "quarantine") ? [before, after] : [before, after].map(withoutQuarantines);
  const [older, newest] = compared as [Policy, Policy];
  const admitted = compareAccess(scenario, older, newest, requests);
  compareLimits(scenario, older, newest, admitted, isAbout(next, "limits"));
}

/** Whether both sides of a change say something that a person can read, and another thing each. */
function hasWords({ before, after }: PolicyChange): boolean {
  const sides = [before, after].filter((side) => side !== null);
  return before !== after && sides.length > 0 && sides.every((side) => side !== "" && !/^[[{]/u.test(side));
}

/** Nothing is to be seen of a change that the engine is not told of. */
function isSameImage(before: Policy, after: Policy): boolean {
  try {
    return Buffer.compare(writeImage(before), writeImage(after)) === 0;
  } catch (error) {
    if (error instanceof BoundError) return true;
    throw error;
  }
}

const isAbout = (all: readonly Change[], section: string): boolean => all.every(({ key }) => key.startsWith(section));

/** Both policies with the keys they have by then, and the time it is. */
function localsOf(
  { withdrawn, waitSeconds }: Scenario,
  policies: readonly Policy[],
): { envoys: [LocalEnvoy, LocalEnvoy]; now: number } {
  const start = start_seconds * 1000;
  const envoys = policies.map((policy) => new LocalEnvoy(policy, start)) as [LocalEnvoy, LocalEnvoy];
  for (const local of envoys) {
    local.fetch((name) => keySetOf(folder, name));
    if (waitSeconds === 0) continue;
    local.now = start + waitSeconds * 1000;
    local.fetch((name) => keySetOf(folder, name, withdrawn));
  }
  return { envoys, now: start + waitSeconds * 1000 };
}

/** Each request by itself; gives those that both let through. */
function compareAccess(scenario: Scenario, before: Policy, after: Policy, requests: readonly Arrived[]): Arrived[] {
  const { envoys } = localsOf(scenario, [withoutLimits(before), withoutLimits(after)]);
  const set = new Set(after.forwards.map(({ header }) => header));
  return requests.filter((request) => {
    const [was, is] = envoys.map((local) => local.ask(request)) as [
      ReturnType<LocalEnvoy["ask"]>,
      ReturnType<LocalEnvoy["ask"]>,
    ];
    const gain = gainOf(was, is, request, set);
    const reasons = () => [was, is].map(({ filterState }) => filterState.get("sallyport")).join("\n");
    if (gain !== undefined)
      assert.fail(
        `not told as a gain: ${gain}\n${JSON.stringify(request)}\n${reasons()}\n${JSON.stringify(scenario.next)}`,
      );
    return was.action === "continue" && is.action === "continue";
  });
}

/** Requests again and again. Where nothing but limits is changed, also two by turns, which may share a bucket. */
function compareLimits(
  scenario: Scenario,
  before: Policy,
  after: Policy,
  requests: readonly Arrived[],
  areLimitsAlone: boolean,
): void {
  const limited = requests.slice(0, 4);
  if (limited.length === 0) return;
  const { envoys, now } = localsOf(scenario, [before, after]);
  const pairs = areLimitsAlone ? limited.map((one, number) => [one, limited[(number + 1) % limited.length]!]) : [];
  for (const asked of [...limited.map((one) => [one]), ...pairs]) {
    const [was, is] = envoys.map((local) => countAdmitted(local, asked, now)) as [number, number];
    if (is > was) assert.fail(`${is} let through in place of ${was}, not told as a gain: ${JSON.stringify(asked)}`);
  }
}

describe("against the engine", () => {
  test("what is told as no gain is none", () => {
    fc.assert(fc.property(someScenario, compareWithEngine), { numRuns: runs, ...parameters });
    if (process.env.RUNS !== undefined) console.log(Object.fromEntries([...shown].sort()));
  });
});
