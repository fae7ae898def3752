/**
 * The whole language: every key, what it means, and what may stand there. The parser reads by these shapes, the types of
 * a draft are theirs, and the JSON Schemas for editors are made of them.
 */
import { limit_burst_tokens_max } from "../../../assembly/limits.ts";
import { issuer, jwt_svid } from "./issuers.ts";
import {
  described,
  integer,
  later,
  list,
  mapping,
  named,
  oneOrMany,
  only,
  optional,
  required,
  type Schema,
  text,
  word,
} from "./shape.ts";
import { forms } from "./values.ts";

const name = text({ pattern: forms.name });
const mode = word(["enforce", "shadow"]);
const time = text({ pattern: forms.time });

/** A SPIFFE ID, or a pattern for several. */
const caller = text({ pattern: /^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._*-]+)+$/u });
const caller_or_set = text({ pattern: /^(spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._*-]+)+|[A-Za-z0-9_-]+)$/u });
const endpoint = text({
  pattern: /^(grpc [A-Za-z_][A-Za-z0-9_.]*\/([A-Za-z_][A-Za-z0-9_]*|\*)|(\*|[A-Za-z0-9_|-]+) \/[^\s?#]*)$/u,
});

const trust = mapping({
  domains: required(
    list(text({ pattern: /^[a-z0-9._-]+$/u }), { empty: ", so that no caller could be trusted; name a trust domain" }),
    "SPIFFE trust domains whose members rules may name.",
    { examples: [["example.org"]], asIn: "domains: [example.org]" },
  ),
  identity: optional(
    word(["mtls", "jwt-svid", "either"]),
    "What says who the caller is. `mtls`: its client certificate; `jwt-svid`: the JWT-SVID it sends; `either`: the certificate and, where the connection has none, the JWT-SVID.",
    {
      default: "mtls",
    },
  ),
  jwtSvid: optional(jwt_svid, "Which JWT-SVIDs are accepted; needed with `identity: jwt-svid` and `either`."),
  forwarders: optional(
    list(text({ pattern: /^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._-]+)+$/u }), {
      empty: "; name a gateway, or leave it out",
    }),
    "SPIFFE IDs of gateways that end the caller's connection: what they say of the caller in `x-forwarded-client-cert` is trusted. Exact IDs, no patterns.",
    { examples: [["spiffe://example.org/edge"]] },
  ),
});

const caller_set = list(caller, { empty: "; name its callers, or remove it" });

const limit = mapping({
  rate: required(text({ pattern: forms.rate, like: "100/s" }), "Requests a second, minute or hour.", {
    examples: ["100/s", "60/m", "1000/h"],
    asIn: "rate: 100/s",
  }),
  burst: optional(
    integer(1, limit_burst_tokens_max),
    "How many requests may come at once after silence. Without it, as many as one unit of the rate.",
    { examples: [200] },
  ),
  per: optional(
    list(text({ pattern: forms.selector })),
    "What each bucket is kept for: `caller`, and claims of the token such as `claims.sub`. Without it, all requests share one bucket.",
    { examples: [["caller"], ["caller", "claims.sub"]] },
  ),
  scope: optional(word(["proxy"], ["fleet"]), "Who shares the buckets. `proxy`: all workers of one Envoy.", {
    default: "proxy",
  }),
  concurrency: later("", "rate"),
});

const endpoints = list(endpoint, { empty: " and names no endpoint; add one, such as `GET /orders`" });
const endpoint_help =
  "`METHOD PATH`: a method, several joined by `|`, or `*`; in the path, `{name}` and `*` stand for one segment, `/**` at the end for any number. `grpc package.Service/Method` is the POST of that call.";

const rule = mapping({
  name: required(name, "Unique among all rules; labels metrics and audit records.", { examples: ["checkout-orders"] }),
  callers: required(
    list(caller_or_set, { empty: ", so the rule is for nobody; name callers, or `any`" }),
    "Whom the rule is for: SPIFFE IDs, patterns that end in `/*` or `/**`, names of caller sets, `any` (every caller of a trusted domain) or `anonymous` (everybody, identified or not).",
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
  token: optional(
    oneOrMany(name, { empty: "; name an issuer, or leave it out" }),
    "A valid token of this issuer, or of any of these, is needed.",
    { examples: ["corp", ["corp", "partner"]] },
  ),
  scopes: optional(
    list(text({ pattern: forms.scope }), { empty: "; name a scope, or leave it out" }),
    "All of them must be in the token.",
    { examples: [["orders:write"]] },
  ),
  when: optional(text(), "A condition in CEL, the Common Expression Language: the rule holds only where it is true.", {
    examples: ["claims.sub == path.id"],
  }),
  limit: optional(
    oneOrMany(name, { empty: "; name a limit, or leave it out" }),
    "A limit that must have room; of several, all of them.",
    { examples: ["order-writes"] },
  ),
  cost: optional(integer(1, limit_burst_tokens_max), "How much the request takes from each limit.", { default: 1 }),
  mode: optional(mode, "`shadow`: the rule takes no part in decisions; the record says what it would have done.", {
    default: "enforce",
  }),
  starts: optional(time, "The rule holds from this time on.", { examples: ["2026-11-01T00:00:00Z"] }),
  expires: optional(time, "The rule holds before this time.", { examples: ["2026-12-31T00:00:00Z"] }),
  maxBodyBytes: later(),
});

/** What an included file may have, and the main one too. */
const shared = {
  callers: optional(named("callers", caller_set, forms.name), "Names for sets of callers.", {
    examples: [{ storefront: ["spiffe://example.org/web"] }],
  }),
  limits: optional(named("limit", limit, forms.name), "Token buckets that rules take from.", {
    examples: [{ "order-writes": { rate: "100/s", burst: 200, per: ["caller"] } }],
  }),
};
/** The list of rules, which long files give in pieces. */
export const rules_shape = list(rule, { item: "a rule" });
const rules_help = "Who may call what. What no rule allows is denied; a deny rule wins. The order does not matter.";

const version = only(integer(0, Number.MAX_SAFE_INTEGER), { const: 1 }, ({ value }) =>
  value === 1 ? undefined : `version ${value} of the policy language (write \`version: 1\`)`,
);
const version_help = "Version of the policy language.";

/** A policy file. */
export const policy_shape = mapping({
  version: required(version, version_help, { default: 1, asIn: "version: 1" }),
  name: required(name, "Labels metrics and audit records.", { examples: ["shop"], asIn: "name: shop" }),
  mode: optional(mode, "`shadow`: every request passes, and what would have happened is recorded.", {
    default: "enforce",
  }),
  trust: required(trust, "Who is trusted to say who the caller is.", { asIn: "trust: { domains: [example.org] }" }),
  issuers: optional(named("issuer", issuer, forms.name), "Whose tokens are accepted, and when."),
  ...shared,
  forward: optional(
    named("header", text({ pattern: forms.forward }), forms.header),
    "Request headers that are set on admitted requests: `caller.id`, `caller.trust_domain`, `caller.path` or a claim. The same names from outside are always removed.",
    { examples: [{ "x-caller": "caller.id", "x-user": "claims.sub" }] },
  ),
  quarantine: later(),
  include: optional(
    list(text({ pattern: /^[^[\]{}\\]+$/u }), { empty: "; name a file, or leave it out" }),
    "Files whose rules, callers and limits belong to this policy too, found from this file's folder. `*` and `?` stand for characters of one name.",
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
        `\`${key}\` belongs in the main policy; an included file has \`rules\`, \`callers\` and \`limits\`, and nothing else`,
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
