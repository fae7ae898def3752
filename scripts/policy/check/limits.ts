/** Limits: how much they give, and what they count by. */
import {
  limit_burst_tokens_max,
  limit_fill_nanoseconds_max,
  limit_parts_max,
  limit_tiers_max,
  tier_name_bytes_max,
} from "../../../assembly/limits.ts";
import type { Allowance, DraftLimit, Limit, LimitKind, Tier } from "../language/model.ts";
import { intervalNanoseconds } from "../language/rate.ts";
import { parseSelector, printSelector, type Selector } from "../language/selector.ts";
import { parseRate } from "../language/values.ts";
import type { Reporter } from "../source/diagnostic.ts";
import type { Located } from "../source/yaml.ts";
import { checkScope } from "./fleet.ts";
import { headerFault } from "./forward.ts";
import { checkName } from "./names.ts";

/** Checks a limit; undefined where it cannot be taken from, which is reported. */
export function checkLimit(reporter: Reporter, { name, value: draft }: DraftLimit): Limit | undefined {
  checkName(reporter, name);
  const per = new Map<string, Selector>();
  for (const { value, at } of draft?.per?.value ?? []) {
    const selector = parseSelector(value);
    if (typeof selector === "string") reporter.error("invalid_selector", at, selector);
    else per.set(printSelector(selector), selector);
  }
  if (per.size > limit_parts_max)
    reporter.error("bound", draft!.per!.at, `a limit counts by at most ${limit_parts_max} parts`);
  if (draft === undefined) return undefined;
  const counted = checkKind(reporter, draft, name.at);
  const allowance = counted?.burstTokens === undefined ? checkAllowance(reporter, draft.rate, draft.burst) : unlooked;
  if (counted === undefined || allowance === undefined) return undefined;
  const { absent, mode } = draft;
  if (mode?.value === "shadow") checkShadow(reporter, name, draft);
  return {
    name: name.value,
    ...allowance,
    ...(counted as Pick<Limit, "kind" | "header">),
    per: [...per.values()],
    ...checkTiers(reporter, draft),
    absent: absent?.value,
    mode: mode?.value ?? "enforce",
    ...checkScope(reporter, draft),
  };
}

function checkTiers(
  reporter: Reporter,
  { at, tier, tiers, scope, isWrong }: NonNullable<DraftLimit["value"]>,
): Pick<Limit, "tier" | "tiers"> {
  if (tier === undefined && tiers === undefined) return {};
  // One of them may be there, and wrong.
  if (isWrong !== true && tier === undefined)
    reporter.error(
      "missing_key",
      tiers![0]?.name.at ?? at,
      "`tiers` needs `tier`, what chooses one, as in `tier: claims.plan`",
    );
  if (isWrong !== true && tiers === undefined)
    reporter.error("missing_key", tier!.at, "`tier` chooses one of `tiers`, as in `tiers: { gold: 1000/s }`");
  if (scope?.value === "fleet")
    reporter.error("value", at, "a limit of the fleet has no tiers; make it several limits");
  if ((tiers?.length ?? 0) > limit_tiers_max)
    reporter.error("bound", at, `a limit has at most ${limit_tiers_max} tiers`);
  const chooser = tier === undefined ? undefined : parseSelector(tier.value);
  const fault =
    typeof chooser === "string"
      ? chooser
      : chooser?.kind === "source"
        ? "a tier is chosen by one text, as in `tier: claims.plan`, and an address is none"
        : undefined;
  if (fault !== undefined) reporter.error("invalid_selector", tier!.at, fault);
  const known = (tiers ?? []).flatMap(({ name, value }): Tier[] => {
    if (Buffer.byteLength(name.value) > tier_name_bytes_max)
      reporter.error("bound", name.at, `the text of a tier has at most ${tier_name_bytes_max} bytes`);
    const allowance = checkAllowance(reporter, value, value?.burst);
    return allowance === undefined ? [] : [{ name: name.value, ...allowance }];
  });
  return fault !== undefined || typeof chooser === "string" ? {} : { tier: chooser, tiers: known };
}

function checkShadow(
  reporter: Reporter,
  name: Located<string>,
  { mode, scope }: NonNullable<DraftLimit["value"]>,
): void {
  if (scope?.value === "fleet") {
    const message =
      "the rate limit service of a fleet counts for all, so its limits have no shadow mode; leave `scope` out meanwhile";
    reporter.error("value", mode!.at, message);
  } else {
    reporter.warn("shadow_limit", name.at, `the limit \`${name.value}\` denies nothing, it is only recorded`);
  }
}

/** What stands for the rate of a limit that has none. */
const unlooked: Allowance = { rate: { tokens: 1, periodSeconds: 1 }, burstTokens: 1 };

/** What each kind of limit has beside the key that names it. */
const keys_of: Record<LimitKind, readonly string[]> = {
  rate: ["rate", "burst", "per", "scope", "fleet", "onError", "absent", "mode", "headers", "tier", "tiers"],
  concurrency: ["concurrency", "per", "absent", "mode"],
  hops: ["hops", "most", "mode"],
};

/** What a limit counts: one thing, with keys that go with it. The burst is of limits that are none of a rate. */
function checkKind(
  reporter: Reporter,
  draft: NonNullable<DraftLimit["value"]>,
  at: number,
): (Pick<Limit, "kind" | "header"> & { burstTokens?: number }) | undefined {
  const kinds = (Object.keys(keys_of) as LimitKind[]).filter((key) => draft[key] !== undefined);
  const [kind, second] = kinds;
  if (kind === undefined) {
    const ways = "`rate`, as in `rate: 100/s`, or `concurrency: 20`, or `hops: x-request-hops`";
    const isTiered = draft.tier !== undefined || draft.tiers !== undefined;
    const tiered =
      "`tiers` are for some, and whoever is in none has the limit's own `rate`; add it, as in `rate: 10/s`";
    // Where something else is wrong, it is what was meant for one of them, or says more.
    if (draft.isWrong !== true) reporter.error("missing_key", at, isTiered ? tiered : `a limit needs ${ways}`);
    return undefined;
  }
  if (second !== undefined) {
    const message = `a limit counts one thing, and this one has \`${kind}\` and \`${second}\`; make it two limits, both of which a rule may name`;
    reporter.error("limit_kind", draft[second]!.at, message);
    return undefined;
  }
  for (const [key, value] of Object.entries(draft)) {
    if (value === undefined || typeof value !== "object" || keys_of[kind].includes(key)) continue;
    const owner = (Object.keys(keys_of) as LimitKind[]).filter((one) => keys_of[one].includes(key));
    const message = `\`${key}\` goes with \`${owner.join("` and `")}\`, and this limit has \`${kind}\`; leave it out`;
    reporter.error("limit_kind", Array.isArray(value) ? (value[0]?.name.at ?? at) : value.at, message);
  }
  if (kind === "rate") return { kind, header: "" };
  if (kind === "concurrency") return { kind, header: "", burstTokens: draft.concurrency!.value };
  const header = draft.hops!.value.toLowerCase();
  const fault = headerFault(header);
  if (fault !== undefined) reporter.error("invalid_header", draft.hops!.at, fault);
  if (draft.most === undefined)
    reporter.error("missing_key", draft.hops!.at, "a limit of `hops` needs `most`, as in `most: 8`");
  return { kind, header, burstTokens: draft.most?.value ?? 1 };
}

/** How much may be taken, and how much of it at once. */
function checkAllowance(
  reporter: Reporter,
  rateDraft: Located<string> | undefined,
  burst: Located<number> | undefined,
): Allowance | undefined {
  if (rateDraft === undefined) return undefined;
  const rate = parseRate(rateDraft.value);
  if (typeof rate === "string") {
    reporter.error("invalid_rate", rateDraft.at, rate);
    return undefined;
  }
  // Without `burst`, what one period of the rate gives may come at once.
  const burstTokens = burst?.value ?? rate.tokens;
  if (burstTokens > limit_burst_tokens_max) {
    const message = `without \`burst\` it is ${burstTokens}, but at most ${limit_burst_tokens_max} is possible; give a \`burst\``;
    reporter.error("bound", rateDraft.at, message);
    return undefined;
  }
  const slowest = Math.floor(limit_fill_nanoseconds_max / intervalNanoseconds({ rate }));
  if (burstTokens > slowest) {
    const message = `at this rate a burst of ${burstTokens} would take more than a century to come back; at most ${slowest} is possible`;
    reporter.error("bound", burst!.at, message);
    return undefined;
  }
  return { rate, burstTokens };
}
