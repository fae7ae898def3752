/** Changes of what a policy says as a whole, by the key of the language: random ones, of policies as data. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { loadPolicyFile } from "../../scripts/policy/build.ts";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { PolicyError } from "../../scripts/policy/source/diagnostic.ts";
import { some_places } from "../differential/arbitrary/issuers.ts";
import { keyCount, keySetNames, writeKeySets } from "../differential/arbitrary/keys.ts";
import { some } from "../differential/arbitrary/some.ts";
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

const map = (value: unknown): Record<string, Mapping> => (value ?? {}) as Record<string, Mapping>;
const trustOf = (policy: PolicyData): Mapping => policy.trust as Mapping;
const svidOf = (policy: PolicyData): Mapping | undefined => trustOf(policy).jwtSvid as Mapping | undefined;

/** Has something else say who the caller is, with what that takes and without what does not go with it. */
function identify(policy: PolicyData, identity: string): void {
  const trust = trustOf(policy);
  const hasSvids = identity === "either" || identity === "jwt-svid";
  put(trust, "identity", identity);
  put(trust, "jwtSvid", hasSvids ? (trust.jwtSvid ?? jwtSvid(["example.org", "partner.net"])) : undefined);
  if (identity === "jwt-svid" || identity === "filter-state") delete trust.forwarders;
  if (identity !== "filter-state") delete trust.filterState;
  else for (const issuer of Object.values(map(policy.issuers))) if (issuer.bind === "certificate") delete issuer.bind;
}

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
/** The JWKS of an issuer or trust domain; without the key of that number, if it is one. */
export function keySetOf(folder: string, name: string, without = -1): string {
  // An issuer may have become one that nobody has keys of.
  if (key_sets[name] === undefined) return '{"keys":[]}';
  const { keys } = JSON.parse(readFileSync(join(folder, `${key_sets[name]}.jwks.json`), "utf8")) as { keys: unknown[] };
  return JSON.stringify({ keys: keys.filter((_, number) => number !== without) });
}

/** The folder with all key sets that changed policies name. */
export function writeChangedKeySets(): string {
  const folder = writeKeySets();
  writeFileSync(join(folder, "secret"), "s3cret");
  writeFileSync(join(folder, "documents.json"), '{ "a": "{ a }" }');
  for (const name of keySetNames) {
    for (let number = 0; number < keyCount(name); number++)
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
/** Of the one issuer that may have many. */
const tenants = some(undefined, ["app"], ["app", "a"], ["device"]).map(
  (one): Apply =>
    (policy) =>
      put(map(policy.issuers).app, "tenants", one),
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

/** A path of each protocol. */
const spoken_paths = { mcp: "/a", a2a: "/b", jsonrpc: "/orders", graphql: "/a/b" } as const;

/** Changes of a key of a protocol, and of those in it. */
function protocolChanges(name: string, path: string): [key: string, change: fc.Arbitrary<Apply>][] {
  const set = (value: Mapping | undefined): Apply => {
    return (policy) => put(policy, name, value);
  };
  return [
    [name, some<Mapping | undefined>(undefined, { paths: [path] }).map(set)],
    [`${name}.paths`, some([path], [`${path}/x`], [path, `${path}/x`]).map((paths) => set({ paths }))],
    [`${name}.batch`, some(1, 128).map((batch) => set({ paths: [path], batch }))],
  ];
}

/** Sets a key of what the policy says of its fleet. */
const ofFleet = <T>(key: string, value: fc.Arbitrary<T>): fc.Arbitrary<Apply> =>
  value.map(
    (one): Apply =>
      (policy) => {
        policy.fleet ??= { replicas: 2 };
        put(policy.fleet as Mapping, key, one);
      },
  );

/** Sets a key of the policy's first quarantine, which it gets where it has none. */
const ofQuarantine = <T>(key: string, value: fc.Arbitrary<T>): fc.Arbitrary<Apply> =>
  value.map(
    (one): Apply =>
      (policy) => {
        policy.quarantine ??= [{ name: "first", when: ["no_rule"], denials: 2, within: "1m", for: "10s", max: "1m" }];
        put((policy.quarantine as Mapping[])[0], key, one);
      },
  );

const isFetched = (keys: Mapping): boolean => keys.url !== undefined || keys.discovery === true;

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
      else keys.file = number < keyCount(set) ? `${set}-${number}.jwks.json` : `${set}.jwks.json`;
    }),
    url: change(some(true, true, false), (keys, hasUrl, name) => {
      if (hasUrl) Object.assign(keys, { url: urlOf(name), cluster: "idp", ...keys });
      else for (const key of ["url", "cluster", "refresh", "header"]) delete keys[key];
      if (!hasUrl) keys.file ??= `${key_sets[name]}.jwks.json`;
    }),
    cluster: change(some("idp", "idp2"), (keys, cluster) => isFetched(keys) && put(keys, "cluster", cluster)),
    refresh: change(
      some("10s", "1m", "10m", undefined),
      (keys, refresh) => isFetched(keys) && put(keys, "refresh", refresh),
    ),
    discovery: change(some(true, true, false), (keys, isDiscovered, name) => {
      if (isDiscovered) Object.assign(keys, { cluster: "idp", ...keys, discovery: true });
      if (isDiscovered) delete keys.url;
      else if (keys.discovery === true)
        for (const key of ["discovery", "clusters", "cluster", "refresh"]) delete keys[key];
      if (!isFetched(keys)) keys.file ??= `${key_sets[name]}.jwks.json`;
    }),
    clusters: change(
      some(undefined, { "certs.example.org": "idp" }, { "certs.example.org": "idp2" }),
      (keys, hosts) => keys.discovery === true && put(keys, "clusters", hosts),
    ),
    header: change(
      some(undefined, { name: "x-key", file: "secret" }, { name: "authorization", file: "secret", prefix: "Bearer " }),
      (keys, header) => isFetched(keys) && put(keys, "header", header),
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
  tokenBytes: some(1024, 16384, 49152, undefined).map(
    (bytes): Apply =>
      (policy) =>
        put(policy, "tokenBytes", bytes),
  ),
  minimumVersion: some(1, 12, 4294967295, undefined).map(
    (version): Apply =>
      (policy) =>
        put(policy, "minimumVersion", version),
  ),
  service: some("spiffe://example.org/a", "spiffe://other.net/b", undefined).map(
    (service): Apply =>
      (policy) =>
        put(policy, "service", service),
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
  paths: some<Mapping | undefined>(
    undefined,
    { trailingSlash: "same", case: "ignore" },
    { encodedSlash: "segment" },
  ).map(
    (paths): Apply =>
      (policy) =>
        put(policy, "paths", paths),
  ),
  ...Object.fromEntries(
    Object.entries({
      trailingSlash: ["same", "distinct"],
      encodedSlash: ["segment"],
      emptySegments: ["keep"],
      semicolons: ["keep"],
      case: ["ignore"],
    }).map(([key, values]) => [
      `paths.${key}`,
      some<string | undefined>(undefined, ...values).map(
        (value): Apply =>
          (policy) =>
            put(policy, "paths", value === undefined ? undefined : { [key]: value }),
      ),
    ]),
  ),
  ...Object.fromEntries(Object.entries(spoken_paths).flatMap(([name, path]) => protocolChanges(name, path))),
  ...Object.fromEntries(
    Object.entries({
      depth: [1, 20],
      aliases: [0, 5],
      introspection: ["allow"],
      persisted: [{ file: "documents.json" }],
      "persisted.file": ["documents.json"],
    }).map(([key, values]) => [
      `graphql.${key}`,
      some<unknown>(...values).map(
        (value): Apply =>
          (policy) => {
            const own = map(policy).graphql ?? { paths: [spoken_paths.graphql] };
            policy.graphql =
              key === "persisted.file" ? { ...own, persisted: { file: value } } : { ...own, [key]: value };
          },
      ),
    ]),
  ),
  "trust.aliases": some(undefined, { "old.example.net": "example.org" }, { "elsewhere.example": "example.org" }).map(
    (aliases): Apply =>
      (policy) => {
        const trust = trustOf(policy);
        const isMet = (trust.domains as string[]).includes("example.org") && !("elsewhere.example" in (aliases ?? {}));
        put(trust, "aliases", isMet ? aliases : undefined);
      },
  ),
  "trust.identity": some("mtls", "either", "jwt-svid", "filter-state").map(
    (identity): Apply =>
      (policy) =>
        identify(policy, identity),
  ),
  "trust.filterState": some(undefined, "app.peer").map(
    (key): Apply =>
      (policy) => {
        identify(policy, "filter-state");
        put(trustOf(policy), "filterState", key);
      },
  ),
  "trust.sourceAddress": some(undefined, "connection", "forwarded").map(
    (said): Apply =>
      (policy) =>
        put(trustOf(policy), "sourceAddress", said),
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
  "trust.jwtSvid.bundles.*.discovery": bundles.discovery,
  "trust.jwtSvid.bundles.*.clusters": bundles.clusters,
  "trust.jwtSvid.bundles.*.header": bundles.header,
  "trust.jwtSvid.bundles.*.header.name": bundles.header,
  "trust.jwtSvid.bundles.*.header.file": bundles.header,
  "trust.jwtSvid.bundles.*.header.prefix": bundles.header,
  "trust.jwtSvid.from": ofSvids("from", places),
  "trust.jwtSvid.leeway": ofSvids("leeway", leeway),
  "trust.jwtSvid.forwardToken": forwardToken,
  issuers: fc.tuple(issuerName, some("a", "zz")).map(
    ([name, to]): Apply =>
      (policy) =>
        rename(policy, "issuers", "token", name, to),
  ),
  "issuers.*.issuer": ofIssuer("issuer", some(...Object.values(issuer_urls))),
  "issuers.*.audiences": fc.tuple(issuerName, fc.oneof({ arbitrary: audiences, weight: 3 }, some("any"))).map(
    ([name, one]): Apply =>
      (policy) => {
        const issuer = map(policy.issuers)[name];
        put(issuer, "audiences", one);
        if (one === "any" && issuer !== undefined) delete issuer.audienceFrom;
      },
  ),
  "issuers.*.audienceFrom": ofIssuer("audienceFrom", some(undefined, "client_id", "org.id", "aud")),
  "issuers.*.scopesFrom": ofIssuer("scopesFrom", some(undefined, ["scp", "scope"], ["scope"], ["groups", "scope"])),
  "issuers.*.types": ofIssuer("types", some(undefined, ["JWT"], ["at+jwt"], ["vnd.example+jwt", "jwt"])),
  "issuers.*.algorithms": ofIssuer("algorithms", algorithms),
  "issuers.*.keys": issuerKeys.file,
  "issuers.*.keys.file": issuerKeys.file,
  "issuers.*.keys.url": issuerKeys.url,
  "issuers.*.keys.cluster": issuerKeys.cluster,
  "issuers.*.keys.refresh": issuerKeys.refresh,
  "issuers.*.keys.discovery": issuerKeys.discovery,
  "issuers.*.keys.clusters": issuerKeys.clusters,
  "issuers.*.keys.header": issuerKeys.header,
  "issuers.*.keys.header.name": issuerKeys.header,
  "issuers.*.keys.header.file": issuerKeys.header,
  "issuers.*.keys.header.prefix": issuerKeys.header,
  "issuers.*.leeway": ofIssuer("leeway", leeway),
  "issuers.*.maxLifetime": ofIssuer("maxLifetime", some(undefined, "1m", "10m", "1h")),
  "issuers.*.from": ofIssuer("from", places),
  "issuers.*.forwardToken": forwardToken,
  "issuers.*.tenants": tenants,
  "issuers.*.claims": ofIssuer(
    "claims",
    some(
      undefined,
      { level: "int" },
      { level: "double" },
      { "level!": "any", admin: "bool" },
      { level: "string", org: { id: "string" } },
      { org: { id: "string!" }, groups: "list" },
      { org: "any", "groups!": "list" },
    ),
  ),
  "issuers.*.bind": ofIssuer("bind", some(undefined, "none", "certificate", "caller")),
  "issuers.*.challenge": ofIssuer("challenge", some(undefined, { realm: "a" }, { realm: "b" })),
  "issuers.*.challenge.realm": ofIssuer("challenge", some({ realm: "a" }, { realm: "b" })),
  "issuers.*.challenge.resource_metadata": ofIssuer(
    "challenge",
    some({ resource_metadata: "https://a.example/m" }, { resource_metadata: "https://b.example/m" }),
  ),
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
  "limits.*.rate": ofLimit("rate", some("1/s", "2/s", "10/s", "1/m", "6/m", "60/m", "60/h", "9/d")),
  "limits.*.burst": ofLimit("burst", some(1, 2, 3, 5, undefined)),
  "limits.*.per": ofLimit(
    "per",
    some(["caller"], [], ["rule"], ["claims.sub"], ["caller", "claims.sub"], ["claims.sub", "caller"]),
  ),
  "limits.*.tier": ofLimit("tier", some('request.headers["x-b"]', "request.host", undefined)),
  "limits.*.tiers": ofLimit("tiers", some({ a: "2/s" }, { a: "3/s" }, { b: "1/m" }, undefined)),
  "limits.*.absent": ofLimit("absent", some("share", "deny", undefined)),
  "limits.*.mode": ofLimit("mode", some("enforce", "shadow", undefined)),
  "limits.*.headers": ofLimit("headers", some("always", "denied", undefined)),
  "limits.*.concurrency": some(1, 3, 50).map(
    (one): Apply =>
      (policy) =>
        put(map(policy.limits).open, "concurrency", one),
  ),
  "limits.*.hops": some("x-hops", "x-trips").map(
    (one): Apply =>
      (policy) =>
        put(map(policy.limits).loop, "hops", one),
  ),
  "limits.*.most": some(1, 3, 50).map(
    (one): Apply =>
      (policy) =>
        put(map(policy.limits).loop, "most", one),
  ),
  "limits.*.scope": ofLimit("scope", some("proxy", "fleet", undefined)),
  "limits.*.fleet": ofLimit("fleet", some("exact", "leased", undefined)),
  "limits.*.onError": ofLimit("onError", some("local", "deny", "allow", undefined)),
  fleet: some<unknown>(undefined, { replicas: 2 }, { cluster: "limits", replicas: 4 }).map(
    (one): Apply =>
      (policy) =>
        put(policy, "fleet", one),
  ),
  "fleet.cluster": ofFleet("cluster", some(undefined, "limits")),
  "fleet.domain": ofFleet("domain", some(undefined, "other")),
  "fleet.deadline": ofFleet("deadline", some(undefined, "10ms", "1s")),
  "fleet.replicas": ofFleet("replicas", some(undefined, 1, 2, 3)),
  quarantine: some<unknown>(
    undefined,
    [{ name: "first", when: ["no_rule", "token_missing"], denials: 2, within: "1m", for: "10s" }],
    [{ name: "other", when: ["no_rule"], denials: 1, within: "1m", for: "1m", mode: "shadow" }],
  ).map(
    (one): Apply =>
      (policy) =>
        put(policy, "quarantine", one),
  ),
  "quarantine.name": ofQuarantine("name", some("first", "third")),
  "quarantine.per": ofQuarantine("per", some(undefined, ["caller"], ["source.ip"], ["source.ip/24", "caller"])),
  "quarantine.when": ofQuarantine("when", some(["no_rule"], ["token_missing", "no_rule"], ["scope_missing"])),
  "quarantine.denials": ofQuarantine("denials", some(1, 2, 5, 100)),
  "quarantine.within": ofQuarantine("within", some("1s", "1m", "1h")),
  "quarantine.for": ofQuarantine("for", some("1s", "10s", "30s")),
  "quarantine.max": ofQuarantine("max", some(undefined, "1m", "1h")),
  "quarantine.mode": ofQuarantine("mode", some(undefined, "enforce", "shadow")),
  "quarantine.release": ofQuarantine("release", some(undefined, ["spiffe://example.org/a"], ["10.1.2.3"])),
  "quarantine.scope": ofQuarantine("scope", some(undefined, "proxy")),
  lists: fc.tuple(some("words", "other-words", "nets"), fc.nat(3), fc.boolean()).map(
    ([name, place, isLess]): Apply =>
      (policy) => {
        const entries = (policy.lists as Record<string, string[]>)[name]!;
        if (isLess && entries.length > 1) entries.splice(place % entries.length, 1);
        else
          entries.push(
            ...(name === "nets" ? ["10.0.0.0/9", "192.0.2.0/24"] : ["/b", "/a/x", "partner.net"]).slice(place % 2),
          );
      },
  ),
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
  "caller.path in lists.words",
  '!(caller.trust_domain in lists["other-words"])',
  "lists.nets.containsIP(source.ip)",
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
