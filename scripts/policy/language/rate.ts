/** A limit's rate in the terms of its users: nanoseconds for the engine, a header for clients. */
import { lease_divisor, limit_burst_tokens_max } from "../../../assembly/limits.ts";
import type { Limit, Policy, Quarantine } from "./model.ts";
import { printDuration } from "./values.ts";

const nanoseconds_a_second = 1e9;

/** Time between two tokens, rounded to whole nanoseconds. */
export function intervalNanoseconds({ rate }: Pick<Limit, "rate">): number {
  return Math.round((rate.periodSeconds * nanoseconds_a_second) / rate.tokens);
}

/** A unit of time, as the rate limit service calls it. */
export type Unit = "second" | "minute" | "hour" | "day";

/** Seconds of a unit. */
export const unitSeconds: Readonly<Record<Unit, number>> = { second: 1, minute: 60, hour: 3600, day: 86400 };
const units = Object.keys(unitSeconds) as Unit[];

/** The unit of a rate. */
export function unitOf({ rate }: Pick<Limit, "rate">): Unit {
  return units.find((unit) => unitSeconds[unit] === rate.periodSeconds)!;
}

/** By what a fleet's service counts the denials of a quarantine: never more than in the window, so that nobody is shut out sooner than the policy says. */
export function countUnit({ withinSeconds }: Pick<Quarantine, "withinSeconds">): Unit {
  return units.findLast((unit) => unitSeconds[unit] <= withinSeconds)!;
}

/** For how long a fleet's service knows that a key is shut out: no shorter than the longest time, where there is such a unit. */
export function shutUnit({ maxSeconds }: Pick<Quarantine, "maxSeconds">): Unit {
  return units.find((unit) => unitSeconds[unit] >= maxSeconds)!;
}

/** What a fleet's service counts the denials of a quarantine under, and knows who is shut out; other numbers are other names there. */
export function fleetNames(quarantine: Quarantine): { count: string; shut: string } {
  const { name, denials, forSeconds, maxSeconds } = quarantine;
  const times = `${printDuration(forSeconds)}..${printDuration(maxSeconds)}`;
  return {
    count: `quarantine:${name}=${denials}/${countUnit(quarantine)}`,
    shut: `quarantine:${name}=${times}/${shutUnit(quarantine)}`,
  };
}

/** A rate as a policy writes it. */
export function printRate(rate: Limit["rate"]): string {
  return `${rate.tokens}/${unitOf({ rate })[0]}`;
}

/** What the rate limit service of a fleet knows a limit by: a rate that is changed is another limit there, which it has no rule for yet. */
export function fleetName(limit: Pick<Limit, "name" | "rate">): string {
  return `${limit.name}=${limit.rate.tokens}/${unitOf(limit)}`;
}

/** How many tokens a worker asks a fleet's service for at a time at the most; 0 where the limit has too few to be divided so. */
export function leaseTokens({ rate }: Limit, { fleet }: Pick<Policy, "fleet">): number {
  const most = Math.floor(rate.tokens / (lease_divisor * (fleet?.replicas ?? 1)));
  return Math.min(most, limit_burst_tokens_max);
}

/** One Envoy's part of the burst of a limit of its fleet. */
export function evenShare({ burstTokens }: Limit, { fleet }: Pick<Policy, "fleet">): number {
  return Math.floor(burstTokens / (fleet?.replicas ?? 1));
}

/** How many tokens each Envoy's own buckets hold: of a limit of the fleet its share, with room for any request. */
export function localBurst(limit: Limit, policy: Pick<Policy, "fleet" | "rules">): number {
  if (limit.onError === undefined) return limit.burstTokens;
  const costs = policy.rules.filter(({ limits }) => limits.includes(limit.name)).map(({ cost }) => cost);
  return Math.max(1, evenShare(limit, policy), ...costs);
}

/** What one request may take from a limit at the most: of the tier with the smallest burst, of a fleet's limit what one period gives, since the service counts by periods. */
export function tokensAtOnce({ rate, burstTokens, onError, tiers = [] }: Limit): number {
  return onError === undefined ? Math.min(burstTokens, ...tiers.map((tier) => tier.burstTokens)) : rate.tokens;
}

/**
 * The value of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): a quota `q` of as many requests as may come at
 * once, in a window `w` of as many whole seconds as an empty bucket takes to fill. That is what a client can
 * plan with: after `w` seconds of silence it has `q` requests. Without sub-second windows in the draft, `w` is at least 1.
 */
export function rateLimitPolicy({ name, rate, burstTokens, onError }: Limit): string {
  // A fleet's service counts anew in each period.
  if (onError !== undefined) return `"${name}";q=${rate.tokens};w=${rate.periodSeconds}`;
  const seconds = Math.max(1, Math.ceil((burstTokens * rate.periodSeconds) / rate.tokens));
  return `"${name}";q=${burstTokens};w=${seconds}`;
}
