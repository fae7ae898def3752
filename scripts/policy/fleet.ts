/** The limits of a fleet as envoyproxy/ratelimit is told of them: its own configuration, one file for each domain. */
import { byName } from "./language/byteorder.ts";
import type { Policy } from "./language/model.ts";
import { fleetName, unitOf } from "./language/rate.ts";

/** A limit: the entry that names it with its rate, and the one that has the digest of each client. */
interface Descriptor {
  key: "limit";
  value: string;
  descriptors: [{ key: "key"; rate_limit: { unit: string; requests_per_unit: number } }];
}

/** A configuration of the service. */
export interface RateLimitConfiguration {
  domain: string;
  descriptors: Descriptor[];
}

/**
 * The configuration for the limits of policies that share a domain: of one, or also of the one that it replaces, so that the service knows
 * the limits of both while Envoys change over. In words what is wrong otherwise.
 */
export function rateLimitConfiguration(policies: readonly Policy[]): RateLimitConfiguration | string {
  const domains = new Set(policies.map(({ name, fleet }) => fleet && (fleet.domain ?? name)));
  const [domain] = domains;
  if (domain === undefined || domains.has(undefined))
    return "no limit of the policy has `scope: fleet`, so that there is nothing to tell the service";
  if (domains.size > 1)
    return `the service has one file for each domain, and these policies have several: ${[...domains].join(", ")}; write one for each`;
  const limits = policies.flatMap((policy) => policy.limits.filter(({ onError }) => onError !== undefined));
  const known = new Map(byName(limits).map((limit) => [fleetName(limit), limit]));
  return {
    domain,
    descriptors: [...known].map(([value, limit]) => ({
      key: "limit",
      value,
      descriptors: [{ key: "key", rate_limit: { unit: unitOf(limit), requests_per_unit: limit.rate.tokens } }],
    })),
  };
}
