/** The demo's steps: who asks for what with what, and what must come back. */
import type { LocalIssuer } from "../envoy/issuer.ts";
import { stripSignature } from "../envoy/issuer.ts";
import type { ReasonName } from "../evaluate/reasons.ts";

/** The callers of the story, by the names it is told with. */
export const callers = {
  "checkout-service": "spiffe://example.org/checkout-service",
  billing: "spiffe://example.org/billing",
} as const;

/** What a step expects. */
export interface Expectation {
  /** HTTP status of a REST request. */
  status?: number;
  /** Status name of a gRPC call. */
  grpc?: string;
  /** The connection itself is refused. */
  tlsRefused?: boolean;
  /** The reason code of the record; absent where the request is admitted. */
  reason?: ReasonName;
}

/** One step. */
export interface Step {
  /** A name out of `callers`; absent for a client without a certificate. */
  caller?: keyof typeof callers;
  kind: "rest" | "grpc";
  method: string;
  path: string;
  token?: string;
  /** The token and what is special about it, in words. */
  withWhat: string;
  expect: Expectation;
  /** How often it is sent; the last answer counts, all before must be admitted. Default 1. */
  times?: number;
}

/** A part of the story with a heading of its own. */
export interface Chapter {
  title: string;
  steps: Step[];
}

/**
 * The whole story.
 * @param issuer the issuer the policy believes.
 * @param forger one that claims to be it, with other keys.
 */
export async function makeStory(issuer: LocalIssuer, forger: LocalIssuer): Promise<Chapter[]> {
  const alice = { sub: "alice", scope: "orders:read orders:write" };
  const good = await issuer.token({ claims: alice });
  const goodEs256 = await issuer.token({ claims: alice, algorithm: "ES256" });
  const expired = await issuer.token({ claims: alice, issuedInSeconds: -1200, expiresInSeconds: -600 });
  const readOnly = await issuer.token({ claims: { sub: "alice", scope: "orders:read" } });
  const forged = await forger.token({ claims: alice });
  const unsigned = stripSignature(good);
  // Buckets belong to a caller and a person together: the bursts have persons of their own, so that they do not slow Alice.
  const bob = await issuer.token({ claims: { ...alice, sub: "bob" } });
  const carol = await issuer.token({ claims: { ...alice, sub: "carol" } });

  const place = { caller: "checkout-service", kind: "rest", method: "POST", path: "/orders" } as const;
  const call = { caller: "checkout-service", kind: "grpc", method: "POST", path: "/shop.Orders/Place" } as const;
  return [
    {
      title: "Who is asking? The certificate says it.",
      steps: [
        { ...place, token: good, withWhat: "a good token", expect: { status: 200 } },
        {
          ...place,
          method: "GET",
          path: "/orders/7",
          token: goodEs256,
          withWhat: "a good token, ES256",
          expect: { status: 200 },
        },
        {
          ...place,
          caller: "billing",
          token: good,
          withWhat: "the same good token",
          expect: { status: 403, reason: "no_rule" },
        },
        {
          ...place,
          caller: undefined,
          token: good,
          withWhat: "a good token, no certificate",
          expect: { tlsRefused: true },
        },
      ],
    },
    {
      title: "On whose behalf? The token says it, if it is genuine.",
      steps: [
        { ...place, withWhat: "no token", expect: { status: 401, reason: "token_missing" } },
        {
          ...place,
          token: expired,
          withWhat: "a token that expired ten minutes ago",
          expect: { status: 401, reason: "token_expired" },
        },
        {
          ...place,
          token: forged,
          withWhat: "a forged signature",
          expect: { status: 401, reason: "token_signature" },
        },
        {
          ...place,
          token: unsigned,
          withWhat: "a token with alg: none",
          expect: { status: 401, reason: "token_algorithm" },
        },
        {
          ...place,
          token: readOnly,
          withWhat: "a token without orders:write",
          expect: { status: 403, reason: "scope_missing" },
        },
      ],
    },
    {
      title: "For what, and how often?",
      steps: [
        {
          ...place,
          method: "DELETE",
          path: "/orders/7",
          token: good,
          withWhat: "a good token",
          expect: { status: 403, reason: "rule_denied" },
        },
        // Decoded once this is %2e%2e, decoded twice it is ..: which one the order API would read, the filter does not guess.
        {
          ...place,
          path: "/orders/%252e%252e/admin",
          token: good,
          withWhat: "a path for two readings",
          expect: { status: 400, reason: "path_ambiguous" },
        },
        {
          ...place,
          token: bob,
          times: 6,
          withWhat: "Bob's token, six at once",
          expect: { status: 429, reason: "limit_exceeded" },
        },
      ],
    },
    {
      title: "The same filter for gRPC, in gRPC's own words.",
      steps: [
        { ...call, token: good, withWhat: "a good token", expect: { grpc: "OK" } },
        { ...call, withWhat: "no token", expect: { grpc: "UNAUTHENTICATED", reason: "token_missing" } },
        {
          ...call,
          token: expired,
          withWhat: "a token that expired ten minutes ago",
          expect: { grpc: "UNAUTHENTICATED", reason: "token_expired" },
        },
        {
          ...call,
          token: forged,
          withWhat: "a forged signature",
          expect: { grpc: "UNAUTHENTICATED", reason: "token_signature" },
        },
        {
          ...call,
          token: unsigned,
          withWhat: "a token with alg: none",
          expect: { grpc: "UNAUTHENTICATED", reason: "token_algorithm" },
        },
        {
          ...call,
          token: readOnly,
          withWhat: "a token without orders:write",
          expect: { grpc: "PERMISSION_DENIED", reason: "scope_missing" },
        },
        {
          ...call,
          path: "/shop.Orders/%252e%252e",
          token: good,
          withWhat: "a path for two readings",
          expect: { grpc: "INVALID_ARGUMENT", reason: "path_ambiguous" },
        },
        {
          ...call,
          caller: "billing",
          token: good,
          withWhat: "a good token",
          expect: { grpc: "PERMISSION_DENIED", reason: "no_rule" },
        },
        {
          ...call,
          token: carol,
          times: 6,
          withWhat: "Carol's token, six at once",
          expect: { grpc: "RESOURCE_EXHAUSTED", reason: "limit_exceeded" },
        },
      ],
    },
  ];
}
