/** The limits and quarantines of a fleet as envoyproxy/ratelimit is told of them: its own configuration, one file for each domain. */
import { byName } from "./language/byteorder.ts";
import type { Limit, Policy, Quarantine } from "./language/model.ts";
import { countUnit, fleetName, fleetNames, shutUnit, type Unit, unitOf } from "./language/rate.ts";

interface RateLimit {
  unit: Unit;
  requests_per_unit: number;
}

/** A limit or a part of a quarantine: the entry that names it with its numbers, and the one that has the digest of each client. */
interface Descriptor {
  key: "limit";
  value: string;
  descriptors: [{ key: "key"; rate_limit: RateLimit }];
}

/** A configuration of the service. */
export interface RateLimitConfiguration {
  domain: string;
  descriptors: Descriptor[];
}

/**
 * The configuration for the limits of policies that share a domain: of one, or also of the one that it replaces, so that the service knows
 * what both have while Envoys change over. In words what is wrong otherwise.
 */
export function rateLimitConfiguration(policies: readonly Policy[]): RateLimitConfiguration | string {
  const domains = new Set(policies.map(({ name, fleet }) => fleet && (fleet.domain ?? name)));
  const [domain] = domains;
  if (domain === undefined || domains.has(undefined))
    return "no limit and no quarantine of the policy has `scope: fleet`, so that there is nothing to tell the service";
  if (domains.size > 1)
    return `the service has one file for each domain, and these policies have several: ${[...domains].join(", ")}; write one for each`;
  const known = new Map(policies.flatMap((policy) => [...limitsOf(policy), ...quarantinesOf(policy)]));
  return {
    domain,
    descriptors: [...known].map(([value, rate_limit]) => ({
      key: "limit",
      value,
      descriptors: [{ key: "key", rate_limit }],
    })),
  };
}

/** What the service knows a limit or a quarantine by, and what it counts. */
type Known = [string, RateLimit];

function limitsOf({ limits }: Policy): Known[] {
  return byName(limits.filter(({ onError }) => onError !== undefined)).map(
    (limit: Limit): Known => [fleetName(limit), { unit: unitOf(limit), requests_per_unit: limit.rate.tokens }],
  );
}

/** The denial that shuts a key out is the first without room; of who is shut out, the first count is. */
function quarantinesOf({ quarantines }: Policy): Known[] {
  return byName(quarantines.filter(({ scope }) => scope === "fleet")).flatMap((quarantine: Quarantine): Known[] => {
    const { count, shut } = fleetNames(quarantine);
    return [
      [count, { unit: countUnit(quarantine), requests_per_unit: quarantine.denials - 1 }],
      [shut, { unit: shutUnit(quarantine), requests_per_unit: 0 }],
    ];
  });
}
