/** Random issuers: their algorithms, what their claims are, and the places their tokens stand in. */
import * as fc from "fast-check";
import { few, type Mapping, some, sometimes } from "./some.ts";

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
export const somePlaces = fc.oneof(
  { arbitrary: fc.constant(undefined), weight: 4 },
  { arbitrary: some("common" as const), weight: 4 },
  { arbitrary: few(fc.nat(some_places.length - 1), 4), weight: 1 },
);
export type SomePlaces = number[] | "common" | undefined;

/** Keys that nobody ever answers with. */
export const never_fetched: Record<string, Mapping> = {
  app: { url: "https://app.example.org/jwks.json", cluster: "app" },
  device: { discovery: true, cluster: "device" },
};

/** What claims are declared to be: mostly what tokens mostly have, so that most of them fit. */
const someClaims = fc.record(
  {
    level: some("int", "int", "double", "any", "string"),
    admin: some("bool", "bool", "any", "bool!"),
    "groups!": some("list", "any"),
    groups: some("list"),
    scope: some("string"),
    org: some<unknown>({ id: "string" }, { id: "string" }, { id: "string!" }, {}, "string", "any!"),
    "org!": some({ id: "string" }),
    device: some<unknown>({ posture: "string", level: "int", os: { name: "string" } }, { posture: "any" }, "any"),
    since: some("int", "double"),
    sub: some("string", "string!"),
  },
  { requiredKeys: [] },
);
const typed = sometimes(
  someClaims.map((claims) =>
    Object.fromEntries(Object.entries(claims).filter(([name]) => name.endsWith("!") || !(`${name}!` in claims))),
  ),
  4,
);

export const someIssuers = fc.record({
  corp: fc.record({
    algorithms: some(
      ["ES256"],
      ["RS256"],
      ["ES256", "RS256"],
      ["RS256", "RS512", "ES256"],
      ["EdDSA", "ES256", "RS256"],
      ["Ed25519", "ES256"],
      ["PS256", "ES256", "EdDSA"],
    ),
    audiences: some<unknown>(["order-api"], ["order-api", "other"], ["other"], "any"),
    scopesFrom: sometimes(some<unknown>(["scp", "scope"], ["groups"], "device.posture", ["roles", "claims.scope"]), 4),
    types: sometimes(some<unknown>(["JWT"], ["at+jwt", "application/jwt"], ["Vnd.Example+JWT", "jwt"]), 6),
    leeway: sometimes(some("0s", "30s", "5m"), 2),
    maxLifetime: sometimes(some("1m", "10m", "1h"), 4),
    claims: typed,
    from: somePlaces,
    bind: sometimes(some("none", "certificate", "certificate", "caller"), 3),
  }),
  partner: fc.record({
    algorithms: some(["ES256"], ["ES256", "ES384"], ["ES384", "ES512"], ["PS256", "ES512", "ES256", "ES384"]),
    audiences: some(["order-api"], ["a", "order-api"]),
    audienceFrom: sometimes(some("client_id", "client_id", 'claims["https://x.example/for"]', "org.id", "groups"), 3),
    types: sometimes(some<unknown>(["at+jwt"], ["JWT", "at+jwt"]), 4),
    claims: typed,
    from: somePlaces,
  }),
  twin: fc.record({
    algorithms: some(["ES256"]),
    audiences: some(["order-api"], ["other"]),
    leeway: some("1m"),
    from: somePlaces,
  }),
  app: fc.record({
    of: sometimes(
      fc.record(
        {
          issuer: some("https://{tenant}.example.org", "https://login.example.org/{tenant}/v2"),
          tenants: some(["app"], ["app", "a"], ["device", "x"]),
        },
        { requiredKeys: ["issuer"] },
      ),
      2,
    ),
    algorithms: some(["ES256", "PS512"], ["ES256", "PS512", "EdDSA"], ["EdDSA", "ES256"]),
    audiences: some(["order-api"], ["other", "order-api"]),
    from: somePlaces,
    bind: sometimes(some("caller"), 2),
  }),
  device: fc.record({
    algorithms: some(["ES256"], ["ES256", "PS256"]),
    audiences: some(["order-api", "other"]),
    claims: typed,
    from: somePlaces,
    bind: sometimes(some("certificate", "caller"), 2),
  }),
});
export const key_files: Readonly<Record<string, string>> = {
  corp: "corp",
  partner: "partner",
  twin: "twin",
  app: "corp",
  device: "partner",
};
export const someIssuer = some("corp", "corp", "corp", "partner", "partner", "twin", "app", "device", "device");

/** An issuer, and whose it is where that is not the usual one. */
export type SomeIssuer = Mapping & { from: SomePlaces; of?: Mapping | undefined };

/** Which of the places are stripped: issuers that share a place have to agree, so each keeps to the side of its first. */
export function placesOf(wanted: SomePlaces, common: readonly number[], stripped: readonly number[]): Mapping {
  const from = wanted === "common" ? common : wanted;
  const [first] = from ?? [bearer_place];
  const isStripped = stripped.includes(first!);
  const same = from?.filter((place) => stripped.includes(place) === isStripped);
  return {
    ...(same !== undefined && { from: same.map((place) => some_places[place]) }),
    ...(isStripped && { forwardToken: false }),
  };
}
