/** When a rule holds, whether it takes part in decisions, and what it costs. */

import type { DraftRule, Limit, Rule } from "../language/model.ts";
import { tokensAtOnce } from "../language/rate.ts";
import { parseTimestampSeconds } from "../language/values.ts";
import type { Located } from "../source/yaml.ts";
import type { Context } from "./names.ts";

/** A grant that ends within so many days is worth a word. */
const soon_days = 7;
const day_seconds = 86400;

/** Checks `starts`, `expires`, `mode` and `cost`. */
export function checkGrant(
  context: Context,
  draft: DraftRule,
  limits: readonly string[],
): Pick<Rule, "mode" | "cost" | "startsSeconds" | "expiresSeconds"> {
  const { reporter } = context;
  const startsSeconds = checkTime(context, draft.starts);
  const expiresSeconds = checkTime(context, draft.expires);
  if (startsSeconds !== 0 && expiresSeconds !== 0 && expiresSeconds <= startsSeconds) {
    reporter.error("grant_empty", draft.expires!.at, "`expires` is not after `starts`, so the rule never holds");
  } else if (expiresSeconds !== 0) {
    const rest = expiresSeconds - Date.now() / 1000;
    if (rest <= 0) {
      reporter.warn("grant_expired", draft.expires!.at, "the rule has expired; it does not hold any more: remove it");
    } else if (rest < soon_days * day_seconds) {
      const days = Math.ceil(rest / day_seconds);
      reporter.warn(
        "grant_expires_soon",
        draft.expires!.at,
        `the rule expires within ${days} day${days > 1 ? "s" : ""}`,
      );
    }
  }
  const mode = draft.mode?.value ?? "enforce";
  if (mode === "shadow" && draft.name !== undefined) {
    reporter.warn(
      "shadow_rule",
      draft.name.at,
      `\`${draft.name.value}\` takes no part in decisions, it is only recorded`,
    );
  }
  return { mode, cost: checkCost(context, draft, limits), startsSeconds, expiresSeconds };
}

function checkTime(context: Context, time: Located<string> | undefined): number {
  if (time === undefined) return 0;
  const seconds = parseTimestampSeconds(time.value);
  if (typeof seconds === "number") return seconds;
  context.reporter.error("invalid_time", time.at, seconds);
  return 0;
}

/** The cost of a request; where it depends on the request, the most that it may be: no more than each of the limits ever holds. */
function checkCost(context: Context, { cost }: DraftRule, limits: readonly string[]): number {
  if (cost === undefined) return 1;
  const { reporter } = context;
  const all = limits.map((name) => context.limits.get(name)).filter((limit) => limit !== undefined);
  const known = all.filter(({ kind }) => kind === "rate");
  if (known.length === 0 && all.length === limits.length && cost.value !== 1)
    reporter.error("cost_without_limit", cost.at, costWithoutLimit(all));
  const least = known.length === 0 ? 1 : Math.min(...known.map(tokensAtOnce));
  const most = typeof cost.value === "number" ? cost.value : (cost.most?.value ?? least);
  for (const limit of known) {
    const burst = tokensAtOnce(limit);
    if (most > burst) {
      reporter.error(
        "cost_above_burst",
        cost.most?.at ?? cost.at,
        `the limit \`${limit.name}\` never holds more than ${burst} tokens, so a cost of ${most} would always be refused`,
      );
    }
  }
  return most;
}

/** Why nothing has a cost taken from it. @param limits of the rule, none of them of a rate */
function costWithoutLimit(limits: readonly Limit[]): string {
  const [first] = limits;
  if (first === undefined) return "`cost` is taken from limits, and the rule names none; add `limit`, or leave it out";
  const counts = first.kind === "hops" ? "counts hops" : "counts requests that are open, each as one";
  return `\`cost\` is taken from limits of a \`rate\`, and \`${first.name}\` ${counts}; leave \`cost\` out, or name a limit with a \`rate\` too`;
}
