/** The part of the language that is about tokens: issuers and their keys, places, JWT-SVIDs. */
import { algorithm_names } from "./algorithms.ts";
import { boolean, list, mapping, named, optional, required, text, word } from "./shape.ts";
import { forms } from "./values.ts";

const duration = (like: string) => text({ pattern: forms.duration, like });

/** Where keys come from. */
export const keys_shape = mapping({
  file: optional(text(), "A JWKS file of public keys, found from this file's folder, and embedded.", {
    examples: ["keys/corp.jwks.json"],
  }),
  url: optional(
    text({ pattern: forms.url }),
    "Where a JWKS is fetched from while Envoy runs. With `file`, the file serves until the first answer.",
    { examples: ["https://idp.example.org/jwks.json"] },
  ),
  cluster: optional(text({ pattern: forms.cluster }), "The Envoy cluster that leads to the host of `url`.", {
    examples: ["idp"],
  }),
  refresh: optional(duration("5m"), "How often it is fetched.", { default: "5m", examples: ["5m"] }),
});
const keys_help = "Where the public keys are: in a JWKS file, behind a URL, or both.";
const keys_examples = [
  { file: "keys/corp.jwks.json" },
  { url: "https://idp.example.org/jwks.json", cluster: "idp", refresh: "5m", file: "keys/corp.jwks.json" },
];

/** Where tokens stand in a request. */
export const places_shape = list(
  mapping({
    header: optional(text({ pattern: forms.field }), "Name of a header.", { examples: ["authorization"] }),
    prefix: optional(
      text({ pattern: forms.prefix }),
      "What stands before the token in the header: by default `Bearer ` in `authorization`, nothing in others.",
      { examples: ["Bearer "] },
    ),
    cookie: optional(text({ pattern: forms.field }), "Name of a cookie.", { examples: ["session"] }),
    query: optional(text({ pattern: forms.parameter }), "Name of a query parameter.", { examples: ["access_token"] }),
  }),
  { item: "a place", empty: "; name a place, or leave it out for `authorization`" },
);
const default_places = [{ header: "authorization", prefix: "Bearer " }];
const leeway = optional(duration("30s"), "Clock skew that is tolerated, at most `5m`.", {
  default: "60s",
  examples: ["30s"],
});
const forward_token = optional(
  boolean,
  "Whether the upstream sees the token. `false`: it is removed from the request, wherever it stands.",
  { default: true },
);

/** Which JWT-SVIDs are believed. */
export const jwt_svid = mapping({
  audiences: required(
    list(text(), { empty: ": a JWT-SVID made for another service would do; name yours" }),
    "One of them must be in the JWT-SVID's `aud`.",
    { examples: [["order-api"]], asIn: "audiences: [order-api]" },
  ),
  bundles: required(
    named("bundle", keys_shape, /^[a-z0-9._-]+$/u),
    "For each trust domain its bundle: a JWKS, of which the keys with `use: jwt-svid` count.",
    {
      examples: [{ "example.org": { file: "bundles/example.org.json" } }],
      asIn: "bundles: { example.org: { file: bundles/example.org.json } }",
    },
  ),
  from: optional(places_shape, "Where the JWT-SVID stands in a request.", { default: default_places }),
  leeway,
  forwardToken: forward_token,
});

/** Whose tokens are believed, and when. */
export const issuer = mapping({
  issuer: required(text(), "Compared exactly with the token's `iss`.", { examples: ["https://issuer.example.org"] }),
  audiences: required(
    list(text(), { empty: ": a token made for another service would do; name yours" }),
    "One of them must be in the token's `aud`.",
    { examples: [["order-api"]] },
  ),
  algorithms: required(
    list(text({ words: algorithm_names }), { empty: "; name those the issuer signs with, such as `RS256`" }),
    "Signature algorithms (`alg`) that are accepted.",
    { examples: [["RS256", "ES256"]] },
  ),
  keys: required(keys_shape, keys_help, {
    examples: keys_examples,
    asIn: "keys: { file: keys/corp.jwks.json }",
  }),
  leeway,
  maxLifetime: optional(
    duration("1h"),
    "Tokens issued for longer (`exp` − `iat`) are refused. Without it, for any time.",
    {
      examples: ["1h"],
    },
  ),
  from: optional(places_shape, "Where the token stands in a request.", {
    default: default_places,
    examples: [[{ header: "x-user-token" }, { cookie: "session" }]],
  }),
  forwardToken: forward_token,
  bind: optional(
    word(["none", "certificate", "caller"]),
    "What the token is bound to. `certificate`: the digest of the caller's certificate is in `cnf.x5t#S256`; `caller`: `sub` is the caller's SPIFFE ID.",
    { default: "none" },
  ),
});
