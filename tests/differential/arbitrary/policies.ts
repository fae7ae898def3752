/** Random policies, as YAML: names are few, so that rules meet often. */
import * as fc from "fast-check";
import { stringify } from "yaml";
import {
  key_files,
  never_fetched,
  placesOf,
  type SomeIssuer,
  some_places,
  someIssuers,
  somePlaces,
} from "./issuers.ts";
import { patterns, somePaths, someRule, tidy, withTeams } from "./rules.ts";
import { few, type Mapping, some, sometimes } from "./some.ts";
import type { Declared } from "./sound.ts";
import { issuer_urls } from "./tokens.ts";

/** A policy's text, and those of the files it includes by their names. */
export interface PolicyText {
  main: string;
  included: Record<string, string>;
}

const identity = fc.oneof(
  { arbitrary: fc.constant(undefined), weight: 6 },
  {
    arbitrary: fc.record({
      kind: some("jwt-svid" as const, "either" as const, "either" as const),
      domains: some(["example.org", "partner.net"], ["example.org", "partner.net"], ["example.org"]),
      audiences: some(["order-api"], ["order-api", "other"]),
      leeway: sometimes(some("0s", "5m"), 2),
      from: somePlaces,
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("filter-state" as const),
      filterState: sometimes(some("io.istio.peer_principal", "app.peer"), 2),
    }),
    weight: 1,
  },
);

const someLimit = (per: readonly string[][], tier = "request.method"): fc.Arbitrary<Mapping> =>
  fc
    .record({
      rate: some("1/s", "2/s", "10/s", "1/m", "6/m", "60/h", "1440/d"),
      burst: some(1, 2, 3, 5),
      per: some(...per),
      scope: sometimes(some("proxy"), 3),
      headers: sometimes(some("always", "denied"), 3),
      absent: sometimes(some("share", "deny"), 2),
      mode: sometimes(some("shadow", "shadow", "enforce"), 4),
      tiers: sometimes(
        fc.record({
          tier: some(tier, tier, 'request.headers["x-b"]', "caller.trust_domain"),
          tiers: fc.constant({
            a: "4/m",
            b: { rate: "6/m", burst: 4 },
            alice: { rate: "1/m", burst: 4 },
            "example.org": "7/h",
          }),
        }),
        3,
      ),
      ofFleet: sometimes(
        fc.record({
          fleet: sometimes(some("exact", "leased"), 1),
          onError: sometimes(some("local", "deny", "allow"), 1),
        }),
        4,
      ),
    })
    .map(({ ofFleet, mode, tiers, ...limit }) =>
      ofFleet === undefined
        ? { ...limit, mode, ...tiers }
        : { ...limit, scope: "fleet", ...Object.fromEntries(Object.entries(ofFleet).filter(([, value]) => value)) },
    );
/** A fleet counts by periods, so that a request costs at most what one gives. */
function mostCost({ rate, burst, scope }: Mapping): number {
  if (rate === undefined) return Infinity;
  return scope === "fleet" ? Number.parseInt(String(rate), 10) : (burst as number);
}

const limits = fc.record({
  slow: someLimit([["caller"], [], ["rule"], ["request.host", "rule"], ["host", "request.method"]]),
  fast: someLimit([
    ["caller"],
    ["source.ip"],
    ["source.ip/24", "caller.trust_domain"],
    ["source.ip/48"],
    ['request.headers["x-b"]'],
  ]),
  "by-sub": someLimit([["claims.sub"], ["caller", "claims.sub"]], "claims.sub"),
  open: fc.record({ concurrency: some(1, 2, 20), per: some(["caller"], [], ["source.ip/24"]) }),
  loop: fc.record({ hops: some("x-hops", "X-Hops", "x-depth"), most: some(1, 2, 8) }),
  "by-org": someLimit([
    ["claims.org.id"],
    ["claims.level"],
    ["claims.x-y", "caller.id"],
    ['claims["https://x.example/roles"]'],
  ]),
});

const forms_said = ["comma", "json", "base64url"].flatMap((as) =>
  ["claims.groups", "claims.org", "claims.sub"].map((value) => ({ value, as })),
);

const forward = fc.record(
  {
    "x-caller": some("caller.id", "caller.trust_domain", "caller.path"),
    "X-User": some("claims.sub", "claims.ip", 'claims["https://x.example/roles"].name'),
    "x-team": some("caller.t"),
    "x-org": some<unknown>("claims.org.id", "claims.groups", "claims.device.posture", ...forms_said),
  },
  { requiredKeys: [] },
);

/** Few denials, and short times: requests of a scenario follow each other closely. */
const someQuarantine: fc.Arbitrary<Mapping> = fc
  .record({
    name: some("first", "second"),
    per: sometimes(
      some(
        ["caller"],
        ["caller.trust_domain"],
        ["source.ip"],
        ["source.ip/24"],
        ["source.ip/48"],
        ["source.ip", "caller"],
      ),
      2,
    ),
    when: few(
      some(
        ...["no_rule", "no_rule", "request_malformed", "path_ambiguous", "identity_missing", "identity_malformed"],
        ...["identity_untrusted", "token_missing", "token_malformed", "token_signature", "token_expired"],
        ...["scope_missing", "condition_false", "limit_exceeded", "rule_denied", "headers_too_large"],
      ),
      4,
    ),
    denials: some(1, 2, 3, 5, 8, 32),
    within: some("1s", "5s", "10s", "1m", "1h"),
    for: some("1s", "5s", "10s"),
    max: sometimes(some("10s", "20s", "1m"), 2),
    mode: sometimes(some("enforce", "shadow"), 3),
    isReleasing: fc.nat(3).map((number) => number === 0),
  })
  .map(({ isReleasing, ...quarantine }) => ({
    ...quarantine,
    ...(isReleasing && quarantine.per === undefined && { release: ["spiffe://example.org/a", "10.1.2.3"] }),
  }));

/** A policy as data, in the order it is to be written in. */
export interface PolicyParts {
  policy: Mapping & { rules: Mapping[] };
  /** So many rules stand in an included file. */
  includedRules: number;
  style: { quotes: "PLAIN" | "QUOTE_DOUBLE" | "QUOTE_SINGLE"; flow: boolean; indent: number };
}

export const somePolicy: fc.Arbitrary<PolicyParts> = fc
  .record({
    mode: sometimes(some("enforce", "shadow"), 6),
    service: sometimes(some("spiffe://example.org/a", "spiffe://other.net/b"), 12),
    tokenBytes: sometimes(some(1024, 4096, 16384, 57344), 3),
    minimumVersion: sometimes(some(1, 12, 4294967295), 6),
    sourceAddress: sometimes(some("connection", "forwarded"), 3),
    forwarders: sometimes(some(["spiffe://example.org/a"], ["spiffe://example.org/b", "spiffe://example.org/a/x"]), 4),
    forward: sometimes(forward, 3),
    aliased: fc.boolean(),
    paths: sometimes(somePaths, 4),
    identity,
    common: few(fc.nat(some_places.length - 1), 4, 2),
    stripped: fc.oneof(fc.constant<number[]>([]), few(fc.nat(some_places.length - 1), 8)),
    issuers: someIssuers,
    fetched: sometimes(some("app", "device"), 3),
    lists: fc.record({
      words: few(some("a", "b", "alice", "é", "GET", "/a", "healthy", "1", "10.1.2.3", "https"), 4),
      "other-words": few(some("a", "b", "example.org", "spiffe://example.org/a", "ab", "A"), 4),
      nets: few(
        some(
          "10.0.0.0/8",
          "10.1.2.3",
          "10.1.2.2/31",
          "192.0.2.0/25",
          "2001:db8::/127",
          "2001:db8::2",
          "::/0",
          "0.0.0.0/1",
        ),
        4,
      ),
    }),
    callers: fc.record({ "set-a": few(some(...patterns), 4), "set-b": few(some(...patterns), 2) }),
    limits,
    replicas: sometimes(some(1, 2, 5), 2),
    quarantine: sometimes(
      fc.uniqueArray(someQuarantine, { selector: ({ name }) => name, minLength: 1, maxLength: 2 }),
      4,
    ),
    rules: fc.uniqueArray(someRule, { selector: ({ name }) => name, minLength: 1, maxLength: 8, size: "max" }),
    includedRules: sometimes(fc.nat(4), 12),
    style: fc.record({
      quotes: some("PLAIN" as const, "QUOTE_DOUBLE" as const, "QUOTE_SINGLE" as const),
      flow: fc.boolean(),
      indent: some(2, 4),
    }),
  })
  .map(
    ({
      mode,
      service,
      tokenBytes,
      minimumVersion,
      sourceAddress,
      forwarders,
      forward: headers,
      aliased,
      paths: options,
      identity: shown,
      common,
      stripped,
      issuers: all,
      fetched,
      callers,
      limits: bounds,
      replicas,
      lists,
      quarantine,
      ...rest
    }) => {
      const { rules, includedRules, style } = rest;
      const isOfState = shown?.kind === "filter-state";
      const svid =
        shown === undefined || shown.kind === "filter-state"
          ? undefined
          : {
              audiences: shown.audiences,
              bundles: Object.fromEntries(shown.domains.map((domain) => [domain, { file: `${domain}.jwks.json` }])),
              ...(shown.leeway !== undefined && { leeway: shown.leeway }),
              ...placesOf(shown.from, common, stripped),
            };
      const svids = shown && {
        identity: shown.kind,
        ...(svid !== undefined && { jwtSvid: svid }),
        ...(shown.kind === "filter-state" && shown.filterState !== undefined && { filterState: shown.filterState }),
      };
      const gateways = shown?.kind === "jwt-svid" || isOfState ? undefined : forwarders;
      const declared = new Map<string, Declared | undefined>(
        Object.entries(all).map(([name, issuer]) => [name, "claims" in issuer ? issuer.claims : undefined]),
      );
      const callable = ["example.org", "partner.net"].filter(
        (domain) => shown?.kind !== "jwt-svid" || shown.domains.includes(domain),
      );
      if (aliased && callable.includes("example.org")) callable.push("old.example.net");
      const bursts = new Map(Object.entries(bounds).map(([name, one]) => [name, mostCost(one)]));
      const tidied = rules.map((rule) => tidy(rule, bursts, callers, declared, callable));
      const { "x-team": team, ...others } = headers ?? {};
      const isTeamed = team !== undefined && tidied.some((rule) => "allow" in rule);
      return {
        policy: {
          version: 1,
          name: "random",
          ...(mode !== undefined && { mode }),
          ...(service !== undefined && { service }),
          ...(tokenBytes !== undefined && { tokenBytes }),
          ...(minimumVersion !== undefined && { minimumVersion }),
          trust: {
            domains: ["example.org", "partner.net"],
            ...(aliased && { aliases: { "old.example.net": "example.org" } }),
            ...svids,
            ...(gateways !== undefined && { forwarders: gateways }),
            ...(sourceAddress !== undefined && { sourceAddress }),
          },
          ...(headers !== undefined && { forward: isTeamed ? headers : others }),
          ...(options !== undefined && { paths: options }),
          issuers: Object.fromEntries(
            Object.entries(all).map(([name, { from, of = {}, ...issuer }]: [string, SomeIssuer]) => [
              name,
              {
                issuer: issuer_urls[name as keyof typeof issuer_urls],
                keys: name === fetched ? never_fetched[name] : { file: `${key_files[name]}.jwks.json` },
                ...issuer,
                ...of,
                ...(isOfState && issuer.bind === "certificate" && { bind: "caller" }),
                ...placesOf(from, common, stripped),
              },
            ]),
          ),
          callers,
          limits: bounds,
          ...(replicas !== undefined && { fleet: { replicas } }),
          ...(quarantine !== undefined && { quarantine }),
          lists,
          rules: isTeamed ? withTeams(tidied, callers) : tidied,
        },
        includedRules: includedRules ?? 0,
        style,
      };
    },
  );

/** Writes a policy down. */
export function writePolicy({ policy, includedRules, style }: PolicyParts): PolicyText {
  const write = (value: unknown): string =>
    stringify(JSON.parse(JSON.stringify(value)), {
      aliasDuplicateObjects: false,
      collectionStyle: style.flow ? "flow" : "any",
      defaultStringType: style.quotes,
      defaultKeyType: "PLAIN",
      indent: style.indent,
      lineWidth: 0,
    });
  if (includedRules === 0) return { main: write(policy), included: {} };
  const rules = policy.rules.slice(includedRules);
  const main = write({ ...policy, rules, include: ["teams/*.yaml"] });
  return { main, included: { "teams/one.yaml": write({ rules: policy.rules.slice(0, includedRules) }) } };
}
