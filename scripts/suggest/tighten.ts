/** `discover --tighten`: a policy without what nobody has used, its comments and its form kept. */
import { dirname, relative } from "node:path";
import { isMap, isScalar, isSeq, type Node, type YAMLMap } from "yaml";
import { ruleEndpointText } from "../discover/grants.ts";
import { idOf } from "../discover/matching.ts";
import { compareTexts } from "../discover/order.ts";
import { methodsOf } from "../policy/language/endpoint.ts";
import type { Policy, Rule } from "../policy/language/model.ts";
import { type CallerPattern, callerCovers, parseCaller, printCaller, withoutAlias } from "../policy/language/spiffe.ts";
import { comparePolicies, hasGain } from "../policy/meaning/difference.ts";
import { PolicyError } from "../policy/source/diagnostic.ts";
import type { Usage } from "../traffic/usage.ts";
import { counted, escaped } from "./hostile.ts";
import { policyOfTexts, readPolicyTexts } from "./read.ts";
import { type Splice, spliced, unifiedDiff } from "./splice.ts";
import { type RuleUse, usedBy } from "./usedby.ts";
import { rangeOf, YamlFile } from "./yamlnodes.ts";

export interface TightenOptions {
  /** What nobody has used in so many days goes. */
  days: number;
  /** Requests that the log has and that are in no group: with any, nothing can be said to be unused. */
  leftOut?: number;
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

export interface Removal {
  rule: string;
  /** `rule`, or the endpoint, method or caller that the rule loses. */
  what: string;
}

/** Nothing can be taken away; the message says why. */
export class TightenError extends Error {
  override name = "TightenError";
}

const day_ms = 86_400_000;
/** A quiet weekend is no gap; more quiet days are a log that lacks some. */
const least_share = 5 / 7;

/**
 * Takes out of a policy what nobody has used.
 * @param path the policy's file
 * @param all usages of one log
 * @throws TightenError, or PolicyError for the policy
 */
export function tightenPolicy(path: string, all: readonly Usage[], { days, leftOut = 0 }: TightenOptions): Tightened {
  const { policy, sources } = readPolicyTexts(path);
  if (leftOut > 0)
    throw new TightenError(
      `${counted(leftOut, "request")} of the log are in no group, so what they used is not known; give the logs of fewer policies or hosts`,
    );
  const usages = ownUsages(all, policy);
  const period = periodOf(usages, days);
  const used = usedBy(
    usages.filter(({ day }) => day === "" || day >= period.from),
    policy,
  );
  const files = sources.map(({ file, text }) => new YamlFile(file, text));
  const judged = (rule: Rule): string | undefined => whyKept(rule, period.from, usages);
  let kept = new Map<string, string>();
  for (const rule of policy.rules) {
    const why = judged(rule);
    if (rule.action === "allow" && why !== undefined) kept.set(rule.name, why);
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

/** Requests that this policy judged, or nobody knows which one did. */
function ownUsages(all: readonly Usage[], policy: Policy): Usage[] {
  const usages = all.filter((usage) => usage.policy === "" || usage.policy === policy.name);
  if (usages.length > 0) return usages;
  const others = [...new Set(all.map((usage) => escaped(usage.policy)))].sort(compareTexts).slice(0, 5);
  const has = others.length === 0 ? "it is empty" : `it has those of ${others.join(", ")}`;
  throw new TightenError(`the log has no requests that the policy \`${policy.name}\` judged: ${has}`);
}

/** The last days of the log. Throws where it does not have so many. */
function periodOf(usages: readonly Usage[], wanted: number): { from: string; to: string } {
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

/** Why a rule is left as it is, or undefined. */
function whyKept(rule: Rule, from: string, usages: readonly Usage[]): string | undefined {
  if (rule.action === "deny") return "it denies";
  if (rule.mode === "shadow") return "it is in shadow mode, and a log does not say what it would have let in";
  if (rule.startsSeconds * 1000 > Date.parse(from)) return `it holds only since ${timeOf(rule.startsSeconds)}`;
  if (rule.paths.encodedSlash !== "refuse" && usages.some((usage) => usage.policy === ""))
    return "it takes encoded slashes, which a log without records does not tell from others";
  return undefined;
}

/** What of the files changes. */
interface Change {
  splices: Map<YamlFile, Splice[]>;
  removed: Removal[];
  notes: string[];
}

/** @param kept rules that are left as they are */
function changeOf(
  files: readonly YamlFile[],
  policy: Policy,
  used: ReadonlyMap<string, RuleUse>,
  kept: ReadonlyMap<string, string>,
): Change {
  const change: Change = { splices: new Map(), removed: [], notes: [] };
  const add = (file: YamlFile, splices: readonly Splice[]): void => {
    change.splices.set(file, [...(change.splices.get(file) ?? []), ...splices]);
  };
  const byName = new Map(policy.rules.map((rule) => [rule.name, rule]));
  const sets = new SetUse(policy);
  for (const file of files) {
    const list = file.list("rules");
    if (list === undefined) continue;
    const gone: number[] = [];
    for (const [place, node] of list.items.entries()) {
      const rule = isMap(node) ? byName.get(String(node.get("name"))) : undefined;
      if (rule === undefined || !isMap(node)) continue;
      if (rule.action === "deny" || kept.has(rule.name)) {
        sets.keep(rule);
        continue;
      }
      const use = used.get(rule.name);
      if (use === undefined) {
        gone.push(place);
        change.removed.push({ rule: rule.name, what: "rule" });
      } else {
        sets.use(rule, use);
        add(file, narrowed(file, node, { rule, use, policy, sets, change }));
      }
    }
    if (gone.length > 0) add(file, gone.length === list.items.length ? file.emptied(list) : file.without(list, gone));
  }
  for (const file of files) add(file, sets.narrowed(file, change));
  return change;
}

interface Narrowing {
  rule: Rule;
  use: RuleUse;
  policy: Policy;
  sets: SetUse;
  change: Change;
}

/** A rule without the callers, endpoints and methods that were not used. */
function narrowed(file: YamlFile, node: YAMLMap, { rule, use, policy, sets, change }: Narrowing): Splice[] {
  const splices: Splice[] = [];
  const tell = (what: string): void => void change.removed.push({ rule: rule.name, what });
  const callers = node.get("callers");
  if (isSeq(callers)) {
    const unused = callers.items.flatMap((item, place) => {
      const text = String((item as Node).toJSON());
      return isUsedCaller(text, use, policy, sets) ? [] : [{ place, text }];
    });
    for (const { text } of unused) tell(text);
    splices.push(
      ...file.without(
        callers,
        unused.map(({ place }) => place),
      ),
    );
    for (const item of callers.items) noteWide(String((item as Node).toJSON()), { rule, use, policy, sets, change });
  }
  const allow = node.get("allow");
  if (isSeq(allow) && allow.items.length === rule.endpoints.length) {
    const unused = rule.endpoints.flatMap((_, place) => (use.endpoints.has(place) ? [] : [place]));
    for (const place of unused) tell(ruleEndpointText(rule.endpoints[place]!));
    splices.push(...file.without(allow, unused));
    for (const [place, methods] of use.endpoints) {
      const { methods: written } = rule.endpoints[place]!;
      if (written === "*") {
        const seen = [...methods].map(escaped).sort(compareTexts).join("|");
        change.notes.push(
          `rule ${rule.name}: \`${ruleEndpointText(rule.endpoints[place]!)}\` is for every method, and was used with ${seen}`,
        );
        continue;
      }
      const left = written.filter((name) => methodsOf(name).some((method) => methods.has(method)));
      if (left.length === written.length || left.length === 0) continue;
      const splice = methodSplice(file, allow.items[place] as Node, left);
      if (splice === undefined) continue;
      splices.push(splice);
      for (const name of written.filter((one) => !left.includes(one)))
        tell(ruleEndpointText({ ...rule.endpoints[place]!, methods: [name] }));
    }
  }
  return splices;
}

/** Other methods in place of those that an endpoint is written with, in the order in which they stand. */
function methodSplice(file: YamlFile, node: Node, left: readonly string[]): Splice | undefined {
  if (!isScalar(node) || typeof node.value !== "string") return undefined;
  const written = node.value.slice(0, node.value.indexOf(" "));
  const [start, end] = rangeOf(node);
  const at = file.text.indexOf(written, start);
  // Within quotes a character may be written in another way.
  if (at < 0 || at > start + 1 || at + written.length > end) return undefined;
  const text = written
    .split("|")
    .filter((name) => left.includes(name))
    .join("|");
  return { start: at, end: at + written.length, text };
}

function isUsedCaller(text: string, use: RuleUse, policy: Policy, sets: SetUse): boolean {
  if (text === "anonymous") return true;
  const ids = [...use.callers].flatMap((caller) => idOf(caller) ?? []);
  if (text === "any") return ids.length > 0;
  const patterns = sets.members(text) ?? patternOf(text, policy);
  return patterns.some((pattern) => ids.some((id) => callerCovers(pattern, id)));
}

/** The pattern that a text in `callers` is; none for what is no pattern. */
function patternOf(text: string, policy: Policy): CallerPattern[] {
  const pattern = parseCaller(text);
  return typeof pattern === "string" ? [] : [withoutAlias(pattern, policy.aliases)];
}

/** So many callers of a pattern are named. */
const named_max = 5;

/** Says who used a pattern, where they are few: whoever knows that no others are to come can name them. */
function noteWide(text: string, { rule, use, policy, sets, change }: Narrowing): void {
  if (sets.members(text) !== undefined || text === "anonymous") return;
  const pattern = text === "any" ? undefined : patternOf(text, policy)[0];
  if (pattern !== undefined && pattern.kind === "exact" && pattern.wildcards === 0) return;
  const ids = [...use.callers].filter((caller) => {
    const id = idOf(caller);
    return id !== undefined && (pattern === undefined || callerCovers(pattern, id));
  });
  if (ids.length === 0 || ids.length > named_max) return;
  const names = ids.map(escaped).sort(compareTexts).join(", ");
  change.notes.push(`rule ${rule.name}: \`${text}\` was used by ${counted(ids.length, "caller")} only: ${names}`);
}

/** Which members of caller sets are needed. */
class SetUse {
  readonly #policy: Policy;
  readonly #members: ReadonlyMap<string, readonly CallerPattern[]>;
  /** By set: members that some rule needs. */
  readonly #needed = new Map<string, Set<CallerPattern>>();
  /** Sets that are left as they are. */
  readonly #kept = new Set<string>();

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#members = new Map(policy.callerSets.map(({ name, callers }) => [name, callers]));
  }

  members(name: string): readonly CallerPattern[] | undefined {
    return this.#members.get(name);
  }

  /** A rule that stays as it is. */
  keep(rule: Rule): void {
    for (const caller of rule.callers) if (caller.kind === "set") this.#kept.add(caller.name);
  }

  use(rule: Rule, use: RuleUse): void {
    const ids = [...use.callers].flatMap((caller) => idOf(caller) ?? []);
    for (const caller of rule.callers) {
      if (caller.kind !== "set") continue;
      const members = (this.#members.get(caller.name) ?? []).filter((one) => ids.some((id) => callerCovers(one, id)));
      // Where none is used, the rule loses the set.
      if (members.length === 0) continue;
      const needed = this.#needed.get(caller.name) ?? new Set();
      this.#needed.set(caller.name, needed);
      for (const member of members) needed.add(member);
    }
  }

  /** The sets of a file without members that no rule needs, and without sets that no rule has any more. */
  narrowed(file: YamlFile, change: Change): Splice[] {
    const mapping = file.mapping("callers");
    if (mapping === undefined) return [];
    const inUse = new Set(
      this.#policy.rules.flatMap(({ callers }) => callers.flatMap((one) => (one.kind === "set" ? [one.name] : []))),
    );
    let keys = mapping.items.length;
    return mapping.items.flatMap(({ key, value }) => {
      const name = String(key);
      const members = this.#members.get(name);
      // What no rule had before is not for us to judge.
      if (members === undefined || !isSeq(value) || this.#kept.has(name) || !inUse.has(name)) return [];
      const needed = this.#needed.get(name);
      if (needed === undefined) {
        const splice = file.withoutKey(mapping, name);
        // A mapping without any key would be none.
        if (splice === undefined || keys === 1) return [];
        keys--;
        change.removed.push({ rule: "", what: `set ${name}` });
        return [splice];
      }
      const unused = members.flatMap((member, place) => (needed.has(member) ? [] : [place]));
      if (unused.length === 0 || value.items.length !== members.length) return [];
      for (const place of unused)
        change.removed.push({ rule: "", what: `${printCaller(members[place]!)} of set ${name}` });
      return file.without(value, unused);
    });
  }
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
