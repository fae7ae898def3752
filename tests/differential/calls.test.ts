/**
 * Random policies with calls, and random bodies, put to the product and to a second evaluator (calls/reference.ts): both say the same of each
 * request, by reason and rule. The seed is printed; SEED brings a run back, CASES says how many requests.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Engine } from "../../scripts/evaluate/engine.ts";
import { compilePolicyFile, loadEngineFor } from "../../scripts/policy/build.ts";
import { Random, runSeed } from "../support/random.ts";
import { somePolicy, someRequest, writePolicy } from "./calls/generate.ts";
import { Reference, type Request } from "./calls/reference.ts";

const seed = runSeed();
const cases = Number(process.env.CASES ?? 10_000);
const requests_a_policy = 100;
/** Every reason that such requests can have comes up at least so often among ten thousand. */
const least = 20;
const reasons = [
  ...["allowed", "no_rule", "rule_denied", "path_ambiguous", "body_too_large", "body_unsupported", "body_malformed"],
  ...["call_refused", "limit_exceeded"],
];
const folder = mkdtempSync(join(tmpdir(), "sallyport-calls-"));
after(() => rmSync(folder, { recursive: true }));

/** The request in the terms of the engine's host. */
function sent({ path, query, ...request }: Request) {
  const parameters = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  const asked = parameters.length === 0 ? path : `${path}?${parameters.join("&")}`;
  return { ...request, path: asked, source: "10.1.2.3", host: "api.example.org", token: null };
}

test(`the product decides ${cases} requests with bodies as the policy reads`, () => {
  console.log(`SEED=${seed}`);
  const engine = new Engine(loadEngineFor);
  const met = new Map<string, number>();
  for (let index = 0; index < cases; index += requests_a_policy) {
    const random = new Random(seed + index);
    const policy = somePolicy(random);
    const text = writePolicy(policy);
    const path = join(folder, "policy.yaml");
    writeFileSync(path, text);
    const evaluator = engine.start(compilePolicyFile(path).image, 1_795_255_200_000);
    const reference = new Reference(policy);
    for (let number = 0; number < requests_a_policy; number++) {
      const request = someRequest(random);
      const { reason, rule } = evaluator.ask(sent(request));
      const expected = reference.ask(request);
      met.set(reason, (met.get(reason) ?? 0) + 1);
      const where = `SEED=${seed + index} CASES=1, request ${number}\n${text}${JSON.stringify(request, null, 1)}`;
      assert.deepEqual({ reason, rule }, expected, where);
    }
  }
  console.log(
    [...met]
      .sort(([, left], [, right]) => right - left)
      .map(([reason, times]) => `${times} ${reason}`)
      .join("\n"),
  );
  // Fewer prove nothing about how many there are of each kind.
  if (cases < 10_000) return;
  for (const reason of reasons) assert.ok((met.get(reason) ?? 0) >= least, `SEED=${seed}: ${reason} is too rare`);
});
