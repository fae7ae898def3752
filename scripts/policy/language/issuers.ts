/** The part of the language that is about tokens: issuers and their keys, places, JWT-SVIDs. */
import { algorithm_values } from "./algorithms.ts";
import { claims_shape } from "./claims.ts";
import {
  boolean,
  list,
  listOrMapping,
  listOrWord,
  mapping,
  named,
  oneOrMany,
  optional,
  required,
  text,
  word,
} from "./shape.ts";
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
  cluster: optional(
    text({ pattern: forms.cluster }),
    "The Envoy cluster that leads to the host of `url`, or with `discovery` to that of the issuer.",
    {
      examples: ["idp"],
    },
  ),
  discovery: optional(
    boolean,
    "`true`: the JWKS is the `jwks_uri` of the issuer's discovery document (`/.well-known/openid-configuration`, or that of RFC 8414), which is fetched with it.",
    { examples: [true] },
  ),
  clusters: optional(
    named("host", text({ pattern: forms.cluster }), /^[A-Za-z0-9._:[\]-]+$/u),
    "With `discovery`: hosts other than the issuer's that `jwks_uri` may name, and the Envoy cluster that leads to each.",
    { examples: [{ "www.googleapis.com": "googleapis" }] },
  ),
  header: optional(
    mapping({
      name: required(text({ pattern: forms.field }), "Name of the header.", { examples: ["authorization"] }),
      file: required(
        text(),
        "A file with its value, one line, found from this file's folder. Read when the image is built, never printed.",
        { examples: ["/var/run/secrets/keys-token"] },
      ),
      prefix: optional(text({ pattern: forms.prefix }), "What stands before what the file has.", {
        default: "",
        examples: ["Bearer "],
      }),
    }),
    "A header that is sent where keys are fetched, for a server that asks for a credential.",
    { examples: [{ name: "authorization", file: "/var/run/secrets/keys-token", prefix: "Bearer " }] },
  ),
  refresh: optional(duration("5m"), "How often it is fetched.", { default: "5m", examples: ["5m"] }),
});
const keys_help =
  "Where the public keys are: in a JWKS file, behind a URL or where a discovery document says, or both.";
const keys_examples = [
  { file: "keys/corp.jwks.json" },
  { url: "https://idp.example.org/jwks.json", cluster: "idp", refresh: "5m", file: "keys/corp.jwks.json" },
  { discovery: true, cluster: "idp" },
];

/** Where tokens stand in a request. */
export const places_shape = list(
  mapping({
    header: optional(text({ pattern: forms.field }), "Name of a header.", { examples: ["authorization"] }),
    prefix: optional(
      text({ pattern: forms.prefix }),
      "What stands before the token in the header: by default `Bearer ` in `authorization`, nothing in others. `Bearer ` is found in any case and with more blanks, others as they are written.",
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

/** Which tenants of an issuer with many are believed. */
export const tenants_shape = listOrMapping(
  list(text(), { empty: ", so that no token is taken; name a tenant, or remove it" }),
  mapping({
    file: required(text(), "A file of tenants, one a line, found from this file's folder. `#` begins a comment.", {
      examples: ["tenants.txt"],
      asIn: "file: tenants.txt",
    }),
  }),
);

/** Whose tokens are believed, and when. */
export const issuer = mapping({
  issuer: required(
    text(),
    "Compared exactly with the token's `iss`. `{name}` stands for the claim of that name: for one segment of the path, or one label of the host.",
    { examples: ["https://issuer.example.org"] },
  ),
  tenants: optional(
    tenants_shape,
    "What the claim in an `issuer` with `{name}` may be: a list, or a file of up to 100,000. Without it, anything.",
    { examples: [{ file: "tenants.txt" }] },
  ),
  audiences: required(
    listOrWord("any", text(), {
      empty:
        ": a token made for another service would do; name yours. Where another claim than `aud` says whom a token is for, name it too, as in `audienceFrom: client_id`; write `audiences: any` for tokens that may be for anybody",
    }),
    "One of them must be in the token's `aud`, or in the claim that `audienceFrom` names. `any`: the token may be for anybody.",
    { examples: [["order-api"], "any"], asIn: "audiences: [order-api]` or `audiences: any" },
  ),
  audienceFrom: optional(
    text(),
    "The claim that says whom a token is for, where that is not `aud`, which is then not looked at.",
    { default: "aud", examples: ["client_id", "azp"] },
  ),
  scopesFrom: optional(
    oneOrMany(text(), { empty: "; name a claim, or leave it out for `scope` and `scp`" }),
    "The claims that scopes are read from: of several, the first that the token has. A text is words separated by spaces, of a list each element is one.",
    { default: ["scope", "scp"], examples: ["permissions", ["realm_access.roles"]] },
  ),
  types: optional(
    oneOrMany(text({ pattern: forms.type }), {
      empty: "; name a type, or leave it out for `JWT`, `at+jwt` and tokens without `typ`",
    }),
    "The `typ` that tokens have: media types, compared without case, with or without `application/`. Without it, `JWT`, `at+jwt`, or none.",
    { examples: [["at+jwt"]] },
  ),
  algorithms: required(
    list(text({ words: algorithm_values }), { empty: "; name those the issuer signs with, such as `RS256`" }),
    "Signature algorithms (`alg`) that are accepted. `EdDSA` and `Ed25519` are one.",
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
  claims: optional(
    claims_shape,
    "What claims are: `string`, `int`, `double`, `bool`, `list`, `any`, or a map of what is in them. A token whose claim is something else is refused. A claim may be absent, unless its name or type ends in `!`.",
    { examples: [{ role: "string", "groups!": "list", org: { id: "string!" } }] },
  ),
  bind: optional(
    word(["none", "certificate", "caller"]),
    "What the token is bound to. `certificate`: the digest of the caller's certificate is in `cnf.x5t#S256`; `caller`: `sub` is the caller's SPIFFE ID.",
    { default: "none" },
  ),
  challenge: optional(
    mapping({
      realm: optional(text({ pattern: forms.realm }), "What is protected, for people. Without it, the policy's name.", {
        examples: ["shop"],
      }),
      resource_metadata: optional(
        text({ pattern: forms.url }),
        "Where a client learns how to get a token (RFC 9728 §5.1).",
        { examples: ["https://api.example.com/.well-known/oauth-protected-resource"] },
      ),
    }),
    "What `WWW-Authenticate` says where a token of this issuer is asked for and there is none, or none that is good.",
    {
      examples: [{ realm: "shop", resource_metadata: "https://api.example.com/.well-known/oauth-protected-resource" }],
    },
  ),
});
