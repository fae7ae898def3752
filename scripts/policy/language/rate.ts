/** A limit's rate in the terms of its users: nanoseconds for the engine, a header for clients. */
import type { Limit } from "./model.ts";

const nanoseconds_a_second = 1e9;

/** Time between two tokens, rounded to whole nanoseconds. */
export function intervalNanoseconds({ rate }: Pick<Limit, "rate">): number {
  return Math.round((rate.periodSeconds * nanoseconds_a_second) / rate.tokens);
}

/**
 * The value of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): a quota `q` of as many requests as may come at
 * once, in a window `w` of as many whole seconds as an empty bucket takes to fill. That is what a client can
 * plan with: after `w` seconds of silence it has `q` requests. Without sub-second windows in the draft, `w` is at least 1.
 */
export function rateLimitPolicy({ name, rate, burstTokens }: Limit): string {
  const seconds = Math.max(1, Math.ceil((burstTokens * rate.periodSeconds) / rate.tokens));
  return `"${name}";q=${burstTokens};w=${seconds}`;
}
