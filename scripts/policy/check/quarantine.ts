/** Who is shut out for a while: `quarantine`. */
import {
  policy_quarantines_max,
  quarantine_fleet_factor_max,
  quarantine_fleet_seconds_min,
  quarantine_per_max,
  quarantine_releases_max,
  quarantine_seconds_max,
  quarantine_within_seconds_max,
} from "../../../assembly/limits.ts";
import { looksLikeNetwork, parseEntry } from "../condition/network.ts";
import type { DraftQuarantine, Quarantine } from "../language/model.ts";
import { countable_reasons, quarantine_ways } from "../language/quarantine.ts";
import { countUnit, unitSeconds } from "../language/rate.ts";
import { parseSelector, printSelector, type Selector } from "../language/selector.ts";
import { printDuration } from "../language/values.ts";
import { didYouMean, nearest } from "../source/suggest.ts";
import type { Located } from "../source/yaml.ts";
import { type Context, checkCaller, checkName, Names } from "./names.ts";
import { checkDuration } from "./texts.ts";

/** Checks all quarantines of a policy. */
export function checkQuarantines(context: Context, drafts: readonly DraftQuarantine[]): Quarantine[] {
  const { reporter } = context;
  const names = new Names("quarantine");
  if (drafts.length > policy_quarantines_max) {
    const message = `a policy has at most ${policy_quarantines_max} quarantines`;
    reporter.error("bound", drafts[policy_quarantines_max]!.at, message);
  }
  return drafts.flatMap((draft) => {
    checkName(reporter, draft.name);
    if (draft.name !== undefined) names.take(reporter, draft.name);
    return checkQuarantine(context, draft) ?? [];
  });
}

function checkQuarantine(context: Context, draft: DraftQuarantine): Quarantine | undefined {
  const { reporter } = context;
  const { name, denials, mode } = draft;
  const per = checkPer(context, draft.per?.value ?? []);
  const when = checkReasons(context, draft.when?.value ?? []);
  const releases = checkReleases(context, draft.release?.value ?? [], per);
  const withinSeconds = checkDuration(reporter, draft.within, quarantine_within_seconds_max, 1, "m");
  const forSeconds = checkDuration(reporter, draft.for, quarantine_seconds_max, 1, "m");
  const maxSeconds =
    draft.max === undefined ? forSeconds : checkDuration(reporter, draft.max, quarantine_seconds_max, 1, "m");
  if (maxSeconds !== undefined && forSeconds !== undefined && maxSeconds < forSeconds) {
    const message = `the longest time is shorter than the first one; write \`max: ${draft.for!.value}\` or more`;
    reporter.error("quarantine", draft.max!.at, message);
  }
  if (!name || !denials || withinSeconds === undefined || forSeconds === undefined || maxSeconds === undefined)
    return undefined;
  if (mode?.value === "shadow")
    reporter.warn(
      "shadow_quarantine",
      name.at,
      `the quarantine \`${name.value}\` shuts nobody out, it is only recorded whom it would`,
    );
  const numbers = { denials: denials.value, withinSeconds, forSeconds, maxSeconds };
  const scope = draft.scope?.value ?? "proxy";
  if (scope === "fleet") checkFleetTimes(context, draft, numbers);
  return { name: name.value, mode: mode?.value ?? "enforce", per, when, ...numbers, releases, scope };
}

/** What the rate limit service of a fleet can know of a quarantine (assembly/quarantine/fleet.ts). */
function checkFleetTimes(
  { reporter }: Context,
  draft: DraftQuarantine,
  {
    denials,
    withinSeconds,
    forSeconds,
    maxSeconds,
  }: Pick<Quarantine, "denials" | "withinSeconds" | "forSeconds" | "maxSeconds">,
): void {
  const least = Math.max(withinSeconds, quarantine_fleet_seconds_min);
  if (forSeconds < least) {
    const why =
      least === withinSeconds
        ? "than `within`, and the denials of before would shut out anew who has just been let in"
        : "than the Envoys of a fleet take to tell each other";
    reporter.error("quarantine", draft.for!.at, `it is shorter ${why}; write \`for: ${printDuration(least)}\` or more`);
  }
  const most = Math.max(forSeconds, least) * quarantine_fleet_factor_max;
  if (maxSeconds > most) {
    const message = `in a fleet the longest time is at most ${quarantine_fleet_factor_max} times the first one; write \`max: ${printDuration(most)}\` or less, or a longer \`for\``;
    reporter.error("bound", draft.max!.at, message);
  }
  const unit = countUnit({ withinSeconds });
  if (unitSeconds[unit] === withinSeconds) return;
  const message = `all Envoys together count ${denials} denials in a ${unit} of the clock, as the rate limit service does, and each Envoy by itself those within ${printDuration(withinSeconds)}; write \`within: 1${unit[0]}\` to have both alike`;
  reporter.warn("fleet_window", draft.within!.at, message);
}

/** What a key is made of: what is known of a request before its rules are. */
function checkPer({ reporter }: Context, texts: readonly Located<string>[]): Selector[] {
  const per = new Map<string, Selector>();
  for (const { value, at } of texts) {
    const selector = parseSelector(value);
    const isKnown = typeof selector === "object" && ["caller", "trust_domain", "source"].includes(selector.kind);
    if (isKnown) per.set(printSelector(selector), selector);
    else {
      const message = `${perFault(value, selector)}; a quarantine is kept \`per\` ${quarantine_ways}`;
      reporter.error("quarantine", at, message);
    }
  }
  if (per.size > quarantine_per_max)
    reporter.error("bound", texts[0]!.at, `a quarantine is kept \`per\` ${quarantine_per_max} parts at most`);
  return per.size === 0 ? [{ kind: "caller" }] : [...per.values()];
}

function perFault(text: string, selector: Selector | string): string {
  if (typeof selector === "string") {
    // Of an address it says what is wrong with its bits.
    if (text.startsWith("source.ip")) return selector;
    const near = nearest(text, ["caller", "caller.trust_domain", "source.ip"]);
    return `\`${text}\` is nothing that is known of a request${near === undefined ? "" : `; did you mean \`${near}\`?`}`;
  }
  return selector.kind === "host"
    ? `callers choose \`${text}\`, and would be counted anew for each host`
    : `\`${text}\` is not known before a rule is found, and who is shut out is asked before that`;
}

function checkReasons({ reporter }: Context, texts: readonly Located<string>[]): string[] {
  const known = [...countable_reasons.keys()];
  for (const { value, at } of texts) {
    if (known.includes(value)) continue;
    const helpless: Readonly<Record<string, string>> = {
      allowed: "`allowed` is no denial",
      internal: "no caller can help `internal`, a failure of ours",
      keys_unavailable: "no caller can help `keys_unavailable`",
      quarantined: "what a quarantine denies never counts, or nobody would leave it",
    };
    const fault = helpless[value] ?? `there is no reason \`${value}\`${didYouMean(value, known)}`;
    reporter.error("quarantine", at, `${fault}; those that can be counted are ${known.join(", ")}`);
  }
  return [...new Set(texts.map(({ value }) => value))].sort();
}

/** What the policy lets out, in the form in which keys are made of it. */
function checkReleases(
  context: Context,
  texts: readonly Located<string>[],
  per: readonly Selector[],
): (string | Uint8Array)[] {
  const { reporter, trustDomains } = context;
  if (texts.length > quarantine_releases_max) {
    const message = `a quarantine lets out ${quarantine_releases_max} at most; with another \`name\` it begins anew, and everybody is out`;
    reporter.error("bound", texts[quarantine_releases_max]!.at, message);
  }
  const isKept = (kind: Selector["kind"]): boolean => per.some((one) => one.kind === kind);
  return texts.flatMap((text): (string | Uint8Array)[] => {
    const { value, at } = text;
    const fail = (message: string): never[] => {
      reporter.error("quarantine", at, message);
      return [];
    };
    if (looksLikeNetwork(value)) {
      const network = parseEntry(value);
      if (typeof network === "string") return fail(network);
      const { address, prefixBits } = network;
      if (prefixBits < address.length * 8)
        return fail("an address is let out, and with it the network that is kept; name one address of it");
      return keysOf(address, per);
    }
    if (!value.includes(":")) {
      if (!isKept("trust_domain"))
        return fail(
          `\`${value}\` is let out only where \`per\` has \`caller.trust_domain\`; name a SPIFFE ID or an address`,
        );
      return trustDomains.has(value)
        ? [value]
        : fail(`\`${value}\` is not in \`trust.domains\`${didYouMean(value, trustDomains)}`);
    }
    const pattern = checkCaller(context, text);
    if (pattern === undefined) return [];
    if (!isKept("caller")) return fail("a caller is let out only where `per` has `caller`; name what is kept");
    if (pattern.kind !== "exact" || pattern.wildcards !== 0)
      return fail(
        "who is let out is named one by one, not by a pattern; with another `name` the quarantine begins anew, and everybody is out",
      );
    return [pattern.text];
  });
}

/** What is kept of an address: all of it for a caller that is not known, else as many bits as `per` says. */
function keysOf(address: Uint8Array, per: readonly Selector[]): Uint8Array[] {
  const width = address.length * 8;
  const bits = per.map((selector) =>
    selector.kind !== "source" ? width : width === 32 ? selector.fourBits : selector.sixBits,
  );
  return [...new Set(bits)].map((kept) =>
    address.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, kept - index * 8)))),
  );
}
