/** `discover --tighten`: a policy without what nobody has used, its comments and its form kept. */
import { dirname, relative } from "node:path";
import type { Policy, Rule } from "../policy/language/model.ts";
import { comparePolicies, hasGain } from "../policy/meaning/difference.ts";
import { PolicyError } from "../policy/source/diagnostic.ts";
import type { Usage } from "../traffic/usage.ts";
import { counted, escaped } from "./hostile.ts";
import { type Change, changeOf } from "./narrow.ts";
import { day_ms, ownUsages, periodOf, TightenError } from "./period.ts";
import { policyOfTexts, readPolicyTexts } from "./read.ts";
import type { Removal } from "./setuse.ts";
import { spliced, unifiedDiff } from "./splice.ts";
import { type RuleUse, usedBy, usedByUnknown } from "./usedby.ts";
import { YamlFile } from "./yamlnodes.ts";

export interface TightenOptions {
  /** What nobody has used in so many days goes. */
  days: number;
  /** Requests that the log has and that are in no group: with any, nothing can be said to be unused. */
  leftOut?: number;
  /** Files of the log that could be read in part alone: what they lack is not known either. */
  damaged?: readonly { file: string; reason: string }[];
}

/** A policy that admits less. */
export interface Tightened {
  /** Files that change. */
  files: { file: string; text: string }[];
  /** The change of all files as one unified diff, with paths from the folder of the policy; empty where nothing was unused. */
  patch: string;
  /** What goes, in words. */
  removed: Removal[];
  /** What stays though it may be more than is needed, in words. */
  notes: string[];
  /** UTC; what was looked at. */
  from: string;
  to: string;
}

/**
 * Takes out of a policy what nobody has used.
 * @param path the policy's file
 * @param all usages of one log
 * @throws TightenError, or PolicyError for the policy
 */
export function tightenPolicy(
  path: string,
  all: readonly Usage[],
  { days, leftOut = 0, damaged = [] }: TightenOptions,
): Tightened {
  const { policy, sources } = readPolicyTexts(path);
  if (leftOut > 0)
    throw new TightenError(
      `${counted(leftOut, "request")} of the log are in no group, so what they used is not known; give the logs of fewer policies or hosts`,
    );
  const [broken] = damaged;
  if (broken !== undefined) throw new TightenError(partlyRead(broken, damaged.length - 1));
  const usages = ownUsages(all, policy);
  const period = periodOf(usages, days);
  const within = usages.filter(({ day }) => day === "" || day >= period.from);
  const used = usedBy(within, policy);
  const byUnknown = usedByUnknown(within, policy);
  const files = sources.map(({ file, text }) => new YamlFile(file, text));
  let kept = new Map<string, string>();
  for (const rule of policy.rules.filter(({ action }) => action === "allow")) {
    const why = whyKept(rule, period.from, usages) ?? whyUnknown(byUnknown.get(rule.name));
    if (why !== undefined) kept.set(rule.name, why);
  }
  const result = changeOf(files, policy, used, kept);
  const unsound = gainOf(path, policy, result);
  if (unsound !== undefined) {
    // A rule whose end would let in more stays: one whose optional token refuses others, for example.
    kept = new Map([...kept, ...gainingRules(path, files, policy, used, kept)]);
    const second = changeOf(files, policy, used, kept);
    const still = gainOf(path, policy, second);
    if (still !== undefined) throw new TightenError(`without what nobody used, the policy would let in more: ${still}`);
    return toTightened(path, second, kept, policy, used, period);
  }
  return toTightened(path, result, kept, policy, used, period);
}

function partlyRead({ file, reason }: { file: string; reason: string }, others: number): string {
  const [too, whose, them] =
    others === 0 ? ["", "its", "it"] : [`, as could ${counted(others, "more file")}`, "their", "them"];
  return `${escaped(file)} could be read in part alone (${escaped(reason)})${too}, so what ${whose} other requests used is not known; give ${them} whole, or leave ${them} out`;
}

/** Why an allow rule is left as it is, or undefined. */
function whyKept(rule: Rule, from: string, usages: readonly Usage[]): string | undefined {
  if (rule.mode === "shadow") return "it is in shadow mode, and a log does not say what it would have let in";
  if (rule.startsSeconds * 1000 > Date.parse(from)) return `it holds only since ${timeOf(rule.startsSeconds)}`;
  if (rule.paths.encodedSlash !== "refuse" && usages.some((usage) => usage.policy === ""))
    return "it takes encoded slashes, which a log without records does not tell from others";
  return undefined;
}

/** Why a rule stays that requests of unknown callers may have used, or undefined. */
function whyUnknown(requests: number | undefined): string | undefined {
  if (requests === undefined) return undefined;
  return `${counted(requests, "request")} may have used it, of which the log does not name the caller; log \`peer\` or the filter's record`;
}

/** What the changed files let in that the policy did not, in words; undefined for nothing. Throws TightenError for files that are not sound. */
function gainOf(path: string, policy: Policy, change: Change): string | undefined {
  const texts = new Map([...change.splices].map(([file, splices]) => [file.file, spliced(file.text, splices)]));
  try {
    const difference = comparePolicies(policy, policyOfTexts(path, texts).policy);
    if (!hasGain(difference)) return undefined;
    const [access] = [...difference.gained, ...difference.changed];
    if (access !== undefined) return `${access.callers[0]} at ${access.endpoints[0]}`;
    return difference.policy.find(({ gain }) => gain)!.what;
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    throw new TightenError(
      `without what nobody used, the policy has errors, so it was left as it is:\n${error.message}`,
    );
  }
}

/** The rules that alone would let in more if they lost what was not used. */
function gainingRules(
  path: string,
  files: readonly YamlFile[],
  policy: Policy,
  used: ReadonlyMap<string, RuleUse>,
  kept: ReadonlyMap<string, string>,
): Map<string, string> {
  const found = new Map<string, string>();
  const open = policy.rules.filter(({ action, name }) => action === "allow" && !kept.has(name));
  for (const rule of open) {
    const others = new Map(open.filter((one) => one !== rule).map(({ name }) => [name, ""]));
    const change = changeOf(files, policy, used, new Map([...kept, ...others]));
    if (change.removed.length > 0 && gainOf(path, policy, change) !== undefined)
      found.set(rule.name, "without it, the policy would let in more");
  }
  return found;
}

function toTightened(
  path: string,
  { splices, removed, notes }: Change,
  kept: ReadonlyMap<string, string>,
  policy: Policy,
  used: ReadonlyMap<string, RuleUse>,
  period: { from: string; to: string },
): Tightened {
  const folder = dirname(path);
  const changed = [...splices].filter(([, own]) => own.length > 0);
  const keptNotes = [...kept]
    .filter(([name]) => !used.has(name))
    .map(([name, why]) => `rule ${name} stays as it is: ${why}`);
  const expired = policy.rules
    .filter(({ action, expiresSeconds, name }) => action === "allow" && expiresSeconds > 0 && used.has(name))
    .filter(({ expiresSeconds }) => expiresSeconds * 1000 <= Date.parse(period.to) + day_ms)
    .map(({ name, expiresSeconds }) => `rule ${name} was used, and does not hold since ${timeOf(expiresSeconds)}`);
  return {
    files: changed.map(([{ file, text }, own]) => ({ file, text: spliced(text, own) })),
    patch: changed.map(([{ file, text }, own]) => unifiedDiff(relative(folder, file), text, own)).join(""),
    removed,
    notes: [...notes, ...keptNotes, ...expired],
    ...period,
  };
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
