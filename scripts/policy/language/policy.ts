/**
 * The whole language: every key, what it means, and what may stand there. The parser reads by these shapes, the types of
 * a draft are theirs, and the JSON Schemas for editors are made of them.
 */
import {
  fleet_replicas_max,
  header_pairs_bytes_max,
  limit_burst_tokens_max,
  policy_version_max,
  token_bytes_max,
  usual_token_bytes_max,
} from "../../../assembly/limits.ts";
import type { Located } from "../source/yaml.ts";
import { usual_filter_state } from "./identity.ts";
import { issuer, jwt_svid } from "./issuers.ts";
import { limit } from "./limits.ts";
import { paths_shape } from "./pathoptions.ts";
import { a2a_shape, graphql_shape, jsonrpc_shape, mcp_shape } from "./protocols.ts";
import { quarantine_shape } from "./quarantine.ts";
import {
  boolean,
  described,
  integer,
  integerOrText,
  list,
  listOrMapping,
  mapping,
  named,
  oneOrMany,
  only,
  optional,
  orMapping,
  required,
  type Schema,
  type Shape,
  text,
  word,
} from "./shape.ts";
import { forms, forward_forms } from "./values.ts";

const name = text({ pattern: forms.name });
const mode = word(["enforce", "shadow"]);
const time = text({ pattern: forms.time });

/** A SPIFFE ID, or a pattern for several. */
const caller = text({ pattern: /^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._*{}-]+)+$/u });
const caller_or_set = text({ pattern: /^(spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._*{}-]+)+|[A-Za-z0-9_-]+)$/u });
const endpoint = text({
  pattern:
    /^(grpc [A-Za-z_][A-Za-z0-9_.]*\/([A-Za-z_][A-Za-z0-9_]*|\*)|(\*|[A-Za-z0-9_|-]+) \/[^\s?#]*|(mcp|a2a|jsonrpc|graphql) \S.*)$/u,
});

const trust = mapping({
  domains: required(
    list(text({ pattern: /^[a-z0-9._-]+$/u }), { empty: ", so that no caller could be trusted; name a trust domain" }),
    "SPIFFE trust domains whose members rules may name.",
    { examples: [["example.org"]], asIn: "domains: [example.org]" },
  ),
  aliases: optional(
    named("trust domain", text({ pattern: /^[a-z0-9._-]+$/u }), /^[a-z0-9._-]+$/u),
    "Trust domains that were renamed, each with the one of `domains` that it is now: an ID of the old one is the same ID of the new one.",
    { examples: [{ "old.example.org": "example.org" }] },
  ),
  identity: optional(
    word(["mtls", "jwt-svid", "either", "filter-state"]),
    "What says who the caller is. `mtls`: its client certificate; `jwt-svid`: the JWT-SVID it sends; `either`: the certificate and, where the connection has none, the JWT-SVID; `filter-state`: a listener in front that ended the caller's mTLS, by Envoy's filter state.",
    {
      default: "mtls",
    },
  ),
  filterState: optional(
    text({ pattern: forms.filterState, like: usual_filter_state }),
    "The key of the filter state that has the caller's SPIFFE ID; only with `identity: filter-state`.",
    { default: usual_filter_state },
  ),
  sourceAddress: optional(
    word(["connection", "forwarded"]),
    "Whose word `source.ip` is. `connection`: the address that the connection came from, and no other; `forwarded`: also the one that Envoy takes from `x-forwarded-for`.",
    { default: "connection" },
  ),
  jwtSvid: optional(jwt_svid, "Which JWT-SVIDs are accepted; needed with `identity: jwt-svid` and `either`."),
  forwarders: optional(
    list(text({ pattern: forms.spiffeId }), {
      empty: "; name a gateway, or leave it out",
    }),
    "SPIFFE IDs of gateways that end the caller's connection: what they say of the caller in `x-forwarded-client-cert` is trusted. Exact IDs, no patterns.",
    { examples: [["spiffe://example.org/edge"]] },
  ),
});

const caller_set = list(caller, { empty: "; name its callers, or remove it" });

/** The rate limit service that limits of the fleet are asked of. */
const fleet = mapping({
  cluster: optional(
    text({ pattern: forms.cluster }),
    "The Envoy cluster of the service that answers `envoy.service.ratelimit.v3.RateLimitService`.",
    { default: "ratelimit", examples: ["ratelimit"] },
  ),
  domain: optional(
    name,
    "The domain that the service's configuration has the limits in. Without it, the policy's name.",
    {
      examples: ["shop"],
    },
  ),
  deadline: optional(
    text({ pattern: forms.deadline, like: "100ms" }),
    "How long a request waits for the service at most; then `onError` holds. At most `5s`.",
    { default: "100ms", examples: ["50ms"] },
  ),
  replicas: optional(
    integer(1, fleet_replicas_max),
    "How many Envoys share the limits, at least: what each admits by itself while the service is away is the limit divided by it.",
    { default: 1, examples: [4] },
  ),
});

const endpoints = list(endpoint, { empty: " and names no endpoint; add one, such as `GET /orders`" });
const endpoint_help =
  "`METHOD PATH`: a method, several joined by `|`, or `*`; in the path, `{name}` and `*` stand for a segment or, with text around one, for a part of it, `/**` for any number of segments. `grpc package.Service/Method` is the POST of that call. `mcp METHOD`, `mcp tools/call NAME`, `a2a METHOD`, `jsonrpc METHOD` and `graphql query FIELD, FIELD` are calls in a body, with a `*` at the end for several.";

/** The token of a rule: an issuer, several, or a mapping that says more. */
interface TokenAsked extends Located<Located<string>[]> {
  optional?: Located<boolean> | undefined;
}
const token_issuers: Shape<TokenAsked> = oneOrMany(name, { empty: "; name an issuer, or leave it out" });
const token = orMapping(
  token_issuers,
  mapping({
    issuer: required(token_issuers, "The issuer, or a list of which one must have issued the token.", {
      examples: ["corp"],
      asIn: "issuer: corp",
    }),
    optional: optional(
      boolean,
      "`true`: without a token the rule holds too, with no claims; one that is there and not good is refused.",
      { default: false },
    ),
  }),
  ({ issuer: issuers, optional: isOptional }) => issuers && { ...issuers, optional: isOptional },
);

/** The scopes of a rule: a list, all of which are needed, or a mapping that says that one is enough. */
interface ScopesAsked extends Located<Located<string>[]> {
  isAny?: boolean;
}
const scope_names: Shape<ScopesAsked> = list(text({ pattern: forms.scope }), {
  empty: "; name a scope, or leave `scopes` out",
});
const scopes = orMapping(
  scope_names,
  mapping({
    any: required(scope_names, "One of them must be in the token.", {
      examples: [["orders:read", "orders:admin"]],
      asIn: "any: [orders:read, orders:admin]",
    }),
  }),
  ({ any }) => any && { ...any, isAny: true },
);

/** What a request costs: a number, or CEL that says it, and the most that it may come to. */
type CostAsked = (Located<number> | Located<string>) & { most?: Located<number> | undefined };
const cost_value: Shape<CostAsked> = integerOrText(
  1,
  limit_burst_tokens_max,
  "a whole number, or CEL in quotes that gives one",
);
const cost_or_mapping = orMapping(
  cost_value,
  mapping({
    value: required(text(), "The cost in CEL, an int.", {
      examples: ['has(request.query["limit"]) ? int(request.query["limit"]) : 1'],
      asIn: "value: 'int(request.query[\"limit\"])'",
    }),
    most: optional(
      integer(1, limit_burst_tokens_max),
      "What it is at the most. Without it, the least burst of the limits.",
      {
        examples: [50],
      },
    ),
  }),
  ({ value, most }) => value && { ...value, most },
);
const cost: Shape<CostAsked> = {
  schema: cost_or_mapping.schema,
  read(reader, slot, what) {
    if (!reader.isMapping(slot) || reader.hasKey(slot, ["value", "most"]))
      return cost_or_mapping.read(reader, slot, what);
    return reader.refuse(
      slot,
      what,
      "one for all limits of the rule: a whole number, CEL in quotes, or `{ value: CEL, most: 50 }`; what costs something else is another rule",
    );
  },
};

const rule = mapping({
  name: required(name, "Unique among all rules; labels metrics and audit records.", { examples: ["checkout-orders"] }),
  callers: required(
    list(caller_or_set, { empty: ", so the rule is for nobody; name callers, or `any`" }),
    "Whom the rule is for: SPIFFE IDs, patterns with `*` or `{name}` for a segment or `/**` at the end, names of caller sets, `any` (every caller of a trusted domain) or `anonymous` (everybody, identified or not).",
    { examples: [["spiffe://example.org/checkout-service"], ["any"]] },
  ),
  hosts: optional(
    list(text({ pattern: /^[^\s/]+$/u }), { empty: "; leave it out for every host" }),
    "Hosts the rule is for: names, or `*.example.org`. Without it, every host.",
    { examples: [["users.example.org"]] },
  ),
  allow: optional(endpoints, `Endpoints that the rule admits to. ${endpoint_help}`, {
    examples: [["POST /orders", "GET /orders/{id}"]],
  }),
  deny: optional(endpoints, `Endpoints that the rule denies, whatever allow rules say. ${endpoint_help}`, {
    examples: [["DELETE /**"]],
  }),
  paths: optional(
    paths_shape,
    "What the rule's upstream does with paths that can be read in several ways; a key given here overrides the policy's.",
    {
      examples: [{ encodedSlash: "segment" }],
    },
  ),
  token: optional(
    token,
    "A valid token of this issuer, or of any of these, is needed. `{ issuer: corp, optional: true }`: a bad one is refused, and none is none.",
    { examples: ["corp", ["corp", "partner"]] },
  ),
  scopes: optional(scopes, "All of them must be in the token; of `{ any: […] }`, one.", {
    examples: [["orders:write"], { any: ["orders:read", "orders:admin"] }],
  }),
  when: optional(text(), "A condition in CEL, the Common Expression Language: the rule holds only where it is true.", {
    examples: ["claims.sub == path.id"],
  }),
  limit: optional(
    oneOrMany(name, { empty: "; name a limit, or leave it out" }),
    "A limit that must have room; of several, all of them.",
    { examples: ["order-writes"] },
  ),
  cost: optional(
    cost,
    "How much the request takes from each limit: a number, or CEL that gives an int, `{ value: CEL, most: 50 }` with the most that it may be.",
    { default: 1, examples: [5, 'request.query["n"] == "all" ? 10 : 1'] },
  ),
  mode: optional(mode, "`shadow`: the rule takes no part in decisions; the record says what it would have done.", {
    default: "enforce",
  }),
  sensitive: optional(
    boolean,
    "`true`: what the rule's endpoints hold is sensitive, whichever rule admits to it. It decides nothing: `sallyport report` shows every way there.",
    { default: false, examples: [true] },
  ),
  starts: optional(time, "The rule holds from this time on.", { examples: ["2026-11-01T00:00:00Z"] }),
  expires: optional(time, "The rule holds before this time.", { examples: ["2026-12-31T00:00:00Z"] }),
  maxHeaderBytes: optional(
    integer(1, header_pairs_bytes_max),
    "How many bytes names and values of all headers may have together, `:path` and the other pseudo-headers among them.",
    { examples: [8192] },
  ),
  maxQueryBytes: optional(integer(0, header_pairs_bytes_max), "How many bytes may stand behind the `?`.", {
    examples: [1024],
  }),
  maxBodyBytes: optional(
    integer(0, 0xfffffffe),
    "How many bytes a request's body may have: by `content-length` at once, and as it comes. What is beyond does not go on.",
    { examples: [65536] },
  ),
});

const named_list = listOrMapping(
  list(text(), { empty: ", so that nothing is in it; name an entry, or remove it" }),
  mapping({
    file: required(text(), "A file of entries, one a line, found from this file's folder. `#` begins a comment.", {
      examples: ["revoked.txt"],
      asIn: "file: revoked.txt",
    }),
  }),
);

/** What an included file may have, and the main one too. */
const shared = {
  callers: optional(named("callers", caller_set, forms.name), "Names for sets of callers.", {
    examples: [{ storefront: ["spiffe://example.org/web"] }],
  }),
  limits: optional(named("limit", limit, forms.name), "Token buckets that rules take from.", {
    examples: [{ "order-writes": { rate: "100/s", burst: 200, per: ["caller"] } }],
  }),
  lists: optional(
    named("list", named_list, forms.name),
    "Texts or networks that conditions look into: `claims.jti in lists.revoked`, `lists.offices.containsIP(source.ip)`.",
    { examples: [{ offices: ["10.0.0.0/8", "2001:db8::/32"] }] },
  ),
};
/** The list of rules, which long files give in pieces. */
export const rules_shape = list(rule, { item: "a rule" });
const rules_help = "Who may call what. What no rule allows is denied; a deny rule wins. The order does not matter.";

/** What a header for the upstream says. */
interface ForwardSaid extends Located<string> {
  as?: Located<(typeof forward_forms)[number]> | undefined;
}
const forward_text: Shape<ForwardSaid> = text({ pattern: forms.forward });
const forward = orMapping(
  forward_text,
  mapping({
    value: required(forward_text, "What the header says; `claims` for all claims.", {
      examples: ["claims.groups"],
      asIn: "value: claims.groups",
    }),
    as: optional(
      word(forward_forms),
      "The form of a claim. `comma`: the elements of a list with commas between them; `json`: JSON; `base64url`: that in base64url.",
      { examples: ["comma"] },
    ),
  }),
  ({ value, as }) => value && { ...value, as },
);

const version = only(integer(0, Number.MAX_SAFE_INTEGER), { const: 1 }, ({ value }) =>
  value === 1 ? undefined : `version ${value} of the policy language (write \`version: 1\`)`,
);
const version_help = "Version of the policy language.";

/** A policy file. */
export const policy_shape = mapping({
  version: required(version, version_help, { default: 1, asIn: "version: 1" }),
  name: required(name, "Labels metrics and audit records.", { examples: ["shop"], asIn: "name: shop" }),
  service: optional(
    text({ pattern: forms.spiffeId }),
    "The SPIFFE ID of the service that the policy guards. It decides nothing: `sallyport report` finds by it what a caller reaches through this service.",
    { examples: ["spiffe://example.org/orders"] },
  ),
  tokenBytes: optional(
    integer(1024, token_bytes_max),
    "How many bytes a token may have. Envoy takes 60 KiB of headers, unless it is told otherwise (`max_request_headers_kb`).",
    { default: usual_token_bytes_max, examples: [49152] },
  ),
  mode: optional(mode, "`shadow`: every request passes, and what would have happened is recorded.", {
    default: "enforce",
  }),
  minimumVersion: optional(
    integer(1, policy_version_max),
    "In modules that were built with trust keys: the version that signed images of this policy have at least. Older ones are refused.",
    { examples: [12] },
  ),
  trust: required(trust, "Who is trusted to say who the caller is.", { asIn: "trust: { domains: [example.org] }" }),
  paths: optional(
    paths_shape,
    "What the upstream does with paths that can be read in several ways. What is not named is refused.",
    {
      examples: [{ trailingSlash: "same" }],
    },
  ),
  mcp: optional(
    mcp_shape,
    "Where servers of MCP listen (Model Context Protocol, Streamable HTTP), for endpoints such as `mcp tools/call get_*`.",
    { examples: [{ paths: ["/mcp"] }] },
  ),
  a2a: optional(
    a2a_shape,
    "Where agents listen that speak A2A by JSON-RPC, for endpoints such as `a2a message/send`.",
    {
      examples: [{ paths: ["/a2a"] }],
    },
  ),
  jsonrpc: optional(jsonrpc_shape, "Where servers of JSON-RPC 2.0 listen, for endpoints such as `jsonrpc add`.", {
    examples: [{ paths: ["/rpc"] }],
  }),
  graphql: optional(
    graphql_shape,
    "Where servers of GraphQL listen, for endpoints such as `graphql query orders, order`, and what documents may have.",
    { examples: [{ paths: ["/graphql"], depth: 10, aliases: 20, batch: 5, introspection: "deny" }] },
  ),
  issuers: optional(named("issuer", issuer, forms.name), "Whose tokens are accepted, and when."),
  ...shared,
  fleet: optional(fleet, "The rate limit service of limits with `scope: fleet`.", {
    examples: [{ cluster: "ratelimit", replicas: 4 }],
  }),
  forward: optional(
    named("header", forward, forms.header),
    "Request headers that are set on admitted requests: `caller.id`, `caller.trust_domain`, `caller.path`, `caller.NAME` (a named segment of its ID) or a claim. The same names from outside are always removed.",
    { examples: [{ "x-caller": "caller.id", "x-user": "claims.sub" }] },
  ),
  quarantine: optional(
    quarantine_shape,
    "Callers that are denied too often are shut out for a while: 403 with `Retry-After`, whatever they ask for.",
    {
      examples: [[{ name: "probing", when: ["no_rule"], denials: 20, within: "1m", for: "5m", max: "1h" }]],
    },
  ),
  include: optional(
    list(text({ pattern: /^[^[\]{}\\]+$/u }), { empty: "; name a file, or leave it out" }),
    "Files whose rules, callers, limits and lists belong to this policy too, found from this file's folder. `*` and `?` stand for characters of one name.",
    { examples: [["teams/*.yaml"]] },
  ),
  rules: required(rules_shape, rules_help, { asIn: "rules: […]" }),
});

const part_keys = {
  version: optional(version, version_help, { default: 1 }),
  ...shared,
  rules: optional(rules_shape, rules_help),
};

/** A file that a policy includes. */
export const part_shape = mapping(
  part_keys,
  new Map(
    Object.keys(policy_shape.keys)
      .filter((key) => !(key in part_keys))
      .map((key) => [
        key,
        `\`${key}\` belongs in the main policy; an included file has \`rules\`, \`callers\`, \`limits\` and \`lists\`, and nothing else`,
      ]),
  ),
);

const draft_07 = "http://json-schema.org/draft-07/schema#";

/** The JSON Schemas for editors, by file name. */
export const schemas: ReadonlyMap<string, Schema> = new Map([
  [
    "policy.schema.json",
    { $schema: draft_07, title: "Sallyport policy", ...described("Who may call what."), ...policy_shape.schema },
  ],
  [
    "include.schema.json",
    {
      $schema: draft_07,
      title: "Part of a Sallyport policy",
      ...described("A file that a policy includes."),
      ...part_shape.schema,
    },
  ],
]);
