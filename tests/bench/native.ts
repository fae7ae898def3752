/**
 * The peers that are compiled into Envoy, with the same policy as ours: jwt_authn for the token, rbac for who may do what,
 * local_ratelimit for how often. Wherever there is a choice, the cheaper one is taken: prefixes rather than expressions, exact
 * matches rather than patterns, no claims in metadata unless a chain needs them.
 */
import { audience, caller, issuer, type World } from "./world.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; these few are checked when Envoy starts.
export type Json = any;

export interface NativeOptions {
  /** Whether jwt_authn remembers the tokens it verified (`jwt_cache_config`). */
  cache: boolean;
  /** How many policies rbac has, one a resource. */
  policies: number;
  /** Whether a policy also asks for a scope, which jwt_authn then has to put into metadata. */
  scopes?: boolean;
}

const jwt_filter = "envoy.filters.http.jwt_authn";
const rate_filter = "envoy.filters.http.local_ratelimit";
const typeOf = (name: string): string => `type.googleapis.com/envoy.extensions.filters.http.${name}`;

/** The filters, in front of the router. */
export function nativeFilters(world: World, options: NativeOptions): Json[] {
  return [jwtFilter(world, options), rbacFilter(options), ampleRateFilter()];
}

function jwtFilter(world: World, { cache, scopes }: NativeOptions): Json {
  const provider = {
    issuer,
    audiences: [audience],
    local_jwks: { inline_string: JSON.stringify(world.jwks) },
    forward: true,
    ...(cache ? { jwt_cache_config: { jwt_cache_size: 100 } } : {}),
    ...(scopes ? { payload_in_metadata: "token" } : {}),
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

function rbacFilter({ policies, scopes }: NativeOptions): Json {
  const policyFor = (prefix: string): Json => {
    const permissions = [
      { header: { name: ":method", string_match: { exact: "GET" } } },
      { url_path: { path: { prefix } } },
      ...(scopes ? [scopePermission("orders:read")] : []),
    ];
    return {
      permissions: [{ and_rules: { rules: permissions } }],
      principals: [{ authenticated: { principal_name: { exact: caller } } }],
    };
  };
  const entries = Array.from({ length: policies }, (_, rule): [string, Json] => [
    `rule-${String(rule).padStart(6, "0")}`,
    policyFor(`/resource-${rule}/`),
  ]);
  // Named so that it is tried last, as the resources are what is measured.
  entries.push(["scarce", policyFor("/limited/")]);
  return {
    name: "envoy.filters.http.rbac",
    typed_config: {
      "@type": typeOf("rbac.v3.RBAC"),
      rules: { action: "ALLOW", policies: Object.fromEntries(entries) },
    },
  };
}

function scopePermission(scope: string): Json {
  return {
    metadata: {
      filter: jwt_filter,
      path: [{ key: "token" }, { key: "scope" }],
      value: { string_match: { contains: scope } },
    },
  };
}

/** So many requests a second, and so many at once. */
function rateLimit(requests_a_second: number, burst: number): Json {
  const always = { default_value: { numerator: 100, denominator: "HUNDRED" } };
  return {
    "@type": typeOf("local_ratelimit.v3.LocalRateLimit"),
    stat_prefix: "limit",
    token_bucket: { max_tokens: burst, tokens_per_fill: requests_a_second, fill_interval: "1s" },
    filter_enabled: always,
    filter_enforced: always,
  };
}

/** A limit that no run reaches. */
export function ampleRateFilter(): Json {
  return { name: rate_filter, typed_config: rateLimit(1_000_000, 1_000_000) };
}

/** What the route of the scarce resource says to local_ratelimit: one request, and none again for the length of a run. */
export function scarceRoute(): Json {
  const limit = rateLimit(1, 1);
  limit.token_bucket.fill_interval = "86400s";
  return { [rate_filter]: limit };
}
