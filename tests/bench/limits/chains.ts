/**
 * The chains whose cost is compared: they decide by caller, method and path, with and without a limit for each caller, and answer what they
 * admit or pass it on to an upstream.
 */
import { type Json, rateLimit, withOwnBuckets } from "../native.ts";
import { filtersOf } from "../ours.ts";
import { caller, type World } from "../world.ts";
import { serviceFilter } from "./service.ts";

/** A chain, by what it has in front of the answer. */
export interface Chain {
  title: string;
  /** 200, or what it denies with: 429 where the limit is one request and none again. */
  status: 200 | 403 | 429;
  /** Whether admitted requests go on to an upstream. Default false: Envoy's fault filter answers them. */
  hasUpstream?: true;
  filters: (world: World, name: string) => Promise<Json[]>;
}

/** What all of them are asked for. */
export const path = "/orders/7";

const ours =
  (limits: string, use: string, more = "", allowed = "/orders/{id}") =>
  (world: World, name: string): Promise<Json[]> =>
    filtersOf(
      world,
      name,
      `version: 1
name: ${name}
trust: { domains: [example.org] }
${limits === "" ? "" : `limits: { ${limits} }\n`}${more}rules:
  - { name: orders, callers: ["${caller}"], allow: ["GET ${allowed}"]${use} }
`,
    );
const native =
  (...filters: Json[]) =>
  async (): Promise<Json[]> =>
    filters;

const ample = "rate: 1000000/s, per: [caller]";
const localOf = (limit: Json): Json => ({ name: "envoy.filters.http.local_ratelimit", typed_config: limit });
const ampleLocal = (): Json => rateLimit(1_000_000, 1_000_000);
const scarceLocal = (): Json => {
  const limit = rateLimit(1, 1);
  limit.token_bucket.fill_interval = "86400s";
  return limit;
};

/** Caller, method and path, as our rule has them. */
const rbac: Json = {
  name: "envoy.filters.http.rbac",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
    rules: {
      action: "ALLOW",
      policies: {
        orders: {
          permissions: [
            {
              and_rules: {
                rules: [
                  { header: { name: ":method", string_match: { exact: "GET" } } },
                  { url_path: { path: { prefix: "/orders/" } } },
                ],
              },
            },
          ],
          principals: [{ authenticated: { principal_name: { exact: caller } } }],
        },
      },
    },
  },
};

/** The chains by name, the bare router first. */
export const chains: Record<string, Chain> = {
  router: { title: "router alone", status: 200, filters: native() },
  "router-upstream": { title: "router alone, with an upstream", status: 200, hasUpstream: true, filters: native() },
  rbac: { title: "rbac", status: 200, filters: native(rbac) },
  "local-one": {
    title: "rbac, local_ratelimit, one bucket",
    status: 200,
    filters: native(rbac, localOf(ampleLocal())),
  },
  "local-own": {
    title: "rbac, local_ratelimit, dynamic descriptors",
    status: 200,
    filters: native(rbac, localOf(withOwnBuckets(ampleLocal()))),
  },
  "local-own-429": {
    title: "the same: 429",
    status: 429,
    filters: native(rbac, localOf(withOwnBuckets(scarceLocal()))),
  },
  "local-own-upstream": {
    title: "the same, with an upstream",
    status: 200,
    hasUpstream: true,
    filters: native(rbac, localOf(withOwnBuckets(ampleLocal()))),
  },
  service: { title: "rbac, ratelimit, a service says OK", status: 200, filters: native(rbac, serviceFilter("ample")) },
  "service-429": { title: "the same: 429", status: 429, filters: native(rbac, serviceFilter("scarce")) },
  ours: { title: "sallyport, no limit", status: 200, filters: ours("", "") },
  "ours-reserved": {
    title: "sallyport, tokens reserved (burst 1,000,000)",
    status: 200,
    filters: ours(`a: { ${ample} }`, ", limit: a"),
  },
  "ours-reserved-upstream": {
    title: "the same, with an upstream",
    status: 200,
    hasUpstream: true,
    filters: ours(`a: { ${ample} }`, ", limit: a"),
  },
  "ours-shared": {
    title: "sallyport, shared bucket (burst 900)",
    status: 200,
    filters: ours(`a: { ${ample}, burst: 900 }`, ", limit: a"),
  },
  "ours-shared-upstream": {
    title: "the same, with an upstream",
    status: 200,
    hasUpstream: true,
    filters: ours(`a: { ${ample}, burst: 900 }`, ", limit: a"),
  },
  "ours-two": {
    title: "sallyport, two shared buckets",
    status: 200,
    filters: ours(`a: { ${ample}, burst: 900 }, b: { ${ample}, burst: 901 }`, ", limit: [a, b]"),
  },
  "ours-expression": {
    title: "sallyport, shared bucket, cost by expression",
    status: 200,
    filters: ours(
      `a: { ${ample}, burst: 900 }`,
      `, limit: a, cost: { value: 'has(request.query["n"]) ? int(request.query["n"]) : 1', most: 3 }`,
    ),
  },
  "ours-quarantine": {
    title: "sallyport, no limit, quarantine",
    status: 200,
    filters: ours("", "", "quarantine: [{ name: q, when: [no_rule], denials: 20, within: 1m, for: 5m }]\n"),
  },
  "ours-429": {
    title: "sallyport: 429, known to be over",
    status: 429,
    filters: ours("a: { rate: 1/h, burst: 1, per: [caller] }", ", limit: a"),
  },
  "ours-403": { title: "sallyport: 403, no rule", status: 403, filters: ours("", "", "", "/elsewhere/{id}") },
};
