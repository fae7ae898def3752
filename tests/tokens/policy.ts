/** The policy the tokens are held against: an issuer for each algorithm alone, and some for what takes several keys. */

import { makeKeyPair } from "../../scripts/common/keypair.ts";
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

/** Keys that sign nothing. */
const strangers = Array.from({ length: 4 }, () => ({ kid: "stranger", ...makeKeyPair("ec", { namedCurve: "P-256" }) }));
const others = (count: number): Pair[] => strangers.slice(0, count);

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
  // Keys for one algorithm that share an ID, as many as are tried; one more, which no policy file can say, so two sets are put together.
  twins: { algorithms: ["ES256"], keys: keysOf(...[...others(3), pairs.p256].map((pair) => withKid(pair, "twins"))) },
  clash: {
    algorithms: ["ES256"],
    keys: [...keysOf(withKid(pairs.p256, "clash")), ...keysOf(...others(4).map((pair) => withKid(pair, "clash")))],
  },
  // The same of keys that have IDs of their own, and of keys that have none.
  few: { algorithms: ["ES256"], keys: keysOf(...[...others(3), pairs.p256].map((pair, n) => withKid(pair, `k${n}`))) },
  several: {
    algorithms: ["ES256"],
    keys: keysOf(...[...others(4), pairs.p256].map((pair, n) => withKid(pair, `k${n}`))),
  },
  nameless: {
    algorithms: ["ES256"],
    keys: keysOf(
      withKid(attackers.p256, "named"),
      ...[others(1)[0]!, pairs.p256].map((pair) => jwkOf(pair, { kid: undefined })),
    ),
  },
  // The very same key with other IDs, with none, and once more.
  again: {
    algorithms: ["ES256"],
    keys: keysOf(...["a", "b", "c", "d", "e", "e", undefined].map((kid) => jwkOf(pairs.p256, { kid }))),
  },
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
