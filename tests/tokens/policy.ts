/** The policy the tokens are held against: an issuer for each algorithm alone, and some for what takes several keys. */

import { compilePolicy } from "../../scripts/policy/build.ts";
import { parseKeySet } from "../../scripts/policy/check/jwks.ts";
import { algorithm_names } from "../../scripts/policy/language/algorithms.ts";
import type { PolicyKey } from "../../scripts/policy/language/model.ts";
import { embeddedKeys } from "../../scripts/policy/language/publickey.ts";
import type { Reporter } from "../../scripts/policy/source/diagnostic.ts";
import { reporterFor } from "../../scripts/policy/source/read.ts";
import { check } from "../support/policy.ts";
import { attackers, audience, issOf, jwkOf, type Pair, pairOf, pairs } from "./mint.ts";

/** `é` in one character (NFC); in `iss` and `aud` of the issuer `unicode`. */
export const composed = "caf\u00e9";
export const unicodeIss = `https://${composed}.example.org`;

interface Setup {
  iss?: string;
  audiences?: string[];
  algorithms: readonly string[];
  keys: PolicyKey[];
}

/** The keys of a JWKS, as the compiler reads them. Throws where it has anything against them. */
function keysOf(...jwks: Record<string, unknown>[]): PolicyKey[] {
  const reporter: Reporter = reporterFor("inline.json", JSON.stringify({ keys: jwks }));
  const keys = parseKeySet(reporter);
  reporter.findings.throwIfErrors();
  return keys!;
}

const withKid = (pair: Pair, kid: string): Record<string, unknown> => jwkOf({ ...pair, kid });

/** Issuers by name; a request for `GET /<name>` takes a token of that issuer. */
const setups: Record<string, Setup> = {
  ...Object.fromEntries(
    algorithm_names.map((alg) => [alg.toLowerCase(), { algorithms: [alg], keys: keysOf(jwkOf(pairOf(alg))) }]),
  ),
  // Keys of all kinds, and every algorithm.
  all: { algorithms: algorithm_names, keys: keysOf(...Object.values(pairs).map((pair) => jwkOf(pair))) },
  // The issuer takes both, but its key says what it is for (RFC 7517 §4.4).
  pinned: { algorithms: ["RS256", "PS256"], keys: keysOf(jwkOf(pairs.rsa, { alg: "RS256" })) },
  // Keys of different types that share an ID, as RFC 7517 §4.5 allows.
  shared: {
    algorithms: algorithm_names,
    keys: keysOf(withKid(pairs.rsa, "shared"), withKid(pairs.p256, "shared"), withKid(pairs.ed, "shared")),
  },
  // Keys for one algorithm that share an ID: no policy file can say so, so two sets are put together.
  clash: {
    algorithms: ["ES256"],
    keys: [...keysOf(withKid(pairs.p256, "clash")), ...keysOf(withKid(attackers.p256, "clash"))],
  },
  several: { algorithms: ["ES256"], keys: keysOf(withKid(pairs.p256, "one"), withKid(attackers.p256, "two")) },
  unicode: { iss: unicodeIss, audiences: [composed], algorithms: ["ES256"], keys: keysOf(jwkOf(pairs.p256)) },
};

/** Its keys are put in later. */
const issuerText = ([name, { iss, audiences, algorithms }]: [string, Setup]): string => `  ${name}:
    issuer: ${JSON.stringify(iss ?? issOf(name))}
    audiences: ${JSON.stringify(audiences ?? [audience])}
    algorithms: ${JSON.stringify(algorithms)}
    keys: { file: keys/all.jwks.json }
    leeway: 30s
    maxLifetime: 1h
`;

const ruleText = (name: string): string => `  - name: ${name}
    callers: [any]
    allow: [GET /${name}]
    token: ${name}
`;

const text = `version: 1
name: tokens
trust: { domains: [example.org] }
issuers:
${Object.entries(setups).map(issuerText).join("")}rules:
${Object.keys(setups).map(ruleText).join("")}`;

/** The policy's image. */
export function tokenImage(): Uint8Array {
  const { policy, errors } = check(text);
  if (policy === undefined || errors.length > 0) throw new Error(JSON.stringify(errors));
  const issuers = policy.issuers.map((issuer) => ({ ...issuer, keySet: embeddedKeys(setups[issuer.name]!.keys) }));
  return compilePolicy({ policy: { ...policy, issuers }, warnings: [] }, "inline.yaml").image;
}
