/** Changes of what a policy says as a whole, by the key of the language: random ones, of policies as data. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { loadPolicyFile } from "../../scripts/policy/build.ts";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { PolicyError } from "../../scripts/policy/source/diagnostic.ts";
import { writeKeySets } from "../differential/arbitrary/keys.ts";
import { some_places } from "../differential/arbitrary/policies.ts";
import { issuer_urls } from "../differential/arbitrary/tokens.ts";

export type Mapping = Record<string, unknown>;
/** A policy as somePolicy has it. */
export type PolicyData = Mapping & { rules: Mapping[] };

/** Changes a policy where it stands. */
type Apply = (policy: PolicyData) => void;

/** One change, and of which key. */
export interface Change {
  key: string;
  apply: Apply;
}

const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const map = (value: unknown): Record<string, Mapping> => (value ?? {}) as Record<string, Mapping>;
const trustOf = (policy: PolicyData): Mapping => policy.trust as Mapping;
const svidOf = (policy: PolicyData): Mapping | undefined => trustOf(policy).jwtSvid as Mapping | undefined;

function put(target: Mapping | undefined, key: string, value: unknown): void {
  if (target === undefined) return;
  if (value === undefined) delete target[key];
  else target[key] = value;
}

/** Key sets that a server, or a file, may have: those of the issuers and trust domains, whole and without one key. */
const key_sets: Readonly<Record<string, string>> = {
  corp: "corp",
  partner: "partner",
  twin: "twin",
  app: "corp",
  device: "partner",
  "example.org": "example.org",
  "partner.net": "partner.net",
};
const key_counts: Readonly<Record<string, number>> = {
  corp: 4,
  partner: 5,
  twin: 1,
  "example.org": 5,
  "partner.net": 1,
};

/** The JWKS of an issuer or trust domain; without the key of that number, if it is one. */
export function keySetOf(folder: string, name: string, without = -1): string {
  const { keys } = JSON.parse(readFileSync(join(folder, `${key_sets[name]}.jwks.json`), "utf8")) as { keys: unknown[] };
  return JSON.stringify({ keys: keys.filter((_, number) => number !== without) });
}

/** The folder with all key sets that changed policies name. */
export function writeChangedKeySets(): string {
  const folder = writeKeySets();
  for (const [name, count] of Object.entries(key_counts)) {
    for (let number = 0; number < count; number++)
      writeFileSync(join(folder, `${name}-${number}.jwks.json`), keySetOf(folder, name, number));
  }
  return folder;
}

/** The URL of an issuer's keys. Its last segment says whose they are. */
const urlOf = (name: string): string => `https://idp.example.org/${name}`;
export const clusters = ["idp", "idp2"];

/** Renames an issuer, a limit or a caller set, and what names it in rules. */
function rename(policy: PolicyData, section: string, ruleKey: string, from: string, to: string): void {
  const all = map(policy[section]);
  if (!(from in all) || to in all) return;
  policy[section] = Object.fromEntries(Object.entries(all).map(([name, value]) => [name === from ? to : name, value]));
  for (const rule of policy.rules) {
    const names = rule[ruleKey];
    if (Array.isArray(names)) rule[ruleKey] = names.map((name) => (name === from ? to : name));
    else if (names === from) rule[ruleKey] = to;
  }
}

const places = fc
  .option(fc.uniqueArray(fc.nat(some_places.length - 1), { minLength: 1, maxLength: 3 }), { nil: undefined })
  .map((numbers) => numbers?.map((number) => some_places[number]));
const audiences = some(["order-api"], ["other"], ["order-api", "other"], ["other", "order-api"]);
const leeway = some(undefined, "0s", "30s", "60s", "5m");
const algorithms = fc.subarray(["ES256", "RS256", "RS512", "PS256", "ES384", "ES512", "EdDSA", "PS512"], {
  minLength: 1,
});
/** Those whose tokens come most often are changed most often. */
const issuerName = some("corp", "corp", "corp", "corp", "partner", "partner", "twin", "app", "device");
const domainName = some("example.org", "partner.net");

/** Sets a member of an issuer. */
const ofIssuer = <T>(key: string, value: fc.Arbitrary<T>): fc.Arbitrary<Apply> =>
  fc.tuple(issuerName, value).map(
    ([name, one]): Apply =>
      (policy) =>
        put(map(policy.issuers)[name], key, one),
  );
/** Sets a member of `jwtSvid`. */
const ofSvids = <T>(key: string, value: fc.Arbitrary<T>): fc.Arbitrary<Apply> =>
  value.map(
    (one): Apply =>
      (policy) =>
        put(svidOf(policy), key, one),
  );
const ofLimit = <T>(key: string, value: fc.Arbitrary<T>): fc.Arbitrary<Apply> =>
  fc.tuple(some("slow", "fast", "by-sub", "by-org"), value).map(
    ([name, one]): Apply =>
      (policy) =>
        put(map(policy.limits)[name], key, one),
  );

/** Changes of keys, by their path below `keys` or a bundle. */
function ofKeys(nameOf: fc.Arbitrary<string>, keysOf: (policy: PolicyData, name: string) => Mapping | undefined) {
  const change = <T>(value: fc.Arbitrary<T>, apply: (keys: Mapping, value: T, name: string) => void) =>
    fc.tuple(nameOf, value).map(([name, one]): Apply => {
      return (policy) => {
        const keys = keysOf(policy, name);
        if (keys !== undefined) apply(keys, one, name);
      };
    });
  return {
    file: change(fc.nat(9), (keys, number, name) => {
      const set = key_sets[name]!;
      if (number === 9 && keys.url !== undefined) delete keys.file;
      else keys.file = number < key_counts[set]! ? `${set}-${number}.jwks.json` : `${set}.jwks.json`;
    }),
    url: change(some(true, true, false), (keys, isFetched, name) => {
      if (isFetched) Object.assign(keys, { url: urlOf(name), cluster: "idp", ...keys });
      else for (const key of ["url", "cluster", "refresh"]) delete keys[key];
      if (!isFetched) keys.file ??= `${key_sets[name]}.jwks.json`;
    }),
    cluster: change(some("idp", "idp2"), (keys, cluster) => keys.url !== undefined && put(keys, "cluster", cluster)),
    refresh: change(
      some("10s", "1m", "10m", undefined),
      (keys, refresh) => keys.url !== undefined && put(keys, "refresh", refresh),
    ),
  };
}
const issuerKeys = ofKeys(issuerName, (policy, name) => map(policy.issuers)[name]?.keys as Mapping | undefined);
const bundles = ofKeys(domainName, (policy, name) => map(svidOf(policy)?.bundles)[name]);

const forwardToken = fc.tuple(fc.boolean(), fc.option(issuerName)).map(
  ([isForwarded, name]): Apply =>
    (policy) => {
      const all = [...Object.entries(map(policy.issuers)), ["", svidOf(policy) ?? {}] as const];
      // Issuers that share a place have to agree, so mostly all of them are changed.
      for (const [one, owner] of all)
        if (name === null || one === name) put(owner as Mapping, "forwardToken", isForwarded);
    },
);

const jwtSvid = (domains: readonly string[]): Mapping => ({
  audiences: ["order-api"],
  bundles: Object.fromEntries(domains.map((domain) => [domain, { file: `${domain}.jwks.json` }])),
});

/** Every key that is no rule's, and how it is changed. */
export const changes: Readonly<Record<string, fc.Arbitrary<Apply>>> = {
  name: some("random", "other").map(
    (name): Apply =>
      (policy) =>
        put(policy, "name", name),
  ),
  mode: some("enforce", "shadow", undefined).map(
    (mode): Apply =>
      (policy) =>
        put(policy, "mode", mode),
  ),
  "trust.domains": fc.subarray(["partner.net", "example.org", "elsewhere.example"], { minLength: 1 }).map(
    (domains): Apply =>
      (policy) =>
        put(trustOf(policy), "domains", domains),
  ),
  "trust.identity": some("mtls", "either", "jwt-svid").map(
    (identity): Apply =>
      (policy) => {
        const trust = trustOf(policy);
        put(trust, "identity", identity);
        put(
          trust,
          "jwtSvid",
          identity === "mtls" ? undefined : (trust.jwtSvid ?? jwtSvid(["example.org", "partner.net"])),
        );
        if (identity === "jwt-svid") delete trust.forwarders;
      },
  ),
  "trust.forwarders": fc
    .subarray([
      "spiffe://example.org/a",
      "spiffe://example.org/b",
      "spiffe://example.org/a/x",
      "spiffe://partner.net/p/q",
    ])
    .map(
      (ids): Apply =>
        (policy) =>
          put(trustOf(policy), "forwarders", ids.length === 0 ? undefined : ids),
    ),
  "trust.jwtSvid": some(undefined).map(
    (): Apply => (policy) => {
      if (svidOf(policy) !== undefined) put(trustOf(policy), "jwtSvid", jwtSvid(["example.org"]));
    },
  ),
  "trust.jwtSvid.audiences": ofSvids("audiences", audiences),
  "trust.jwtSvid.bundles": fc.subarray(["example.org", "partner.net"], { minLength: 1 }).map(
    (domains): Apply =>
      (policy) => {
        const svid = svidOf(policy);
        if (svid !== undefined)
          svid.bundles = {
            ...(jwtSvid(domains).bundles as Mapping),
            ...Object.fromEntries(Object.entries(map(svid.bundles)).filter(([domain]) => domains.includes(domain))),
          };
      },
  ),
  "trust.jwtSvid.bundles.*.file": bundles.file,
  "trust.jwtSvid.bundles.*.url": bundles.url,
  "trust.jwtSvid.bundles.*.cluster": bundles.cluster,
  "trust.jwtSvid.bundles.*.refresh": bundles.refresh,
  "trust.jwtSvid.from": ofSvids("from", places),
  "trust.jwtSvid.leeway": ofSvids("leeway", leeway),
  "trust.jwtSvid.forwardToken": forwardToken,
  issuers: fc.tuple(issuerName, some("a", "zz")).map(
    ([name, to]): Apply =>
      (policy) =>
        rename(policy, "issuers", "token", name, to),
  ),
  "issuers.*.issuer": ofIssuer("issuer", some(...Object.values(issuer_urls))),
  "issuers.*.audiences": ofIssuer("audiences", audiences),
  "issuers.*.algorithms": ofIssuer("algorithms", algorithms),
  "issuers.*.keys": issuerKeys.file,
  "issuers.*.keys.file": issuerKeys.file,
  "issuers.*.keys.url": issuerKeys.url,
  "issuers.*.keys.cluster": issuerKeys.cluster,
  "issuers.*.keys.refresh": issuerKeys.refresh,
  "issuers.*.leeway": ofIssuer("leeway", leeway),
  "issuers.*.maxLifetime": ofIssuer("maxLifetime", some(undefined, "1m", "10m", "1h")),
  "issuers.*.from": ofIssuer("from", places),
  "issuers.*.forwardToken": forwardToken,
  "issuers.*.bind": ofIssuer("bind", some(undefined, "none", "certificate", "caller")),
  callers: some("set-a", "set-b").map(
    (name): Apply =>
      (policy) =>
        rename(policy, "callers", "callers", name, "set-c"),
  ),
  limits: some("slow", "fast", "by-sub").map(
    (name): Apply =>
      (policy) =>
        rename(policy, "limits", "limit", name, "zz"),
  ),
  "limits.*.rate": ofLimit("rate", some("1/s", "2/s", "10/s", "1/m", "6/m", "60/m", "60/h")),
  "limits.*.burst": ofLimit("burst", some(1, 2, 3, 5, undefined)),
  "limits.*.per": ofLimit(
    "per",
    some(["caller"], [], ["claims.sub"], ["caller", "claims.sub"], ["claims.sub", "caller"]),
  ),
  "limits.*.scope": ofLimit("scope", some("proxy", undefined)),
  forward: fc
    .dictionary(some("x-caller", "x-user", "X-Org"), some("caller.id", "caller.path", "claims.sub"), { maxKeys: 2 })
    .map(
      (headers): Apply =>
        (policy) =>
          put(policy, "forward", headers),
    ),
  rules: fc.constant((policy: PolicyData): void => {
    policy.rules.reverse();
  }),
};

/** A change of any key, each as often as another. */
export const someChange: fc.Arbitrary<Change> = some(...Object.keys(changes)).chain((key) =>
  changes[key]!.map((apply) => ({ key, apply })),
);

/** The policy with changes; the one given stays as it is. */
export function changed(policy: PolicyData, all: readonly Change[]): PolicyData {
  const copy = JSON.parse(JSON.stringify(policy)) as PolicyData;
  for (const { apply } of all) apply(copy);
  return copy;
}

/** Conditions on tokens and on callers that are often met, and often not. */
const claim_conditions = [
  undefined,
  undefined,
  "has(claims.level)",
  "!has(claims.admin)",
  'claims.sub != "bob"',
  'claims.sub.startsWith("a")',
];
const plain_conditions = [
  undefined,
  undefined,
  undefined,
  undefined,
  'caller.path != "/b"',
  'caller.trust_domain != "x"',
];

/** What becomes of rules in a policy of which every request meets most. */
export const someFocus = fc.array(
  fc.record({
    callers: some(
      ["any"],
      ["anonymous"],
      ["anonymous"],
      ["set-a"],
      ["spiffe://example.org/a"],
      ["spiffe://example.org/b", "spiffe://partner.net/**"],
    ),
    isDeny: fc.nat(4).map((number) => number === 0),
    issuers: fc.option(
      fc.oneof(
        some(["corp"], ["corp"], ["corp", "partner"]),
        fc.uniqueArray(issuerName, { minLength: 1, maxLength: 3 }),
      ),
      { freq: 3 },
    ),
    condition: fc.nat(claim_conditions.length - 1),
    limit: fc.option(some("slow", "fast", "by-sub"), { freq: 2 }),
  }),
  { minLength: 1, maxLength: 3 },
);

/** A policy whose rules are for one endpoint, so that callers, tokens and limits decide. */
export function focused(
  policy: PolicyData,
  focus: typeof someFocus extends fc.Arbitrary<infer T> ? T : never,
): PolicyData {
  const rules = focus.map(({ callers, isDeny, issuers, condition, limit }, number): Mapping => {
    const when = issuers === null ? plain_conditions[condition] : claim_conditions[condition];
    const hasToken = issuers !== null && (!isDeny || when !== undefined);
    return {
      name: `r${number}`,
      callers,
      [isDeny ? "deny" : "allow"]: ["* /**"],
      ...(hasToken && { token: issuers }),
      ...(when !== undefined && { when }),
      ...(!isDeny && limit !== null && (hasToken || limit !== "by-sub") && { limit }),
    };
  });
  return { ...policy, mode: "enforce", rules };
}

/** Reads a policy; undefined where it is not sound. */
export function load(folder: string, policy: Mapping): Policy | undefined {
  const path = join(folder, "policy.yaml");
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(policy));
  try {
    return loadPolicyFile(path).policy;
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  } finally {
    rmSync(path);
  }
}
