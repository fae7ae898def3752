/** `discover --suggest`: the policy that admits what was admitted, and nothing that was not seen. */
import { groupUsages } from "../discover/endpoints.ts";
import { compareTexts } from "../discover/order.ts";
import { pinsOfPolicy } from "../discover/pins.ts";
import { compilePolicy } from "../policy/build.ts";
import { parseCaller } from "../policy/language/spiffe.ts";
import { nameFault } from "../policy/language/values.ts";
import { type Diagnostic, PolicyError } from "../policy/source/diagnostic.ts";
import type { Usage } from "../traffic/usage.ts";
import { BasePolicy } from "./base.ts";
import { CallerSets } from "./callersets.ts";
import { countLines, seenWords, sum } from "./counts.ts";
import { grantsOf, type LeftOut } from "./grants.ts";
import { endpointTexts, type Group, groupsOf } from "./groups.ts";
import { counted, escaped } from "./hostile.ts";
import { limitOf } from "./limits.ts";
import { Names, ruleNames } from "./names.ts";
import { policyOfText } from "./read.ts";
import { type OpenIssuer, type WrittenRule, writePolicy } from "./write.ts";

/** How a policy is suggested. */
export interface SuggestOptions {
  /** An existing policy: its trust, issuers, deny rules and what it says of everybody are taken over. */
  policy?: string;
  /** Where the suggestion is to be written, so that files are found from there. */
  output: string;
  /** Limits are so many times the busiest minute seen; 0: no limits. */
  headroom?: number;
  /** The policy's name; by default that of the policy that the log or `policy` names. */
  name?: string;
}

/** A suggested policy. */
export interface Suggestion {
  text: string;
  rules: number;
  /** Requests that its rules are for. */
  requests: number;
  /** Requests that were denied: none of them became a rule. */
  denied: number;
  /** Admitted requests that no rule is for, with the reasons. */
  leftOut: LeftOut[];
  /** Warnings of the policy as it is; none where something has to be filled in. */
  warnings: Diagnostic[];
  /** What a person has to fill in before the policy builds: the errors of `check`. */
  open: Diagnostic[];
}

/** Nothing can be suggested; the message says why, and what to do. */
export class SuggestError extends Error {
  override name = "SuggestError";
}

/** So many requests that are left out are listed in the policy. */
const listed_max = 20;
export const usual_headroom = 2;

/**
 * Suggests a policy.
 * @throws SuggestError, or PolicyError for the existing policy
 */
export function suggestPolicy(logged: readonly Usage[], options: SuggestOptions): Suggestion {
  const { output, headroom = usual_headroom } = options;
  if (headroom !== 0 && !(headroom >= 1 && headroom <= 1000))
    throw new SuggestError("the headroom of limits is a factor from 1 to 1000, or 0 for no limits");
  const base = options.policy === undefined ? undefined : new BasePolicy(options.policy, folderOf(output));
  const domains = base && new Set(base.policy.trustDomains);
  const seen = base === undefined ? logged : logged.map((usage) => withScopes(usage, base));
  const traffic = groupUsages(seen, base && pinsOfPolicy(base.policy));
  const { grants, leftOut: faulty, denied } = grantsOf(traffic, domains);
  if (grants.length === 0) throw new SuggestError(nothingWords(faulty, denied));
  const { groups, leftOut: wide } = groupsOf(grants, traffic.endpoints);
  const leftOut = [...faulty, ...wide].sort((a, b) => b.requests - a.requests);
  const issuers = new IssuerNames(groups, base);
  const denyRules = base?.denyRules() ?? [];
  const takenSets = new Set(
    denyRules.flatMap(({ rule }) => rule.callers.flatMap((one) => (one.kind === "set" ? [one.name] : []))),
  );
  const sets = new CallerSets(groups, takenSets);
  const names = new Names(denyRules.map(({ rule }) => rule.name));
  const limits: Parameters<typeof writePolicy>[0]["limits"] = [];
  const rules = groups.map((group): WrittenRule => {
    const who = sets.of(group);
    const name = names.take(...ruleNames(group, who.names));
    const limit = headroom === 0 ? undefined : limitOf(group.usages, group.callers[0] === "", headroom);
    if (limit !== undefined) limits.push({ name, limit });
    return {
      name,
      comments: ruleComments(group),
      callers: who.callers,
      hosts: group.hosts,
      allow: endpointTexts(group.endpoints),
      token: [...new Set(group.issuers.map((issuer) => issuers.of(issuer)))].sort(compareTexts),
      scopes: group.scopes,
      when: group.condition,
      limit: limit && name,
    };
  });
  const usages = groups.flatMap((group) => group.usages);
  const text = writePolicy({
    comments: headComments({ groups, headroom, leftOut, denied, base }),
    name: policyName(options.name ?? base?.policy.name, seen),
    domains: base === undefined ? trustOf(groups) : undefined,
    whole: base?.wholeKeys() ?? [],
    issuers: base?.issuers([...new Set([...issuers.known, ...denyRules.flatMap(({ rule }) => rule.issuers)])]) ?? [],
    openIssuers: issuers.open,
    callerSets: sets.sets.filter(({ name }) => rules.some(({ callers }) => callers.includes(name))),
    takenSets: base?.callerSets(takenSets) ?? [],
    limits,
    lists: base?.lists(new Set(denyRules.flatMap(({ rule }) => [...(rule.condition?.lists.keys() ?? [])]))) ?? [],
    rules,
    denyRules: denyRules.map(({ node }) => node),
  });
  const isOpen = issuers.open.length > 0 || groups.some(({ callers }) => callers.length === 0);
  const findings = findingsOf(text, output, isOpen);
  return { text, rules: rules.length, requests: sum(usages), denied, leftOut, ...findings };
}

/** The filter's record has no scopes. A rule of the policy that let a request in says which ones its token had all the same. */
function withScopes(usage: Usage, { policy }: BasePolicy): Usage {
  if (usage.policy !== policy.name || usage.decision !== "allow" || usage.issuer === "") return usage;
  const rule = policy.rules.find(({ name, action }) => name === usage.rule && action === "allow");
  if (rule === undefined || rule.isAnyScope || rule.scopes.length === 0) return usage;
  const scopes = new Set([...usage.scopes.split(" "), ...rule.scopes].filter((scope) => scope !== ""));
  return { ...usage, scopes: [...scopes].sort().join(" ") };
}

/** What `check` says of the suggestion. Throws SuggestError for what nobody was asked to fill in. */
function findingsOf(text: string, output: string, isOpen: boolean): Pick<Suggestion, "warnings" | "open"> {
  try {
    const { policy, warnings } = policyOfText(output, text);
    compilePolicy({ policy, warnings }, output);
    return { warnings, open: [] };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    const codes: ReadonlySet<string> = new Set(["value", "key_source"]);
    if (isOpen && error.diagnostics.every(({ code }) => codes.has(code)))
      return { warnings: [], open: error.diagnostics };
    throw new SuggestError(`the policy that would be suggested has errors, so it was not written:\n${error.message}`);
  }
}

function folderOf(path: string): string {
  return path.replace(/[^/]*$/u, "") || ".";
}

/** The policy's name: what was asked for, or what the log's records name most. */
function policyName(wanted: string | undefined, usages: readonly Usage[]): string {
  if (wanted !== undefined) {
    const fault = nameFault(wanted);
    if (fault !== undefined) throw new SuggestError(`the policy cannot be called \`${escaped(wanted)}\`: ${fault}`);
    return wanted;
  }
  const counts = new Map<string, number>();
  for (const { policy, count, admitted } of usages)
    if (admitted && policy !== "" && nameFault(policy) === undefined)
      counts.set(policy, (counts.get(policy) ?? 0) + count);
  const [most] = [...counts].sort(([a, m], [b, n]) => n - m || compareTexts(a, b));
  return most?.[0] ?? "suggested";
}

function trustOf(groups: readonly Group[]): { names: string[]; comments: string[] } {
  const domains = new Set<string>();
  for (const { callers } of groups)
    for (const caller of callers) {
      const pattern = parseCaller(caller);
      if (typeof pattern !== "string") domains.add(pattern.trustDomain);
    }
  if (domains.size > 0) return { names: [...domains].sort(compareTexts), comments: [] };
  const comments = ["CHECK: no caller with an identity was seen. Put your trust domain here; nobody is in this one."];
  return { names: ["nobody.invalid"], comments };
}

/** What issuers of the log are called in the suggestion. */
class IssuerNames {
  readonly open: OpenIssuer[] = [];
  readonly known: string[] = [];
  readonly #names = new Map<string, string>();

  constructor(groups: readonly Group[], base: BasePolicy | undefined) {
    const seen = [...new Set(groups.flatMap(({ issuers }) => issuers))].sort(compareTexts);
    const free = new Names(base?.policy.issuers.map(({ name }) => name));
    for (const issuer of seen) {
      const known = base?.issuerName(issuer);
      if (known !== undefined) this.known.push(known);
      else this.open.push(openIssuer(issuer, free));
      this.#names.set(issuer, known ?? this.open.at(-1)!.name);
    }
  }

  of(seen: string): string {
    return this.#names.get(seen)!;
  }
}

/** An issuer that nothing but its name, or its `iss`, is known of. */
function openIssuer(seen: string, free: Names): OpenIssuer {
  if (nameFault(seen) === undefined) return { name: free.take(seen), issuer: "" };
  const isUrl = /^https:\/\/[\w.-]+(?::\d+)?(?:\/[\w.~/-]*)?$/u.test(seen) && seen.length < 256;
  const host = isUrl ? new URL(seen).hostname.split(".") : ["issuer"];
  return {
    name: free.take(host.find((label) => !/^(?:www|login|auth|idp|sso|issuer|id)$/u.test(label)) ?? host[0]!),
    issuer: isUrl ? seen : "",
  };
}

function ruleComments(group: Group): string[] {
  const lines = countLines(group.usages);
  if (group.callers.length === 0)
    lines.push(
      "FILL IN: the log does not say who called. Name the callers, such as [spiffe://example.org/web]; [anonymous] lets in everybody.",
    );
  if (group.callers[0] === "")
    lines.push("WARNING: callers without an identity were let in, so this rule lets in everybody.");
  if (group.hosts.length === 0)
    lines.push("WARNING: the log does not say for which host; this rule is for every host.");
  if (group.condition !== undefined)
    lines.push("`when` keeps out endpoints that have a name where this one has a variable.");
  return lines;
}

function headComments({
  groups,
  headroom,
  leftOut,
  denied,
  base,
}: {
  groups: readonly Group[];
  headroom: number;
  leftOut: readonly LeftOut[];
  denied: number;
  base: BasePolicy | undefined;
}): string[] {
  const lines = [
    "Suggested by `sallyport discover --suggest` from traffic: it admits what was admitted, and nothing that was not seen.",
    `Seen: ${seenWords(groups.flatMap(({ usages }) => usages))}.`,
    "`{name}` in a path is any one segment. GET is for HEAD, too.",
  ];
  if (headroom > 0)
    lines.push(`Limits are ${headroom} times the busiest minute of the busiest caller, rounded up to two digits.`);
  if (denied > 0) lines.push(`${counted(denied, "request was", "requests were")} denied; none of them became a rule.`);
  const conditions =
    base?.policy.rules.filter(({ action, condition }) => action === "allow" && condition !== undefined) ?? [];
  if (conditions.length > 0) {
    const names = conditions
      .slice(0, listed_max)
      .map(({ name }) => name)
      .join(", ");
    lines.push(
      `CHECK: conditions (\`when\`) of these rules are not in this policy, since a log does not show what they look at: ${names}${conditions.length > listed_max ? ", ..." : ""}.`,
    );
  }
  if (leftOut.length > 0) {
    const requests = leftOut.reduce((sum, one) => sum + one.requests, 0);
    lines.push("", `CHECK: ${counted(requests, "admitted request", "admitted requests")} that no rule is for:`);
    for (const one of leftOut.slice(0, listed_max))
      lines.push(`- ${one.what}: ${one.why} (${counted(one.requests, "request")})`);
    if (leftOut.length > listed_max)
      lines.push(`- and ${counted(leftOut.length - listed_max, "more kind", "more kinds")} of them.`);
  }
  return lines;
}

function nothingWords(leftOut: readonly LeftOut[], denied: number): string {
  const [first] = leftOut;
  const why =
    first === undefined
      ? ""
      : `; ${counted(leftOut.length, "kind")} of admitted requests cannot be one, such as ${first.what}: ${first.why}`;
  return `the log has no admitted request that could become a rule: ${counted(denied, "request was", "requests were")} denied${why}. Give logs of a time with traffic, or of a policy with \`mode: shadow\``;
}
