/** Which requests of a log say what of a policy was used, and whether they say enough. */
import { usagesFor } from "../discover/matching.ts";
import { compareTexts } from "../discover/order.ts";
import type { Policy } from "../policy/language/model.ts";
import type { Usage } from "../traffic/usage.ts";
import { counted, escaped } from "./hostile.ts";

/** Nothing can be taken away; the message says why. */
export class TightenError extends Error {
  override name = "TightenError";
}

export const day_ms = 86_400_000;
/** A quiet weekend is no gap; more quiet days are a log that lacks some. */
const least_share = 5 / 7;

/** Requests that this policy judged, or nobody knows which one did. */
export function ownUsages(all: readonly Usage[], policy: Policy): Usage[] {
  const usages = usagesFor(all, policy);
  if (usages.length > 0) return usages;
  const others = [...new Set(all.map((usage) => escaped(usage.policy)))].sort(compareTexts).slice(0, 5);
  const has = others.length === 0 ? "it is empty" : `it has those of ${others.join(", ")}`;
  throw new TightenError(`the log has no requests that the policy \`${policy.name}\` judged: ${has}`);
}

/** The last days of the log. Throws where it does not have so many. */
export function periodOf(usages: readonly Usage[], wanted: number): { from: string; to: string } {
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 3660)
    throw new TightenError("the number of days is a whole one from 1 to 3660");
  const days = [...new Set(usages.map(({ day }) => day))].filter((day) => /^\d{4}-\d\d-\d\d$/u.test(day)).sort();
  const to = days.at(-1);
  const last = to === undefined ? Number.NaN : Date.parse(to);
  if (to === undefined || Number.isNaN(last))
    throw new TightenError("the log has no times, so nobody knows how many days it covers; log `%START_TIME%`");
  const from = new Date(last - (wanted - 1) * day_ms).toISOString().slice(0, 10);
  const within = days.filter((day) => day >= from);
  const way = `give more logs, or fewer days (\`--days\`)`;
  if (days[0]! > from) {
    const covered = Math.round((last - Date.parse(days[0]!)) / day_ms) + 1;
    throw new TightenError(
      `the log covers ${counted(covered, "day")}, from ${days[0]} to ${to}, and ${wanted} are asked for; ${way}`,
    );
  }
  if (within.length < Math.ceil(wanted * least_share))
    throw new TightenError(
      `the log has requests on only ${counted(within.length, "day")} of the last ${wanted}, up to ${to}: logs are missing; ${way}`,
    );
  return { from, to };
}
