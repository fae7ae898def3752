/** Random policies, as YAML: names are few, so that rules meet often. */
import * as fc from "fast-check";
import { stringify } from "yaml";
import { claimsCondition, plainCondition } from "./conditions.ts";
import { ids } from "./requests.ts";
import { issuer_urls, start_seconds } from "./tokens.ts";

/** A policy's text, and those of the files it includes by their names. */
export interface PolicyText {
  main: string;
  included: Record<string, string>;
}

type Mapping = Record<string, unknown>;

const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const few = <T>(one: fc.Arbitrary<T>, maxLength: number, minLength = 1): fc.Arbitrary<T[]> =>
  fc.uniqueArray(one, { minLength, maxLength });
/** One time in `often`, else nothing. */
const sometimes = <T>(one: fc.Arbitrary<T>, often: number): fc.Arbitrary<T | undefined> =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: often - 1 }, { arbitrary: one, weight: 1 });

const patterns = [
  ...ids,
  "spiffe://example.org/**",
  "spiffe://example.org/*",
  "spiffe://example.org/a/*",
  "spiffe://example.org/a/**",
  "spiffe://partner.net/**",
];
const someCaller = fc.oneof(some("any", "any", "any", "any", "anonymous", "set-a", "set-b"), some(...patterns));
const someHost = some("example.org", "api.example.org", "*.example.org", "*.org", "API.example.ORG", "[::1]");
const paths = [
  "/**",
  "/",
  "/a",
  "/a/b",
  "/*",
  "/a/*",
  "/*/b",
  "/{id}",
  "/a/{id}",
  "/{x}/{id}",
  "/{id}/b",
  "/{x}/{y}/c",
  "/a/b/c",
];
const tails = ["/**", "/a/**", "/*/b/**", "/{id}/**", "/%C3%A9/%2A", "/%61/**"];
const methods = ["*", "GET", "GET|POST", "*", "GET", "POST", "PUT|DELETE|GET", "*", "BREW"];
const someEndpoint = fc.oneof(
  {
    arbitrary: fc.tuple(some(...methods), some(...paths, ...paths, ...tails)).map((parts) => parts.join(" ")),
    weight: 12,
  },
  { arbitrary: some("grpc shop.Orders/Create", "grpc shop.Orders/*"), weight: 1 },
);

/** Places tokens may stand in, as `from` has them. */
export const some_places: readonly Record<string, string>[] = [
  { header: "authorization" },
  { header: "Authorization", prefix: "DPoP " },
  { header: "x-user-token" },
  { header: "X-App-Token", prefix: "v1:" },
  { cookie: "session" },
  { cookie: "__Host-app" },
  { query: "access_token" },
  { query: "t" },
];
const bearer_place = 0;
/** Of one issuer: the usual one, those that several issuers have in common, or its own. */
const somePlaces = fc.oneof(
  { arbitrary: fc.constant(undefined), weight: 4 },
  { arbitrary: some("common" as const), weight: 4 },
  { arbitrary: few(fc.nat(some_places.length - 1), 4), weight: 1 },
);
type SomePlaces = number[] | "common" | undefined;

const issuers = fc.record({
  corp: fc.record({
    algorithms: some(
      ["ES256"],
      ["RS256"],
      ["ES256", "RS256"],
      ["RS256", "RS512", "ES256"],
      ["EdDSA", "ES256", "RS256"],
      ["PS256", "ES256", "EdDSA"],
    ),
    audiences: some(["order-api"], ["order-api", "other"], ["other"]),
    leeway: sometimes(some("0s", "30s", "5m"), 2),
    maxLifetime: sometimes(some("1m", "10m", "1h"), 4),
    from: somePlaces,
    bind: sometimes(some("none", "certificate", "certificate", "caller"), 3),
  }),
  partner: fc.record({
    algorithms: some(["ES256"], ["ES256", "ES384"], ["ES384", "ES512"], ["PS256", "ES512", "ES256", "ES384"]),
    audiences: some(["order-api"]),
    from: somePlaces,
  }),
  twin: fc.record({
    algorithms: some(["ES256"]),
    audiences: some(["order-api"], ["other"]),
    leeway: some("1m"),
    from: somePlaces,
  }),
  app: fc.record({
    algorithms: some(["ES256", "PS512"], ["ES256", "PS512", "EdDSA"], ["EdDSA", "ES256"]),
    audiences: some(["order-api"], ["other", "order-api"]),
    from: somePlaces,
    bind: sometimes(some("caller"), 2),
  }),
  device: fc.record({
    algorithms: some(["ES256"], ["ES256", "PS256"]),
    audiences: some(["order-api", "other"]),
    from: somePlaces,
    bind: sometimes(some("certificate", "caller"), 2),
  }),
});
const key_files: Readonly<Record<string, string>> = {
  corp: "corp",
  partner: "partner",
  twin: "twin",
  app: "corp",
  device: "partner",
};
const someIssuer = some("corp", "corp", "corp", "partner", "partner", "twin", "app", "device", "device");

const identity = fc.oneof(
  { arbitrary: fc.constant(undefined), weight: 6 },
  {
    arbitrary: fc.record({
      kind: some("jwt-svid", "either", "either"),
      domains: some(["example.org", "partner.net"], ["example.org", "partner.net"], ["example.org"]),
      audiences: some(["order-api"], ["order-api", "other"]),
      leeway: sometimes(some("0s", "5m"), 2),
      from: somePlaces,
    }),
    weight: 2,
  },
);

/** Which of the places are stripped: issuers that share a place have to agree, so each keeps to the side of its first. */
function placesOf(wanted: SomePlaces, common: readonly number[], stripped: readonly number[]): Mapping {
  const from = wanted === "common" ? common : wanted;
  const [first] = from ?? [bearer_place];
  const isStripped = stripped.includes(first!);
  const same = from?.filter((place) => stripped.includes(place) === isStripped);
  return {
    ...(same !== undefined && { from: same.map((place) => some_places[place]) }),
    ...(isStripped && { forwardToken: false }),
  };
}

const someLimit = (per: readonly string[][]): fc.Arbitrary<Mapping> =>
  fc.record({
    rate: some("1/s", "2/s", "10/s", "1/m", "6/m", "60/h"),
    burst: some(1, 2, 3, 5),
    per: some(...per),
    scope: sometimes(some("proxy"), 3),
  });
const limits = fc.record({
  slow: someLimit([["caller"], []]),
  fast: someLimit([["caller"]]),
  "by-sub": someLimit([["claims.sub"], ["caller", "claims.sub"]]),
  "by-org": someLimit([["claims.org.id"], ["claims.level"], ["claims.x-y", "caller.id"]]),
});
const limitsByClaim = ["by-sub", "by-org"];

const forward = fc.record(
  {
    "x-caller": some("caller.id", "caller.trust_domain", "caller.path"),
    "X-User": some("claims.sub", "claims.ip"),
    "x-org": some("claims.org.id", "claims.groups", "claims.device.posture"),
  },
  { requiredKeys: [] },
);

const at = (offset: number): string => new Date((start_seconds + offset) * 1000).toISOString().replace(".000", "");

interface RuleParts {
  name: string;
  action: "allow" | "deny";
  callers: string[];
  hosts: string[] | undefined;
  endpoints: string[];
  token: string | string[] | undefined;
  scopes: string[] | undefined;
  claimsWhen: string | undefined;
  plainWhen: string | undefined;
  limit: string[] | undefined;
  cost: number | undefined;
  mode: "enforce" | "shadow" | undefined;
  starts: string | undefined;
  expires: string | undefined;
}

const someRule: fc.Arbitrary<RuleParts> = fc.record({
  name: fc.stringMatching(/^[A-Za-z0-9_-]{1,3}$/),
  action: some("allow" as const, "allow" as const, "allow" as const, "deny" as const),
  callers: few(someCaller, 3),
  hosts: sometimes(few(someHost, 2), 6),
  endpoints: few(someEndpoint, 4),
  token: sometimes(fc.oneof(someIssuer, few(someIssuer, 5, 2)), 2),
  scopes: sometimes(few(some("read", "write", "admin"), 2), 4),
  claimsWhen: sometimes(claimsCondition, 3),
  plainWhen: sometimes(plainCondition, 2),
  limit: sometimes(few(some("slow", "fast", ...limitsByClaim), 3), 3),
  cost: sometimes(some(1, 2, 3), 3),
  mode: sometimes(some("shadow" as const, "enforce" as const), 4),
  starts: sometimes(some(at(-3600), at(0), at(7), at(3600)), 15),
  expires: sometimes(some(at(-60), at(8), at(60), at(7200)), 15),
});

/** Leaves out what the rule cannot have: what is sound is for the compiler's own tests. */
function tidy(rule: RuleParts, bursts: ReadonlyMap<string, number>): Mapping {
  const { name, callers, hosts, action, mode, starts } = rule;
  const isDeny = action === "deny";
  const when = rule.token === undefined ? rule.plainWhen : rule.claimsWhen;
  const token = isDeny && when === undefined ? undefined : rule.token;
  const limit = rule.limit?.filter((one) => token !== undefined || !limitsByClaim.includes(one)) ?? [];
  const limited = !isDeny && limit.length > 0;
  const most = Math.min(...limit.map((one) => bursts.get(one)!));
  const expires =
    starts !== undefined && rule.expires !== undefined && rule.expires <= starts ? undefined : rule.expires;
  const parts: Mapping = {
    name,
    callers,
    hosts,
    [action]: withVariables(rule.endpoints, when ?? ""),
    token,
    scopes: token === undefined || isDeny ? undefined : rule.scopes,
    when,
    limit: limited ? (limit.length === 1 ? limit[0] : limit) : undefined,
    cost: limited && rule.cost !== undefined ? Math.min(rule.cost, most) : undefined,
    mode,
    starts,
    expires,
  };
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined));
}

/** A condition may name a variable that some endpoint of the rule has; others then lack it, which is an error there. */
function withVariables(endpoints: readonly string[], when: string): string[] {
  const missing = ["id", "x"].filter(
    (name) => new RegExp(`\\bpath\\.${name}\\b`, "u").test(when) && !endpoints.some((one) => one.includes(`{${name}}`)),
  );
  return [...endpoints, ...missing.map((name) => `GET /a/{${name}}`)];
}

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
    forwarders: sometimes(some(["spiffe://example.org/a"], ["spiffe://example.org/b", "spiffe://example.org/a/x"]), 4),
    forward: sometimes(forward, 3),
    identity,
    common: few(fc.nat(some_places.length - 1), 4, 2),
    stripped: fc.oneof(fc.constant<number[]>([]), few(fc.nat(some_places.length - 1), 8)),
    issuers,
    callers: fc.record({ "set-a": few(some(...patterns), 4), "set-b": few(some(...patterns), 2) }),
    limits,
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
      forwarders,
      forward: headers,
      identity: shown,
      common,
      stripped,
      issuers: all,
      callers,
      limits: bounds,
      ...rest
    }) => {
      const { rules, includedRules, style } = rest;
      const svids = shown && {
        identity: shown.kind,
        jwtSvid: {
          audiences: shown.audiences,
          bundles: Object.fromEntries(shown.domains.map((domain) => [domain, { file: `${domain}.jwks.json` }])),
          ...(shown.leeway !== undefined && { leeway: shown.leeway }),
          ...placesOf(shown.from, common, stripped),
        },
      };
      const gateways = shown?.kind === "jwt-svid" ? undefined : forwarders;
      const bursts = new Map(Object.entries(bounds).map(([name, { burst }]) => [name, burst as number]));
      return {
        policy: {
          version: 1,
          name: "random",
          ...(mode !== undefined && { mode }),
          trust: {
            domains: ["example.org", "partner.net"],
            ...svids,
            ...(gateways !== undefined && { forwarders: gateways }),
          },
          ...(headers !== undefined && { forward: headers }),
          issuers: Object.fromEntries(
            Object.entries(all).map(([name, { from, ...issuer }]) => [
              name,
              {
                issuer: issuer_urls[name as keyof typeof issuer_urls],
                keys: { file: `${key_files[name]}.jwks.json` },
                ...issuer,
                ...placesOf(from, common, stripped),
              },
            ]),
          ),
          callers,
          limits: bounds,
          rules: rules.map((rule) => tidy(rule, bursts)),
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
