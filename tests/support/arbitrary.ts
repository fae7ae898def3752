/** Random policies, and random requests that have a chance of meeting their rules. */

import * as fc from "fast-check";
import { type Endpoint, parseEndpoint } from "../../scripts/policy/language/endpoint.ts";
import type {
  Issuer,
  KeySet,
  Limit,
  Place,
  Policy,
  Quarantine,
  Rule,
  RuleCaller,
} from "../../scripts/policy/language/model.ts";
import { strict_paths } from "../../scripts/policy/language/pathoptions.ts";
import { type CallerPattern, parseCaller } from "../../scripts/policy/language/spiffe.ts";
import type { Asked } from "./lookup.ts";
import { ecKey } from "./policy.ts";
import { ruleWith } from "./rule.ts";

/** Failures print their seed; SEED=… runs that case again. */
export const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };

export const ids = ["a", "b", "a/x", "a/y", "a/x/1", "b/x", "c/d/e"].map((path) => `spiffe://example.org/${path}`);
const patterns = [
  ...ids,
  "spiffe://example.org/**",
  "spiffe://example.org/*",
  "spiffe://example.org/a/*",
  "spiffe://example.org/a/**",
  "spiffe://partner.net/**",
  "spiffe://example.org/*/x",
  "spiffe://example.org/*/x/**",
  "spiffe://example.org/a/*/1",
  "spiffe://example.org/*/{s}/*",
  "spiffe://example.org/{s}/**",
];
export const pattern = (text: string): CallerPattern => parseCaller(text) as CallerPattern;
export const endpoint = (text: string): Endpoint => parseEndpoint(text) as Endpoint;
const paths = [
  "/",
  "/a",
  "/a/b",
  "/*",
  "/a/*",
  "/*/b",
  "/{x}/{y}/c",
  "/a/b/c",
  "/**",
  "/a/**",
  "/*/b/**",
  "/%C3%A9/%2A",
  "/a*",
  "/{x}b",
  "/a{x}",
  "/*:a/b",
  "/a/a{x}b",
  "/a/ab*",
  "/a/*ba",
  "/é*",
  "/**/b",
  "/a/**/b",
  "/a/**/*/b",
  "/**/a*/{x}",
  "/*/**/{x}b",
];
const methods = ["GET", "POST", "GET|POST", "PUT|DELETE", "*", "PATCH", "HEAD", "HEAD|PUT"];
const hosts = ["example.org", "api.example.org", "*.example.org", "*.org"];

const somePattern = fc.constantFrom(...patterns).map(pattern);
const someCaller: fc.Arbitrary<RuleCaller> = fc.oneof(
  fc.constant<RuleCaller>({ kind: "any" }),
  fc.constant<RuleCaller>({ kind: "anonymous" }),
  fc.constantFrom("set-a", "set-b").map((name): RuleCaller => ({ kind: "set", name })),
  somePattern.map((one): RuleCaller => ({ kind: "pattern", pattern: one })),
);
const someHost = fc
  .constantFrom(...hosts)
  .map((text) =>
    text.startsWith("*.") ? { kind: "suffix" as const, text: text.slice(2) } : { kind: "exact" as const, text },
  );
const someEndpoint = fc
  .tuple(fc.constantFrom(...methods), fc.constantFrom(...paths))
  .map(([method, path]) => endpoint(`${method} ${path}`));

const someRule: fc.Arbitrary<Rule> = fc
  .record({
    name: fc.stringMatching(/^[A-Za-z0-9_-]{1,4}$/),
    action: fc.constantFrom("allow" as const, "deny" as const),
    callers: fc.array(someCaller, { minLength: 1, maxLength: 4 }),
    hosts: fc.array(someHost, { maxLength: 2 }),
    endpoints: fc.array(someEndpoint, { minLength: 1, maxLength: 4 }),
    issuers: fc.subarray(["corp", "partner"]),
    scopes: fc.subarray(["read", "write", "admin"]),
    isAnyScope: fc.boolean(),
    limits: fc.subarray(["slow", "fast"]),
    cost: fc.integer({ min: 1, max: 3 }),
    mode: fc.constantFrom("enforce" as const, "enforce" as const, "shadow" as const),
    startsSeconds: fc.constantFrom(0, 0, 0, 2 ** 40),
    expiresSeconds: fc.constantFrom(0, 0, 0, 1),
  })
  .map((rule) => ruleWith({ ...rule, isAnyScope: rule.isAnyScope && rule.scopes.length > 1 }));

const keys = [ecKey("one"), ecKey("two"), ecKey(""), ecKey("")];
const sets: KeySet[] = [
  { use: "sig", keys, source: undefined },
  {
    use: "sig",
    keys: keys.slice(0, 1),
    source: {
      url: "https://idp.example.org/jwks.json?v=1",
      authority: "idp.example.org",
      path: "/jwks.json?v=1",
      cluster: "idp",
      refreshSeconds: 300,
    },
  },
];
const places: Place[] = [
  { kind: "header", name: "authorization", prefix: "Bearer " },
  { kind: "header", name: "x-token", prefix: "" },
  { kind: "cookie", name: "session", prefix: "" },
];

const someIssuer = (name: string): fc.Arbitrary<Issuer> =>
  fc.record({
    name: fc.constant(name),
    issuer: fc.constant(`https://${name}.example.org`),
    audiences: fc.constant(["order-api", "other", "Z"]),
    audienceClaim: fc.constantFrom(["aud"], ["client_id"], ["resource", "id"]),
    scopeClaims: fc.constantFrom([["scope"], ["scp"]], [["realm_access", "roles"], ["https://x.example/roles"]]),
    types: fc.constantFrom(["", "jwt", "at+jwt"], ["at+jwt"], ["vnd.example+jwt", "jwt"]),
    algorithms: fc.constant(["RS256", "ES256"]),
    keySet: fc.constantFrom(...sets),
    leewaySeconds: fc.constant(60),
    maxLifetimeSeconds: fc.constant(0),
    places: fc.subarray(places, { minLength: 1 }),
    forwardToken: fc.constant(true),
    bind: fc.constantFrom("none" as const, "certificate" as const, "caller" as const),
    template: fc.constantFrom<Issuer["template"]>([], [{ text: "https://a.example/", claim: "tid", kind: "segment" }]),
    tenants: fc.constantFrom(undefined, ["a", "b"], ["c"]),
    claims: fc.constantFrom<Issuer["claims"]>(
      [],
      [
        { path: ["org"], type: "map", isRequired: false },
        { path: ["org", "id"], type: "string", isRequired: true },
        { path: ["role"], type: "list", isRequired: false },
      ],
    ),
  });
const someSvid: fc.Arbitrary<Issuer> = someIssuer("example.org").map((svid) => ({
  ...svid,
  issuer: svid.name,
  keySet: { ...sets[0]!, use: "jwt-svid" },
  bind: "none",
}));
const someIdentity: fc.Arbitrary<Pick<Policy, "identity" | "svids">> = fc.oneof(
  fc.record({ identity: fc.constant("mtls" as const), svids: fc.constant<Issuer[]>([]) }),
  fc.record({ identity: fc.constant("either" as const), svids: someSvid.map((one) => [one]) }),
);

const someRest: fc.Arbitrary<Omit<Policy, "identity" | "svids">> = fc.record({
  name: fc.constant("shop"),
  mode: fc.constantFrom("enforce" as const, "shadow" as const),
  tokenBytes: fc.constantFrom(16384, 1024, 57344),
  trustDomains: fc.constant(["example.org", "partner.net"]),
  aliases: fc.constantFrom(new Map(), new Map([["old.example.net", "example.org"]])),
  sourceAddress: fc.constantFrom("connection" as const, "forwarded" as const),
  forwarders: fc.constant([]),
  forwards: fc.constant([]),
  paths: fc.constant(strict_paths),
  issuers: fc.tuple(someIssuer("corp"), someIssuer("partner")),
  callerSets: fc
    .tuple(fc.array(somePattern, { minLength: 1, maxLength: 5 }), fc.array(somePattern, { minLength: 1 }))
    .map(([a, b]) => [
      { name: "set-a", callers: a },
      { name: "set-b", callers: b },
    ]),
  limits: fc.constant<Limit[]>([
    {
      name: "slow",
      kind: "rate",
      header: "",
      rate: { tokens: 1, periodSeconds: 3600 },
      burstTokens: 3,
      per: [{ kind: "claim", path: ["org", "id"] }, { kind: "caller" }],
    },
    { name: "fast", kind: "rate", header: "", rate: { tokens: 1000, periodSeconds: 1 }, burstTokens: 1000, per: [] },
  ]),
  quarantines: fc.constantFrom<Quarantine[]>(
    [],
    [
      {
        ...{ name: "probing", mode: "shadow", per: [{ kind: "caller" }], when: ["no_rule", "token_malformed"] },
        ...{ denials: 5, withinSeconds: 60, forSeconds: 300, maxSeconds: 3600 },
        releases: ["spiffe://example.org/web", Uint8Array.of(10, 1, 2, 3)],
        scope: "proxy",
      },
    ],
  ),
  lists: fc.constant([]),
  rules: fc
    .uniqueArray(someRule, { selector: ({ name }) => name, maxLength: 12 })
    .map((rules) => rules.sort((a, b) => (a.name < b.name ? -1 : 1))),
});

export const somePolicy: fc.Arbitrary<Policy> = fc
  .tuple(someRest, someIdentity)
  .map(([rest, identity]) => ({ ...rest, ...identity }));

export const asked: fc.Arbitrary<Asked> = fc.record({
  caller: fc.constantFrom(...ids, "spiffe://example.org/unnamed", "spiffe://partner.net/p/q/r", null),
  host: fc.constantFrom("example.org", "api.example.org", "x.y.example.org", "other.net"),
  method: fc.constantFrom("GET", "POST", "PUT", "PATCH", "HEAD"),
  segments: fc.array(
    fc.constantFrom("a", "b", "a", "b", "c", "é", "*", "ab", "aab", "abb", "aba", "éb", "x:a", ":a", "b:a"),
    {
      maxLength: 4,
    },
  ),
});
