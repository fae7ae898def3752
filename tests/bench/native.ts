/**
 * The peers that are compiled into Envoy, with the same policy as ours: jwt_authn for the token, rbac for who may do what,
 * local_ratelimit for how often. Wherever there is a choice, the cheaper one is taken: prefixes rather than expressions, exact
 * matches rather than patterns, no claims in metadata unless a chain needs them.
 */
import { resourcePrefix } from "./requests.ts";
import { audience, caller, issuer, neighbour, tenant, type World } from "./world.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; these few are checked when Envoy starts.
export type Json = any;

export interface NativeOptions {
  /** Whether jwt_authn remembers the tokens it verified (`jwt_cache_config`). */
  cache: boolean;
  /** How many policies rbac has, one a resource. */
  policies: number;
  /** Whether a policy also asks for a scope, which jwt_authn then has to put into metadata. */
  scopes?: boolean;
  /**
   * Whether the chain does all that ours does: a claim is asked for, each rule has a counter, each caller has a bucket of its own,
   * and a record is left behind.
   */
  sameJob?: boolean;
}

const jwt_filter = "envoy.filters.http.jwt_authn";
const rate_filter = "envoy.filters.http.local_ratelimit";
const typeOf = (name: string): string => `type.googleapis.com/envoy.extensions.filters.http.${name}`;

/** The filters, in front of the router. */
export function nativeFilters(world: World, options: NativeOptions): Json[] {
  const filters = [jwtFilter(world, options), rbacFilter(options)];
  return options.sameJob
    ? [...filters, { name: rate_filter, typed_config: withOwnBuckets(ampleLimit()) }, recordFilter()]
    : [...filters, ampleRateFilter()];
}

function jwtFilter(world: World, { cache, scopes, sameJob }: NativeOptions): Json {
  const provider = {
    issuer,
    audiences: [audience],
    local_jwks: { inline_string: JSON.stringify(world.jwks) },
    forward: true,
    ...(cache ? { jwt_cache_config: { jwt_cache_size: 100 } } : {}),
    ...(scopes || sameJob ? { payload_in_metadata: "token" } : {}),
  };
  return {
    name: jwt_filter,
    typed_config: {
      "@type": typeOf("jwt_authn.v3.JwtAuthentication"),
      providers: { corp: provider },
      rules: [{ match: { prefix: "/" }, requires: { provider_name: "corp" } }],
    },
  };
}

function rbacFilter({ policies, scopes, sameJob }: NativeOptions): Json {
  const policyFor = (prefix: string, callers: readonly string[] = [caller]): Json => {
    const permissions = [
      { header: { name: ":method", string_match: { exact: "GET" } } },
      { url_path: { path: { prefix } } },
      ...(scopes ? [claimPermission("scope", { contains: "orders:read" })] : []),
      ...(sameJob ? [claimPermission("tenant", { exact: tenant })] : []),
    ];
    return {
      permissions: [{ and_rules: { rules: permissions } }],
      principals: callers.map((exact) => ({ authenticated: { principal_name: { exact } } })),
    };
  };
  const entries = Array.from({ length: policies }, (_, rule): [string, Json] => [
    `rule-${String(rule).padStart(6, "0")}`,
    policyFor(sameJob ? resourcePrefix(rule) : `/resource-${rule}/`),
  ]);
  // Named so that it is tried last, as the resources are what is measured.
  entries.push(["scarce", policyFor("/limited/", [caller, neighbour])]);
  return {
    name: "envoy.filters.http.rbac",
    typed_config: {
      "@type": typeOf("rbac.v3.RBAC"),
      rules: { action: "ALLOW", policies: Object.fromEntries(entries) },
      ...(sameJob ? { track_per_rule_stats: true } : {}),
    },
  };
}

function claimPermission(claim: string, string_match: Json): Json {
  return {
    metadata: { filter: jwt_filter, path: [{ key: "token" }, { key: claim }], value: { string_match } },
  };
}

/** What local_ratelimit is told: so many requests a second, and so many at once. */
export function rateLimit(requests_a_second: number, burst: number): Json {
  const always = { default_value: { numerator: 100, denominator: "HUNDRED" } };
  return {
    "@type": typeOf("local_ratelimit.v3.LocalRateLimit"),
    stat_prefix: "limit",
    token_bucket: { max_tokens: burst, tokens_per_fill: requests_a_second, fill_interval: "1s" },
    filter_enabled: always,
    filter_enforced: always,
  };
}

const ampleLimit = (): Json => rateLimit(1_000_000, 1_000_000);

/** A limit that no run reaches. */
export function ampleRateFilter(): Json {
  return { name: rate_filter, typed_config: ampleLimit() };
}

/**
 * What the route of the scarce resource says to local_ratelimit: one request, and none again for the length of a run.
 * @param own whether each caller has a bucket of its own
 */
export function scarceRoute(own = false): Json {
  const limit = rateLimit(1, 1);
  limit.token_bucket.fill_interval = "86400s";
  return { [rate_filter]: own ? withOwnBuckets(limit) : limit };
}

/**
 * The same limit for each caller by itself: an entry without a value stands for any, and each value that comes has a bucket made
 * for it (Envoy 1.34). The value is the peer certificate's first URI name, which is what ours goes by, read by an input of
 * matchers: the only one that gives it without an expression.
 */
export function withOwnBuckets(limit: Json): Json {
  return {
    ...limit,
    rate_limits: [byCaller()],
    descriptors: [{ entries: [{ key: "caller" }], token_bucket: limit.token_bucket }],
    max_dynamic_descriptors: 1000,
    always_consume_default_token_bucket: false,
  };
}

/** A descriptor with the peer certificate's first URI name. */
export function byCaller(): Json {
  const input = { "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput" };
  return { actions: [{ extension: { name: "caller", typed_config: input } }] };
}

/** The record of an admitted request, composed with its characters escaped, and written nowhere. */
function recordFilter(): Json {
  const claim = (name: string): string => `%DYNAMIC_METADATA(${jwt_filter}:token:${name})%`;
  const json_format = {
    admit: true,
    method: "%REQ(:METHOD)%",
    host: "%REQ(:AUTHORITY)%",
    path: "%REQ(:PATH)%",
    caller: "%DOWNSTREAM_PEER_URI_SAN%",
    issuer: claim("iss"),
    sub: claim("sub"),
  };
  return {
    name: "envoy.filters.http.set_filter_state",
    typed_config: {
      "@type": typeOf("set_filter_state.v3.Config"),
      on_request_headers: [{ object_key: "bench.record", factory_key: "envoy.string", format_string: { json_format } }],
    },
  };
}
