/** A policy made ready for tests: compiled as it is, and once more with the runner's keys in place of its issuers'. */
import { algorithmNumber } from "../policy/algorithms.ts";
import { compilePolicy, compilePolicyFile } from "../policy/build.ts";
import type { Policy, PolicyKey, Rule } from "../policy/model.ts";
import { standInKey } from "./keys.ts";
import type { MintingIssuer } from "./mint.ts";

export interface TestPolicy {
  /** The policy's file. */
  path: string;
  /** The names of its rules, in the image's order. */
  rules: readonly string[];
  /** The rules themselves, in the same order. */
  model: readonly Rule[];
  /** Its issuers by name. */
  issuers: ReadonlyMap<string, MintingIssuer>;
  /** The policy's own image, for tests with raw tokens or none. */
  image: Uint8Array;
  /** The image that believes the runner's keys, for tests with claims; the same as `image` where there is no issuer. */
  standInImage: Uint8Array;
}

/** Compiles a policy for tests. Throws PolicyError. */
export function loadTestPolicy(path: string): TestPolicy {
  const { policy, image, warnings } = compilePolicyFile(path);
  const standIn: Policy = {
    ...policy,
    issuers: policy.issuers.map((issuer) => ({ ...issuer, keys: standInKeys(issuer.algorithms) })),
  };
  return {
    path,
    rules: policy.rules.map(({ name }) => name),
    model: policy.rules,
    issuers: new Map(
      policy.issuers.map((issuer) => [
        issuer.name,
        {
          iss: issuer.issuer,
          audiences: issuer.audiences,
          algorithms: issuer.algorithms.flatMap((name) => algorithmNumber(name) ?? []),
          lifetimeSeconds: issuer.maxLifetimeSeconds,
        },
      ]),
    ),
    image,
    standInImage: policy.issuers.length === 0 ? image : compilePolicy({ policy: standIn, warnings }, path).image,
  };
}

/** A key of the runner's for each algorithm of an issuer. */
function standInKeys(algorithms: readonly string[]): PolicyKey[] {
  return algorithms.flatMap((name) => {
    const number = algorithmNumber(name);
    if (number === undefined) return [];
    const { kid, spki } = standInKey(number);
    return [{ kid, spki, algorithms: 1 << number }];
  });
}
