/** Limits from what was seen. */
import { limit_burst_tokens_max } from "../../assembly/limits.ts";
import type { Usage } from "../traffic/usage.ts";
import { peakOf } from "./counts.ts";

/** A limit as a policy writes it. */
export interface SuggestedLimit {
  /** Such as `240/m`. */
  rate: string;
  /** How many may come at once; left out: as many as a minute of the rate. */
  burst?: number;
  per: string[];
  absent?: "share";
}

/**
 * The limit for the callers of a rule: so many times the busiest minute of the busiest of them. All that was seen passes it. Two
 * minutes' requests may come at once, at the end of the one and the beginning of the other.
 * @param headroom the factor, at least 1
 * @returns undefined where the log does not say how many came in a minute, or more came than a limit can count
 */
export function limitOf(
  usages: readonly Usage[],
  isForEverybody: boolean,
  headroom: number,
): SuggestedLimit | undefined {
  const peak = isForEverybody ? peakOf(usages.map((usage) => ({ ...usage, caller: "" }))) : peakOf(usages);
  const tokens = rounded(peak * headroom);
  const atOnce = 2 * peak;
  if (!Number.isSafeInteger(peak) || peak <= 0 || Math.max(tokens, atOnce) > limit_burst_tokens_max) return undefined;
  return {
    rate: `${tokens}/m`,
    ...(tokens < atOnce && { burst: atOnce }),
    // Who has no identity is told from others by the address alone.
    ...(isForEverybody ? { per: ["source.ip"], absent: "share" as const } : { per: ["caller"] }),
  };
}

/** Up to two digits: 243 is 250. */
function rounded(value: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(value, 1))) - 1);
  return Math.ceil(Number((value / unit).toFixed(9))) * unit;
}
